//! `paybridge keys`: who may call the API.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Failure;
use crate::auth::{Scope, certificate, issue, new_secret};
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::Config;
use crate::store::api_keys::ApiKey;
use crate::store::audit::NewEntry;
use crate::store::certificates::Certificate;
use crate::store::{Store, api_keys, audit, certificates};

const HOUR: Duration = Duration::from_secs(3_600);

/// So many certificates sign for a key at a time: one, and its successor.
const MOST_CERTIFICATES: usize = 2;

/// What to do with them.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Make a key; its secret is shown once and kept nowhere
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
        /// The only Stripe account it may use, by its name in the configuration
        #[arg(long)]
        account: Option<String>,
        /// The only org whose accounts it may use, by its name in the configuration
        #[arg(long)]
        org: Option<String>,
        /// Print the API key and nothing else, for scripts
        #[arg(long)]
        plain: bool,
    },
    /// Show all keys, without their secrets
    List,
    /// Give a key another secret; the one before stays good for a while
    Rotate {
        /// The id that `list` shows
        id: String,
        /// For so many hours both secrets are good
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=2160))]
        overlap_hours: u32,
        /// Print the API key and nothing else, for scripts
        #[arg(long)]
        plain: bool,
    },
    /// Refuse a key from now on, and every token that was given for it
    Revoke {
        /// The id that `list` shows
        id: String,
    },
    /// Let a certificate's private key sign assertions for a key
    Trust {
        /// The id that `list` shows
        id: String,
        /// The certificate, PEM
        certificate: PathBuf,
    },
    /// Withdraw that
    Distrust {
        /// The id that `list` shows
        id: String,
        /// As `list` shows it
        fingerprint: String,
    },
}

fn parse_scope(name: &str) -> Result<Scope, String> {
    let known = Scope::ALL.map(Scope::name).join(", ");
    Scope::parse(name).ok_or_else(|| format!("scopes are {known}"))
}

/// Errors when `name` is given and no section of the configuration has it.
fn refuse_unknown_name<'a>(
    section: &str,
    name: Option<&str>,
    known: impl Iterator<Item = &'a String>,
) -> Result<(), Failure> {
    let known: Vec<_> = known.map(String::as_str).collect();
    match name.filter(|name| !known.contains(name)) {
        Some(name) => Err(Failure(format!("there is no [{section}.{name}]; there is {}", known.join(", ")))),
        None => Ok(()),
    }
}

/// `actor` is who asks for it, for the audit log.
pub(super) async fn run(config: Config, action: Action, actor: String) -> Result<(), Failure> {
    if let Action::Create { account, org, .. } = &action {
        refuse_unknown_name("stripe", account.as_deref(), config.stripe.keys())?;
        refuse_unknown_name("salesforce", org.as_deref(), config.salesforce.keys())?;
    }
    if let Action::Create { scopes, account, org, .. } = &action
        && (account.is_some() || org.is_some())
        && scopes.iter().any(|scope| scope.sees_everything())
    {
        let only = "a key that is bound can have payments:read and payments:write only: queues and dead letters are of all orgs";
        return Err(Failure(only.to_owned()));
    }
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    let now = Clock::system().now();
    let note = |action: &'static str, key_id: &str, detail: Value| NewEntry {
        at: unix_ms(now),
        actor: actor.clone(),
        action,
        subject: key_id.to_owned(),
        detail: detail.to_string(),
    };
    match action {
        Action::Create { name, scopes, days, account, org, plain } => {
            let life = days.map(|days| HOUR * 24 * days);
            let (mut key, token) = issue(&name, &scopes, now, life).map_err(no_random)?;
            (key.account, key.org) = (account, org);
            let mut detail = rights(&key);
            detail["name"] = json!(name);
            detail["secret"] = json!(fingerprint(&key.hash));
            let entry = note("key_created", &key.id, detail);
            let id = key.id.clone();
            store
                .write(move |conn| {
                    api_keys::create(conn, &key)?;
                    audit::append(conn, &[entry])
                })
                .await?;
            show_once(&id, token.expose_secret(), plain);
        }
        Action::List => list(&store).await?,
        Action::Rotate { id, overlap_hours, plain } => {
            let (secret, hash) = new_secret().map_err(no_random)?;
            let until = unix_ms(now + HOUR * overlap_hours);
            let entry =
                note("key_rotated", &id, json!({ "overlapsUntil": until, "secret": fingerprint(&hash) }));
            let rotated = id.clone();
            let found = store
                .write(move |conn| {
                    let found = api_keys::rotate(conn, &rotated, &hash, until)?;
                    audit::append(conn, if found { std::slice::from_ref(&entry) } else { &[] })?;
                    Ok(found)
                })
                .await?;
            if !found {
                return Err(no_such_key(&id));
            }
            show_once(&id, &format!("pb_{id}_{}", secret.expose_secret()), plain);
        }
        Action::Revoke { id } => {
            let entry = note("key_revoked", &id, json!({}));
            let revoked = id.clone();
            let found = store
                .write(move |conn| {
                    let found = api_keys::revoke(conn, &revoked, unix_ms(now))?;
                    audit::append(conn, if found { std::slice::from_ref(&entry) } else { &[] })?;
                    Ok(found)
                })
                .await?;
            if !found {
                return Err(no_such_key(&id));
            }
            println!("{id} is refused from now on; a running service knows within five seconds");
        }
        Action::Trust { id, certificate: file } => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| Failure(format!("{} cannot be read: {error}", file.display())))?;
            let read = certificate::read(&text)
                .map_err(|problem| Failure(format!("{}: {problem}", file.display())))?;
            if read.expires_at_ms <= unix_ms(now) {
                return Err(Failure(format!(
                    "{}: it ended {}",
                    file.display(),
                    from_unix_ms(read.expires_at_ms)
                )));
            }
            let row = Certificate {
                key_id: id.clone(),
                fingerprint: read.fingerprint.clone(),
                certificate: text,
                expires_at: read.expires_at_ms,
                created_at: unix_ms(now),
                revoked_at: None,
            };
            let entry = note("certificate_trusted", &id, json!({ "fingerprint": read.fingerprint }));
            trust(&store, row, entry).await?;
            println!("{} signs for {id} until {}", read.fingerprint, from_unix_ms(read.expires_at_ms));
        }
        Action::Distrust { id, fingerprint } => {
            let fingerprint = fingerprint.replace(':', "").to_lowercase();
            let entry = note("certificate_distrusted", &id, json!({ "fingerprint": fingerprint }));
            let (key_id, shown) = (id.clone(), fingerprint.clone());
            let found = store
                .write(move |conn| {
                    let found = certificates::distrust(conn, &key_id, &fingerprint, unix_ms(now))?;
                    audit::append(conn, if found { std::slice::from_ref(&entry) } else { &[] })?;
                    Ok(found)
                })
                .await?;
            if !found {
                return Err(Failure(format!("`{shown}` does not sign for `{id}`")));
            }
            println!("{shown} signs for {id} no more; tokens it has got end within auth.token_seconds");
        }
    }
    Ok(())
}

/// What a key may do, as the audit log has it.
pub(super) fn rights(key: &ApiKey) -> Value {
    json!({ "scopes": key.scopes, "expiresAt": key.expires_at, "account": key.account, "org": key.org })
}

/// Tells one secret from another in the audit log, and nothing else about it.
pub(super) fn fingerprint(hash: &str) -> String {
    hex::encode(&Sha256::digest(hash)[..8])
}

async fn trust(store: &Store, row: Certificate, entry: NewEntry) -> Result<(), Failure> {
    let (id, fingerprint) = (row.key_id.clone(), row.fingerprint.clone());
    let (exists, others) = store
        .write(move |conn| {
            let exists = api_keys::find(conn, &row.key_id)?.is_some_and(|key| key.revoked_at.is_none());
            let trusted = certificates::trusted(conn)?;
            let others = trusted
                .into_iter()
                .filter(|other| other.key_id == row.key_id && other.fingerprint != row.fingerprint)
                .map(|other| other.fingerprint)
                .collect::<Vec<_>>();
            if exists && others.len() < MOST_CERTIFICATES {
                certificates::trust(conn, &row)?;
                audit::append(conn, &[entry])?;
            }
            Ok((exists, others))
        })
        .await?;
    if !exists {
        return Err(no_such_key(&id));
    }
    if others.len() >= MOST_CERTIFICATES {
        let hint = format!("{MOST_CERTIFICATES} certificates sign for `{id}` already; distrust one first: ");
        return Err(Failure(hint + &others.join(", ")));
    }
    tracing::debug!(key.id = id, fingerprint, "trusted");
    Ok(())
}

async fn list(store: &Store) -> Result<(), Failure> {
    let (keys, trusted) =
        store.read(|conn| Ok((api_keys::list(conn)?, certificates::trusted(conn)?))).await?;
    for key in keys {
        let until = match (key.revoked_at, key.expires_at) {
            (Some(revoked), _) => format!("revoked {}", from_unix_ms(revoked)),
            (None, Some(end)) => format!("until {}", from_unix_ms(end)),
            (None, None) => "no end".to_owned(),
        };
        let used =
            key.last_used_at.map_or("never used".to_owned(), |at| format!("last used {}", from_unix_ms(at)));
        let since = from_unix_ms(key.created_at);
        println!("{}  {}  [{}]  since {since}, {until}, {used}", key.id, key.name, key.scopes);
        for (kind, bound) in [("account", &key.account), ("org", &key.org)] {
            if let Some(name) = bound {
                println!("    only for the {kind} {name}");
            }
        }
        if let (Some(_), Some(end)) = (&key.previous_hash, key.previous_until) {
            println!("    rotated; the secret before is good until {}", from_unix_ms(end));
        }
        for certificate in trusted.iter().filter(|certificate| certificate.key_id == key.id) {
            println!(
                "    certificate {}  until {}",
                certificate.fingerprint,
                from_unix_ms(certificate.expires_at)
            );
        }
    }
    Ok(())
}

/// The one time that the secret is seen.
fn show_once(id: &str, token: &str, plain: bool) {
    if plain {
        println!("{token}");
        return;
    }
    let secret = token.rsplit('_').next().unwrap_or_default();
    println!("client id      {id}\nclient secret  {secret}\nAPI key        {token}");
    println!(
        "\nThe first two are for OAuth (/oauth/token), the third is for scripts. They are not shown again."
    );
}

fn no_such_key(id: &str) -> Failure {
    Failure(format!("there is no key `{id}` that is still valid; `paybridge keys list` shows them"))
}

fn no_random(_error: aws_lc_rs::error::Unspecified) -> Failure {
    Failure("the system has no random numbers".to_owned())
}
