//! `docs/promises.md` and `docs/security.md` name the tests that prove what they say.

use std::path::Path;

/// All Rust text below a directory.
fn sources(directory: &Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The document, and the words in backticks that look like names of tests but are none.
fn names_without_test(document: &str) -> (String, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for directory in ["src", "tests"] {
        sources(&root.join(directory), &mut code);
    }
    let document = std::fs::read_to_string(root.join(document)).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    // Settings have dots, paths have slashes, other words fewer underscores.
    let names: Vec<_> =
        quoted.filter(|name| name.matches('_').count() > 1 && !name.contains(['.', '/'])).collect();
    assert!(names.len() > 40, "{names:?}");
    let missing = names.iter().filter(|name| !code.contains(&format!("fn {name}(")));
    let missing = missing.map(|name| (*name).to_owned()).collect();
    (document, missing)
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let (_, missing) = names_without_test("docs/promises.md");
    assert!(missing.is_empty(), "no test is called {missing:?}");
}

#[test]
fn every_test_that_the_security_review_names_is_there() {
    let (document, missing) = names_without_test("docs/security.md");
    assert!(missing.is_empty(), "no test is called {missing:?}");
    // Each requirement says where it is met and what proves it, or what the operator does instead.
    let rows = document.lines().filter(|line| line.starts_with("| V"));
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| cell.trim().len() > 1), "{row}");
    }
}
