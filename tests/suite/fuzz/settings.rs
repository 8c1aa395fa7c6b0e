//! Configuration: files and variables that nobody meant.

use std::io::Write;

use paybridge::config::{Config, PREFIX};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use super::hostile::{damaged_lines, json_value, toml_damage};
use super::{Cost, fuzz};
use crate::bridge::settings;

/// Stands in everything that is secret.
const MARK: &str = "TOPSECRET";

const FILE: &str = "
[server]
bind = \"127.0.0.1:8080\"
[database]
url = \"postgres://bridge:TOPSECRET@127.0.0.1/bridge\"
[stripe.main]
secret_key = \"sk_test_TOPSECRET\"
webhook_secrets = [\"whsec_TOPSECRET\", \"whsec_TOPSECRET2\"]
[stripe.france]
secret_key = \"sk_test_TOPSECRET\"
webhook_secrets = \"whsec_TOPSECRET\"
org = \"main\"
[salesforce.main]
login_url = \"https://example.my.salesforce.com\"
client_id = \"3MVG9\"
username = \"bridge@example.com\"
private_key = \"\"\"-----BEGIN PRIVATE KEY-----
TOPSECRET
-----END PRIVATE KEY-----\"\"\"
daily_call_share = 0.3
[delivery]
lease_seconds = 180
[auth]
token_secrets = [\"TOPSECRETTOPSECRETTOPSECRETTOPSECRET\"]
[log]
level = \"info\"
";

/// Nothing that is shown has a secret in it.
fn tells_no_secret(loaded: Result<Config, paybridge::config::Error>) {
    let shown = match loaded {
        Ok(config) => format!("{config:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(MARK), "{shown}");
}

#[test]
fn configuration_files_are_taken_or_explained_and_no_secret_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fuzz("configuration files", Cost::Fair, &toml_damage(), |damages| {
        let text = damaged_lines(FILE, &damages);
        let mut written = file.reopen().unwrap();
        written.set_len(0).unwrap();
        written.write_all(text.as_bytes()).unwrap();
        tells_no_secret(Config::load(Some(file.path()), []));
    });
}

#[test]
fn configuration_variables_are_taken_or_explained_and_no_secret_is_told() {
    let base = settings("sqlite://fuzz.db", "http://127.0.0.1:9", "http://127.0.0.1:9");
    let value = prop_oneof![
        json_value().prop_map(|json| json.trim_matches('"').to_owned()),
        ".{0,40}",
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    let secret = (
        select(vec![
            "DATABASE__URL",
            "STRIPE__MAIN__SECRET_KEY",
            "STRIPE__MAIN__WEBHOOK_SECRETS",
            "SALESFORCE__MAIN__PRIVATE_KEY",
            "AUTH__TOKEN_SECRETS",
        ]),
        select(vec!["", "_FILE"]),
        select(vec![
            "",
            "sk_test_",
            "sk_live_",
            "whsec_",
            "postgres://a:",
            "sqlite://",
            "-----BEGIN PRIVATE KEY-----\n",
            "\0",
            "/",
        ]),
        select(vec!["", ",", "\n-----END PRIVATE KEY-----", "@h/d", "?sslmode=x", "é"]),
    )
        .prop_map(|(key, file, before, after)| (format!("{key}{file}"), format!("{before}{MARK}{after}")));
    let other = ("[A-Z_]{1,30}", value.clone());
    let input = (vec((any::<Index>(), value), 0..4), vec(prop_oneof![secret, other], 0..4));
    fuzz("configuration variables", Cost::Fair, &input, |(changed, more)| {
        let mut variables = base.clone();
        for (at, value) in changed {
            let at = at.index(variables.len());
            variables[at].1 = value;
        }
        variables.extend(more.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)));
        tells_no_secret(Config::load(None, variables));
    });
}
