//! Events with hostile objects, and mapping files.

use std::sync::OnceLock;

use paybridge::mapping::{self, Mapped, Mapping, Surroundings, Wish};
use paybridge::salesforce::schema::{Kind, Schema};
use paybridge::salesforce::{Value, record_id};
use paybridge::store::Payload;
use paybridge::stripe::event::{Event, ObjectHead};
use proptest::collection::vec;
use proptest::prelude::{any, prop_oneof};
use proptest::sample::{Index, select};

use super::hostile::{damaged, damaged_lines, damages, json_value, toml_damage};
use super::{Cost, fuzz};

const STORY: &str = include_str!("../../fixtures/story.jsonl");
const VERSION: &str = "2026-10-28.endive";

fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::package().unwrap())
}

fn default_mapping() -> &'static Mapping {
    static MAPPING: OnceLock<Mapping> = OnceLock::new();
    MAPPING.get_or_init(|| Mapping::load(None, schema()).unwrap())
}

/// Events of the story in the version that the mapping understands.
fn story() -> Vec<&'static str> {
    STORY.lines().filter(|line| line.contains(VERSION)).collect()
}

/// What Salesforce and both databases can take, whatever came.
fn sound(mapped: &Mapped, event: &str) {
    let plain = |id: &str| (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let (changes, wishes) = match mapped {
        Mapped::Foreign(object, _) => return assert!(plain(&object.id), "{object:?}"),
        Mapped::Changes(changes, wishes) => (changes, wishes),
    };
    for wish in wishes {
        let (Wish::Object(object) | Wish::Contents(object)) = wish;
        assert!(plain(&object.id), "{object:?}");
    }
    for change in changes {
        assert!(plain(&change.external_id), "{change:?}");
        assert!(change.parents.iter().all(|parent| plain(&parent.id)), "{change:?}");
        let json = change.fields.to_json().unwrap();
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        assert!(json.len() < 4 * event.len() + 20_000, "{} bytes became {}", event.len(), json.len());
        let fields = schema().fields(change.sobject.trim_end_matches(".Id"));
        for (name, value) in change.fields.iter() {
            let kind = fields.and_then(|fields| fields.get(name)).map(|field| &field.kind);
            match (kind, value) {
                (Some(Kind::Text(most)), Value::Text(text)) => {
                    assert!(text.encode_utf16().count() <= *most, "{name}: {text}");
                }
                (Some(Kind::Lookup(_)), Value::Text(id)) => {
                    assert_eq!(record_id::long_form(id).as_ref(), Some(id), "{name}");
                }
                (Some(Kind::Picklist { values, restricted: true }), Value::Text(word)) => {
                    assert!(values.contains(word), "{name}: {word}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn mapping_of_hostile_events_gives_what_salesforce_can_take() {
    let around = Surroundings::new(VERSION, Some("acct_1"), Some("00D5g00000AbCdEEAV"));
    let input = (select(story()), damages());
    fuzz("mapping", Cost::Fair, &input, |(event, damages)| {
        let event = damaged(event, &damages);
        let mapped = default_mapping().map_in(&around, &event);
        if let Ok(mapped) = &mapped {
            sound(mapped, &event);
        }
        let again = default_mapping().map_in(&around, &event);
        assert_eq!(mapped.map_err(|error| error.to_string()), again.map_err(|error| error.to_string()));
    });
}

#[test]
fn event_bodies_are_read_or_refused_and_stored_as_they_came() {
    let damaged_event = (select(story()), damages());
    let input = prop_oneof![
        4 => proptest::strategy::Strategy::prop_map(damaged_event, |(event, damages)| damaged(event, &damages).into_bytes()),
        1 => vec(any::<u8>(), 0..300),
        1 => proptest::strategy::Strategy::prop_map(json_value(), String::into_bytes),
    ];
    fuzz("event bodies", Cost::Fair, &input, |body| {
        if let Ok(event) = serde_json::from_slice::<Event<'_, ObjectHead<'_>>>(&body) {
            assert!(event.id.len() <= body.len());
        }
        if let Ok(text) = std::str::from_utf8(&body) {
            assert_eq!(Payload::pack(text).unpack().unwrap(), text);
        }
    });
}

#[test]
fn record_ids_are_recognised_in_any_text() {
    fuzz("record ids", Cost::Cheap, &prop_oneof!["[a-zA-Z0-9]{14,19}", ".{0,20}"], |text| {
        if let Some(long) = record_id::long_form(&text) {
            assert_eq!(long.len(), 18);
            assert_eq!(long[..15], text[..15]);
            assert_eq!(record_id::long_form(&long), Some(long));
        }
    });
}

/// Some lines of the default mapping, as somebody may have copied them into a file of their own.
fn excerpt(from: Index, length: usize) -> String {
    let lines: Vec<&str> = mapping::DEFAULT.lines().collect();
    let from = from.index(lines.len());
    lines[from..(from + length).min(lines.len())].join("\n")
}

#[test]
fn mapping_files_are_taken_or_explained() {
    let words = "[-a-zA-Z_.0-9\"'{}\\[\\]=, ]{0,12}";
    let input =
        ((any::<Index>(), 1..60_usize), toml_damage(), vec((any::<Index>(), words), 0..3), select(story()));
    fuzz("mapping files", Cost::Slow, &input, |((from, length), lines, words, event)| {
        let mut own = damaged_lines(&excerpt(from, length), &lines);
        for (at, word) in words {
            let spots: Vec<usize> = own.char_indices().map(|(at, _)| at).collect();
            if !spots.is_empty() {
                own.insert_str(spots[at.index(spots.len())], &word);
            }
        }
        match Mapping::load(Some(("own.toml", &own)), schema()) {
            Ok(mapping) => {
                if let Ok(mapped) = mapping.map(event, VERSION) {
                    sound(&mapped, event);
                }
            }
            Err(faults) => {
                let lines = own.lines().count().max(1) + 1;
                let own = faults.0.iter().filter(|fault| &*fault.place.file == "own.toml");
                own.for_each(|fault| assert!((1..=lines).contains(&fault.place.line), "{fault}"));
                assert!(!faults.to_string().is_empty());
            }
        }
        Mapping::targets(Some(("own.toml", &own)));
    });
}
