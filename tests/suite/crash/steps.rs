//! Killed at each step between two commits, and inside each.

use std::os::unix::process::ExitStatusExt;

use paybridge::crash::CRASH_AT;
use paybridge::store::Backend;

use super::{Load, World, seeded};
use crate::patience::until;
use crate::process::Service;

/// In the order of a payment's way; `written` and `merged` are inside a transaction that is about to be committed.
const STEPS: [&str; 15] = [
    "events_written",
    "events_committed",
    "events_mapped",
    "events_merged",
    "merge_committed",
    "lease_written",
    "records_leased",
    "records_answered",
    "results_written",
    "results_committed",
    "object_read",
    "claims_written",
    "call_claimed",
    "call_answered",
    "call_settled",
];
const SIGABRT: i32 = 6;

/// Each step at an early and at a later passage.
async fn killed_at_each_step(backend: Backend) {
    let (world, mut random) = (World::new(backend).await, seeded(backend));
    world.start().await.kill();
    let load = Load::begin(&world, &world.token().await, &mut random);
    for step in STEPS {
        for passage in [1, random.usize(2..5)] {
            dies_at(&world, &load, &format!("{step}:{passage}")).await;
        }
    }
    let mut service = world.start().await;
    load.turn_to(&world, &[&service]);
    let (told, called) = load.end().await;
    world.settled().await;
    service.stop();
    world.compare(&told, &called).await;
}

/// Runs the service until it dies where it is told to.
async fn dies_at(world: &World, load: &Load, place: &str) {
    let mut command = world.command();
    command.env(CRASH_AT, place);
    let run = tokio::task::spawn_blocking(|| Service::run(command)).await.unwrap();
    let status = match run {
        // What was left from before led it there at once.
        Err(ended) => ended.status,
        Ok(mut service) => {
            load.turn_to(world, &[&service]);
            until(place, async || service.ended().is_some()).await;
            load.turn_away();
            service.ended().unwrap()
        }
    };
    assert_eq!(status.signal(), Some(SIGABRT), "{place}: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_nothing_is_lost_on_sqlite() {
    killed_at_each_step(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_nothing_is_lost_on_postgres() {
    killed_at_each_step(Backend::Postgres).await;
}
