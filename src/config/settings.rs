//! Where settings come from, and how one is read: file, environment, secret files; faults are gathered, not thrown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Prefix of every variable that is read from the environment.
pub const PREFIX: &str = "PAYBRIDGE__";

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file, at this line.
    File(PathBuf, usize),
    /// In this environment variable.
    Environment(String),
    /// In a file of its own, named by another setting.
    SecretFile(PathBuf),
    /// Nowhere: the built-in value.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::SecretFile(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The dotted key, or empty when the file as a whole is meant.
    pub key: String,
    /// What is expected, and what was found where that is not secret.
    pub problem: String,
    /// Where it was set.
    pub origin: Origin,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.as_str()) {
            (Origin::Default, key) => write!(f, "{key}: {}", self.problem),
            (origin, "") => write!(f, "{origin}: {}", self.problem),
            (origin, key) => write!(f, "{origin}: {key}: {}", self.problem),
        }
    }
}

/// One key as it takes effect: shown value (secrets as `set`) and where it came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The dotted key.
    pub key: String,
    /// What may be shown of the value.
    pub shown: String,
    /// Where it was set.
    pub origin: Origin,
}

#[derive(Clone, Debug)]
enum Raw {
    One(String),
    Many(Vec<String>),
}

/// All settings as text, with their origins, and the notes of who read what.
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: BTreeMap<String, (Raw, Origin)>,
    read: BTreeSet<String>,
    /// The file is no TOML.
    broken: bool,
    /// What is wrong so far.
    pub faults: Vec<Fault>,
    /// What took effect so far, in reading order.
    pub effective: Vec<Effective>,
}

impl Settings {
    /// Reads the file (if there is one) and lays the environment over it.
    pub(super) fn gather(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut settings = Self::default();
        if let Some(path) = file {
            settings.add_file(path);
        }
        for (name, value) in environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let key = rest.split("__").map(str::to_lowercase).collect::<Vec<_>>().join(".");
                settings.values.insert(key, (Raw::One(value), Origin::Environment(name)));
            }
        }
        settings
    }

    fn add_file(&mut self, path: &Path) {
        let fault = |line, problem: String| Fault {
            key: String::new(),
            problem,
            origin: Origin::File(path.to_owned(), line),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(fault(0, format!("cannot be read: {error}"))),
        };
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let (table, errors) = DeTable::parse_recoverable(&text);
        self.broken = !errors.is_empty();
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(span.start));
            self.faults.push(fault(line, format!("is not valid TOML: {}", error.message())));
        }
        self.add_table(path, &line_of, "", table.get_ref());
    }

    fn add_table(
        &mut self,
        path: &Path,
        line_of: &dyn Fn(usize) -> usize,
        prefix: &str,
        table: &DeTable<'_>,
    ) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let origin = Origin::File(path.to_owned(), line_of(name.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => self.add_table(path, line_of, &key, inner),
                DeValue::Array(items) => {
                    let items = items.iter().map(scalar).collect();
                    self.values.insert(key, (Raw::Many(items), origin));
                }
                _ => {
                    self.values.insert(key, (Raw::One(scalar(value)), origin));
                }
            }
        }
    }

    /// Names of the tables directly below `section` that have any setting (`stripe` → `main`, …).
    pub(super) fn names_below(&self, section: &str) -> Vec<String> {
        let prefix = format!("{section}.");
        let names: BTreeSet<_> = self
            .values
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix)?.split_once('.'))
            .map(|(name, _)| name.to_owned())
            .collect();
        names.into_iter().collect()
    }

    /// A setting that `parse` understands, or `default`. A fault is noted and the default given when it does not.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T
    where
        T: fmt::Display,
    {
        match self.take(key) {
            None => {
                self.note(key, default.to_string(), Origin::Default);
                default
            }
            Some((text, origin)) => match parse(text.trim()) {
                Some(value) => {
                    self.note(key, value.to_string(), origin);
                    value
                }
                None => {
                    self.fault(key, format!("expected {expected}; found `{text}`"), origin);
                    default
                }
            },
        }
    }

    /// A setting without a default. `None` after noting a fault when it is missing or not as expected.
    pub(super) fn require<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T>
    where
        T: fmt::Display,
    {
        let Some((text, origin)) = self.take(key) else {
            self.missing(key, expected);
            return None;
        };
        let value = parse(text.trim());
        match &value {
            Some(value) => self.note(key, value.to_string(), origin),
            None => self.fault(key, format!("expected {expected}; found `{text}`"), origin),
        }
        value
    }

    /// A secret: from `key`, or from the file that `{key}_file` names. Its text is in no fault and no listing.
    pub(super) fn secret(
        &mut self,
        key: &str,
        expected: &str,
        valid: impl Fn(&str) -> bool,
    ) -> Option<SecretString> {
        let Some((text, origin)) = self.take_secret(key) else {
            if !self.faults.iter().any(|fault| fault.key == key) {
                self.missing(key, expected);
            }
            return None;
        };
        if !valid(text.trim()) {
            self.fault(key, format!("expected {expected}"), origin);
            return None;
        }
        self.note(key, "set".to_owned(), origin);
        Some(SecretString::from(text.trim().to_owned()))
    }

    /// A list of secrets: an array in the file, separated by commas or lines elsewhere.
    pub(super) fn secrets(
        &mut self,
        key: &str,
        expected: &str,
        valid: impl Fn(&str) -> bool,
    ) -> Vec<SecretString> {
        let Some((text, origin)) = self.take_secret(key) else {
            if !self.faults.iter().any(|fault| fault.key == key) {
                self.missing(key, expected);
            }
            return Vec::new();
        };
        let items: Vec<_> = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect();
        if items.is_empty() || !items.iter().all(|item| valid(item)) {
            self.fault(key, format!("expected {expected}"), origin);
            return Vec::new();
        }
        self.note(key, format!("set ({})", items.len()), origin);
        items.into_iter().map(|item| SecretString::from(item.to_owned())).collect()
    }

    /// Turns every setting nobody read into a fault, with the nearest key that exists.
    pub(super) fn refuse_unknown(&mut self) {
        let unknown: Vec<_> = self
            .values
            .iter()
            .filter(|(key, _)| !self.read.contains(*key))
            .map(|(key, (_, origin))| (key.clone(), origin.clone()))
            .collect();
        for (key, origin) in unknown {
            // What is longer by more cannot be near, and comparing it would take long.
            let alike = self.read.iter().filter(|known| known.len().abs_diff(key.len()) <= 4);
            let near = alike
                .min_by_key(|known| strsim::levenshtein(known, &key))
                .filter(|known| strsim::levenshtein(known, &key) <= 4);
            let hint = near.map_or(String::new(), |known| format!("; did you mean `{known}`?"));
            self.fault(&key, format!("is not a setting{hint}"), origin);
        }
    }

    /// Leaves out what a broken file seems to say: a secret that lost its quotes is easily taken for a key.
    pub(super) fn trust_no_broken_file(&mut self) {
        if self.broken {
            let told = |fault: &Fault| fault.key.is_empty() || matches!(fault.origin, Origin::Environment(_));
            self.faults.retain(told);
        }
    }

    /// Notes that something is wrong with a key.
    pub(super) fn fault(&mut self, key: &str, problem: String, origin: Origin) {
        self.faults.push(Fault { key: key.to_owned(), problem, origin });
    }

    /// Whether a key has a value.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Makes a key known that is read elsewhere or not now.
    pub(super) fn mark_read(&mut self, key: &str) {
        self.read.insert(key.to_owned());
    }

    /// Where a key was set.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    fn missing(&mut self, key: &str, expected: &str) {
        let variable = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
        self.fault(
            key,
            format!("not set; expected {expected}, in the configuration file or as {variable}"),
            Origin::Default,
        );
    }

    fn note(&mut self, key: &str, shown: String, origin: Origin) {
        self.effective.push(Effective { key: key.to_owned(), shown, origin });
    }

    fn take(&mut self, key: &str) -> Option<(String, Origin)> {
        self.read.insert(key.to_owned());
        let (raw, origin) = self.values.get(key)?.clone();
        match raw {
            Raw::One(text) => Some((text, origin)),
            Raw::Many(items) => Some((items.join(","), origin)),
        }
    }

    fn take_secret(&mut self, key: &str) -> Option<(String, Origin)> {
        let direct = self.take(key);
        let file_key = format!("{key}_file");
        let Some((path, origin)) = self.take(&file_key) else { return direct };
        if let Some((_, other)) = direct {
            self.fault(key, format!("set twice: here and by `{file_key}` ({origin}); keep one"), other);
            return None;
        }
        let path = PathBuf::from(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some((text, Origin::SecretFile(path))),
            Err(error) => {
                // Not which: somebody may have put the secret itself where its file should be named.
                self.fault(key, format!("the file that `{file_key}` names cannot be read: {error}"), origin);
                None
            }
        }
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => "(a list or table)".to_owned(),
    }
}
