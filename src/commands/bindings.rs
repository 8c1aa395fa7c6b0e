//! `paybridge bindings`: whom the names in the configuration stand for, and a person's word about it.

use crate::bindings::KINDS;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::Config;
use crate::store::bindings::{self, Binding};
use crate::store::{Store, outbox};

use super::Failure;

/// What to do with bindings.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Show which account and which org each name stands for, and since when
    List,
    /// Say that what answers now is right: traffic goes on, and everything known is sent to a new org again
    Confirm {
        /// Like `salesforce.main` or `stripe.main`
        name: String,
        /// What an org counts as, whatever it says of itself
        #[arg(long, value_name = "sandbox|production", value_parser = ["sandbox", "production"])]
        r#as: Option<String>,
    },
}

pub(super) async fn run(config: Config, action: Action) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    match action {
        Action::List => {
            let bound = store.read(bindings::list).await?;
            if bound.is_empty() {
                println!("nothing is bound yet; the service binds what answers at its first connect");
            }
            bound.iter().for_each(show);
            Ok(())
        }
        Action::Confirm { name, r#as } => confirm(&store, &name, r#as).await,
    }
}

fn show(bound: &Binding) {
    let Binding { party, name, identity, kind, bound_at, .. } = bound;
    println!("{party}.{name} = {identity} ({kind}), since {}", day(*bound_at));
    if let (Some(other), Some(kind), Some(at)) = (&bound.other, &bound.other_kind, bound.other_at) {
        println!("  STOPPED since {}: {other} ({kind}) answers instead", day(at));
    }
}

async fn confirm(store: &Store, full_name: &str, kind: Option<String>) -> Result<(), Failure> {
    let known = full_name.split_once('.').filter(|(party, _)| KINDS.iter().any(|(known, _)| known == party));
    let Some((party, name)) = known.map(|(party, name)| (party.to_owned(), name.to_owned())) else {
        return Err(Failure(format!(
            "`{full_name}` is no name of an account or org; `bindings list` shows them"
        )));
    };
    if kind.is_some() && party == crate::bindings::STRIPE {
        return Err(Failure("the key says what a Stripe account is; --as is for orgs".to_owned()));
    }
    let (full_name, now_ms) = (full_name.to_owned(), unix_ms(Clock::system().now()));
    let bound = store
        .write(move |conn| {
            let Some(bound) = bindings::find(conn, &party, &name)? else { return Ok(None) };
            let changed = bound.other.is_some();
            let identity = bound.other.clone().unwrap_or(bound.identity);
            let kind = kind.or(bound.other_kind).unwrap_or(bound.kind);
            bindings::rebind(conn, &party, &name, &identity, &kind, now_ms)?;
            if changed && party == crate::bindings::SALESFORCE {
                outbox::send_all_again(conn, &name, now_ms)?;
            }
            bindings::find(conn, &party, &name)
        })
        .await?;
    match bound {
        Some(bound) => {
            show(&bound);
            Ok(())
        }
        None => Err(Failure(format!("{full_name} is not bound yet; there is nothing to confirm"))),
    }
}

fn day(ms: i64) -> String {
    let at = from_unix_ms(ms);
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}
