//! `paybridge healthcheck`: for containers, which have no other program to ask with.

use std::time::Duration;

use super::Failure;

/// Whom to ask.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// The address that must answer 200
    #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
    url: String,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(4)).build()?;
    let status = http.get(&options.url).send().await?.status();
    if status.is_success() { Ok(()) } else { Err(Failure(format!("{} answered {status}", options.url))) }
}
