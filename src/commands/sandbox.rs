//! `paybridge sandbox`: the service and both stand-ins on this machine, with nothing to set up.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::Failure;
use super::serve::StopSignals;
use crate::api::{Scope, issue_known};
use crate::app::{App, Background};
use crate::clock::Clock;
use crate::config::{Config, LogConfig, LogFormat, PREFIX, SALESFORCE_API_VERSION};
use crate::sandbox::keys::Keys;
use crate::sandbox::salesforce::{ACCOUNT_ID, OPPORTUNITY_ID};
use crate::sandbox::{salesforce, stripe};
use crate::store::api_keys;
use crate::telemetry;

/// Where the three parts listen, all on loopback.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Port of the service
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of the stand-in for Stripe
    #[arg(long, default_value_t = 8081)]
    stripe_port: u16,
    /// Port of the stand-in for Salesforce
    #[arg(long, default_value_t = 8082)]
    salesforce_port: u16,
    /// What is logged: `warn`, `info`, `debug`
    #[arg(long, default_value = "warn", value_parser = parse_level)]
    log: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 8080, stripe_port: 8081, salesforce_port: 8082, log: "warn".to_owned() }
    }
}

fn parse_level(text: &str) -> Result<String, String> {
    LogConfig::is_level(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "levels are error, warn, info, debug".to_owned())
}

/// Known to everybody, and valid nowhere else: the sandbox listens on loopback only.
const KEY_ID: &str = "sandbox";
const KEY_SECRET: &str = "0000000000000000000000000000000000000000";
const TOKEN_SECRET: &str = "sandbox-sandbox-sandbox-sandbox-sandbox";
const STRIPE_KEY: &str = "sk_test_sandbox";
const WEBHOOK_SECRET: &str = "whsec_sandbox";
const CLIENT_ID: &str = "paybridge-sandbox";
const USERNAME: &str = "paybridge@sandbox.example";

/// Runs until Ctrl-C. Every start begins with the same samples.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let mut stop = StopSignals::listen()?;
    telemetry::start(&LogConfig { level: options.log.clone(), format: LogFormat::Text })?;
    let clock = Clock::system();
    let keys = tokio::task::spawn_blocking(Keys::generate)
        .await?
        .map_err(|error| Failure(format!("no key pair could be made: {error}")))?;
    let listener = listen(options.port, "--port")?;
    let stripe = stripe::Stripe::start(stripe::Options {
        port: options.stripe_port,
        secret_key: STRIPE_KEY.to_owned(),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
        clock: clock.clone(),
    })
    .await
    .map_err(|error| taken(options.stripe_port, "--stripe-port", &error))?;
    let org = salesforce::Salesforce::start(salesforce::Options {
        port: options.salesforce_port,
        client_id: CLIENT_ID.to_owned(),
        username: USERNAME.to_owned(),
        public_key_pem: keys.public_pem.clone(),
        audience: "https://login.salesforce.com".to_owned(),
        api_version: SALESFORCE_API_VERSION.to_owned(),
        is_sandbox: true,
        daily_limit: 100_000,
        clock: clock.clone(),
    })
    .await
    .map_err(|error| taken(options.salesforce_port, "--salesforce-port", &error))?;
    stripe.seed_sample();
    org.seed_sample();
    let directory = Scratch::make()?;
    let config = Config::load(None, settings(&directory, &stripe.base_url(), &org.base_url(), &keys))?;
    let app = tokio::task::spawn_blocking(move || App::assemble(config, clock)).await??;
    let running = app.start(listener, Background::Running)?;
    let (key, token) = issue_known(KEY_ID, KEY_SECRET, "sandbox", &Scope::ALL, Clock::system().now(), None);
    running.store().write(move |conn| api_keys::create(conn, &key)).await?;
    let address = running.address();
    stripe.deliver_to(format!("http://{address}/webhooks/stripe"));
    stripe.deliver_in_background();
    println!("{}", welcome(address, &stripe.base_url(), &org.base_url(), token.expose_secret()));
    stop.wait().await;
    // The service first: what it has in flight still needs both.
    let stopped = async {
        running.stop().await;
        stripe.stop().await;
        org.stop().await;
    };
    tokio::select! {
        () = stopped => {}
        () = stop.no_patience() => {}
    }
    Ok(())
}

fn welcome(service: SocketAddr, stripe: &str, org: &str, token: &str) -> String {
    format!(
        r#"paybridge sandbox: nothing leaves this machine, and nothing is kept.

  Swagger UI            http://{service}/docs
  Salesforce stand-in   {org}/
  Stripe stand-in       {stripe}/_sandbox
  API key               {token}
  OAuth client          {KEY_ID}, secret {KEY_SECRET}

Try it: a customer for the sample Account, a payment of the sample Opportunity, and its record.

  curl -s http://{service}/v1/customers -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
    -d '{{"name": "Ada Brandt", "email": "ada@example.com", "salesforceRecordId": "{ACCOUNT_ID}"}}'

  curl -s http://{service}/v1/payment-intents -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
    -d '{{"amount": "49.00", "currencyCode": "EUR", "paymentMethodId": "pm_card_visa", "confirm": true, "salesforceRecordId": "{OPPORTUNITY_ID}"}}'

  curl -s {org}/_sandbox/records/Stripe_Payment_Intent__c

Ctrl-C ends it."#
    )
}

/// The configuration that an operator would write, for the stand-ins.
fn settings(directory: &Scratch, stripe: &str, org: &str, keys: &Keys) -> Vec<(String, String)> {
    [
        ("DATABASE__URL", format!("sqlite://{}", directory.0.join("paybridge.db").display())),
        ("AUTH__TOKEN_SECRETS", TOKEN_SECRET.to_owned()),
        ("STRIPE__MAIN__SECRET_KEY", STRIPE_KEY.to_owned()),
        ("STRIPE__MAIN__WEBHOOK_SECRETS", WEBHOOK_SECRET.to_owned()),
        ("STRIPE__MAIN__API_BASE", stripe.to_owned()),
        ("SALESFORCE__MAIN__LOGIN_URL", org.to_owned()),
        ("SALESFORCE__MAIN__CLIENT_ID", CLIENT_ID.to_owned()),
        ("SALESFORCE__MAIN__USERNAME", USERNAME.to_owned()),
        ("SALESFORCE__MAIN__PRIVATE_KEY", keys.private_pem.clone()),
    ]
    .map(|(key, value)| (format!("{PREFIX}{key}"), value))
    .to_vec()
}

fn listen(port: u16, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| taken(port, option, &error))
}

fn taken(port: u16, option: &str, error: &std::io::Error) -> Failure {
    Failure(format!("port {port} cannot be used: {error}; choose another with {option}"))
}

/// A directory that is gone when the sandbox ends.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> std::io::Result<Self> {
        let directory =
            std::env::temp_dir().join(format!("paybridge-sandbox-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(directory = %self.0.display(), %error, "left behind");
        }
    }
}
