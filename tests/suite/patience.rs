//! How long is waited for what should come. What never comes is named, and holds up nobody.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::process;

/// What has not happened by then never will, however busy the machine is.
pub const FOREVER: Duration = Duration::from_secs(180);
/// No test takes so long, but those that are asked for by themselves (`make crash`, `make faults`, `make fuzz`).
const LONGEST_TEST: Duration = Duration::from_secs(30 * 60);

/// Looks again and again until it has happened.
pub async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        while !happened().await {
            pace.tick().await;
        }
    };
    let seen = tokio::time::timeout(FOREVER, looking).await;
    assert!(seen.is_ok(), "waited {FOREVER:?} in vain: {what}");
}

/// From now on the whole run ends, with the name of this test, should it still be running in half an hour: a test that waits
/// for ever would otherwise end it without a word when the build server loses patience.
pub fn watch_this_test() {
    RUNNING.with(|_running| {});
}

thread_local! {
    // Each test has a thread of its own, which ends with it.
    static RUNNING: Running = Running::begin();
}

static WATCHED: LazyLock<Mutex<BTreeMap<String, Instant>>> = LazyLock::new(|| {
    let is_asked_for =
        ["CRASH_KILLS", "FAULTS", "FUZZ_CASES"].iter().any(|name| std::env::var_os(name).is_some());
    if !is_asked_for {
        std::thread::spawn(watch);
    }
    Mutex::default()
});

/// A test, by the name of its thread; nothing for threads of others.
struct Running(Option<String>);

impl Running {
    fn begin() -> Self {
        // One after the other, tests run on the main thread, which ends with the last.
        let name = std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
        if let Some(name) = &name {
            WATCHED.lock().unwrap().insert(name.clone(), Instant::now());
        }
        Self(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            WATCHED.lock().unwrap().remove(name);
        }
    }
}

/// The processes that this one has started.
pub fn children_of(parent: u32) -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").unwrap().filter_map(move |entry| {
        let id: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // It may be gone by now. The name, in parentheses, may hold anything.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let its_parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (its_parent.parse() == Ok(parent)).then_some(id)
    })
}

fn watch() {
    loop {
        std::thread::park_timeout(Duration::from_secs(1));
        let watched = WATCHED.lock().unwrap();
        if let Some((name, _)) = watched.iter().find(|(_, begun)| begun.elapsed() > LONGEST_TEST) {
            // What is printed would be kept for the test that began to watch, and never shown.
            let _nobody_listens = writeln!(
                std::io::stderr(),
                "test {name} has not ended within {LONGEST_TEST:?}: the run is given up"
            );
            // Whoever reads what we print would wait for them.
            let services = children_of(std::process::id()).filter(|id| process::is_service(*id));
            let _gone_already =
                Command::new("kill").arg("-KILL").args(services.map(|id| id.to_string())).status();
            std::process::exit(101);
        }
    }
}
