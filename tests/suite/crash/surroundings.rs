//! What the service depends on dies, is cut off, is full or goes wrong, while it goes on.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use paybridge::store::Backend;

use super::wire::Wire;
use super::{Load, World, at_some_moment, seeded};
use crate::durable::{CAREFUL, Watch};
use crate::patience::until;
use crate::postgres::Server;
use crate::process::Service;

const ROUNDS: usize = 4;

/// Waits until `counted` has grown by `by`.
async fn grown(counted: &std::sync::atomic::AtomicUsize, by: usize, what: &str) {
    let before = counted.load(Ordering::SeqCst);
    until(what, async || counted.load(Ordering::SeqCst) >= before + by).await;
}

/// Events are acknowledged, and records arrive.
async fn works(world: &World, load: &Load) {
    let calls = world.org.calls_used();
    grown(&load.counts.acknowledged, 50, "events are acknowledged").await;
    until("records are delivered", async || world.org.calls_used() > calls).await;
}

/// The load ends, what waits is done, and all is compared.
async fn ends_well(world: &World, load: Load, services: Vec<Service>) {
    let (told, called) = load.end().await;
    world.settled().await;
    services.into_iter().for_each(|mut service| service.stop());
    world.compare(&told, &called).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_and_started_again_and_nothing_is_lost() {
    let server = Server::start("", CAREFUL);
    let world = World::on(Backend::Postgres, server.database(), tempfile::tempdir().unwrap()).await;
    let mut random = seeded(Backend::Postgres);
    let service = world.start().await;
    let load = Load::begin(&world, &world.token().await, &mut random);
    load.turn_to(&world, &[&service]);
    for _ in 0..ROUNDS {
        works(&world, &load).await;
        at_some_moment(&mut random, 500).await;
        server.kill();
        grown(&load.counts.refused, 5, "events are refused while there is no database").await;
        server.start_again();
    }
    works(&world, &load).await;
    ends_well(&world, load, vec![service]).await;
}

/// For SQLite the writes of the service, for PostgreSQL those of the server's processes.
async fn the_disk_is_full(world: World, server: Option<&Server>) {
    let mut random = seeded(world.backend);
    let service = world.start().await;
    let load = Load::begin(&world, &world.token().await, &mut random);
    load.turn_to(&world, &[&service]);
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..ROUNDS {
        works(&world, &load).await;
        at_some_moment(&mut random, 500).await;
        // The first of PostgreSQL's starts the others again, and those are able to work.
        let processes = server.map_or_else(|| vec![service.id()], |server| server.processes()[1..].to_vec());
        let calls = "pwrite64,pwritev,fallocate,ftruncate";
        let full = format!("inject={calls}:error=ENOSPC");
        let tamper = ["-e", &format!("trace={calls}"), "-e", &full];
        let mut watch = Watch::attach(directory.path(), &processes, &tamper);
        let refused = || load.counts.refused.load(Ordering::SeqCst);
        let before = refused();
        let is_noticed = async || refused() >= before + 5 || watch.is_over();
        until("events are refused while the disk is full", is_noticed).await;
        assert!(watch.end().contains("ENOSPC"), "nothing was written");
    }
    works(&world, &load).await;
    assert!(load.counts.refused.load(Ordering::SeqCst) > 0, "nobody noticed");
    ends_well(&world, load, vec![service]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full_and_nothing_is_lost_on_sqlite() {
    the_disk_is_full(World::new(Backend::Sqlite).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full_and_nothing_is_lost_on_postgres() {
    let server = Server::start("", CAREFUL);
    let world = World::on(Backend::Postgres, server.database(), tempfile::tempdir().unwrap()).await;
    the_disk_is_full(world, Some(&server)).await;
}

async fn the_network_is_cut(backend: Backend) {
    let mut world = World::new(backend).await;
    let mut random = seeded(backend);
    let (to_stripe, to_org) =
        (Wire::to(&world.stripe.base_url()).await, Wire::to(&world.org.base_url()).await);
    world.own.push(("STRIPE__MAIN__API_BASE", to_stripe.base_url()));
    world.own.push(("SALESFORCE__MAIN__LOGIN_URL", to_org.base_url()));
    let service = world.start().await;
    let load = Load::begin(&world, &world.token().await, &mut random);
    load.turn_to(&world, &[&service]);
    for round in 0..ROUNDS {
        works(&world, &load).await;
        at_some_moment(&mut random, 500).await;
        let silent = round % 2 == 1;
        to_stripe.cut(silent);
        to_org.cut(silent);
        // Stripe's events are taken all the same.
        grown(&load.counts.acknowledged, 50, "events are acknowledged while the network is cut").await;
        at_some_moment(&mut random, 3_000).await;
        to_stripe.mend();
        to_org.mend();
    }
    works(&world, &load).await;
    assert!(to_stripe.broken() > 0 && to_org.broken() > 0, "no connection stood when it was cut");
    ends_well(&world, load, vec![service]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_cut_and_nothing_is_lost_on_sqlite() {
    the_network_is_cut(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_cut_and_nothing_is_lost_on_postgres() {
    the_network_is_cut(Backend::Postgres).await;
}

/// Lets a process see the clock of the machine moved by as many milliseconds as a file says.
struct MovedClock(tempfile::TempDir);

impl MovedClock {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/crash/clock.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(directory.path().join("clock.so"))
            .arg(source)
            .arg("-ldl");
        assert!(compiler.status().expect("cc is needed, as it is to build").success());
        let clock = Self(directory);
        clock.move_to(0);
        clock
    }

    fn move_to(&self, ms: i64) {
        let (new, file) = (self.0.path().join("new"), self.0.path().join("offset"));
        std::fs::write(&new, ms.to_string()).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    fn show_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.0.path().join("clock.so"));
        command.env("CLOCK_OFFSET_FILE", self.0.path().join("offset"));
    }
}

/// Back and forth by more than all leases, and by an hour, in which signatures are too old or too new.
async fn the_clock_jumps(backend: Backend) {
    let (world, mut random, clock) = (World::new(backend).await, seeded(backend), MovedClock::new());
    let mut command = world.command();
    clock.show_to(&mut command);
    let run = tokio::task::spawn_blocking(|| Service::run(command)).await.unwrap();
    let service = run.unwrap_or_else(|ended| panic!("{}", ended.log));
    let load = Load::begin(&world, &world.token().await, &mut random);
    load.turn_to(&world, &[&service]);
    for jump in [20_000, -20_000, 20_000, 0, -3_600_000, 0] {
        works(&world, &load).await;
        at_some_moment(&mut random, 1_000).await;
        clock.move_to(jump);
        if jump.abs() > 300_000 {
            grown(&load.counts.refused, 5, "events are refused while their signatures are too old").await;
            clock.move_to(0);
        }
    }
    works(&world, &load).await;
    ends_well(&world, load, vec![service]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_jumps_and_nothing_is_lost_on_sqlite() {
    the_clock_jumps(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_jumps_and_nothing_is_lost_on_postgres() {
    the_clock_jumps(Backend::Postgres).await;
}

/// One after the other is killed and started again; the last that is killed stays away, and the others finish its work.
async fn one_of(processes: usize) {
    let (world, mut random) = (World::new(Backend::Postgres).await, seeded(Backend::Postgres));
    let mut services = Vec::new();
    for _ in 0..processes {
        services.push(world.start().await);
    }
    let load = Load::begin(&world, &world.token().await, &mut random);
    let everybody = |services: &[Service]| load.turn_to(&world, &services.iter().collect::<Vec<_>>());
    for round in 0..=ROUNDS {
        everybody(&services);
        works(&world, &load).await;
        at_some_moment(&mut random, 1_000).await;
        let killed = services.swap_remove(random.usize(..services.len()));
        tokio::task::spawn_blocking(|| killed.kill()).await.unwrap();
        everybody(&services);
        if round < ROUNDS {
            works(&world, &load).await;
            services.push(world.start().await);
        }
    }
    assert!(load.counts.cut.load(Ordering::SeqCst) > 0, "no kill met a request under way");
    ends_well(&world, load, services).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_is_killed_and_the_other_goes_on() {
    one_of(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_four_processes_is_killed_and_the_others_go_on() {
    one_of(4).await;
}
