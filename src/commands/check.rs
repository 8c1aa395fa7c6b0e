//! `paybridge check`: everything that is wrong, at once, or what is in effect.

use std::path::Path;
use std::process::ExitCode;

use crate::app::load_mapping;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::mapping::Mapping;
use crate::store::Store;
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
        format!("{} kinds of records, proven against the metadata", mapping.parents_first().len())
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
    for (name, account) in &config.stripe {
        let found = match stripe::Client::new(account) {
            Ok(client) => client.account().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        tell(format!("stripe.{name}"), found.map(|id| format!("account {id}, {:?} mode", account.mode())));
    }
    for (name, org) in &config.salesforce {
        let found = match salesforce::Client::new(org, Clock::system()) {
            Ok(client) => client.check_limits().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        tell(format!("salesforce.{name}"), found.map(|()| format!("signed in as {}", org.username)));
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
