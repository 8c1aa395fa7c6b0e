//! `paybridge serve` and `paybridge migrate`.

use std::net::TcpListener;

use tokio::signal::unix::{Signal, SignalKind, signal};

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
    let mut stop = StopSignals::listen()?;
    telemetry::start(&config.log)?;
    for setting in &config.effective {
        tracing::debug!("{} = {} ({})", setting.key, setting.shown, setting.origin);
    }
    let listener = TcpListener::bind(config.server.bind).map_err(|error| {
        Failure(format!("cannot listen on {} (server.bind): {error}", config.server.bind))
    })?;
    // The database may keep us waiting.
    let app = tokio::select! {
        app = tokio::task::spawn_blocking(|| App::assemble(config, Clock::system())) => app??,
        () = stop.wait() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    let running = prepare(app).start(listener, background)?;
    tracing::info!(address = %running.address(), "ready");
    stop.wait().await;
    tracing::info!("stopping");
    tokio::select! {
        () = running.stop() => tracing::info!("stopped"),
        () = stop.no_patience() => {
            tracing::warn!("stopped at once: callers without an answer repeat; the last uses of keys may not be in the audit log");
        }
    }
    Ok(())
}

/// Brings the tables up to date.
pub(super) async fn migrate(config: Config) -> Result<(), Failure> {
    let store = tokio::task::spawn_blocking(move || Store::open(&config.database.url, 2)).await??;
    println!("the tables in {:?} are up to date", store.backend());
    Ok(())
}

/// SIGTERM (an orchestrator) and SIGINT (Ctrl-C).
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on these signals no longer end the process by themselves; call it before anything that must be tidied up.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a further Ctrl-C. An orchestrator means the same with each of its signals, and ends the process by itself.
    pub(super) async fn no_patience(&mut self) {
        let _a_person = self.interrupt.recv().await;
    }
}
