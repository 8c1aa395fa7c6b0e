//! `paybridge serve` and `paybridge migrate`.

use std::net::TcpListener;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::app::{App, Background};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;
use crate::telemetry;

/// Runs the service until SIGTERM or SIGINT.
pub(super) async fn run(config: Config) -> Result<(), Failure> {
    run_prepared(config, |app| app, Background::Running).await
}

/// The same with an application that `prepare` has changed.
pub(super) async fn run_prepared(
    config: Config,
    prepare: impl FnOnce(App) -> App,
    background: Background,
) -> Result<(), Failure> {
    telemetry::start(&config.log)?;
    for setting in &config.effective {
        tracing::debug!("{} = {} ({})", setting.key, setting.shown, setting.origin);
    }
    let listener = TcpListener::bind(config.server.bind).map_err(|error| {
        Failure(format!("cannot listen on {} (server.bind): {error}", config.server.bind))
    })?;
    let app = tokio::task::spawn_blocking(|| App::assemble(config, Clock::system())).await??;
    let running = prepare(app).start(listener, background)?;
    tracing::info!(address = %running.address(), "ready");
    until_told_to_stop().await?;
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Brings the tables up to date.
pub(super) async fn migrate(config: Config) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    println!("the tables in {:?} are up to date", store.backend());
    Ok(())
}

/// Waits for SIGTERM (an orchestrator) or SIGINT (Ctrl-C).
pub(super) async fn until_told_to_stop() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
