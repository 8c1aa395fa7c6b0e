//! `paybridge check`: everything that is wrong, at once, or what is in effect.

use std::path::Path;
use std::process::ExitCode;

use crate::app::{load_mapping, own_mapping};
use crate::bindings::{self as bindings_of, Found, Judged, judge, wrong_environment};
use crate::clock::{Clock, from_unix_ms};
use crate::config::{self, Config, MappingConfig, Mode, SalesforceConfig, StripeConfig};
use crate::mapping::Mapping;
use crate::store::Store;
use crate::store::bindings::{self, Binding};
use crate::{salesforce, stripe};

/// How thorough the check is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Options {
    /// Only the settings and the mapping: connect to nothing
    #[arg(long)]
    offline: bool,
}

/// Prints faults or effective settings, then tries the database, Stripe and Salesforce. Fails if anything is wrong.
pub(super) async fn run(
    config: Result<Config, config::Error>,
    options: &Options,
    file: Option<&Path>,
) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "configuration: {}",
        file.map_or("environment only".to_owned(), |path| path.display().to_string())
    );
    for setting in &config.effective {
        println!("  {} = {}  ({})", setting.key, setting.shown, setting.origin);
    }
    let mut good = true;
    let mut tell = |what: String, result: Result<String, String>| match result {
        Ok(found) => println!("ok    {what}: {found}"),
        Err(problem) => {
            good = false;
            println!("FAULT {what}: {problem}");
        }
    };
    let mapping = load_mapping(&config.mapping).map_err(|error| error.to_string());
    let proven = |mapping: Mapping| {
        let (kinds, version) = (mapping.parents_first().len(), mapping.version());
        format!("{kinds} kinds of records, proven against the metadata; version {version}")
    };
    tell("mapping".to_owned(), mapping.map(proven));
    if options.offline {
        for (name, org) in &config.salesforce {
            let key = salesforce::Client::new(org, Clock::system()).map_err(|error| error.to_string());
            tell(format!("salesforce.{name}"), key.map(|_client| "the private key can sign".to_owned()));
        }
        return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    tell("database".to_owned(), check_database(&config).await);
    let bound = known_bindings(&config).await;
    for (name, account) in &config.stripe {
        tell(format!("stripe.{name}"), check_account(name, account, &bound).await);
    }
    for (name, org) in &config.salesforce {
        tell(format!("salesforce.{name}"), check_org(name, org, &config, &bound).await);
        tell(format!("fields of salesforce.{name}"), check_fields(org, &config.mapping).await);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn check_database(config: &Config) -> Result<String, String> {
    let url = config.database.url.clone();
    match tokio::task::spawn_blocking(move || Store::pending_migrations(&url)).await {
        Ok(Ok((backend, 0))) => Ok(format!("{backend:?}, tables up to date")),
        Ok(Ok((backend, pending))) => Ok(format!(
            "{backend:?}, {pending} migrations to apply: the next start does it, or `paybridge migrate`"
        )),
        Ok(Err(error)) => Err(super::Failure::from(error).0),
        Err(error) => Err(error.to_string()),
    }
}

/// What is bound already; nothing while the tables are not there.
async fn known_bindings(config: &Config) -> Vec<Binding> {
    let url = config.database.url.clone();
    let read = move || match Store::pending_migrations(&url) {
        Ok((_, 0)) => Store::open(&url, 2)?.read_blocking(bindings::list),
        _ => Ok(Vec::new()),
    };
    tokio::task::spawn_blocking(read).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Fails when another one answers than the one that is bound.
fn compare<'b>(
    party: &str,
    name: &str,
    found: &Found,
    bound: &'b [Binding],
) -> Result<Option<&'b Binding>, String> {
    let bound = bound.iter().find(|bound| bound.party == party && bound.name == name);
    match (judge(bound, found), bound) {
        (Judged::Another, Some(bound)) => Err(format!(
            "{} ({}) answers, but the name is bound to {} ({}): all its traffic is stopped; if that is right, say \
             `paybridge bindings confirm {party}.{name}`",
            found.identity, found.kind, bound.identity, bound.kind
        )),
        _ => Ok(bound),
    }
}

async fn check_account(name: &str, account: &StripeConfig, bound: &[Binding]) -> Result<String, String> {
    let client = stripe::Client::new(account).map_err(|error| error.to_string())?;
    let identity = client.account().await.map_err(|error| error.to_string())?.0;
    let kind = if account.mode() == Mode::Live { "live" } else { "test" }.to_owned();
    let found = Found { identity, kind };
    let known = compare(bindings_of::STRIPE, name, &found, bound)?;
    Ok(format!("account {}, {} mode{}", found.identity, found.kind, since(known)))
}

async fn check_org(
    name: &str,
    org: &SalesforceConfig,
    config: &Config,
    bound: &[Binding],
) -> Result<String, String> {
    let client = salesforce::Client::new(org, Clock::system()).map_err(|error| error.to_string())?;
    let identity = client.identity().await.map_err(|error| error.to_string())?;
    let kind = if identity.is_sandbox { "sandbox" } else { "production" }.to_owned();
    let found = Found { identity: identity.org_id, kind };
    let known = compare(bindings_of::SALESFORCE, name, &found, bound)?;
    // What a person said of the org stands.
    let kind = known.map_or(found.kind.as_str(), |bound| bound.kind.as_str());
    let feeding = config.stripe.iter().filter(|(_, account)| account.org == name);
    let wrong =
        feeding.filter_map(|(account, settings)| wrong_environment(account, settings.mode(), name, kind));
    let wrong: Vec<String> = wrong.collect();
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    Ok(format!("signed in as {} to {kind} org {}{}", org.username, found.identity, since(known)))
}

/// Proves the mapping against what the org says of its objects and fields, as the integration user sees them.
async fn check_fields(org: &SalesforceConfig, settings: &MappingConfig) -> Result<String, String> {
    let own = own_mapping(settings).map_err(|error| error.to_string())?;
    let own = own.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    let client = salesforce::Client::new(org, Clock::system()).map_err(|error| error.to_string())?;
    let sobjects: Vec<String> = Mapping::targets(own).into_iter().collect();
    let schema = client.describe(&sobjects).await.map_err(|error| error.to_string())?;
    Mapping::load(own, &schema).map_err(|faults| faults.to_string())?;
    Ok(format!("{} objects take what the mapping sends", sobjects.len()))
}

fn since(bound: Option<&Binding>) -> String {
    bound.map_or(", not bound yet".to_owned(), |bound| {
        format!(", bound since {}", from_unix_ms(bound.bound_at).date())
    })
}
