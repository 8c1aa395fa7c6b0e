//! Who may know whom: the architecture, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module and the modules of ours that it may name. Everyone may read `config` and the names in `telemetry`, count in
/// `metrics`, and name a step to `crash`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("money", &[]),
    ("clock", &[]),
    ("crash", &[]),
    ("backoff", &[]),
    ("pass", &[]),
    ("outbound", &[]),
    ("telemetry", &[]),
    ("metrics", &[]),
    ("connections", &[]),
    ("config", &["money"]),
    ("worker", &["clock", "backoff"]),
    ("store", &["money", "clock"]),
    ("stripe", &["money", "clock", "pass", "outbound"]),
    ("salesforce", &["money", "clock", "pass", "outbound"]),
    ("mapping", &["stripe", "salesforce", "money"]),
    ("webhooks", &["stripe", "mapping", "store", "worker", "backoff", "clock", "pass"]),
    ("delivery", &["salesforce", "store", "worker", "backoff", "clock", "pass"]),
    ("reconcile", &["stripe", "salesforce", "store", "worker", "backoff", "clock", "pass"]),
    ("bindings", &["stripe", "salesforce", "store", "worker", "backoff", "clock", "pass"]),
    ("auth", &["store", "worker", "clock"]),
    // The contract is one list, and the operators' part belongs to it. What became of calls whose caller is gone it finds out
    // by itself.
    ("api", &["auth", "stripe", "salesforce", "store", "worker", "backoff", "money", "clock", "ops"]),
    // It says which state won and what would be sent now, and both have to be worked out again.
    ("ops", &["api", "store", "mapping", "webhooks", "worker", "clock"]),
    ("sandbox", &["clock"]),
    ("app", &["*"]),
    ("bench", &["*"]),
    ("commands", &["*"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The first part of every path that begins with `crate::`, groups included.
fn named_modules(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            for (index, c) in group.char_indices() {
                let begins = index == 0 || group[..index].trim_end().ends_with([',', '{']);
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    c if depth == 0 && begins && (c.is_alphabetic() || c == '_') => {
                        names.insert(word(&group[index..]));
                    }
                    _ => {}
                }
            }
        } else {
            names.insert(word(rest));
        }
    }
    names
}

#[test]
fn modules_know_only_whom_they_may() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    let mut broken = Vec::new();
    for path in all_sources() {
        let inside = path.strip_prefix(&root).unwrap();
        let module =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "main" | "lib") {
            continue;
        }
        seen.insert(module.to_owned());
        let may = table.get(module).unwrap_or_else(|| panic!("`{module}` is not in the table"));
        for name in named_modules(&std::fs::read_to_string(&path).unwrap()) {
            let everyone = ["config", "crash", "telemetry", "metrics", module].contains(&name.as_str());
            if !everyone
                && !may.contains(&"*")
                && !may.contains(&name.as_str())
                && table.contains_key(name.as_str())
            {
                broken.push(format!("{} uses {name}", inside.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    let listed: BTreeSet<_> = table.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, listed, "the table and the folders differ");
}

#[test]
fn the_reader_of_paths_sees_groups_and_nested_ones() {
    let source = "use crate::{store, stripe::{self, event}};\nlet x = crate::money::Currency;\n// crate::api is only a word\n";
    let names: Vec<_> = named_modules(source).into_iter().collect();
    assert_eq!(names, ["money", "store", "stripe"]);
}

#[test]
fn no_floating_point_comes_near_an_amount() {
    let mut found = Vec::new();
    for path in all_sources() {
        let source = std::fs::read_to_string(&path).unwrap();
        // They measure time and print ratios; they never see an amount.
        if path.components().any(|part| ["bench", "metrics.rs"].iter().any(|name| part.as_os_str() == *name))
        {
            continue;
        }
        for (number, line) in source.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words: Vec<_> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            if ["f32", "f64", "as_f64", "from_f64", "to_f64"].iter().any(|float| words.contains(float)) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
