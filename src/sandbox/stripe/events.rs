//! Events: what changed, when and through which call, and whether the service has accepted it.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::lists::{self, LIST};
use super::state::{State, text};

/// The version in which objects and events are rendered.
pub(super) const API_VERSION: &str = "2026-10-28.endive";

/// One event with what became of it.
pub(super) struct Event {
    pub(super) value: Value,
    pub(super) accepted: bool,
    pub(super) attempts: u32,
    /// The status of the last attempt; 0 when nobody answered.
    pub(super) last_status: Option<u16>,
}

impl Event {
    fn new(value: Value) -> Self {
        Self { value, accepted: false, attempts: 0, last_status: None }
    }

    pub(super) fn id(&self) -> &str {
        text(&self.value, "id")
    }

    /// The event as it is read back: accepted by all endpoints or not.
    pub(super) fn read(&self) -> Value {
        let mut value = self.value.clone();
        value["pending_webhooks"] = u8::from(!self.accepted).into();
        value
    }
}

/// All events, oldest first.
#[derive(Default)]
pub(super) struct Log {
    events: Vec<Event>,
    places: HashMap<String, usize>,
    /// The places of events not accepted yet, so that deliveries need not look at all.
    waiting: BTreeSet<usize>,
}

impl Log {
    pub(super) fn push(&mut self, value: Value) {
        let place = self.events.len();
        let event = Event::new(value);
        self.places.insert(event.id().to_owned(), place);
        self.waiting.insert(place);
        self.events.push(event);
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Forgets the events after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for event in self.events.drain(len.min(self.events.len())..) {
            self.places.remove(event.id());
        }
        self.waiting.split_off(&len);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Event> {
        self.events.get(*self.places.get(id)?)
    }

    /// Events not accepted yet, oldest first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Event> {
        self.waiting.iter().filter_map(|place| self.events.get(*place))
    }

    /// Notes an attempt to deliver; any 2xx accepts the event for good.
    pub(super) fn attempted(&mut self, id: &str, status: u16) {
        let Some(place) = self.places.get(id).copied() else { return };
        let Some(event) = self.events.get_mut(place) else { return };
        event.attempts += 1;
        event.last_status = Some(status);
        if (200..300).contains(&status) {
            event.accepted = true;
            self.waiting.remove(&place);
        }
    }
}

const FILTERS: &[Rule] = &[("type", Kind::Word), ("types[]", Kind::Word), ("delivery_success", Kind::Bool)];

/// `GET /v1/events`
pub(super) fn list(state: &State, form: &Form) -> Answer {
    form.check(&[LIST, lists::CREATED, FILTERS])?;
    let types = form.words("types");
    if types.len() > 20 {
        return Err(Refusal::invalid("You may pass at most 20 types.").param("types"));
    }
    let wanted = |kind: &str| match form.word("type") {
        Some(one) => matches(one, kind),
        None => types.is_empty() || types.iter().any(|one| matches(one, kind)),
    };
    let events = state.events.iter().rev();
    let events = events.filter(|event| wanted(text(&event.value, "type")));
    let events =
        events.filter(|event| form.flag("delivery_success").is_none_or(|success| event.accepted == success));
    let read: Vec<Value> = events.map(Event::read).collect();
    lists::page("event", "/v1/events", read.iter(), form)
}

/// `GET /v1/events/{id}`
pub(super) fn get(state: &State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let found = state.events.find(id);
    found.map(Event::read).ok_or_else(|| Refusal::no_such("event", id, "id"))
}

/// `charge.*` stands for all of a group.
fn matches(wanted: &str, kind: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(group) => kind.starts_with(group),
        None => kind == wanted,
    }
}

/// The fields that changed, with their former values: hashes in part, arrays whole.
pub(super) fn difference(before: &Value, after: &Value) -> Map<String, Value> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return Map::new() };
    let mut changed = Map::new();
    for (key, was) in old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is) if is.is_object() && was.is_object() => {
                changed.insert(key.clone(), Value::Object(difference(was, is)));
            }
            _ => {
                changed.insert(key.clone(), was.clone());
            }
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        changed.insert(key.clone(), Value::Null);
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn previous_attributes_hold_former_values_of_what_changed() {
        let before =
            json!({ "a": 1, "b": null, "meta": { "k": "v", "same": "s" }, "list": [1, 2], "same": true });
        let after = json!({ "a": 1, "b": 2, "meta": { "same": "s", "new": "n" }, "list": [1], "same": true });
        let changed = Value::Object(difference(&before, &after));
        assert_eq!(changed, json!({ "b": null, "meta": { "k": "v", "new": null }, "list": [1, 2] }));
    }

    #[test]
    fn a_star_asks_for_a_group() {
        assert!(matches("charge.*", "charge.dispute.created") && matches("charge.updated", "charge.updated"));
        assert!(!matches("charge.*", "refund.created"));
    }
}
