//! The real program: started, told to stop, and killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paybridge::clock::unix_ms;
use paybridge::sandbox::salesforce::Fault;
use paybridge::store::{Backend, Conn, Payload, Store, inbox};
use time::OffsetDateTime;

use crate::bridge::{Bridge, WEBHOOK_SECRET, database, settings, sign, state_of};
use crate::patience::{until, watch_this_test};
use crate::store::number;

pub struct Service {
    process: Child,
    pub address: String,
    /// Everything it logged so far.
    pub log: Arc<Mutex<String>>,
}

/// How a service ended that was never ready.
pub struct Ended {
    pub status: ExitStatus,
    pub log: String,
}

impl Service {
    pub fn start(database_url: &str) -> Self {
        Self::start_with(database_url, &[])
    }

    /// With further settings, as environment variables.
    pub fn start_with(database_url: &str, more: &[(&str, &str)]) -> Self {
        let mut command = command(database_url);
        command.envs(more.iter().copied());
        Self::run(command).unwrap_or_else(|ended| panic!("the service did not start: {}", ended.log))
    }

    /// Runs it until it is ready, or says how it ended before.
    pub fn run(mut command: Command) -> Result<Self, Ended> {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(String::new()));
        let keep = |line: &str, log: &Mutex<String>| log.lock().unwrap().push_str(&format!("{line}\n"));
        let address = lines.by_ref().find_map(|line| {
            keep(&line, &log);
            Some(line.split_once("ready address=")?.1.to_owned())
        });
        let Some(address) = address else {
            let status = process.wait().unwrap();
            return Err(Ended { status, log: std::mem::take(&mut *log.lock().unwrap()) });
        };
        // Somebody has to read on, or the service would wait for its log.
        let reading = Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| keep(&line, &reading)));
        Ok(Self { process, address, log })
    }

    /// Kills it; nothing of it is left when this returns.
    pub fn kill(mut self) {
        assert!(
            self.process.try_wait().unwrap().is_none(),
            "it had ended by itself: {}",
            self.log.lock().unwrap()
        );
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// How many connections it has accepted and not closed.
    pub fn connections(&self) -> usize {
        let port = format!(":{:04X}", self.address.parse::<SocketAddr>().unwrap().port());
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.process.id())).unwrap();
        let is_accepted = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { return false };
            // What is listened on is none, and what waits to be accepted is no file of anybody yet.
            local.ends_with(&port) && state != "0A" && inode != "0"
        };
        table.lines().filter(is_accepted).count()
    }

    /// Waits for its end in good order.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert!(self.process.wait().unwrap().success());
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

/// The real program, on a port that is free, with nobody at the addresses of Stripe and Salesforce.
pub fn command(database_url: &str) -> Command {
    watch_this_test();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paybridge"));
    command
        .arg("serve")
        .current_dir(std::env::temp_dir())
        .envs(settings(database_url, "http://127.0.0.1:9", "http://127.0.0.1:9"))
        .env("PAYBRIDGE__SERVER__BIND", "127.0.0.1:0");
    command
}

/// Whether a process is one of the program.
pub fn is_service(id: u32) -> bool {
    std::fs::read_link(format!("/proc/{id}/exe"))
        .is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_paybridge")))
}

impl Drop for Service {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _already_gone = self.process.wait();
    }
}

/// An event that is stored and of which no record is made.
pub fn event(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"event","type":"plan.created","created":1795190000,"livemode":false,"api_version":null,
        "data":{{"object":{{"id":"plan_1","object":"plan"}}}}}}"#
    )
}

/// Posts events as fast as they are answered until the service is gone or `stop` says so. Gives the acknowledged ids.
async fn post_until_gone(address: String, sender: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let http = reqwest::Client::new();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("evt_{sender}_{number}");
        let body = event(&id);
        let header = sign(body.as_bytes(), OffsetDateTime::now_utc().unix_timestamp(), WEBHOOK_SECRET);
        let url = format!("http://{address}/webhooks/stripe");
        match http.post(url).header("Stripe-Signature", header).body(body).send().await {
            Ok(answer) if answer.status() == 200 => acknowledged.push(id),
            // It may be too busy or about to end, and Stripe would repeat it.
            Ok(answer) => assert_eq!(answer.status(), 503),
            Err(_) => break,
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let directory = tempfile::tempdir().unwrap();
        let url = database(backend, &directory);
        let mut acknowledged = Vec::new();
        for round in 0..3_usize {
            let service = Service::start(&url);
            let senders: Vec<_> = (0..8)
                .map(|sender| {
                    let stop = Arc::default();
                    tokio::spawn(post_until_gone(service.address.clone(), round * 8 + sender, stop))
                })
                .collect();
            // Killed while it works, not at a chosen point.
            let store = Store::open(&url.clone().into(), 2).unwrap();
            let before = i64::try_from(acknowledged.len()).unwrap();
            let more = async || store.read(inbox::counts).await.unwrap().1 >= before + 100;
            until("a hundred events are stored", more).await;
            service.signal("-KILL");
            for sender in senders {
                acknowledged.extend(sender.await.unwrap());
            }
        }
        let store = Store::open(&url.into(), 2).unwrap();
        let probe: Vec<_> = acknowledged
            .iter()
            .map(|id| inbox::NewEvent {
                account: "main".to_owned(),
                event_id: id.clone(),
                event_type: "plan.created".to_owned(),
                object_id: None,
                created: 1,
                received_at: 1,
                payload: Payload::pack("{}"),
            })
            .collect();
        assert!(probe.len() > 200, "{} acknowledged", probe.len());
        let new = store.write(move |conn| inbox::record(conn, &probe)).await.unwrap();
        let lost = new.into_iter().filter(|new| *new).count();
        assert_eq!(lost, 0, "{backend:?}: acknowledged events are not in the store");
    }
}

async fn has_ended_well(service: &mut Service) {
    let mut status = None;
    let has_ended = async || {
        status = service.process.try_wait().unwrap();
        status.is_some()
    };
    until("it has ended", has_ended).await;
    assert!(status.unwrap().success(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_finishes_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    let mut service = Service::start(&url);
    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn(post_until_gone(service.address.clone(), 0, Arc::clone(&stop)));
    let store = Store::open(&url.into(), 2).unwrap();
    until("ten events are stored", async || store.read(inbox::counts).await.unwrap().1 >= 10).await;
    service.signal("-TERM");
    has_ended_well(&mut service).await;
    stop.store(true, Ordering::SeqCst);
    let acknowledged = sender.await.unwrap().len();
    let stored = store.read(inbox::counts).await.unwrap().1;
    assert!(stored >= i64::try_from(acknowledged).unwrap(), "{acknowledged} acknowledged, {stored} stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_gives_back_what_was_ready_while_calls_hang() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let customer = |number| state_of("Stripe_Customer__c", &format!("cus_{number}"), "{}", &[]);
    bridge.merge((0..7_000).map(customer).collect()).await;
    bridge.org.fail_all(Fault::Hang);
    let org = ("PAYBRIDGE__SALESFORCE__MAIN__LOGIN_URL", &*bridge.org.base_url());
    let patient = ("PAYBRIDGE__SALESFORCE__MAIN__TIMEOUT_MS", "60000");
    let mut service = Service::start_with(&bridge.database_url, &[org, patient]);
    let all_taken = async || bridge.counts().await.leased == 6_000;
    until("four calls are under way and two are ready", all_taken).await;
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
    let counts = bridge.counts().await;
    assert_eq!(
        (counts.leased, counts.pending),
        (4_000, 3_000),
        "what left may be under way; nothing else waits"
    );
    bridge.org.forget_faults();
    bridge.clock.advance(Duration::from_secs(600));
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 7_000);
}

/// The program with a call under way that the org does not answer. Neither loses its patience while a test runs.
async fn service_with_a_call_under_way(bridge: &Bridge) -> Service {
    bridge.merge(vec![state_of("Stripe_Customer__c", "cus_1", "{}", &[])]).await;
    bridge.org.hold(|call| call.ends_with("/composite"));
    let own = [
        ("PAYBRIDGE__SALESFORCE__MAIN__LOGIN_URL", &*bridge.org.base_url()),
        ("PAYBRIDGE__SALESFORCE__MAIN__TIMEOUT_MS", "600000"),
        ("PAYBRIDGE__DELIVERY__LEASE_SECONDS", "3600"),
        ("PAYBRIDGE__SERVER__SHUTDOWN_SECONDS", "300"),
    ];
    let service = Service::start_with(&bridge.database_url, &own);
    until("a call is under way", async || bridge.org.calls_under_way() == 1).await;
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_waits_for_calls_under_way_and_keeps_the_lane() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let mut service = service_with_a_call_under_way(&bridge).await;
    service.signal("-TERM");
    let told_ms = unix_ms(OffsetDateTime::now_utc());
    let held_until = |conn: &mut Conn| Ok(number(conn, "SELECT held_until AS number FROM lanes"));
    let is_kept = async || bridge.store().read(held_until).await.unwrap() > told_ms + 4_000;
    until("the lane is held on to", is_kept).await;
    bridge.org.let_go();
    has_ended_well(&mut service).await;
    assert_eq!(bridge.counts().await.done, 1, "the answer came in time to be written down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ctrl_c_ends_it_at_once() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let mut service = service_with_a_call_under_way(&bridge).await;
    service.signal("-INT");
    let is_closed = async || std::net::TcpStream::connect(&service.address).is_err();
    until("nobody is let in any more", is_closed).await;
    service.signal("-INT");
    has_ended_well(&mut service).await;
    bridge.clock.advance(Duration::from_secs(2 * 3_600));
    bridge.org.let_go();
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 1);
}

#[test]
fn a_configuration_that_is_wrong_is_explained_in_one_go() {
    let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
        .arg("check")
        .current_dir(std::env::temp_dir())
        .env("PAYBRIDGE__SERVER__BIND", "nowhere")
        .env("PAYBRIDGE__STRIPE__MAIN__SECRET_KEY", "pk_test_topsecret")
        .env("PAYBRIDGE__DELIVERY__SPEED", "fast")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    for expected in [
        "server.bind: expected an address and port",
        "stripe.main.secret_key: expected a Stripe key",
        "delivery.speed: is not a setting",
        "salesforce.main.client_id: not set",
    ] {
        assert!(text.contains(expected), "missing `{expected}` in:\n{text}");
    }
    assert!(!text.contains("topsecret"));
}
