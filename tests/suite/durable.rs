//! No 200 before what it acknowledges has reached the disk: the system calls of the service, and of the PostgreSQL server, are
//! watched, and made to fail.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use paybridge::store::{Backend, Store, inbox};
use reqwest::StatusCode;
use time::OffsetDateTime;

use crate::bridge::{WEBHOOK_SECRET, database, sign};
use crate::patience::FOREVER;
use crate::postgres::Server;
use crate::process::{Service, event};

/// What PostgreSQL does for those who change nothing; but nothing cleans up, for those processes come and go while others are
/// watched.
pub const CAREFUL: &str =
    "-c listen_addresses='' -c fsync=on -c full_page_writes=on -c synchronous_commit=on -c autovacuum=off";
const EVENTS: usize = 20;
/// So many senders at once use all connections to the database that there are.
const SENDERS: usize = 16;

/// The system calls of some processes, written down or tampered with until this is dropped.
pub struct Watch {
    strace: Child,
    written: PathBuf,
}

impl Watch {
    pub fn attach(directory: &Path, processes: &[u32], options: &[&str]) -> Self {
        let written = directory.join("system-calls");
        let mut strace = Command::new("strace")
            .args(["-f", "-s", "16", "-o"])
            .arg(&written)
            .args(options)
            .args(processes.iter().flat_map(|id| ["-p".to_owned(), id.to_string()]))
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is needed: `make test` installs it, or install the package `strace`");
        let mut said = String::new();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
        for id in processes {
            // A process of PostgreSQL may have ended since it was listed; strace says so and watches the others.
            let (attached, gone) =
                (format!("Process {id} attached"), format!("SEIZE, {id}): No such process"));
            while !said.contains(&attached) && !said.contains(&gone) {
                let line = lines.next().unwrap_or_else(|| panic!("strace cannot watch {id}: {said}"));
                said.push_str(&line);
            }
        }
        // Somebody has to read on, or strace would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { strace, written }
    }

    /// Whether the processes are gone.
    pub fn is_over(&mut self) -> bool {
        self.strace.try_wait().unwrap().is_some()
    }

    /// Lets the processes alone, and gives what they did.
    pub fn end(mut self) -> String {
        if !self.is_over() {
            let id = self.strace.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            self.strace.wait().unwrap();
        }
        std::fs::read_to_string(&self.written).unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _already_gone = self.strace.kill();
        let _already_gone = self.strace.wait();
    }
}

#[derive(Clone)]
struct Sender {
    http: reqwest::Client,
    url: String,
}

impl Sender {
    fn to(service: &Service) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, url: format!("http://{}/webhooks/stripe", service.address) }
    }

    async fn post(&self, id: &str) -> StatusCode {
        let body = event(id);
        let header = sign(body.as_bytes(), OffsetDateTime::now_utc().unix_timestamp(), WEBHOOK_SECRET);
        let request = self.http.post(&self.url).header("Stripe-Signature", header).body(body);
        request.send().await.unwrap().status()
    }

    /// Several at once, so that each connection to the database is open afterwards.
    async fn post_together(&self) {
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                let sender = self.clone();
                tokio::spawn(async move { sender.post(&format!("evt_together_{number}")).await })
            })
            .collect();
        for sender in senders {
            assert_eq!(sender.await.unwrap(), 200);
        }
    }

    /// As Stripe does, until it is taken.
    async fn post_until_taken(&self, id: &str) {
        let begun = Instant::now();
        loop {
            match self.post(id).await {
                StatusCode::OK => return,
                answer => assert_eq!(answer, 503),
            }
            assert!(begun.elapsed() < FOREVER, "{id} is not taken");
        }
    }
}

/// How many flushes ended between each request and its answer.
fn flushes_of_each_request(system_calls: &str) -> Vec<usize> {
    let (mut flushes, mut requests) = (0, Vec::new());
    for line in system_calls.lines() {
        // Calls that others interrupt are written as two lines, the result in the second.
        if line.contains("\"POST /webhooks") {
            flushes = 0;
        } else if line.contains("sync") && line.ends_with("= 0") {
            flushes += 1;
        } else if line.contains("\"HTTP/1.1 200 OK") {
            requests.push(flushes);
        }
    }
    requests
}

async fn each_answer_follows_a_flush(service: &Service, server: Option<&Server>) {
    let sender = Sender::to(service);
    sender.post_together().await;
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<u32> =
        std::iter::once(service.id()).chain(server.iter().flat_map(|s| s.processes())).collect();
    let calls = "trace=fsync,fdatasync,read,readv,recvfrom,write,writev,sendto,sendmsg";
    let watch = Watch::attach(directory.path(), &processes, &["-e", calls]);
    for number in 0..EVENTS {
        assert_eq!(sender.post(&format!("evt_{number}")).await, 200);
    }
    let system_calls = watch.end();
    let flushes = flushes_of_each_request(&system_calls);
    assert_eq!(flushes.len(), EVENTS, "{system_calls}");
    assert!(
        flushes.iter().all(|flushes| *flushes > 0),
        "{flushes:?} flushes before each 200: {system_calls}"
    );
}

/// `processes` are those that flush.
async fn a_flush_that_fails_means_come_back_later(service: &Service, processes: &[u32], store: &Store) {
    let sender = Sender::to(service);
    let directory = tempfile::tempdir().unwrap();
    let tamper = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"];
    let watch = Watch::attach(directory.path(), processes, &tamper);
    let mut ids = Vec::new();
    loop {
        ids.push(format!("evt_{}", ids.len()));
        match sender.post(ids.last().unwrap()).await {
            StatusCode::OK => assert!(ids.len() < EVENTS, "no flush failed: {}", watch.end()),
            answer => break assert_eq!(answer, 503),
        }
    }
    watch.end();
    for id in &ids {
        sender.post_until_taken(id).await;
    }
    let stored = store.read(inbox::counts).await.unwrap().1;
    assert_eq!(usize::try_from(stored).unwrap(), SENDERS + ids.len(), "events are missing or doubled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_each_answer_follows_a_flush() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(&database(Backend::Sqlite, &directory));
    each_answer_follows_a_flush(&service, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_each_answer_follows_a_flush() {
    let server = Server::start("", CAREFUL);
    let service = Service::start(&server.database());
    each_answer_follows_a_flush(&service, Some(&server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_flush_that_fails_means_come_back_later() {
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    let service = Service::start(&url);
    Sender::to(&service).post_together().await;
    let store = Store::open(&url.into(), 2).unwrap();
    a_flush_that_fails_means_come_back_later(&service, &[service.id()], &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_flush_that_fails_means_come_back_later() {
    let server = Server::start("", CAREFUL);
    let url = server.database();
    let service = Service::start(&url);
    Sender::to(&service).post_together().await;
    let store = Store::open(&url.into(), 2).unwrap();
    // The first starts the others again after the crash, and those must be able to work.
    let others = &server.processes()[1..];
    a_flush_that_fails_means_come_back_later(&service, others, &store).await;
}

#[test]
fn a_process_that_ends_before_it_is_watched_holds_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let begin = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let (mut here, mut gone) = (begin(), begin());
    gone.kill().unwrap();
    gone.wait().unwrap();
    for processes in [[gone.id(), here.id()], [here.id(), gone.id()]] {
        Watch::attach(directory.path(), &processes, &["-e", "trace=read"]).end();
    }
    here.kill().unwrap();
    here.wait().unwrap();
}
