//! Records events so that requests share commits: what waits while one commit runs is the next batch.
//!
//! There is no waiting for company: an idle service commits one event at once, a busy one fills its batches by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::store::inbox::{self, NewEvent};
use crate::store::{self, Backend, Store};
use crate::worker::Bell;

/// Events that may wait for a commit; beyond that the sender is asked to come back.
const WAITING_LIMIT: usize = 4_096;
/// How long a sender is kept waiting for the commit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events of one commit.
const BATCH_LIMIT: usize = 256;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, and the disk has it.
    New,
    /// It had been stored before.
    Duplicate,
}

/// Why an event was not recorded; nothing of it is stored, and sending it again can help.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// More events wait than the disk can take.
    #[error("too many events wait to be stored")]
    Busy,
    /// The database did not take it.
    #[error("the event could not be stored")]
    Store(#[source] Arc<store::Error>),
    /// The database takes too long. The event may be stored all the same; sent again, it counts once.
    #[error("the database does not answer in time")]
    Late,
    /// The service is going down.
    #[error("the service is stopping")]
    Stopping,
}

type Answer = oneshot::Sender<Result<Recorded, Error>>;
type Job = (NewEvent, Answer);

/// The way to the threads that commit. Clones lead to the same threads; they end when the last one is gone.
#[derive(Clone, Debug)]
pub struct Recorder(Option<mpsc::Sender<Job>>);

impl Recorder {
    /// Starts the threads that commit; `bell` rings after each commit that brought something new.
    pub fn start(store: &Store, bell: &Bell) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
        let jobs = Arc::new(Mutex::new(receiver));
        let start_thread = |_| {
            let (store, bell, jobs) = (store.clone(), bell.clone(), Arc::clone(&jobs));
            let thread = std::thread::Builder::new().name("recorder".to_owned());
            thread.spawn(move || commit_batches(&store, &bell, &jobs))
        };
        let threads = (0..committers(store.backend())).map(start_thread).collect::<Result<_, _>>()?;
        Ok((Self(Some(sender)), threads))
    }

    /// Stores nothing and says it did: what the benchmark compares with.
    pub fn storing_nothing() -> Self {
        Self(None)
    }

    /// Records one event. `Ok` means that a commit with this event in it has reached the disk.
    pub async fn record(&self, event: NewEvent) -> Result<Recorded, Error> {
        let Some(jobs) = &self.0 else { return Ok(Recorded::New) };
        let (answer, result) = oneshot::channel();
        jobs.try_send((event, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })?;
        match tokio::time::timeout(PATIENCE, result).await {
            Ok(answered) => answered.unwrap_or(Err(Error::Stopping)),
            Err(_elapsed) => Err(Error::Late),
        }
    }
}

/// SQLite has one writer whatever we do. PostgreSQL takes one batch while the disk writes another.
fn committers(backend: Backend) -> usize {
    match backend {
        Backend::Sqlite => 1,
        Backend::Postgres => 2,
    }
}

fn commit_batches(store: &Store, bell: &Bell, jobs: &Mutex<mpsc::Receiver<Job>>) {
    while let Some((events, answers)) = next_batch(jobs) {
        let results = commit(store, &events);
        if results.iter().any(|result| matches!(result, Ok(Recorded::New))) {
            bell.ring();
        }
        for (answer, result) in answers.into_iter().zip(results) {
            // The request may be gone; the event is stored all the same.
            let _gone = answer.send(result);
        }
    }
}

/// Waits for an event and takes those that wait behind it. `None` when there will be no more.
fn next_batch(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<(Vec<NewEvent>, Vec<Answer>)> {
    let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = vec![jobs.blocking_recv()?];
    while batch.len() < BATCH_LIMIT {
        let Ok(job) = jobs.try_recv() else { break };
        batch.push(job);
    }
    Some(batch.into_iter().unzip())
}

/// Commits a batch as a whole, or, when it is refused, event by event: one bad event harms only itself.
fn commit(store: &Store, events: &[NewEvent]) -> Vec<Result<Recorded, Error>> {
    match store.write_blocking(|conn| inbox::record(conn, events)) {
        Ok(new) => {
            new.into_iter().map(|new| Ok(if new { Recorded::New } else { Recorded::Duplicate })).collect()
        }
        Err(error @ store::Error::Corrupt(_)) if events.len() > 1 => {
            tracing::warn!(%error, "a batch was refused; storing its events one by one");
            events.chunks(1).flat_map(|event| commit(store, event)).collect()
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                count = events.len(),
                "events not stored"
            );
            let error = Arc::new(error);
            events.iter().map(|_| Err(Error::Store(Arc::clone(&error)))).collect()
        }
    }
}
