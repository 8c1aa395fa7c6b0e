//! `paybridge audit`: what was done with keys, whether the record of it is whole, and whether the keys are as it says.

use serde_json::Value;

use super::Failure;
use super::keys::{fingerprint, rights};
use crate::clock::from_unix_ms;
use crate::config::Config;
use crate::store::audit::{self, Break, Head};
use crate::store::{self, Conn, Store, api_keys, certificates};

/// What to do with it.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Show the newest entries
    List {
        /// Only what concerns this key
        #[arg(long, value_name = "KEY_ID")]
        key: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Follow the chain from its beginning and compare the keys with it; fails where something is wrong
    Verify {
        /// An end that was noted before, such as from the log: `NUMBER:HASH`
        #[arg(long, value_name = "NUMBER:HASH", value_parser = parse_head)]
        noted: Option<Head>,
    },
}

fn parse_head(text: &str) -> Result<Head, String> {
    let head = text
        .split_once(':')
        .and_then(|(seq, hash)| Some(Head { seq: seq.parse().ok()?, hash: hash.to_owned() }));
    head.filter(|head| head.hash.len() == 64)
        .ok_or_else(|| "expected a number, a colon and a hash of 64 digits".to_owned())
}

pub(super) async fn run(config: Config, action: Action) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    match action {
        Action::List { key, limit } => {
            for entry in store.read(move |conn| audit::list(conn, key.as_deref(), limit)).await? {
                let at = from_unix_ms(entry.at);
                println!(
                    "{}  {at}  {}  {}  {}  {}",
                    entry.seq, entry.actor, entry.action, entry.subject, entry.detail
                );
            }
        }
        Action::Verify { noted } => {
            let ((breaks, head), strange) = store
                .read(move |conn| Ok((audit::verify(conn, noted.as_ref())?, strange_keys(conn)?)))
                .await?;
            let told: Vec<_> = breaks.iter().map(tell).chain(strange).collect();
            if !told.is_empty() {
                return Err(Failure(format!(
                    "the audit log, or what it tells of, was changed by somebody else:\n  {}",
                    told.join("\n  ")
                )));
            }
            match head {
                Some(head) => {
                    println!("{} entries, unbroken; note the end: {}:{}", head.seq, head.seq, head.hash)
                }
                None => println!("no entries yet"),
            }
        }
    }
    Ok(())
}

/// Keys and certificates that are not as the log says they became.
fn strange_keys(conn: &mut Conn) -> store::Result<Vec<String>> {
    let mut strange = Vec::new();
    let trusted = certificates::trusted(conn)?;
    for key in api_keys::list(conn)? {
        let entries = audit::changes(conn, &key.id)?;
        let detail = |entry: &audit::Entry| serde_json::from_str::<Value>(&entry.detail).unwrap_or_default();
        let last = |actions: &[&str]| entries.iter().rfind(|entry| actions.contains(&entry.action.as_str()));
        let Some(created) = last(&["key_created"]) else {
            strange.push(format!("key {} was made by nobody", key.id));
            continue;
        };
        let created = detail(created);
        if rights(&key).as_object().is_some_and(|now| now.iter().any(|(name, value)| created[name] != *value))
        {
            strange.push(format!("key {} may do other things than it was made for", key.id));
        }
        let made = last(&["key_created", "key_rotated"]).map(detail).unwrap_or_default();
        if made["secret"] != fingerprint(&key.hash) {
            strange.push(format!("key {} has a secret that nobody made", key.id));
        }
        if key.revoked_at.is_none() && last(&["key_revoked"]).is_some() {
            strange.push(format!("key {} was revoked and is good again", key.id));
        }
        for certificate in trusted.iter().filter(|certificate| certificate.key_id == key.id) {
            let of_this =
                entries.iter().rfind(|entry| detail(entry)["fingerprint"] == certificate.fingerprint);
            if of_this.is_none_or(|entry| entry.action != "certificate_trusted") {
                strange.push(format!(
                    "key {}: nobody trusted the certificate {}",
                    key.id, certificate.fingerprint
                ));
            }
        }
    }
    Ok(strange)
}

fn tell(broken: &Break) -> String {
    match broken {
        Break::Missing(seq) => format!("entry {seq} is not there"),
        Break::Altered(seq) => format!("entry {seq} was altered, or the one before it"),
        Break::NotTheNoted(seq) => format!("entry {seq} is not the one that was noted"),
    }
}
