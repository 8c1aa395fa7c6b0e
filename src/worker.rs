//! The loop that all background work runs in: step, wait, wake, stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// No loop sleeps longer than this: another process may have added work.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more to do now.
    Again,
    /// Nothing is due before this time.
    At(OffsetDateTime),
    /// Nothing to do until somebody wakes the loop.
    Idle,
}

/// A piece of background work. Tests call steps themselves; the loop is elsewhere.
pub trait Step: Send + Sync + 'static {
    /// For logs.
    fn name(&self) -> &'static str;

    /// Does a bounded piece of work and says when to come back. Faults are handled inside.
    fn step(&self) -> impl Future<Output = Next> + Send;

    /// Brings to an end what goes on between steps. Nothing new is begun afterwards.
    fn finish(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Rings when there is new work. Clones ring the same bell; every loop that listens hears it, also one that is busy now.
#[derive(Clone, Debug)]
pub struct Bell(Arc<watch::Sender<()>>);

impl Default for Bell {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Bell {
    /// Wakes the loops that listen, or lets them go round once more.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// Hears a bell that rings after it began to listen.
#[derive(Debug)]
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// Waits for the bell; one that rang since the last time is heard at once.
    pub async fn heard(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can ring it any more.
            std::future::pending().await
        }
    }
}

/// Runs `step` until `stop` becomes true; a step that has begun is finished, and what goes on between
/// steps is brought to an end.
pub fn spawn<S: Step>(step: Arc<S>, bell: Bell, clock: Clock, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // A panic ends the inner task only: the loop says so and goes on.
        loop {
            let run = tokio::spawn(run(Arc::clone(&step), bell.clone(), clock.clone(), stop.clone()));
            match run.await {
                Ok(()) => return step.finish().await,
                Err(error) => {
                    tracing::error!(worker = step.name(), %error, "a step panicked; going on");
                    tokio::time::sleep(LONGEST_WAIT).await;
                }
            }
        }
    })
}

async fn run<S: Step>(step: Arc<S>, bell: Bell, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut rung = bell.0.subscribe();
    while !*stop.borrow() {
        // What rings during the step is heard after it.
        rung.mark_unchanged();
        let wait = match step.step().await {
            Next::Again => continue,
            Next::At(due) => Duration::try_from(due - clock.now())
                .unwrap_or(Duration::ZERO)
                .clamp(Duration::from_millis(1), LONGEST_WAIT),
            Next::Idle => LONGEST_WAIT,
        };
        tokio::select! {
            _ = rung.changed() => {}
            () = tokio::time::sleep(wait) => {}
            // Whoever could say stop is gone: nobody needs this work any more.
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}
