//! Writes that share commits: what waits while one commit runs is the next batch.
//!
//! There is no waiting for company: an idle service commits one job at once, a busy one fills its batches by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::{Backend, Conn, Error, Result, Store};

/// Jobs that may wait for a commit; beyond that the sender is asked to come back.
const WAITING_LIMIT: usize = 4_096;
/// How long a sender is kept waiting for the commit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Jobs of one commit.
const BATCH_LIMIT: usize = 256;

/// Why a job was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// More waits than the disk can take; nothing of it is stored.
    #[error("too much waits to be stored")]
    Busy,
    /// The database did not take it, or broke off while it did.
    #[error("the database did not take it")]
    Store(#[source] Arc<Error>),
    /// The database takes too long. If the commit had begun, the job may be committed all the same.
    #[error("the database does not answer in time")]
    Late,
    /// The service is going down; nothing of it is stored.
    #[error("the service is stopping")]
    Stopping,
}

type Answer<A> = oneshot::Sender<std::result::Result<A, GroupError>>;
type Waiting<J, A> = Mutex<mpsc::Receiver<(J, Answer<A>)>>;

/// The way to the threads that commit. Clones lead to the same threads; they end when the last one is gone.
#[derive(Debug)]
pub struct Group<J, A>(mpsc::Sender<(J, Answer<A>)>);

impl<J, A> Clone for Group<J, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<J: Send + 'static, A: Send + 'static> Group<J, A> {
    /// Starts the threads that commit. `write` does jobs in one transaction and gives an answer for each; `written` is
    /// told each answer once it is on disk, and how long that took. `what` names the jobs in the log.
    pub fn start(
        store: &Store,
        what: &'static str,
        write: impl Fn(&mut Conn, &[J]) -> Result<Vec<A>> + Clone + Send + 'static,
        written: impl Fn(&[std::result::Result<A, GroupError>], Duration) + Clone + Send + 'static,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
        let waiting = Arc::new(Mutex::new(receiver));
        let start_thread = |_| {
            let (store, waiting) = (store.clone(), Arc::clone(&waiting));
            let (write, written) = (write.clone(), written.clone());
            let commit_batches = move || {
                while let Some((jobs, answers)) = next_batch(&waiting) {
                    let began = Instant::now();
                    let results = commit(&store, what, &jobs, &write);
                    written(&results, began.elapsed());
                    for (answer, result) in answers.into_iter().zip(results) {
                        // Whoever asked went away while the commit ran.
                        let _gone = answer.send(result);
                    }
                }
            };
            std::thread::Builder::new().name(what.to_owned()).spawn(commit_batches)
        };
        let threads = (0..committers(store.backend())).map(start_thread).collect::<std::io::Result<_>>()?;
        Ok((Self(sender), threads))
    }

    /// Does one job. `Ok` means that a commit with it has reached the disk.
    pub async fn write(&self, job: J) -> std::result::Result<A, GroupError> {
        let (answer, result) = oneshot::channel();
        self.0.try_send((job, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => GroupError::Busy,
            mpsc::error::TrySendError::Closed(_) => GroupError::Stopping,
        })?;
        match tokio::time::timeout(PATIENCE, result).await {
            Ok(answered) => answered.unwrap_or(Err(GroupError::Stopping)),
            Err(_elapsed) => Err(GroupError::Late),
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

/// Waits for a job and takes those that wait behind it. `None` when there will be no more.
///
/// A job that nobody waits for any more is dropped: whoever asked was told that it may not have been done.
fn next_batch<J, A>(waiting: &Waiting<J, A>) -> Option<(Vec<J>, Vec<Answer<A>>)> {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch: Vec<(J, Answer<A>)> = Vec::new();
    while batch.len() < BATCH_LIMIT {
        let job = if batch.is_empty() {
            waiting.blocking_recv()?
        } else {
            let Ok(job) = waiting.try_recv() else { break };
            job
        };
        if !job.1.is_closed() {
            batch.push(job);
        }
    }
    Some(batch.into_iter().unzip())
}

/// Commits a batch as a whole, or, when it is refused, job by job: one bad job harms only itself.
fn commit<J, A>(
    store: &Store,
    what: &str,
    jobs: &[J],
    write: &impl Fn(&mut Conn, &[J]) -> Result<Vec<A>>,
) -> Vec<std::result::Result<A, GroupError>> {
    match store.write_blocking(|conn| write(conn, jobs)) {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error @ Error::Corrupt(_)) if jobs.len() > 1 => {
            tracing::warn!(%error, "a batch of {what} was refused; storing them one by one");
            jobs.chunks(1).flat_map(|job| commit(store, what, job, write)).collect()
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, count = jobs.len(), "{what} not stored");
            let error = Arc::new(error);
            jobs.iter().map(|_| Err(GroupError::Store(Arc::clone(&error)))).collect()
        }
    }
}
