//! Every setting: its name, unit, default and meaning. All faults are reported in one go.
//!
//! Settings come from `paybridge.toml`, and each also from `PAYBRIDGE__SECTION__KEY`, which wins. A secret may be put into
//! a file of its own and named by the key with `_file` (or the variable with `_FILE`) behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

mod settings;

use settings::Settings;
pub use settings::{Effective, Fault, Origin, PREFIX};

/// The Stripe API version every request names and every event is expected in. Chosen 2026-11-20.
pub const STRIPE_API_VERSION: &str = "2026-10-28.endive";
/// The Salesforce REST API version of every path. Chosen 2026-11-20.
pub const SALESFORCE_API_VERSION: &str = "v66.0";

/// The whole configuration. Parts of the program receive their section, never all of it.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[stripe.<account>]`
    pub stripe: BTreeMap<String, StripeConfig>,
    /// `[salesforce.<org>]`
    pub salesforce: BTreeMap<String, SalesforceConfig>,
    /// `[mapping]`
    pub mapping: MappingConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[delivery]`
    pub delivery: DeliveryConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
    /// `[log]`
    pub log: LogConfig,
    /// Every key with what may be shown of its value and where it came from.
    pub effective: Vec<Effective>,
}

/// `[server]`: how the service is reached.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `bind`: address and port to listen on.
    pub bind: SocketAddr,
    /// `metrics_bind`: another address that serves `/metrics` alone, to everybody who reaches it.
    pub metrics_bind: Option<SocketAddr>,
    /// `max_connections`: how many callers may be connected at the same time; others wait.
    pub max_connections: u32,
    /// `shutdown_seconds`: how long requests in flight may finish after SIGTERM.
    pub shutdown: Duration,
}

/// `[database]`: where everything is kept.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `url`: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/NAME?sslmode=…`; may hold a password, so it is a secret.
    pub url: SecretString,
    /// `connections`: how many connections are held open for reading and, on PostgreSQL, writing.
    pub connections: u32,
}

/// Whether objects are real or for testing. Stripe keeps the two apart; so do we.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Test mode.
    Test,
    /// Live mode: real money.
    Live,
}

/// `[stripe.<account>]`: one Stripe account.
#[derive(Clone)]
pub struct StripeConfig {
    /// `secret_key`: `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// `webhook_secrets`: every secret that may sign now; two while one is being rolled.
    pub webhook_secrets: Vec<SecretString>,
    /// `api_base`
    pub api_base: Url,
    /// `api_version`
    pub api_version: String,
    /// `timeout_ms`: how long one request may take; a caller waits at most 8 s for its answer.
    pub timeout: Duration,
    /// `org`: the Salesforce org that this account's records go to.
    pub org: String,
    /// `concurrency`: requests of bulk calls at the same time.
    pub concurrency: u32,
    /// `requests_per_second`: bulk calls slow down when so many requests leave.
    pub requests_per_second: u32,
}

impl StripeConfig {
    /// The mode of the key.
    pub fn mode(&self) -> Mode {
        if self.secret_key.expose_secret().get(2..8) == Some("_live_") { Mode::Live } else { Mode::Test }
    }
}

/// `[salesforce.<org>]`: one Salesforce org.
#[derive(Clone)]
pub struct SalesforceConfig {
    /// `login_url`: the org's My Domain, where tokens are asked for.
    pub login_url: Url,
    /// `audience`: the `aud` of the assertion.
    pub audience: String,
    /// `client_id`: the consumer key of the External Client App.
    pub client_id: String,
    /// `username`: the integration user.
    pub username: String,
    /// `private_key`: PEM of the RSA key whose certificate the app knows.
    pub private_key: SecretString,
    /// `api_version`
    pub api_version: String,
    /// `daily_call_share`: part of the org's daily API requests that may be used, more than 0 and at most 1.
    pub daily_call_share: Decimal,
    /// `timeout_ms`: how long one request may take.
    pub timeout: Duration,
}

/// `[mapping]`: which fields Stripe's objects fill.
#[derive(Clone, Debug, Default)]
pub struct MappingConfig {
    /// `file`: a mapping that is laid over the default one.
    pub file: Option<PathBuf>,
    /// `metadata`: a directory with the org's own objects and fields in source format.
    pub metadata: Option<PathBuf>,
}

/// `[api]`: how creations and changes at Stripe are answered and remembered.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `patience_ms`: a call that is not done by then is answered 202, and goes on.
    pub patience: Duration,
    /// `lease_seconds`: who has not said what became of a call by then is taken for dead, and another worker finds out.
    pub lease: Duration,
    /// `keep_days`: how long the answer of an idempotency key is remembered.
    pub keep: Duration,
}

/// `[delivery]`: how changes are brought to Salesforce.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// `calls_in_flight`: how many calls to one org may be under way together.
    pub calls_in_flight: u32,
    /// `max_attempts`: a record that failed this often for a passing reason becomes a dead letter.
    pub max_attempts: u32,
    /// `backoff_ms`: longest first wait after a failure; doubles with each further one.
    pub backoff: Duration,
    /// `backoff_limit_seconds`: no wait is longer.
    pub backoff_limit: Duration,
    /// `lease_seconds`: a call that has not ended by then is taken for lost and repeated.
    pub lease: Duration,
    /// `parent_wait_seconds`: how long a record waits for a parent that is missing in Salesforce.
    pub parent_wait: Duration,
}

/// `[auth]`: who may call the API, and how much.
#[derive(Clone)]
pub struct AuthConfig {
    /// `token_secrets`: the first signs access tokens, all are good for reading them; none: one made at start.
    pub token_secrets: Vec<SecretString>,
    /// `audience`: what this service is called in tokens and assertions.
    pub audience: String,
    /// `token_seconds`: how long an access token is good.
    pub token_life: Duration,
    /// `requests_per_minute`: how much one key may ask, for each process.
    pub requests_per_minute: u32,
    /// `failures_per_minute`: how often one source may be wrong.
    pub failures_per_minute: u32,
    /// `source_header`: the header in which a proxy of ours names the source; none: the connection's own end.
    pub source_header: Option<String>,
}

/// `[retention]`: how long is kept what is not needed any more.
#[derive(Clone, Debug)]
pub struct RetentionConfig {
    /// `events_days`: events that were mapped, and failed attempts.
    pub events: Duration,
}

/// `[log]`: what is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `level`: `error`, `warn`, `info`, `debug`, or a filter like `info,paybridge::delivery=debug`.
    pub level: String,
    /// `format`: `text` for people, `json` for machines.
    pub format: LogFormat,
}

impl LogConfig {
    /// Whether `text` can be the `level`.
    ///
    /// A lone word that is no level would be taken for the name of a module, and everything else be silent.
    pub fn is_level(text: &str) -> bool {
        let named = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
        text.split(',').all(|part| part.contains('=') || named(&part.to_ascii_lowercase()))
            && text.parse::<tracing_subscriber::filter::Targets>().is_ok()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    /// The faults, in the order of the keys.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.faults.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {plural} in the configuration", self.faults.len())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl Config {
    /// Reads the configuration from `file`, if any, and from `environment`.
    ///
    /// Errors: everything that is wrong, at once: missing, unknown and malformed settings with key, expectation and place.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut settings = Settings::gather(file, environment);
        let server = read_server(&mut settings);
        let database = read_database(&mut settings);
        let stripe = read_named(&mut settings, "stripe", read_stripe);
        let salesforce = read_named(&mut settings, "salesforce", read_salesforce);
        let mapping = MappingConfig {
            file: read_path(&mut settings, "mapping.file"),
            metadata: read_path(&mut settings, "mapping.metadata"),
        };
        let api = ApiConfig {
            patience: milliseconds(&mut settings, "api.patience_ms", 6_500, 100..=7_500),
            lease: seconds(&mut settings, "api.lease_seconds", 20, 2..=600),
            keep: Duration::from_secs(86_400) * number(&mut settings, "api.keep_days", 365, 2..=3_650),
        };
        let delivery = read_delivery(&mut settings);
        let auth = read_auth(&mut settings);
        let retention =
            RetentionConfig { events: days(&mut settings, "retention.events_days", 90, 7..=3_650) };
        let log = read_log(&mut settings);
        for (account, config) in &stripe {
            if !salesforce.contains_key(&config.org) && settings.faults.is_empty() {
                let key = format!("stripe.{account}.org");
                let problem = format!("there is no section [salesforce.{}]", config.org);
                let origin = settings.origin(&key);
                settings.fault(&key, problem, origin);
            }
        }
        for (org, config) in &salesforce {
            // One call and what is split off it must end before its records may travel again.
            if config.timeout * 4 > delivery.lease * 3 {
                let key = format!("salesforce.{org}.timeout_ms");
                let problem = "expected at most three quarters of delivery.lease_seconds".to_owned();
                let origin = settings.origin(&key);
                settings.fault(&key, problem, origin);
            }
        }
        for (account, config) in &stripe {
            // Who waits for Stripe that long still holds what it took.
            if (api.patience + config.timeout) * 4 > api.lease * 3 {
                let problem = format!(
                    "expected that api.patience_ms and stripe.{account}.timeout_ms together are at most three quarters of it"
                );
                let origin = settings.origin("api.lease_seconds");
                settings.fault("api.lease_seconds", problem, origin);
            }
        }
        settings.refuse_unknown();
        settings.trust_no_broken_file();
        if settings.faults.is_empty() {
            let effective = settings.effective;
            Ok(Self {
                server,
                database,
                stripe,
                salesforce,
                mapping,
                api,
                delivery,
                auth,
                retention,
                log,
                effective,
            })
        } else {
            Err(Error { faults: settings.faults })
        }
    }
}

fn read_server(settings: &mut Settings) -> ServerConfig {
    let bind = SocketAddr::from(([127, 0, 0, 1], 8080));
    ServerConfig {
        bind: settings
            .read("server.bind", bind, "an address and port like `0.0.0.0:8080`", |text| text.parse().ok()),
        metrics_bind: read_address(settings, "server.metrics_bind"),
        max_connections: number(settings, "server.max_connections", 400, 16..=100_000),
        shutdown: seconds(settings, "server.shutdown_seconds", 8, 1..=300),
    }
}

/// An address that need not be set.
fn read_address(settings: &mut Settings, key: &str) -> Option<SocketAddr> {
    if !settings.is_set(key) {
        settings.read(key, "none".to_owned(), "", |_| None);
        return None;
    }
    settings.require(key, "an address and port like `127.0.0.1:9464`", |text| text.parse().ok())
}

fn read_database(settings: &mut Settings) -> DatabaseConfig {
    let expected = "`sqlite://FILE` or `postgres://USER:PASSWORD@HOST/NAME`";
    let known = |url: &str| {
        ["sqlite://", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
            // Each connection would have a database of its own.
            && url != "sqlite://:memory:"
    };
    let url = if settings.is_set("database.url") || settings.is_set("database.url_file") {
        settings.secret("database.url", expected, known)
    } else {
        settings.read("database.url", "sqlite://paybridge.db".to_owned(), expected, |_| None);
        settings.mark_read("database.url_file");
        None
    };
    DatabaseConfig {
        url: url.unwrap_or_else(|| SecretString::from("sqlite://paybridge.db".to_owned())),
        connections: number(settings, "database.connections", 8, 2..=200),
    }
}

fn read_named<T>(
    settings: &mut Settings,
    section: &str,
    read: impl Fn(&mut Settings, &str) -> Option<T>,
) -> BTreeMap<String, T> {
    let mut names = settings.names_below(section);
    if names.is_empty() {
        names.push("main".to_owned());
    }
    let mut found = BTreeMap::new();
    for name in names {
        let prefix = format!("{section}.{name}");
        let legal = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !legal || name.is_empty() || name.contains("__") {
            let problem = "expected a name of lower-case letters, digits and single underscores".to_owned();
            settings.fault(&prefix, problem, Origin::Default);
        }
        if let Some(value) = read(settings, &prefix) {
            found.insert(name, value);
        }
    }
    found
}

fn read_stripe(settings: &mut Settings, prefix: &str) -> Option<StripeConfig> {
    let key = |name: &str| format!("{prefix}.{name}");
    let secret_key = settings.secret(
        &key("secret_key"),
        "a Stripe key that begins with sk_test_, sk_live_, rk_test_ or rk_live_",
        |text| {
            let rest =
                ["sk_test_", "sk_live_", "rk_test_", "rk_live_"].iter().find_map(|b| text.strip_prefix(b));
            rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
        },
    );
    let webhook_secrets = settings.secrets(
        &key("webhook_secrets"),
        "the signing secrets of the webhook endpoint, each beginning with whsec_",
        |text| text.len() > 6 && text.starts_with("whsec_"),
    );
    let api_base = read_url(settings, &key("api_base"), Some("https://api.stripe.com"));
    let api_version = settings.read(
        &key("api_version"),
        STRIPE_API_VERSION.to_owned(),
        "a Stripe API version like `2026-10-28.endive`",
        |text| {
            let legal = text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_graphic());
            legal.then(|| text.to_owned())
        },
    );
    let timeout = milliseconds(settings, &key("timeout_ms"), 7_000, 100..=7_500);
    let org =
        settings.read(&key("org"), "main".to_owned(), "the name of a [salesforce.…] section", |text| {
            (!text.is_empty()).then(|| text.to_owned())
        });
    let live = secret_key.as_ref().is_some_and(|key| key.expose_secret().get(2..8) == Some("_live_"));
    let concurrency = number(settings, &key("concurrency"), 10, 1..=100);
    // Stripe's limit for one endpoint is 25 in a second; in test mode for all of them together.
    let per_second = if live { 25 } else { 20 };
    let requests_per_second = number(settings, &key("requests_per_second"), per_second, 1..=1_000);
    Some(StripeConfig {
        secret_key: secret_key?,
        webhook_secrets,
        api_base: api_base?,
        api_version,
        timeout,
        org,
        concurrency,
        requests_per_second,
    })
}

fn read_salesforce(settings: &mut Settings, prefix: &str) -> Option<SalesforceConfig> {
    let key = |name: &str| format!("{prefix}.{name}");
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let login_url = read_url(settings, &key("login_url"), None);
    let audience = settings.read(
        &key("audience"),
        "https://login.salesforce.com".to_owned(),
        "https://login.salesforce.com, or https://test.salesforce.com for a sandbox",
        filled,
    );
    let client_id =
        settings.require(&key("client_id"), "the consumer key of the External Client App", filled);
    let username = settings.require(&key("username"), "the integration user's name", filled);
    let private_key = settings.secret(&key("private_key"), "an RSA private key in PEM form", |text| {
        text.starts_with("-----BEGIN ") && text.ends_with("PRIVATE KEY-----")
    });
    let api_version = settings.read(
        &key("api_version"),
        SALESFORCE_API_VERSION.to_owned(),
        "a Salesforce API version like `v66.0`",
        |text| {
            let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
            (major.parse::<u16>().ok()? >= 46 && minor == "0").then(|| text.to_owned())
        },
    );
    let half = Decimal::new(5, 1);
    let daily_call_share =
        settings.read(&key("daily_call_share"), half, "a number above 0 and at most 1", |text| {
            text.parse::<Decimal>().ok().filter(|share| *share > Decimal::ZERO && *share <= Decimal::ONE)
        });
    let timeout = milliseconds(settings, &key("timeout_ms"), 120_000, 100..=600_000);
    Some(SalesforceConfig {
        login_url: login_url?,
        audience,
        client_id: client_id?,
        username: username?,
        private_key: private_key?,
        api_version,
        daily_call_share,
        timeout,
    })
}

fn read_delivery(settings: &mut Settings) -> DeliveryConfig {
    DeliveryConfig {
        calls_in_flight: number(settings, "delivery.calls_in_flight", 4, 1..=20),
        max_attempts: number(settings, "delivery.max_attempts", 15, 1..=1_000),
        backoff: milliseconds(settings, "delivery.backoff_ms", 1_000, 1..=60_000),
        backoff_limit: seconds(settings, "delivery.backoff_limit_seconds", 300, 1..=86_400),
        lease: seconds(settings, "delivery.lease_seconds", 180, 5..=3_600),
        parent_wait: seconds(settings, "delivery.parent_wait_seconds", 86_400, 1..=604_800),
    }
}

fn read_auth(settings: &mut Settings) -> AuthConfig {
    let expected = "secrets of at least 32 characters";
    let token_secrets = if settings.is_set("auth.token_secrets") || settings.is_set("auth.token_secrets_file")
    {
        settings.secrets("auth.token_secrets", expected, |text| text.len() >= 32)
    } else {
        settings.read("auth.token_secrets", "made at start".to_owned(), expected, |_| None);
        settings.mark_read("auth.token_secrets_file");
        Vec::new()
    };
    let word = |text: &str| {
        let legal = !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
        legal.then(|| text.to_owned())
    };
    let source_header = settings.read(
        "auth.source_header",
        String::new(),
        "the name of a header like `X-Forwarded-For`",
        |text| {
            let legal = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            legal.then(|| text.to_ascii_lowercase())
        },
    );
    AuthConfig {
        token_secrets,
        audience: settings.read(
            "auth.audience",
            "paybridge".to_owned(),
            "a name without spaces, such as the address of this service",
            word,
        ),
        token_life: seconds(settings, "auth.token_seconds", 900, 60..=3_600),
        requests_per_minute: number(settings, "auth.requests_per_minute", 60_000, 1..=10_000_000),
        failures_per_minute: number(settings, "auth.failures_per_minute", 60, 1..=100_000),
        source_header: (!source_header.is_empty()).then_some(source_header),
    }
}

fn read_log(settings: &mut Settings) -> LogConfig {
    LogConfig {
        level: settings.read("log.level", "info".to_owned(), "a level like `info`, or a filter", |text| {
            LogConfig::is_level(text).then(|| text.to_owned())
        }),
        format: settings.read("log.format", LogFormat::Text, "`text` or `json`", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }),
    }
}

fn read_url(settings: &mut Settings, key: &str, default: Option<&'static str>) -> Option<Url> {
    let expected = "an address that begins with https:// (or http:// on this machine)";
    let parse = |text: &str| {
        let url = Url::parse(text.trim_end_matches('/')).ok()?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        (url.scheme() == "https" || (url.scheme() == "http" && local)).then_some(url)
    };
    match default.and_then(|text| Url::parse(text).ok()) {
        Some(default) => Some(settings.read(key, default, expected, parse)),
        None => settings.require(key, expected, parse),
    }
}

/// A path; nothing when it is not set.
fn read_path(settings: &mut Settings, key: &str) -> Option<PathBuf> {
    let text = settings.read(key, String::new(), "a path", |text| Some(text.to_owned()));
    (!text.is_empty()).then(|| text.into())
}

fn number(settings: &mut Settings, key: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    settings.read(key, default, &expected, |text| text.parse().ok().filter(|n| range.contains(n)))
}

fn days(settings: &mut Settings, key: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> Duration {
    Duration::from_secs(u64::from(number(settings, key, default, range)) * 86_400)
}

fn seconds(
    settings: &mut Settings,
    key: &str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Duration {
    Duration::from_secs(number(settings, key, default, range).into())
}

fn milliseconds(
    settings: &mut Settings,
    key: &str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Duration {
    Duration::from_millis(number(settings, key, default, range).into())
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl fmt::Debug for StripeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConfig").field("api_base", &self.api_base.as_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SalesforceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceConfig")
            .field("login_url", &self.login_url.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----";

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn complete() -> Vec<(&'static str, &'static str)> {
        vec![
            ("PAYBRIDGE__STRIPE__MAIN__SECRET_KEY", "sk_test_123"),
            ("PAYBRIDGE__STRIPE__MAIN__WEBHOOK_SECRETS", "whsec_old, whsec_new"),
            ("PAYBRIDGE__SALESFORCE__MAIN__LOGIN_URL", "https://example.my.salesforce.com"),
            ("PAYBRIDGE__SALESFORCE__MAIN__CLIENT_ID", "3MVG9"),
            ("PAYBRIDGE__SALESFORCE__MAIN__USERNAME", "bridge@example.com"),
            ("PAYBRIDGE__SALESFORCE__MAIN__PRIVATE_KEY", KEY),
        ]
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let config = Config::load(None, environment(&complete())).unwrap();
        assert_eq!(config.stripe["main"].webhook_secrets.len(), 2);
        assert_eq!(config.stripe["main"].mode(), Mode::Test);
        assert_eq!(config.salesforce["main"].daily_call_share, Decimal::new(5, 1));
        let shown = format!("{config:?}{:?}", config.effective);
        for secret in ["sk_test_123", "whsec_old", "BEGIN PRIVATE"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn all_faults_are_reported_at_once_with_key_expectation_and_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("paybridge.toml");
        std::fs::write(
            &file,
            "[server]\nbind = \"nowhere\"\n\n[stripe.main]\nsecret_key = \"pk_test_topsecret\"\nwebhook_secret = [\"whsec_1\"]\n",
        )
        .unwrap();
        let error = Config::load(Some(&file), environment(&[("PAYBRIDGE__DELIVERY__MAX_ATTEMPTS", "0")]))
            .unwrap_err()
            .to_string();
        for expected in [
            ":2: server.bind: expected an address and port",
            ":5: stripe.main.secret_key: expected a Stripe key",
            "stripe.main.webhook_secrets: not set",
            ":6: stripe.main.webhook_secret: is not a setting; did you mean `stripe.main.webhook_secrets`?",
            "salesforce.main.login_url: not set",
            "environment PAYBRIDGE__DELIVERY__MAX_ATTEMPTS: delivery.max_attempts: expected a whole number from 1 to 1000; found `0`",
        ] {
            assert!(error.contains(expected), "missing `{expected}` in:\n{error}");
        }
        assert!(!error.contains("topsecret"), "{error}");
    }

    #[test]
    fn a_secret_may_live_in_a_file_of_its_own_but_not_in_two_places() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "sk_live_fromfile\n").unwrap();
        let mut pairs = complete();
        pairs[0] = ("PAYBRIDGE__STRIPE__MAIN__SECRET_KEY_FILE", file.to_str().unwrap());
        let config = Config::load(None, environment(&pairs)).unwrap();
        assert_eq!(config.stripe["main"].secret_key.expose_secret(), "sk_live_fromfile");
        assert_eq!(config.stripe["main"].mode(), Mode::Live);
        pairs.push(("PAYBRIDGE__STRIPE__MAIN__SECRET_KEY", "sk_test_123"));
        let error = Config::load(None, environment(&pairs)).unwrap_err().to_string();
        assert!(error.contains("set twice"), "{error}");
    }

    #[test]
    fn a_secret_in_the_place_of_its_file_is_not_told() {
        let mut pairs = complete();
        pairs[0] = ("PAYBRIDGE__STRIPE__MAIN__SECRET_KEY_FILE", "sk_live_misplaced");
        let error = Config::load(None, environment(&pairs)).unwrap_err().to_string();
        assert!(
            error.contains("the file that `stripe.main.secret_key_file` names cannot be read"),
            "{error}"
        );
        assert!(!error.contains("misplaced"), "{error}");
    }

    #[test]
    fn secrets_leave_by_https_except_on_this_machine() {
        let taken = |address: &str| {
            ["STRIPE__MAIN__API_BASE", "SALESFORCE__MAIN__LOGIN_URL"].map(|key| {
                let changed = (format!("{PREFIX}{key}"), address.to_owned());
                Config::load(None, environment(&complete()).into_iter().chain([changed])).is_ok()
            })
        };
        for address in ["https://example.com", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"] {
            assert_eq!(taken(address), [true; 2], "{address}");
        }
        for address in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "ftp://localhost",
        ] {
            assert_eq!(taken(address), [false; 2], "{address}");
        }
    }

    #[test]
    fn what_would_fail_later_or_silence_the_log_is_refused() {
        for (key, value) in [
            ("LOG__LEVEL", "verbose"),
            ("LOG__LEVEL", ""),
            ("LOG__LEVEL", "info,[x]"),
            ("STRIPE__MAIN__SECRET_KEY", "sk_test_"),
            ("STRIPE__MAIN__SECRET_KEY", "sk_test_a\nb"),
            ("STRIPE__MAIN__API_VERSION", "2026-10-28.endive\tx"),
            ("STRIPE____SECRET_KEY", "sk_test_1"),
            ("DATABASE__URL", "sqlite://:memory:"),
        ] {
            let changed = (format!("{PREFIX}{key}"), value.to_owned());
            let pairs = environment(&complete()).into_iter().chain([changed]);
            assert!(Config::load(None, pairs).is_err(), "{key} = `{value}`");
        }
        for level in ["info", "DEBUG", "off", "info,paybridge::delivery=debug"] {
            assert!(LogConfig::is_level(level), "{level}");
        }
    }

    #[test]
    fn a_file_that_is_not_toml_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("paybridge.toml");
        std::fs::write(&file, "[server]\nbind = = 1\n").unwrap();
        let error = Config::load(Some(&file), environment(&complete())).unwrap_err().to_string();
        assert!(error.contains("paybridge.toml:2: is not valid TOML"), "{error}");
        // A brace that is never closed makes keys of whatever follows.
        let unclosed = "[salesforce.main]\nx = {a\tb\rc\nprivate_key = \"\"\"-----BEGIN PRIVATE KEY-----\nMIItopsecret\n\"\"\"\n[log]\n";
        std::fs::write(&file, unclosed).unwrap();
        let error = Config::load(Some(&file), environment(&complete())).unwrap_err().to_string();
        assert!(error.contains("is not valid TOML") && !error.contains("topsecret"), "{error}");
    }
}
