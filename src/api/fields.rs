//! Reads the fields of a JSON body and collects everything that is wrong with them, so that one answer names it all.
//!
//! Numbers are kept as text until somebody needs them: an amount must never pass through floating point. `null` and blank
//! text count as absent, because that is what an unset Flow variable becomes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::moments;
use super::problem::{Code, FieldProblem, Problem};

/// So many members of one object are looked at; far more than any request has.
const MOST_MEMBERS: usize = 100;

/// So many faults of one body are told; whoever mends them sees the next.
const MOST_FAULTS: usize = 50;

/// The fields of one JSON object that nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Where the object is: empty, or like `items[0].`.
    place: String,
    left: Vec<(String, Box<RawValue>)>,
    known: Vec<&'static str>,
    faults: Vec<FieldProblem>,
}

/// A word that a field may hold, and what it stands for.
pub(crate) type Words<T> = [(&'static str, T)];

impl Fields {
    /// The fields of a body.
    ///
    /// Errors: 400 `invalid_json` when it is not a JSON object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let object: Object = serde_json::from_slice(body).map_err(|error| {
            // Of a value that is no object the error would quote what was sent.
            let detail = match error.classify() {
                _ if body.is_empty() => "the body is empty: send a JSON object".to_owned(),
                Category::Data => "the body is JSON, but not an object: begin with `{`".to_owned(),
                _ => format!("the body is not JSON: {error}"),
            };
            Problem::new(Code::InvalidJson, detail)
        })?;
        Ok(Self::at(String::new(), object))
    }

    fn at(place: String, object: Object) -> Self {
        let mut fields = Self { place, left: Vec::new(), known: Vec::new(), faults: Vec::new() };
        for (place, (name, value)) in object.0.into_iter().enumerate() {
            if place == MOST_MEMBERS {
                let expected = format!("at most {MOST_MEMBERS} fields");
                fields.fault(&excerpt(&name), "is one field too many", Some(&expected), None);
            } else if fields.left.iter().any(|(other, _)| *other == name) {
                fields.fault(&excerpt(&name), "is there twice", Some("each field once"), None);
            } else {
                fields.left.push((name, value));
            }
        }
        fields.left.retain(|(_, value)| value.get() != "null");
        fields
    }

    /// What the fields make, if nothing was wrong with them.
    ///
    /// Errors: 422 `invalid_request` with all faults, unknown fields among them.
    pub(crate) fn finish<T>(mut self, made: Option<T>) -> Result<T, Problem> {
        self.refuse_unknown();
        match made {
            Some(made) if self.faults.is_empty() => Ok(made),
            _ => Err(Problem::fields(self.faults)),
        }
    }

    /// Names fields that are possible here although nobody needs them this time.
    pub(super) fn know(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Notes that something is wrong with a field.
    pub(crate) fn fault(
        &mut self,
        name: &str,
        problem: impl Into<String>,
        expected: Option<&str>,
        example: Option<&str>,
    ) {
        if self.is_full() {
            return;
        }
        self.faults.push(FieldProblem {
            field: format!("{}{name}", self.place),
            problem: problem.into(),
            expected: expected.map(str::to_owned),
            example: example.map(str::to_owned),
        });
    }

    /// Whether no more faults are told.
    fn is_full(&self) -> bool {
        self.faults.len() >= MOST_FAULTS
    }

    /// Whether something was wrong with a field.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.field.strip_prefix(&self.place) == Some(name))
    }

    /// Notes that a field is missing.
    pub(crate) fn missing(&mut self, name: &str, expected: &str, example: &str) {
        self.fault(name, "is required", Some(expected), Some(example));
    }

    /// The fields that were asked for, in that order.
    #[cfg(test)]
    pub(crate) fn known_names(&self) -> Vec<&'static str> {
        self.known.clone()
    }

    /// Whether a field is there, and not blank.
    pub(super) fn peek(&self, name: &str) -> bool {
        self.left.iter().any(|(other, value)| other == name && !is_blank(value))
    }

    /// The text of a value as it was sent, quotes included.
    pub(super) fn raw(&mut self, name: &'static str) -> Option<Box<RawValue>> {
        self.known.push(name);
        let at = self.left.iter().position(|(other, _)| other == name)?;
        let (_, value) = self.left.swap_remove(at);
        (!is_blank(&value)).then_some(value)
    }

    fn typed<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &'static str,
        expected: &str,
        example: &str,
    ) -> Option<T> {
        let value = self.raw(name)?;
        match serde_json::from_str(value.get()) {
            Ok(value) => Some(value),
            Err(_) => {
                let problem = match kind_of(&value) {
                    // JSON can spell half a character, which no text has.
                    "text" if expected == "text" => {
                        "has half a character (`\\u` and a lone surrogate)".to_owned()
                    }
                    kind => format!("is {kind}"),
                };
                self.fault(name, problem, Some(expected), Some(example));
                None
            }
        }
    }

    /// Text of at most `longest` characters.
    pub(crate) fn text(&mut self, name: &'static str, longest: usize, example: &str) -> Option<String> {
        let text: String = self.typed(name, "text", example)?;
        let length = text.chars().count();
        if length > longest {
            let expected = format!("at most {longest} characters");
            self.fault(name, format!("has {length} characters"), Some(&expected), Some(example));
            return None;
        }
        Some(text)
    }

    /// The id of a Stripe object whose ids begin with `prefix`.
    pub(super) fn stripe_id(&mut self, name: &'static str, prefix: &str, example: &str) -> Option<String> {
        let id = self.text(name, 255, example)?;
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if id.starts_with(prefix) && id.bytes().all(harmless) {
            return Some(id);
        }
        let expected = if prefix.is_empty() {
            "a Stripe id".to_owned()
        } else {
            format!("a Stripe id that begins with {prefix}")
        };
        self.fault(name, format!("`{}` is not such an id", excerpt(&id)), Some(&expected), Some(example));
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", "true")
    }

    /// A whole number in `range`. `3.0` is taken for 3: Flow's numbers are decimals.
    pub(crate) fn whole(&mut self, name: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.raw(name)?;
        let text = value.get();
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let digits = text.split_once('.').map_or(text, |(whole, decimals)| {
            if decimals.bytes().all(|byte| byte == b'0') { whole } else { text }
        });
        match digits.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                let example = range.start().to_string();
                self.fault(name, format!("is {}", excerpt(text)), Some(&expected), Some(&example));
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, name: &'static str, words: &Words<T>) -> Option<T> {
        let example = words.first().map_or("", |(word, _)| word);
        let text: String = self.typed(name, "text", example)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let expected = format!("one of {}", all.join(", "));
            self.fault(name, format!("is `{}`", excerpt(&text)), Some(&expected), Some(example));
        }
        found.map(|(_, value)| *value)
    }

    /// A list of at most `most` words, like `card`, each in Stripe's spelling.
    pub(super) fn words(&mut self, name: &'static str, most: usize, example: &str) -> Vec<String> {
        let Some(words) = self.typed::<Vec<String>>(name, "a list of texts", &format!("[\"{example}\"]"))
        else {
            return Vec::new();
        };
        let legal = |word: &String| {
            (1..=60).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if words.len() > most {
            let expected = format!("at most {most}");
            self.fault(name, format!("has {} elements", words.len()), Some(&expected), None);
        } else if let Some(at) = words.iter().position(|word| !legal(word)) {
            let problem = format!("`{}` is not such a word", excerpt(&words[at]));
            self.fault(&format!("{name}[{at}]"), problem, Some("a word like those of Stripe"), Some(example));
        } else {
            return words;
        }
        Vec::new()
    }

    /// A point in time, as seconds since 1970: `2027-01-31T09:00:00Z`, as Apex and Flow write it (`+0000`), or a date, which
    /// is its midnight in UTC.
    pub(super) fn moment(&mut self, name: &'static str) -> Option<i64> {
        let example = "2027-01-31T09:00:00Z";
        let text = self.text(name, 40, example)?;
        let moment = moments::parse(text.trim());
        if moment.is_none() {
            let problem = format!("`{}` is not a point in time", excerpt(&text));
            self.fault(name, problem, Some("a date and time with its offset"), Some(example));
        }
        moment
    }

    /// A list of at most `most` elements, as they were sent.
    pub(super) fn elements(&mut self, name: &'static str, most: usize) -> Vec<Box<RawValue>> {
        let elements: Vec<Box<RawValue>> = self.typed(name, "a list of objects", "[]").unwrap_or_default();
        if elements.len() > most {
            let expected = format!("at most {most}");
            self.fault(name, format!("has {} elements", elements.len()), Some(&expected), None);
            return Vec::new();
        }
        elements
    }

    /// A list of at most `most` objects; what `read` makes of each. `None` in the list stands for one with faults.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Vec<Option<T>> {
        let objects = self.elements(name, most);
        let one = |(number, object): (usize, Box<RawValue>)| {
            if self.is_full() {
                return None;
            }
            let place = format!("{name}[{number}]");
            let Ok(parsed) = serde_json::from_str::<Object>(object.get()) else {
                self.fault(&place, format!("is {}", kind_of(&object)), Some("an object"), None);
                return None;
            };
            let mut inner = Self::at(format!("{}{place}.", self.place), parsed);
            let made = read(&mut inner);
            inner.refuse_unknown();
            inner.faults.truncate(MOST_FAULTS - self.faults.len());
            self.faults.append(&mut inner.faults);
            made
        };
        objects.into_iter().enumerate().map(one).collect()
    }

    fn refuse_unknown(&mut self) {
        for (name, _) in std::mem::take(&mut self.left) {
            if self.is_full() {
                return;
            }
            let name = excerpt(&name);
            let near =
                self.known.iter().map(|known| (strsim::damerau_levenshtein(known, &name), *known)).min();
            let expected = match near {
                Some((distance, known)) if distance <= 1 + name.len() / 3 => {
                    format!("did you mean `{known}`?")
                }
                _ => format!("one of {}", self.known.join(", ")),
            };
            self.fault(&name, "is not a field of this request", Some(&expected), None);
        }
    }
}

/// The beginning of what the caller sent, short enough to repeat.
pub(super) fn excerpt(text: &str) -> String {
    let mut letters = text.chars();
    let begin: String = letters.by_ref().take(60).collect();
    if letters.next().is_some() { begin + "…" } else { begin }
}

fn is_blank(value: &RawValue) -> bool {
    let text = value.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.is_some_and(|text| text.trim().is_empty())
}

fn kind_of(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        _ => "a number",
    }
}

/// The members of a JSON object in their order, doubled ones included, up to one more than [`MOST_MEMBERS`].
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while members.len() <= MOST_MEMBERS {
                    let Some(member) = map.next_entry()? else { return Ok(Object(members)) };
                    members.push(member);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object(members))
            }
        }

        from.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let body = r#"{"emial":"a@b.c","quantity":1.5,"confirm":"yes","name":7,"phone":"  ","x":null,"code":"aa",
            "code":"b","items":[{"n":1},{"n":"one","m":2},3]}"#;
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        fields.text("email", 10, "ada@example.com");
        assert_eq!(fields.text("phone", 10, "1"), None);
        fields.whole("quantity", 1..=9);
        fields.flag("confirm");
        fields.text("name", 10, "Ada");
        fields.text("code", 1, "a");
        let items = fields.list("items", 5, |item| item.whole("n", 0..=1));
        assert_eq!(items, [Some(1), None, None]);
        let problem = fields.finish(Some(())).unwrap_err();
        let named: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        let expected =
            ["code", "quantity", "confirm", "name", "code", "items[1].n", "items[1].m", "items[2]", "emial"];
        assert_eq!(named, expected);
        let suggestion = problem.errors.last().and_then(|error| error.expected.as_deref());
        assert_eq!(suggestion, Some("did you mean `email`?"));
    }

    #[test]
    fn a_flood_of_fields_gets_a_short_answer() {
        let flood: Vec<_> = (0..20_000).map(|n| format!(r#""f{n}":1"#)).collect();
        let fields = Fields::parse(format!("{{{}}}", flood.join(",")).as_bytes()).unwrap();
        let problem = fields.finish(Some(())).unwrap_err();
        assert_eq!(problem.errors.len(), MOST_FAULTS);
        assert_eq!(problem.errors[0].field, "f100");

        let long = "x".repeat(10_000);
        let fields = Fields::parse(format!(r#"{{"{long}":1,"{long}":1}}"#).as_bytes()).unwrap();
        assert!(fields.finish(Some(())).unwrap_err().detail.len() < 500);
    }

    #[test]
    fn half_a_character_is_no_text() {
        let mut fields = Fields::parse(br#"{"name":"\ud800"}"#).unwrap();
        assert_eq!(fields.text("name", 10, "Ada"), None);
        assert!(fields.finish(Some(())).unwrap_err().detail.contains("half a character"));
    }

    #[test]
    fn whole_numbers_may_have_empty_decimals_but_never_pass_through_floating_point() {
        for (text, expected) in [
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("3.0", Some(3)),
            ("\"3\"", Some(3)),
            ("3.01", None),
            ("1e3", None),
            ("-1", None),
            ("true", None),
            ("[1]", None),
        ] {
            let mut fields = Fields::parse(format!(r#"{{"n":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(fields.whole("n", 0..=i64::MAX), expected, "{text}");
        }
    }

    #[test]
    fn a_body_full_of_faults_is_refused_with_the_first_of_them() {
        let odd: Vec<String> = (0..90).map(|number| format!(r#""n{number}":0"#)).collect();
        let items = vec![format!("{{{}}}", odd.join(",")); 200];
        let body = format!(r#"{{"items":[{}],"more":1}}"#, items.join(","));
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let mut looked_at = 0;
        let items = fields.list("items", 200, |item| {
            looked_at += 1;
            item.flag("known")
        });
        assert_eq!((items.len(), looked_at), (200, 1), "those behind are not looked at");
        assert_eq!(fields.finish(Some(())).unwrap_err().errors.len(), MOST_FAULTS);
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for body in ["", "[]", "7", "{", "{\"a\":}", "\u{feff}{}", "{} {}"] {
            assert_eq!(Fields::parse(body.as_bytes()).unwrap_err().code, Code::InvalidJson, "{body}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Fields::parse(deep.as_bytes()).unwrap().text("a", 1, "x"), None);
    }
}
