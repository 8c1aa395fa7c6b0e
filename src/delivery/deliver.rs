//! Keeps calls to one org under way: chooses what travels, sends it, and has written down what became of it.
//!
//! One call is sent at once, whatever there is; further ones beside it only when they are well filled or have waited, because
//! requests are what an org has least of. While as many as allowed are under way, the next ones are made ready.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::calls::Calls;
use super::compose::Composed;
use super::shared::Shared;
use crate::clock::Clock;
use crate::config::DeliveryConfig;
use crate::metrics::Metrics;
use crate::salesforce::Client;
use crate::store::Store;
use crate::worker::{Bell, Next, Step};

/// While a call is under way, news is looked at so often at most.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// While a call is under way, the outbox is looked at so often at least: another process may have added work.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// Brings the records of one org to their newest state.
pub struct Delivery {
    shared: Arc<Shared>,
    calls: AsyncMutex<Calls>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("org", &self.shared.parts.org).finish_non_exhaustive()
    }
}

/// What delivery is made of.
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub struct Parts {
    /// Name of the org in the configuration.
    pub org: String,
    /// Where the outbox is.
    pub store: Store,
    /// The way to the org.
    pub client: Arc<Client>,
    /// Its settings.
    pub config: DeliveryConfig,
    /// The objects, each after those that its records can point to.
    pub parents_first: Vec<Arc<str>>,
    /// The objects that go first when requests get scarce.
    pub money: Vec<Arc<str>>,
    /// The objects of whose records a platform event tells.
    pub notifying: Vec<Arc<str>>,
    /// The time.
    pub clock: Clock,
    /// Rings when the outbox has something new.
    pub work: Bell,
    /// Becomes true when nothing more is to be begun.
    pub stop: watch::Receiver<bool>,
    /// To be rung when a parent has to be read from Stripe.
    pub fetching: Bell,
    /// Where it counts what it does.
    pub metrics: Metrics,
}

impl Delivery {
    /// Sends nothing before its first step.
    pub fn new(parts: Parts) -> Self {
        Self { shared: Arc::new(Shared::new(parts)), calls: AsyncMutex::default() }
    }
}

impl Step for Delivery {
    fn name(&self) -> &'static str {
        "deliver"
    }

    async fn step(&self) -> Next {
        let mut calls = self.calls.lock().await;
        let mut rung = self.shared.parts.work.listen();
        while let Some(ended) = calls.tasks.try_join_next_with_id() {
            calls.settle(&self.shared, ended);
        }
        calls.keep_lane(&self.shared).await;
        let filled = calls.fill(&self.shared).await;
        self.shared.show_signs().await;
        let Some((next, wait)) = filled else { return Next::Again };
        if calls.under_way.is_empty() {
            return next;
        }
        let mut stop = self.shared.parts.stop.clone();
        let has_room = next != Next::Again;
        let wait = if has_room { wait } else { LOOK_ANYWAY };
        let ended = tokio::select! {
            ended = calls.tasks.join_next_with_id() => ended,
            () = async { rung.heard().await; tokio::time::sleep(LOOK_AGAIN).await }, if has_room => None,
            () = tokio::time::sleep(wait) => None,
            // What is ready is given back before calls under way have used up the time that is left.
            Ok(_) = stop.wait_for(|stop| *stop) => None,
        };
        if let Some(ended) = ended {
            calls.settle(&self.shared, ended);
        }
        Next::Again
    }

    async fn finish(&self) {
        let mut calls = self.calls.lock().await;
        calls.give_back(&self.shared).await;
        while !calls.tasks.is_empty() {
            calls.keep_lane(&self.shared).await;
            tokio::select! {
                Some(ended) = calls.tasks.join_next_with_id() => calls.settle(&self.shared, ended),
                () = tokio::time::sleep(LOOK_ANYWAY) => {}
            }
        }
    }
}

impl Calls {
    /// Starts calls as long as there is room and something to send, and makes some ready beyond that. Says when to come back
    /// should nothing be under way, [`Next::Again`] if there is no room, and when to look again should something be. Nothing
    /// when a call has ended since the outbox was read: what waited for it may go now, and others want a word between steps.
    async fn fill(&mut self, shared: &Arc<Shared>) -> Option<(Next, Duration)> {
        loop {
            if *shared.parts.stop.borrow() {
                return None;
            }
            if let Some(not_before) = self.start_prepared(shared) {
                self.give_back(shared).await;
                return Some((not_before, LOOK_ANYWAY));
            }
            if self.prepared.front().is_some_and(|call| shared.is_outdated(call)) {
                self.give_back(shared).await;
            }
            // Calls tend to end together, and room for one is not to wait until it is made.
            let ahead = shared.most_calls().div_ceil(2);
            if self.prepared.len() >= ahead {
                return Some((Next::Again, LOOK_ANYWAY));
            }
            let ended_before = self.ended_meanwhile;
            let composed = self.compose(shared).await;
            self.taking = false;
            let unless_full = |next| if self.has_room(shared) { next } else { Next::Again };
            match composed {
                Err(error) => {
                    // What is too far to be read keeps nothing back that is nearer.
                    self.reach = 1;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "changes wait: the database did not answer");
                    return Some((Next::Idle, LOOK_ANYWAY));
                }
                Ok(_) if self.ended_meanwhile != ended_before => return None,
                Ok(Composed::Prepared | Composed::Again) => {}
                Ok(Composed::TooLittle(wait)) => {
                    return Some((unless_full(Next::Idle), wait.clamp(LOOK_AGAIN, LOOK_ANYWAY)));
                }
                Ok(Composed::Nothing(next)) => return Some((unless_full(next), LOOK_ANYWAY)),
            }
        }
    }
}
