//! Parameters as Stripe takes them: form pairs whose names nest with brackets, checked against what an
//! operation allows.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::errors::Refusal;

/// What a parameter may hold. A type that is not `…OrEmpty`, `Text` or `Metadata` cannot be unset.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Any text; empty unsets it.
    Text,
    /// A text that cannot be unset, such as an id.
    Word,
    Int,
    Bool,
    /// Unix seconds.
    Time,
    /// Unix seconds or the word `now`.
    TimeOrNow,
    OneOf(&'static [&'static str]),
    OneOfOrEmpty(&'static [&'static str]),
    /// Keys of the caller's own making.
    Metadata,
}

/// A name such as `items[][price]` with what it may hold.
pub(super) type Rule = (&'static str, Kind);

/// Names that every operation takes.
const EVERYWHERE: &[Rule] = &[("expand[]", Kind::Word)];

/// Parameters of one call, or of one element of a list inside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    /// Where this part stands in the whole, for error messages: `items[0]`.
    prefix: String,
    pairs: Vec<(Vec<String>, String)>,
}

impl Form {
    /// Reads a query string or a body; a name that comes twice has its last value.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            form.add(segments(&name)?, value.into_owned());
        }
        Ok(form)
    }

    fn add(&mut self, path: Vec<String>, value: String) {
        let path = self.number(path);
        match self.pairs.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => *known = value,
            None => self.pairs.push((path, value)),
        }
    }

    /// Gives `[]` an index: the next one when it ends the name, else that of the element being filled.
    fn number(&self, mut path: Vec<String>) -> Vec<String> {
        for at in 1..path.len() {
            if path.get(at).is_some_and(String::is_empty) {
                let list = &path[..at];
                let rest = &path[at + 1..];
                let used: Vec<usize> = self
                    .pairs
                    .iter()
                    .filter(|(known, _)| known.starts_with(list))
                    .filter_map(|(known, _)| known.get(at)?.parse().ok())
                    .collect();
                let last = used.iter().max().copied();
                let filled = |index: usize| {
                    self.pairs.iter().any(|(known, _)| {
                        known.starts_with(list)
                            && known.get(at) == Some(&index.to_string())
                            && known.get(at + 1..) == Some(rest)
                    })
                };
                let index = match last {
                    None => 0,
                    Some(last) if filled(last) => last + 1,
                    Some(last) => last,
                };
                if let Some(segment) = path.get_mut(at) {
                    *segment = index.to_string();
                }
            }
        }
        path
    }

    /// All pairs with their full names, as they were sent.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        self.pairs.iter().map(|(path, value)| (written(path), value.clone())).collect()
    }

    /// Refuses what the rules do not know or do not allow.
    pub(super) fn check(&self, rules: &[&[Rule]]) -> Result<(), Refusal> {
        for (path, value) in &self.pairs {
            let name = self.full_name(path);
            let rule = rules
                .iter()
                .copied()
                .chain([EVERYWHERE])
                .flatten()
                .find(|(pattern, kind)| fits(pattern, *kind, path))
                .ok_or_else(|| Refusal::unknown_param(&name))?;
            check_value(&name, value, rule.1)?;
        }
        Ok(())
    }

    /// Refuses a call without these.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), Refusal> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(Refusal::missing_param(&self.name_of(name))),
            None => Ok(()),
        }
    }

    /// Whether the parameter, or anything below it, was sent.
    pub(super) fn has(&self, name: &str) -> bool {
        let wanted = pattern(name);
        self.pairs.iter().any(|(path, _)| path.starts_with(&wanted))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let wanted = pattern(name);
        self.pairs.iter().find(|(path, _)| *path == wanted).map(|(_, value)| value.as_str())
    }

    /// The text, unless it is empty.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// A number that [`Form::check`] has seen.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name)?.parse().ok()
    }

    /// The elements of a list of scalars.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let list = pattern(name);
        let below = self.pairs.iter().filter(|(path, _)| path.starts_with(&list));
        below
            .filter(|(path, value)| path.len() == list.len() + 1 && !value.is_empty())
            .map(|(_, v)| v.clone())
            .collect()
    }

    /// The elements of a list of hashes, in the order of their indices.
    pub(super) fn each(&self, name: &str) -> Vec<Form> {
        let list = pattern(name);
        let mut elements: Vec<(usize, Form)> = Vec::new();
        for (path, value) in self.pairs.iter().filter(|(path, _)| path.starts_with(&list)) {
            let Some(index) = path.get(list.len()).and_then(|index| index.parse().ok()) else { continue };
            let rest = path.get(list.len() + 1..).unwrap_or_default().to_vec();
            let at = elements.iter().position(|(known, _)| *known == index).unwrap_or_else(|| {
                let prefix = format!("{}[{index}]", self.name_of(name));
                elements.push((index, Form { prefix, pairs: Vec::new() }));
                elements.len() - 1
            });
            if let Some((_, element)) = elements.get_mut(at) {
                element.pairs.push((rest, value.clone()));
            }
        }
        elements.sort_by_key(|(index, _)| *index);
        elements.into_iter().map(|(_, form)| form).collect()
    }

    /// The parameters below a name, as a form of their own.
    pub(super) fn part(&self, name: &str) -> Form {
        let part = pattern(name);
        let below = self.pairs.iter().filter(|(path, _)| path.len() > part.len() && path.starts_with(&part));
        let pairs = below.map(|(path, value)| (path[part.len()..].to_vec(), value.clone())).collect();
        Form { prefix: self.name_of(name), pairs }
    }

    /// The keys below a parameter with their values.
    pub(super) fn below(&self, name: &str) -> Vec<(String, String)> {
        let map = pattern(name);
        let below = self.pairs.iter().filter(|(path, _)| path.starts_with(&map));
        below.filter_map(|(path, value)| Some((path.get(map.len())?.clone(), value.clone()))).collect()
    }

    /// Copies texts into an object under the same names; an empty one becomes null.
    pub(super) fn copy_texts(&self, names: &[&str], object: &mut Value) {
        for name in names {
            if let Some(text) = self.text(name) {
                object[*name] = if text.is_empty() { Value::Null } else { json!(text) };
            }
        }
    }

    /// The full name of a parameter of this part.
    pub(super) fn name_of(&self, name: &str) -> String {
        self.full_name(&pattern(name))
    }

    fn full_name(&self, path: &[String]) -> String {
        if self.prefix.is_empty() {
            return written(path);
        }
        path.iter().fold(self.prefix.clone(), |name, segment| format!("{name}[{segment}]"))
    }
}

/// `a[b][c]` → `a`, `b`, `c`.
fn segments(name: &str) -> Result<Vec<String>, Refusal> {
    let malformed = || Refusal::invalid(format!("Invalid parameter name: {name}")).param(name);
    let (head, mut rest) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    if head.is_empty() {
        return Err(malformed());
    }
    let mut path = vec![head.to_owned()];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or_else(malformed)?;
        let (segment, after) = inner.split_once(']').ok_or_else(malformed)?;
        if segment.contains('[') {
            return Err(malformed());
        }
        path.push(segment.to_owned());
        rest = after;
    }
    Ok(path)
}

/// The segments of a name from our own code.
fn pattern(name: &str) -> Vec<String> {
    name.split('[').map(|part| part.trim_end_matches(']').to_owned()).collect()
}

fn written(path: &[String]) -> String {
    let (head, rest) = path.split_first().map_or(("", &[][..]), |(head, rest)| (head.as_str(), rest));
    rest.iter().fold(head.to_owned(), |name, segment| format!("{name}[{segment}]"))
}

fn fits(rule: &str, kind: Kind, path: &[String]) -> bool {
    let wanted = pattern(rule);
    let same = |(wanted, got): (&String, &String)| {
        wanted == got || (wanted.is_empty() && got.chars().all(|c| c.is_ascii_digit()))
    };
    let further = usize::from(matches!(kind, Kind::Metadata));
    (wanted.len()..=wanted.len() + further).contains(&path.len()) && wanted.iter().zip(path).all(same)
}

fn check_value(name: &str, value: &str, kind: Kind) -> Result<(), Refusal> {
    let may_be_empty = matches!(kind, Kind::Text | Kind::Metadata | Kind::OneOfOrEmpty(_));
    if value.is_empty() {
        if may_be_empty {
            return Ok(());
        }
        let message = format!(
            "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
        );
        return Err(Refusal::invalid(message).code("parameter_invalid_empty").param(name));
    }
    match kind {
        Kind::Text if value.chars().count() > 5_000 => {
            let message = format!("Invalid string: {name} is longer than 5000 characters");
            Err(Refusal::invalid(message).param(name))
        }
        Kind::TimeOrNow if value == "now" => Ok(()),
        Kind::Int | Kind::Time | Kind::TimeOrNow
            if value.parse::<i64>().is_err() || value.starts_with('+') =>
        {
            let message = format!("Invalid integer: {value}");
            Err(Refusal::invalid(message).code("parameter_invalid_integer").param(name))
        }
        Kind::Bool if value != "true" && value != "false" => {
            Err(Refusal::invalid(format!("Invalid boolean: {value}")).param(name))
        }
        Kind::OneOf(words) | Kind::OneOfOrEmpty(words) if !words.contains(&value) => {
            Err(Refusal::invalid(format!("Invalid {name}: must be one of {}", words.join(", "))).param(name))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text).unwrap()
    }

    #[test]
    fn brackets_nest_and_escapes_are_decoded() {
        let form =
            form("metadata[sf_id]=a%20b+c&items[0][price]=p&items%5B1%5D%5Bprice%5D=q&expand[]=x&expand[]=y");
        assert_eq!(form.below("metadata"), [("sf_id".to_owned(), "a b c".to_owned())]);
        let prices: Vec<_> =
            form.each("items").iter().map(|item| item.text("price").unwrap().to_owned()).collect();
        assert_eq!(prices, ["p", "q"]);
        assert_eq!(form.words("expand"), ["x", "y"]);
    }

    #[test]
    fn elements_without_an_index_begin_when_a_name_repeats() {
        let items = form("items[][price]=p&items[][quantity]=2&items[][price]=q").each("items");
        assert_eq!(items.len(), 2);
        assert_eq!((items[0].text("price"), items[0].int("quantity")), (Some("p"), Some(2)));
        assert_eq!((items[1].text("price"), items[1].int("quantity")), (Some("q"), None));
    }

    #[test]
    fn a_name_that_comes_twice_has_its_last_value() {
        assert_eq!(form("amount=1&amount=2").int("amount"), Some(2));
    }

    #[test]
    fn what_no_rule_knows_or_allows_is_refused_with_its_full_name() {
        const RULES: &[Rule] = &[
            ("amount", Kind::Int),
            ("confirm", Kind::Bool),
            ("items[][price]", Kind::Word),
            ("metadata", Kind::Metadata),
            ("items[][metadata]", Kind::Metadata),
            ("capture_method", Kind::OneOf(&["automatic", "manual"])),
        ];
        let refused = [
            ("amonut=1", "parameter_unknown", "amonut"),
            ("items[0][prize]=1", "parameter_unknown", "items[0][prize]"),
            ("metadata[a][b]=1", "parameter_unknown", "metadata[a][b]"),
            ("items[x][metadata][b]=1", "parameter_unknown", "items[x][metadata][b]"),
            ("amount=10.99", "parameter_invalid_integer", "amount"),
            ("amount=+5", "parameter_invalid_integer", "amount"),
            ("items[0][price]=", "parameter_invalid_empty", "items[0][price]"),
            ("confirm=yes", "", "confirm"),
            ("capture_method=later", "", "capture_method"),
        ];
        for (text, code, param) in refused {
            let text = text.replace('+', "%2B");
            let body = form(&text).check(&[RULES]).unwrap_err().body();
            assert_eq!(body["error"]["code"].as_str().unwrap_or(""), code, "{text}: {body}");
            assert_eq!(body["error"]["param"], param, "{text}: {body}");
        }
        assert!(
            form(
                "amount=1099&confirm=true&metadata=&metadata[k]=&items[3][metadata][k]=v&expand[0]=customer"
            )
            .check(&[RULES])
            .is_ok()
        );
        assert!(Form::parse("metadata[a[b]]=1").is_err());
        assert!(Form::parse("items[0=1").is_err());
    }
}
