//! `paybridge dead-letters`: what was given up, and what to do about it.

use super::Failure;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::ops::Ops;
use crate::ops::dead_letters::{DeadLetter, Done, Id, Kind, Wanted, since};
use crate::store::dead_letters::Filter;

/// Read at a time.
const PAGE: i64 = 200;

/// What to do with them.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Show events that could not be mapped and records that Salesforce refused for good
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one: what was sent, the full error, what happened before
    Show {
        /// Like `record:17`, as listed
        #[arg(value_parser = parse_id)]
        id: Id,
    },
    /// Show what a replay would send now, by today's mapping; nothing is sent
    Preview {
        /// Like `record:17`, as listed
        #[arg(value_parser = parse_id)]
        id: Id,
    },
    /// Try one again, or all that fit; records are made anew by today's mapping
    Replay {
        /// Like `record:17`, as listed
        #[arg(value_parser = parse_id)]
        id: Option<Id>,
        #[command(flatten)]
        which: Which,
        /// All of them
        #[arg(long)]
        everything: bool,
    },
    /// Set one aside; a newer state of the record is sent all the same
    Discard {
        /// Like `record:17`, as listed
        #[arg(value_parser = parse_id)]
        id: Id,
        /// For whoever asks later
        #[arg(long)]
        reason: String,
    },
}

/// Which of them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Which {
    /// Only `record` or only `event`
    #[arg(long, value_parser = parse_kind)]
    kind: Option<Kind>,
    /// The Salesforce object of records, or the beginning of the type of events in whole words, like `charge` or `payment_intent`
    #[arg(long, visible_alias = "object")]
    object_name: Option<String>,
    /// Salesforce's code, or `NOT_MAPPED`
    #[arg(long)]
    code: Option<String>,
    /// Given up since then: a time, a day, or so long ago, like `24h`
    #[arg(long)]
    since: Option<String>,
    /// A part of the id or of the error
    #[arg(long)]
    text: Option<String>,
}

impl Which {
    fn wanted(self) -> Result<Wanted, Failure> {
        let now = Clock::system().now();
        let since_ms = match &self.since {
            None => None,
            Some(text) => Some(since(text, now).ok_or_else(|| {
                Failure(format!(
                    "`{text}` is no time; write 2026-11-20T16:00:00Z, 2026-11-20, 90m, 24h or 7d"
                ))
            })?),
        };
        let filter =
            Filter { object: self.object_name, code: self.code, since_ms, text: self.text, accounts: None };
        Ok(Wanted { kind: self.kind, filter })
    }
}

fn parse_id(text: &str) -> Result<Id, String> {
    Id::parse(text)
        .ok_or_else(|| "names are like `record:17`; `paybridge dead-letters list` shows them".to_owned())
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    match text {
        "record" => Ok(Kind::Record),
        "event" => Ok(Kind::Event),
        _ => Err("kinds are record, event".to_owned()),
    }
}

/// `actor` is who asks for it, for the audit log.
pub(super) async fn run(config: Config, action: Action, actor: String) -> Result<(), Failure> {
    let ops = tokio::task::spawn_blocking(move || app::operators(&config)).await??;
    match action {
        Action::List { which, limit } => list(&ops, which.wanted()?, limit).await,
        Action::Show { id } => show(&ops, id).await,
        Action::Preview { id } => preview(&ops, id).await,
        Action::Replay { id: Some(id), .. } => tell(id, ops.replay(id, &actor).await?),
        Action::Replay { id: None, which, everything } => {
            replay_all(&ops, which.wanted()?, everything, &actor).await
        }
        Action::Discard { id, reason } => tell(id, ops.discard(id, &reason, &actor).await?),
    }
}

async fn list(ops: &Ops, wanted: Wanted, limit: usize) -> Result<(), Failure> {
    let (mut shown, mut page) = (0, None::<String>);
    while shown < limit {
        let left = i64::try_from(limit - shown).unwrap_or(PAGE).min(PAGE);
        let Some((letters, next)) = ops.dead_letters(wanted.clone(), page.as_deref(), left).await? else {
            break;
        };
        letters.iter().for_each(line);
        shown += letters.len();
        page = next;
        if page.is_none() {
            break;
        }
    }
    match page {
        Some(_) => println!("{shown} shown; there are more, see --limit"),
        None => println!("{shown} in all"),
    }
    Ok(())
}

fn line(letter: &DeadLetter) {
    let DeadLetter { dead_letter_id, object_name, attempts, waiting_since, code, message, .. } = letter;
    let stripe_id = letter.stripe_id.as_deref().unwrap_or("-");
    println!("{dead_letter_id}  {object_name}  {stripe_id}  since {waiting_since}, {attempts} attempts");
    println!("    {code}: {message}");
}

async fn show(ops: &Ops, id: Id) -> Result<(), Failure> {
    let detail = ops.dead_letter(id).await?.ok_or_else(|| unknown(id))?;
    let letter = &detail.dead_letter;
    line(letter);
    if letter.discarded {
        println!("    discarded");
    }
    println!("    event {} of account {}", letter.event_id, letter.account_name);
    if let Some(version) = detail.mapping_version.filter(|version| !version.is_empty()) {
        println!("    made by mapping {version}");
    }
    if let Some(record) = detail.salesforce_id {
        println!("    in the org as {record}");
    }
    let what = if matches!(id, Id::Event(_)) { "received" } else { "sent" };
    println!("    {what}: {}", detail.payload);
    for entry in &detail.history {
        let attempt = if entry.attempt > 0 { format!(" (attempt {})", entry.attempt) } else { String::new() };
        let code = if entry.code.is_empty() { String::new() } else { format!("{}: ", entry.code) };
        println!("  {}  {}{attempt}  {code}{}", entry.happened_at, entry.outcome, entry.message);
    }
    Ok(())
}

async fn preview(ops: &Ops, id: Id) -> Result<(), Failure> {
    let preview = ops.preview(id).await?.ok_or_else(|| unknown(id))?;
    println!("by mapping {}:", preview.mapping_version);
    if let Some(note) = &preview.note {
        println!("  {note}");
    }
    for record in &preview.records {
        println!("  {} {}", record.object_name, record.stripe_id);
        println!("    {}", record.payload);
        for difference in record.differences.lines() {
            println!("    changed: {difference}");
        }
    }
    if !preview.replayable && preview.note.is_none() {
        println!("  nothing would be sent");
    }
    Ok(())
}

async fn replay_all(ops: &Ops, wanted: Wanted, everything: bool, actor: &str) -> Result<(), Failure> {
    if wanted.is_everything() && !everything {
        return Err(Failure("say which: an id like `record:17`, a filter, or --everything".to_owned()));
    }
    let (mut replayed, mut rounds) = (0, 0);
    let refused = loop {
        let many = ops.replay_all(wanted.clone(), actor).await?;
        (replayed, rounds) = (replayed + many.replayed, rounds + 1);
        // What is refused is met again in each round.
        if !many.more || many.replayed == 0 {
            break many.refused;
        }
        println!("{replayed} so far, after round {rounds}");
    };
    println!("{replayed} are due again, {refused} are not made by today's mapping (see preview)");
    Ok(())
}

fn tell(id: Id, done: Done) -> Result<(), Failure> {
    match done {
        Done::Replayed { remade: true } => println!("{id} is due again, made anew by today's mapping"),
        Done::Replayed { remade: false } => {
            println!("{id} is due again as it was; its events are not stored any more");
        }
        Done::Discarded => println!("{id} is set aside"),
        Done::NoSuch => return Err(unknown(id)),
        Done::Refused(reason) => return Err(Failure(format!("{id} cannot be replayed: {reason}"))),
    }
    Ok(())
}

fn unknown(id: Id) -> Failure {
    Failure(format!("`{id}` is not a dead letter; `paybridge dead-letters list` shows them"))
}
