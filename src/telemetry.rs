//! Log lines: to standard error, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts logging; everything before is silent.
///
/// Errors: logging was started before.
pub fn start(config: &LogConfig) -> Result<(), TryInitError> {
    // The server's own lines say nothing that ours do not.
    let quiet =
        Targets::new().with_targets(["actix_server", "actix_http"].map(|target| (target, LevelFilter::WARN)));
    let asked: Targets = config.level.parse().unwrap_or_default();
    let filter = quiet.with_targets(asked.iter().map(|(target, level)| (target.to_owned(), level)));
    let filter = match asked.default_level() {
        Some(level) => filter.with_default(level),
        None => filter,
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match config.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
}
