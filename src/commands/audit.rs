//! `paybridge audit`: what was done with keys, and whether the record of it is whole.

use super::Failure;
use crate::clock::from_unix_ms;
use crate::config::Config;
use crate::store::Store;
use crate::store::audit::{self, Break, Head};

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
    /// Follow the chain from its beginning; fails where it is broken
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
            let (breaks, head) = store.read(move |conn| audit::verify(conn, noted.as_ref())).await?;
            if !breaks.is_empty() {
                let told: Vec<_> = breaks.iter().map(tell).collect();
                return Err(Failure(format!(
                    "the audit log is not as it was written:\n  {}",
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

fn tell(broken: &Break) -> String {
    match broken {
        Break::Missing(seq) => format!("entry {seq} is not there"),
        Break::Altered(seq) => format!("entry {seq} was altered, or the one before it"),
        Break::NotTheNoted(seq) => format!("entry {seq} is not the one that was noted"),
    }
}
