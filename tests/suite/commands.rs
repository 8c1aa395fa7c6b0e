//! `paybridge keys` and `paybridge audit`, as a person types them, and the service that notices.

use std::process::Command;

use diesel::{Connection, RunQueryDsl, SqliteConnection};
use paybridge::store::Backend;
use tempfile::TempDir;

use crate::bridge::{database, settings};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/certificates/org.crt");

/// A terminal in front of one installation.
struct Terminal {
    settings: Vec<(String, String)>,
    database: String,
    _directory: TempDir,
}

impl Terminal {
    fn open(backend: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = database(backend, &directory);
        Self {
            settings: settings(&url, "http://127.0.0.1:9", "http://127.0.0.1:9"),
            database: url,
            _directory: directory,
        }
    }

    /// What a command prints, and whether it went well.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .env_clear()
            .env("USER", "ada")
            .envs(self.settings.clone())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    #[track_caller]
    fn well(&self, arguments: &[&str]) -> String {
        let (well, text) = self.run(arguments);
        assert!(well, "{arguments:?}: {text}");
        text
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], expected: &str) {
        let (well, text) = self.run(arguments);
        assert!(!well && text.contains(expected), "{arguments:?}: {text}");
    }
}

fn after<'a>(text: &'a str, label: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("{label}: {text}")).trim()
}

#[test]
fn a_key_is_made_rotated_trusted_and_withdrawn_and_all_of_it_is_in_the_audit_log() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let terminal = Terminal::open(backend);
        let make = [
            "keys",
            "create",
            "--name",
            "Flows",
            "--scope",
            "payments:write",
            "--days",
            "90",
            "--account",
            "main",
        ];
        let made = terminal.well(&make);
        let (id, secret, key) =
            (after(&made, "client id"), after(&made, "client secret"), after(&made, "API key"));
        assert_eq!(key, format!("pb_{id}_{secret}"));
        let plain = terminal.well(&["keys", "rotate", id, "--overlap-hours", "2", "--plain"]);
        assert!(plain.starts_with(&format!("pb_{id}_")) && plain.lines().count() == 1, "{plain}");
        let trusted = terminal.well(&["keys", "trust", id, CERTIFICATE]);
        let fingerprint = trusted.split(' ').next().unwrap();
        let listed = terminal.well(&["keys", "list"]);
        for expected in [
            id,
            "Flows",
            "[payments:write]",
            "never used",
            "only for the account main",
            "rotated",
            fingerprint,
        ] {
            assert!(listed.contains(expected), "{expected}: {listed}");
        }
        terminal.well(&["keys", "distrust", id, fingerprint]);
        terminal.refused(&["keys", "distrust", id, fingerprint], "does not sign");
        terminal.well(&["keys", "revoke", id]);
        terminal.refused(&["keys", "revoke", id], "there is no key");
        terminal.refused(&["keys", "rotate", id], "there is no key");
        terminal.refused(&["keys", "trust", id, CERTIFICATE], "there is no key");

        let audit = terminal.well(&["audit", "list", "--key", id]);
        let told: Vec<_> =
            audit.lines().map(|line| line.split("  ").collect::<Vec<_>>()[2..4].join(" ")).collect();
        let actions =
            ["key_created", "key_rotated", "certificate_trusted", "certificate_distrusted", "key_revoked"];
        assert_eq!(told, actions.map(|action| format!("command:ada {action}")), "{audit}");
        let verified = terminal.well(&["audit", "verify"]);
        let end = verified.trim().rsplit(' ').next().unwrap();
        assert!(end.starts_with("5:"), "{verified}");
        terminal.well(&["audit", "verify", "--noted", end]);
        let other = end.replace("5:", "4:");
        terminal.refused(&["audit", "verify", "--noted", &other], "entry 4 is not the one that was noted");
        terminal.refused(&["audit", "verify", "--noted", "5:x"], "expected a number");
        // The secrets were shown once, and nothing else knows them.
        let later_secret = plain.trim().rsplit('_').next().unwrap();
        for shown in [&listed, &audit, &trusted, &verified] {
            assert!(!shown.contains(secret) && !shown.contains(later_secret), "{shown}");
        }
    }
}

#[test]
fn what_cannot_be_is_explained() {
    let terminal = Terminal::open(Backend::Sqlite);
    let make = |more: &[&'static str]| [&["keys", "create", "--name", "x"], more].concat();
    terminal.refused(
        &make(&["--scope", "admin"]),
        "scopes are payments:write, payments:read, ops:read, ops:write",
    );
    terminal.refused(
        &make(&["--scope", "ops:read", "--account", "spain"]),
        "there is no [stripe.spain]; there is main",
    );
    terminal.refused(
        &make(&["--scope", "ops:read", "--org", "spain"]),
        "there is no [salesforce.spain]; there is main",
    );
    terminal.refused(&make(&["--scope", "ops:read", "--account", "main"]), "a key that is bound can have");
    let key = terminal.well(&make(&["--scope", "ops:read", "--plain"]));
    let id = key.split('_').nth(1).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let fixture = |name: &str| CERTIFICATE.replace("org", name);
    let pem = std::fs::read_to_string(CERTIFICATE).unwrap();
    let cut: String = pem
        .lines()
        .enumerate()
        .filter(|(number, _)| *number != 5)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    for (text, expected) in [
        ("nothing", "it is not in PEM form"),
        (include_str!("../fixtures/certificates/org.key"), "it is no certificate"),
        (&cut, "it is not a whole X.509 certificate"),
        (include_str!("../fixtures/certificates/small.crt"), "its key has fewer than 2048 bits"),
        (include_str!("../fixtures/certificates/elliptic.crt"), "its key is not RSA"),
        (include_str!("../fixtures/certificates/ended.crt"), "it ended "),
    ] {
        terminal.refused(&["keys", "trust", id, &file("it.pem", text)], expected);
    }
    terminal.refused(&["keys", "trust", id, "/nowhere.pem"], "cannot be read");
    terminal.refused(&["keys", "trust", "nobody", CERTIFICATE], "there is no key `nobody`");
    // A certificate and its successor, not a third.
    terminal.well(&["keys", "trust", id, CERTIFICATE]);
    terminal.well(&["keys", "trust", id, &fixture("second")]);
    terminal.refused(&["keys", "trust", id, &fixture("third")], "distrust one first");
    assert_eq!(terminal.well(&["audit", "verify"]).split(' ').next(), Some("3"));
}

#[test]
fn whoever_changes_a_key_past_the_commands_is_found_out() {
    let terminal = Terminal::open(Backend::Sqlite);
    let key = terminal.well(&["keys", "create", "--name", "x", "--scope", "ops:read", "--plain"]);
    let id = key.split('_').nth(1).unwrap();
    terminal.well(&["keys", "rotate", id]);
    terminal.well(&["keys", "trust", id, CERTIFICATE]);
    terminal.well(&["audit", "verify"]);
    let mut conn = SqliteConnection::establish(terminal.database.trim_start_matches("sqlite://")).unwrap();
    let mut sql = |text: &str| assert!(diesel::sql_query(text).execute(&mut conn).unwrap() > 0, "{text}");
    for (change, back, expected) in [
        (
            "UPDATE api_keys SET scopes = 'ops:write'",
            "UPDATE api_keys SET scopes = 'ops:read'",
            "may do other things",
        ),
        ("UPDATE api_keys SET account = 'main'", "UPDATE api_keys SET account = NULL", "may do other things"),
        (
            "UPDATE api_keys SET hash = 'x' || hash",
            "UPDATE api_keys SET hash = substr(hash, 2)",
            "a secret that nobody made",
        ),
        (
            "INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES ('eve', 'x', 'x', 'ops:write', 1)",
            "DELETE FROM api_keys WHERE id = 'eve'",
            "key eve was made by nobody",
        ),
        (
            "UPDATE certificates SET fingerprint = 'x' || fingerprint",
            "UPDATE certificates SET fingerprint = substr(fingerprint, 2)",
            "nobody trusted the certificate x",
        ),
    ] {
        sql(change);
        terminal.refused(&["audit", "verify"], expected);
        sql(back);
        terminal.well(&["audit", "verify"]);
    }
    terminal.well(&["keys", "revoke", id]);
    sql("UPDATE api_keys SET revoked_at = NULL");
    terminal.refused(&["audit", "verify"], "was revoked and is good again");
}
