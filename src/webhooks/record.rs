//! Records events so that requests share commits.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::crash;
use crate::metrics::Metrics;
use crate::store::inbox::{self, NewEvent};
use crate::store::{Group, GroupError, Store};
use crate::worker::Bell;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, and the disk has it.
    New,
    /// It had been stored before.
    Duplicate,
}

/// The way to the threads that commit. Clones lead to the same threads; they end when the last one is gone.
#[derive(Clone, Debug)]
pub struct Recorder(Option<Group<NewEvent, Recorded>>);

impl Recorder {
    /// Starts the threads that commit; `bell` rings after each commit that brought something new.
    pub fn start(
        store: &Store,
        bell: &Bell,
        metrics: &Metrics,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (bell, metrics) = (bell.clone(), metrics.clone());
        let ring = move |results: &[Result<Recorded, GroupError>], took: Duration| {
            crash::at("events_committed");
            metrics.commit_duration.took(took);
            metrics.commit_events.counted(results.len());
            if results.iter().any(|result| matches!(result, Ok(Recorded::New))) {
                bell.ring();
            }
        };
        let (group, threads) = Group::start(
            store,
            "events",
            |conn, events: &[NewEvent]| {
                let new = inbox::record(conn, events)?;
                crash::at("events_written");
                Ok(new.into_iter().map(|new| if new { Recorded::New } else { Recorded::Duplicate }).collect())
            },
            ring,
        )?;
        Ok((Self(Some(group)), threads))
    }

    /// Stores nothing and says it did: what the benchmark compares with.
    pub fn storing_nothing() -> Self {
        Self(None)
    }

    /// Records one event. `Ok` means that a commit with this event in it has reached the disk.
    ///
    /// After an error nothing of it is stored, or, when the database was late, perhaps all the same: sent again, it counts
    /// once.
    pub async fn record(&self, event: NewEvent) -> Result<Recorded, GroupError> {
        match &self.0 {
            Some(group) => group.write(event).await,
            None => Ok(Recorded::New),
        }
    }
}
