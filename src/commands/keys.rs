//! `paybridge keys`: the keys by which callers of the API are known.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Failure;
use crate::api::{self, Scope};
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::Config;
use crate::store::{Store, api_keys};

const DAY: Duration = Duration::from_secs(86_400);

/// What to do with them.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Make a key; its token is shown once and kept nowhere
    Create {
        /// What people call it, like `Flows of the sales org`
        #[arg(long)]
        name: String,
        /// What it may do: payments:read, payments:write, ops:read, ops:write; write includes read
        #[arg(long = "scope", required = true, value_parser = parse_scope)]
        scopes: Vec<Scope>,
        /// After so many days it is refused [default: never]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// Show all keys, without their secrets
    List,
    /// Refuse a key from now on
    Revoke {
        /// The id that `list` shows
        id: String,
    },
}

fn parse_scope(name: &str) -> Result<Scope, String> {
    let known = Scope::ALL.map(Scope::name).join(", ");
    Scope::parse(name).ok_or_else(|| format!("scopes are {known}"))
}

pub(super) async fn run(config: Config, action: Action) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    let now = Clock::system().now();
    match action {
        Action::Create { name, scopes, days } => {
            let (key, token) = api::issue(&name, &scopes, now, days.map(|days| DAY * days))
                .map_err(|_error| Failure("the system has no random numbers".to_owned()))?;
            store.write(move |conn| api_keys::create(conn, &key)).await?;
            println!("{}", token.expose_secret());
        }
        Action::List => {
            for key in store.read(api_keys::list).await? {
                let until = match (key.revoked_at, key.expires_at) {
                    (Some(revoked), _) => format!("revoked {}", from_unix_ms(revoked)),
                    (None, Some(end)) => format!("until {}", from_unix_ms(end)),
                    (None, None) => "no end".to_owned(),
                };
                println!(
                    "{}  {}  [{}]  since {}, {until}",
                    key.id,
                    key.name,
                    key.scopes,
                    from_unix_ms(key.created_at)
                );
            }
        }
        Action::Revoke { id } => {
            let shown = id.clone();
            if !store.write(move |conn| api_keys::revoke(conn, &id, unix_ms(now))).await? {
                return Err(Failure(format!("there is no key `{shown}` that is still valid")));
            }
            println!("{shown} is refused from now on");
        }
    }
    Ok(())
}
