//! `docs/promises.md` names the tests that prove each promise.

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

#[test]
fn every_test_that_a_promise_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for directory in ["src", "tests"] {
        sources(&root.join(directory), &mut code);
    }
    let document = std::fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let names: Vec<_> = quoted.filter(|name| name.contains('_') && !name.contains(['.', '/', ' '])).collect();
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no test is called {missing:?}");
}
