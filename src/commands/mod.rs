//! What a person can ask for on the command line: one file for each command. They may use everything.
#![expect(clippy::print_stdout, reason = "a command's answer goes to standard output")]

mod audit;
mod bench;
mod bindings;
mod check;
mod dead_letters;
mod healthcheck;
mod keys;
mod mapping;
mod sandbox;
mod serve;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::api;
use crate::config::{self, Config};

/// The configuration file that is read when none is named, if it is there.
const DEFAULT_FILE: &str = "paybridge.toml";

/// Between Stripe and Salesforce. Without a command: the sandbox, where nothing outside this machine is needed.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Configuration file [default: paybridge.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything on this machine: the service with stand-ins for Stripe and Salesforce
    Sandbox(sandbox::Options),
    /// Run the service
    Serve,
    /// Bring the database's tables up to date and end
    Migrate,
    /// Say everything that is wrong with the configuration, or what is in effect
    Check(check::Options),
    /// What was given up: look at it, try it again, set it aside
    #[command(subcommand)]
    DeadLetters(dead_letters::Action),
    /// Why a record looks as it does: what came, what won, what was sent, what it waits for
    Trace(trace::Options),
    /// The keys by which callers of the API are known
    #[command(subcommand)]
    Keys(keys::Action),
    /// What was done with the keys: show it, prove that it is whole
    #[command(subcommand)]
    Audit(audit::Action),
    /// Which Stripe account and which org each name stands for: list them, confirm a change
    #[command(subcommand)]
    Bindings(bindings::Action),
    /// Which records Stripe's objects become: try an event, print the default
    #[command(subcommand)]
    Mapping(mapping::Action),
    /// Print the OpenAPI document
    Openapi,
    /// Ask a running service whether it works; for containers
    Healthcheck(healthcheck::Options),
    /// Measure the service on this machine
    Bench(bench::Options),
    /// The service as `bench` starts it to compare
    #[command(hide = true)]
    BenchService {
        /// How much of it runs
        part: bench::Part,
    },
}

/// An error with all its causes, for the last line a person sees.
#[derive(Debug)]
pub struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(&format!("\n  because: {inner}"));
            cause = inner.source();
        }
        Self(text)
    }
}

/// Does what the command line asks for. `environment` is the process's.
pub async fn run(arguments: Arguments, environment: Vec<(String, String)>) -> ExitCode {
    let file = arguments.config.or_else(|| Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into()));
    let actor = actor(&environment);
    let load = || Config::load(file.as_deref(), environment);
    let result = match arguments.command {
        None => sandbox::run(&sandbox::Options::default()).await,
        Some(Command::Sandbox(options)) => sandbox::run(&options).await,
        Some(Command::Check(options)) => return check::run(load(), &options, file.as_deref()).await,
        Some(Command::Serve) => with(load(), serve::run).await,
        Some(Command::Migrate) => with(load(), serve::migrate).await,
        Some(Command::Keys(action)) => with(load(), |config| keys::run(config, action, actor)).await,
        Some(Command::Trace(options)) => with(load(), |config| trace::run(config, options)).await,
        Some(Command::Audit(action)) => with(load(), |config| audit::run(config, action)).await,
        Some(Command::Bindings(action)) => with(load(), |config| bindings::run(config, action)).await,
        Some(Command::Mapping(action)) => {
            load().map_err(Failure::from).and_then(|config| mapping::run(&config, action))
        }
        Some(Command::Openapi) => {
            print!("{}", api::document());
            Ok(())
        }
        Some(Command::Healthcheck(options)) => healthcheck::run(&options).await,
        Some(Command::DeadLetters(action)) => {
            with(load(), |config| dead_letters::run(config, action, actor)).await
        }
        Some(Command::Bench(options)) => bench::run(options).await,
        Some(Command::BenchService { part }) => with(load(), |config| bench::serve_part(config, part)).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

/// Who sits at the keyboard, as far as the environment tells. Not proven: whoever may run commands may say anything.
fn actor(environment: &[(String, String)]) -> String {
    let named = |name: &str| environment.iter().find(|(key, value)| key == name && !value.is_empty());
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(named);
    format!("command:{}", user.map_or("unknown", |(_, name)| name.as_str()))
}

async fn with<F: Future<Output = Result<(), Failure>>>(
    config: Result<Config, config::Error>,
    command: impl FnOnce(Config) -> F,
) -> Result<(), Failure> {
    command(config?).await
}

#[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
fn complain(text: &str) {
    eprintln!("paybridge: {text}");
}
