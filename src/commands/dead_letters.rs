//! `paybridge dead-letters`: what was given up, and trying it again.

use super::Failure;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::Config;
use crate::store::{Store, inbox, outbox};

/// What to do with them.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Show events that could not be mapped and records that Salesforce refused for good
    List {
        /// At most so many of each
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Try one again: `event:ID` or `record:ID` as listed
    Replay {
        /// Like `record:17`
        id: String,
    },
}

pub(super) async fn run(config: Config, action: Action) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    match action {
        Action::List { limit } => list(&store, limit).await,
        Action::Replay { id } => replay(&store, &id).await,
    }
}

async fn list(store: &Store, limit: i64) -> Result<(), Failure> {
    let events = store.read(move |conn| inbox::dead_letters(conn, limit)).await?;
    let records = store.read(move |conn| outbox::dead_letters(conn, limit)).await?;
    for event in &events {
        let reason = event.last_error.as_deref().unwrap_or_default();
        println!("event:{}  {}  {}  {reason}", event.seq, event.event_type, event.event_id);
    }
    for record in &records {
        let reason = record.last_error.as_deref().unwrap_or_default();
        println!(
            "record:{}  {}  {}  {} attempts, given up {}  {reason}\n    sent: {}",
            record.id,
            record.sobject,
            record.external_id,
            record.attempts,
            from_unix_ms(record.updated_at),
            record.fields,
        );
    }
    println!("{} events, {} records", events.len(), records.len());
    Ok(())
}

async fn replay(store: &Store, id: &str) -> Result<(), Failure> {
    let unknown =
        || Failure(format!("`{id}` is not a dead letter; `paybridge dead-letters list` shows them"));
    let (kind, number) = id.split_once(':').ok_or_else(unknown)?;
    let number: i64 = number.parse().map_err(|_error: std::num::ParseIntError| unknown())?;
    let now_ms = unix_ms(Clock::system().now());
    let found = match kind {
        "event" => store.write(move |conn| inbox::replay(conn, number)).await?,
        "record" => store.write(move |conn| outbox::replay(conn, number, now_ms)).await?,
        _ => return Err(unknown()),
    };
    if !found {
        return Err(unknown());
    }
    println!("{id} is due again");
    Ok(())
}
