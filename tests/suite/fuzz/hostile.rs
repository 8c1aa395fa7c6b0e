//! Input that somebody means harm with, and input that got damaged on its way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::value::RawValue;

/// JSON values that programs stumble over.
const ODD: [&str; 48] = [
    "null",
    "true",
    "false",
    "\"\"",
    "\"null\"",
    "\"true\"",
    r#""\u0000""#,
    r#""a\u0000b""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ud83d\ude00""#,
    r#""\uffff\ufeff\u202e""#,
    r#""\r\n\r\nHTTP/1.1 200 OK""#,
    r#""' OR Id != null --""#,
    r#""../../services/data""#,
    r#""\"}],\"x\":[{""#,
    "0",
    "-0",
    "-0.0",
    "0.1",
    "1e3",
    "1E+400",
    "1e-400",
    "-1e28",
    "1e-28",
    "1e2147483648",
    "1e-2147483649",
    "79228162514264337593543950336",
    "0.00000000000000000000000000001",
    "1.23456789012345678901234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "253402300800",
    "-377705116801",
    "\"1e9\"",
    "\"0x10\"",
    "\" 12 \"",
    "\"１２\"",
    "{}",
    "[]",
    "[[]]",
    "[null]",
    r#"{"id":null}"#,
    r#"{"id":"","object":""}"#,
    r#"{"id":"ch_1","object":"charge"}"#,
    r#"[{"id":"txn_1","object":"balance_transaction","amount":"x"}]"#,
];

/// The longest texts that are made up.
const LONG: usize = 1 << 20;
/// The deepest nesting.
const DEEP: usize = 200_000;

/// A JSON value as text; now and then it is none.
pub fn json_value() -> impl Strategy<Value = String> {
    let text = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let nested = (1..=DEEP, select(vec!["[", "{\"a\":", "[{\"id\":"]), any::<bool>()).prop_map(
        |(depth, open, close)| {
            let inner = open.chars().rev().filter_map(|c| match c {
                '[' => Some(']'),
                '{' => Some('}'),
                _ => None,
            });
            let closed = if close { inner.collect::<String>().repeat(depth) } else { String::new() };
            format!("{}1{closed}", open.repeat(depth))
        },
    );
    let long = (1..=LONG, select(vec!["a", "é", "😀", "\\u0000", "\\ud800", "\\\\"]))
        .prop_map(|(length, unit)| format!("\"{}\"", unit.repeat(length / unit.len())));
    prop_oneof![
        400 => select(ODD.to_vec()).prop_map(str::to_owned),
        100 => any::<i64>().prop_map(|number| number.to_string()),
        100 => "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,12})?",
        200 => text,
        100 => ".{0,40}",
        1 => nested,
        1 => long,
    ]
}

/// What is done to a JSON text.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Another value in the place of one.
    Replaced(Index, String),
    /// A value that is written twice over, as another one.
    Doubled(Index, String),
    /// One byte less.
    Missing(Index),
    /// Another byte.
    Wrong(Index, u8),
    /// Its end is missing.
    Cut(Index),
}

/// A few things at a time; mostly it stays JSON.
pub fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        40 => (any::<Index>(), json_value()).prop_map(|(at, value)| Damage::Replaced(at, value)),
        4 => (any::<Index>(), json_value()).prop_map(|(at, value)| Damage::Doubled(at, value)),
        1 => any::<Index>().prop_map(Damage::Missing),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Wrong(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ];
    vec(one, 1..4)
}

/// The text after all that was done to it. Where bytes make it no UTF-8, they are replaced.
pub fn damaged(text: &str, damages: &[Damage]) -> String {
    damages.iter().fold(text.to_owned(), |text, damage| {
        if text.is_empty() {
            return text;
        }
        let bytes = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = text.clone().into_bytes();
            change(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        match damage {
            Damage::Replaced(at, value) => match spot(&text, *at) {
                Some(spot) => format!("{}{value}{}", &text[..spot.start], &text[spot.end..]),
                None => value.clone(),
            },
            Damage::Doubled(at, value) => match spot(&text, *at) {
                Some(spot) => format!("{},{value}{}", &text[..spot.end], &text[spot.end..]),
                None => format!("{text}{value}"),
            },
            Damage::Missing(at) => bytes(&|bytes| {
                bytes.remove(at.index(text.len()));
            }),
            Damage::Wrong(at, byte) => bytes(&|bytes| bytes[at.index(text.len())] = *byte),
            Damage::Cut(at) => bytes(&|bytes| bytes.truncate(at.index(text.len()))),
        }
    })
}

/// Where one of the values of a JSON text is.
fn spot(text: &str, at: Index) -> Option<Range<usize>> {
    let mut spots = Vec::new();
    collect(text.as_ptr() as usize, text, 0, &mut spots);
    (!spots.is_empty()).then(|| spots[at.index(spots.len())].clone())
}

fn collect(base: usize, text: &str, depth: usize, spots: &mut Vec<Range<usize>>) {
    let inside: Vec<&RawValue> = match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text)
            .map(|map| map.into_values().collect())
            .unwrap_or_default(),
        Some(b'[') => serde_json::from_str(text).unwrap_or_default(),
        _ => Vec::new(),
    };
    for value in inside {
        let start = value.get().as_ptr() as usize - base;
        spots.push(start..start + value.get().len());
        if depth < 12 {
            collect(base, value.get(), depth + 1, spots);
        }
    }
}

/// TOML that programs stumble over, as lines of their own.
pub fn toml() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "a = 1\na = 2",
        "[stripe]\nmain = 1",
        "stripe.main.secret_key = 1",
        "[a]\n[a]",
        "[[stripe.main]]",
        "x = [1, {y = [2]}]",
        "x = 1979-05-27T07:32:00Z",
        "x = inf",
        "x = 0xdead",
        "x = 99999999999999999999999999",
        "x = \"\\u0000\"",
        "x = \"\\ud800\"",
        "x = '''",
        "\"\" = 1",
        "\"a.b\" = 1",
        "= 1",
        "[",
        "\u{feff}",
        "\0",
        "\r",
    ]);
    let nested =
        (1..DEEP, select(vec!["[", "{a=", "[{a=["])).prop_map(|(n, open)| format!("x = {}", open.repeat(n)));
    let dotted = (1..DEEP).prop_map(|n| format!("x{} = 1", ".a".repeat(n)));
    let tables = (1..DEEP).prop_map(|n| format!("[x{}]", ".a".repeat(n)));
    let long = (1..LONG).prop_map(|n| format!("{} = 1", "k".repeat(n)));
    prop_oneof![
        200 => odd.prop_map(str::to_owned),
        100 => ".{0,60}",
        100 => ("[a-z_.]{1,20}", json_value()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => nested,
        1 => dotted,
        1 => tables,
        1 => long,
    ]
}

/// Lines of `text` replaced, or something put between them.
pub fn toml_damage() -> impl Strategy<Value = Vec<(Index, Option<String>)>> {
    let line = prop_oneof![1 => Just(None), 4 => toml().prop_map(Some)];
    vec((any::<Index>(), line), 1..5)
}

/// The text with that done to its lines.
pub fn damaged_lines(text: &str, damages: &[(Index, Option<String>)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (at, line) in damages {
        let at = at.index(lines.len().max(1));
        match line {
            Some(line) => lines.insert(at, line),
            None if at < lines.len() => drop(lines.remove(at)),
            None => {}
        }
    }
    lines.join("\n")
}
