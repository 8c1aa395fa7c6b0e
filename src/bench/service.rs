//! The service under measurement: this very program, as a process of its own, configured as an operator would.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use time::OffsetDateTime;

use super::database::Database;
use crate::api::{Scope, issue};
use crate::clock::Clock;
use crate::config::{PREFIX, SALESFORCE_API_VERSION};
use crate::sandbox::keys::Keys;
use crate::sandbox::salesforce::{self, Salesforce};
use crate::store::{Store, api_keys};

pub(super) const STRIPE_KEY: &str = "sk_test_bench";
pub(super) const WEBHOOK_SECRET: &str = "whsec_bench";
const CLIENT_ID: &str = "paybridge-bench";
const USERNAME: &str = "paybridge@bench.example";
/// What the settings call the org.
pub(super) const ORG: &str = "main";
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// How much of the service runs: the arguments that say so.
pub(super) type Mode = &'static [&'static str];
/// All of it.
pub(super) const ALL: Mode = &["serve"];
/// Events are stored and stay in the inbox.
pub(super) const STORE_ONLY: Mode = &["bench-service", "store-only"];
/// Events are checked, answered and forgotten.
pub(super) const VERIFY_ONLY: Mode = &["bench-service", "verify-only"];

#[derive(Debug)]
pub(super) struct Service {
    process: Child,
    pub(super) address: SocketAddr,
    /// How long it took to be ready.
    pub(super) start: Duration,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(mode: Mode, database: &Database, org: &Org) -> io::Result<Self> {
        Self::start_with(mode, database, org, &[]).await
    }

    /// With settings of its own.
    pub(super) async fn start_with(
        mode: Mode,
        database: &Database,
        org: &Org,
        more: &[(&str, String)],
    ) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(mode).current_dir(&database.directory);
        command.env_clear().envs(settings(&database.url, org));
        command
            .envs(more.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)))
            .stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let mut process = command.spawn()?;
            let stderr = process.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
            let mut said = String::new();
            let address = lines.by_ref().find_map(|line| {
                said.push_str(&line);
                line.split_once("ready address=")?.1.parse().ok()
            });
            let start = begun.elapsed();
            // Somebody has to read on, or the service would wait for its log.
            std::thread::spawn(move || lines.for_each(drop));
            let address =
                address.ok_or_else(|| io::Error::other(format!("the service did not start: {said}")))?;
            Ok(Self { process, address, start })
        })
        .await?
    }

    /// What it holds in memory, in MB.
    pub(super) fn memory_mb(&self) -> io::Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most that it ever held in memory, in MB.
    pub(super) fn most_memory_mb(&self) -> io::Result<f64> {
        self.memory("VmHWM:")
    }

    /// How many threads it has.
    pub(super) fn threads(&self) -> io::Result<f64> {
        self.status("Threads:", "")
    }

    /// How many files and connections it has open.
    pub(super) fn descriptors(&self) -> io::Result<f64> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count() as f64)
    }

    fn memory(&self, name: &str) -> io::Result<f64> {
        Ok(self.status(name, " kB")? / 1_024.0)
    }

    fn status(&self, name: &str, unit: &str) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(unit));
        let number = found.and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("/proc does not tell {name}")))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _already_gone = self.process.wait();
    }
}

/// A Salesforce org: the sandbox's, which answers at once, or none at all.
#[derive(Clone)]
pub(super) struct Org {
    keys: Keys,
    pub(super) stand_in: Option<Salesforce>,
}

impl Org {
    /// No org is there; deliveries wait.
    pub(super) async fn unreachable() -> io::Result<Self> {
        let keys = tokio::task::spawn_blocking(Keys::generate).await?.map_err(io::Error::other)?;
        Ok(Self { keys, stand_in: None })
    }

    pub(super) async fn start() -> io::Result<Self> {
        let mut org = Self::unreachable().await?;
        let options = salesforce::Options {
            port: 0,
            client_id: CLIENT_ID.to_owned(),
            username: USERNAME.to_owned(),
            public_key_pem: org.keys.public_pem.clone(),
            audience: "https://login.salesforce.com".to_owned(),
            api_version: SALESFORCE_API_VERSION.to_owned(),
            is_sandbox: true,
            daily_limit: 1_000_000,
            clock: Clock::system(),
        };
        org.stand_in = Some(Salesforce::start(options).await?);
        Ok(org)
    }
}

/// A key that may do what `scopes` say, as the caller sends it.
pub(super) async fn token(store: &Store, scopes: &[Scope]) -> io::Result<String> {
    let (key, token) = issue("bench", scopes, OffsetDateTime::now_utc(), None).map_err(io::Error::other)?;
    store.write(move |conn| api_keys::create(conn, &key)).await.map_err(io::Error::other)?;
    Ok(token.expose_secret().to_owned())
}

fn settings(database_url: &str, org: &Org) -> Vec<(String, String)> {
    let login_url = org.stand_in.as_ref().map_or_else(|| NOWHERE.to_owned(), Salesforce::base_url);
    [
        ("SERVER__BIND", "127.0.0.1:0"),
        ("DATABASE__URL", database_url),
        ("STRIPE__MAIN__SECRET_KEY", STRIPE_KEY),
        ("STRIPE__MAIN__WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ("STRIPE__MAIN__API_BASE", NOWHERE),
        ("SALESFORCE__MAIN__LOGIN_URL", &login_url),
        ("SALESFORCE__MAIN__CLIENT_ID", CLIENT_ID),
        ("SALESFORCE__MAIN__USERNAME", USERNAME),
        ("SALESFORCE__MAIN__PRIVATE_KEY", &org.keys.private_pem),
    ]
    .map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned()))
    .to_vec()
}
