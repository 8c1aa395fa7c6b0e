//! What once lost, delayed or condemned more than it had to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use paybridge::app::{App, Background};
use paybridge::clock::Clock;
use paybridge::config::Config;
use paybridge::sandbox::salesforce::Fault;
use paybridge::store::fetches::{self, Wanted};
use paybridge::store::outbox::{self, NewState, Position};
use paybridge::store::{Backend, Conn};

use crate::bridge::{Bridge, arrived, bind, database, lease_due, settings};
use crate::each_backend;
use crate::patience::FOREVER;

each_backend!(
    a_wish_that_comes_during_the_read_is_kept,
    waiting_for_a_parent_is_not_a_failed_try,
    a_newer_state_of_a_dead_letter_starts_anew,
    one_poisonous_event_holds_up_nothing,
    a_nul_in_an_id_holds_up_nothing,
    a_long_id_holds_up_nothing,
);

fn state(external_id: &str, created: i64, event_id: &str) -> NewState {
    NewState {
        org: "main".to_owned(),
        sobject: "Stripe_Charge__c".to_owned(),
        external_id: external_id.to_owned(),
        account: "main".to_owned(),
        position: Position { created, progress: 0, event_id: event_id.to_owned() },
        fields: format!(r#"{{"Last_Event_Id__c":"{event_id}"}}"#),
        carried: "{}".to_owned(),
        parents: "[]".to_owned(),
        mapping_version: "1".to_owned(),
    }
}

async fn a_wish_that_comes_during_the_read_is_kept(bridge: Bridge) {
    let left = bridge
        .store()
        .write(|conn| {
            let want = Wanted {
                account: "main".into(),
                object: "customer".into(),
                object_id: "cus_1".into(),
                reason: "r",
                not_before_ms: 0,
                event_seq: None,
                around: None,
                missing_in: None,
            };
            fetches::request(conn, std::slice::from_ref(&want), 0)?;
            let due = fetches::due(conn, &[], 0, 1)?.remove(0);
            // Stripe has answered; before the answer is recorded another tie is found.
            fetches::request(conn, &[want], 0)?;
            fetches::complete(conn, &[due])?;
            fetches::due(conn, &[], 0, 1)
        })
        .await
        .unwrap();
    assert_eq!(left.len(), 1, "the second wish is gone");
}

async fn waiting_for_a_parent_is_not_a_failed_try(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    let charged = bridge.stripe.events().into_iter().find(|e| e["type"] == "charge.succeeded").unwrap();
    bridge.stripe.set_outage(true);
    assert_eq!(bridge.receive(&charged.to_string()).await.status, 200);
    bridge.drain_for(Duration::from_secs(3_600)).await;
    bridge.stripe.set_outage(false);
    bridge.deliver().await;
    // Due at once, so that it meets the lock and not its parents.
    let due_at_once = |conn: &mut Conn| {
        let rows = lease_due(conn, "x", i64::MAX, i64::MAX, 10)?;
        outbox::release(conn, "x", &rows.iter().map(|row| row.id).collect::<Vec<_>>(), 0)
    };
    bridge.store().write(due_at_once).await.unwrap();
    bridge.org.fail_next(1, Fault::RecordLocked);
    bridge.drain_for(Duration::from_secs(3_600)).await;
    assert_eq!(bridge.counts().await.dead, 0, "given up at the first lock");
    assert_eq!(bridge.field("Stripe_Charge__c", &paid.charge, "Status__c").unwrap(), "Completed");
}

async fn a_newer_state_of_a_dead_letter_starts_anew(bridge: Bridge) {
    let row = bridge
        .store()
        .write(|conn| {
            outbox::merge(conn, &[state("ch_1", 1, "evt_1")], 0)?;
            for _ in 0..4 {
                let row = lease_due(conn, "l", 9, 20, 1)?.remove(0);
                outbox::retry_at(conn, "l", row.id, 0, false, Some(1), "no parent")?;
            }
            let row = lease_due(conn, "l", 9, 20, 1)?.remove(0);
            outbox::merge(conn, &[state("ch_1", 2, "evt_2")], 0)?;
            outbox::dead_letter(conn, "l", row.id, 9, "no")?;
            let row = lease_due(conn, "m", 9, 20, 1)?.remove(0);
            outbox::complete(conn, "m", &arrived([row.id]), 9)?;
            Ok(row)
        })
        .await
        .unwrap();
    assert_eq!((row.attempts, row.waiting_since), (1, None));
}

fn event(id: &str, kind: &str, created: i64, object: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"event","type":"{kind}","api_version":"2026-10-28.endive","created":{created},
        "livemode":false,"data":{{"object":{object}}}}}"#
    )
}

fn customer(id: &str, with: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"customer","created":1795000000,"livemode":false,"balance":0,"email":null,"description":null,"metadata":{{}},{with}}}"#
    )
}

async fn poison(mut bridge: Bridge, poison: String) {
    bridge.expect_dead_letters();
    assert_eq!(bridge.receive(&poison).await.status, 200);
    let good =
        event("evt_good", "customer.updated", 1_795_000_000, &customer("cus_good", r#""name":"Good""#));
    assert_eq!(bridge.receive(&good).await.status, 200);
    bridge.drain_for(Duration::from_secs(60)).await;
    assert!(
        bridge.org.record("Stripe_Customer__c", "cus_good").is_some(),
        "everything behind it waits for ever"
    );
}

async fn one_poisonous_event_holds_up_nothing(bridge: Bridge) {
    let odd = customer("cus_odd", r#""name":"Odd""#).replace("1795000000", "-100000000000");
    poison(bridge, event("evt_odd", "customer.updated", 1_795_000_000, &odd)).await;
}

async fn a_nul_in_an_id_holds_up_nothing(bridge: Bridge) {
    poison(
        bridge,
        event("evt_odd", "customer.updated", 1_795_000_000, &customer(r"cus\u0000", r#""name":"Odd""#)),
    )
    .await;
}

async fn a_long_id_holds_up_nothing(bridge: Bridge) {
    let long: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
    poison(bridge, event("evt_odd", "customer.updated", 1_795_000_000, &customer(&long, r#""name":"Odd""#)))
        .await;
}

/// An org that signs in and then answers everything with `reply`; counts the calls.
fn stub_org(reply: &'static str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counter, instance) = (std::sync::Arc::clone(&calls), base.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut buffer = [0; 65_536];
            loop {
                let n = stream.read(&mut buffer).unwrap();
                // Somebody who connected and had nothing to say.
                if n == 0 {
                    break;
                }
                head.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&head).to_lowercase();
                let Some(end) = text.find("\r\n\r\n") else { continue };
                let length: usize = text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|t| t.split("\r\n").next()?.parse().ok())
                    .unwrap_or(0);
                if head.len() >= end + 4 + length {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            if text.contains("/oauth2/token") {
                let body = format!(
                    r#"{{"access_token":"t","instance_url":"{instance}","id":"https://test.salesforce.com/id/{STUB_ORG}/0"}}"#
                );
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            } else if !text.is_empty() {
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    (base, calls)
}

const STUB_ORG: &str = "00DKj000000paybMAA";

async fn against(reply: &'static str, rows: usize) -> (outbox::Counts, usize) {
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    let (org, calls) = stub_org(reply);
    bind(&url, STUB_ORG).await;
    let config = Config::load(None, settings(&url, "http://127.0.0.1:9", &org)).unwrap();
    let clock = Clock::manual(time::OffsetDateTime::now_utc());
    let app = tokio::task::spawn_blocking(|| App::assemble(config, clock)).await.unwrap().unwrap();
    let running = app.start(TcpListener::bind("127.0.0.1:0").unwrap(), Background::Stepped).unwrap();
    let states: Vec<_> = (0..rows).map(|n| state(&format!("ch_{n}"), 1, "evt")).collect();
    running.store().write(move |conn| outbox::merge(conn, &states, 0)).await.unwrap();
    running.drain().await;
    let counts = running.store().read(outbox::counts).await.unwrap();
    running.stop().await;
    (counts, calls.load(std::sync::atomic::Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_from_a_gateway_condemns_no_record() {
    let (counts, calls) =
        against("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 13\r\n\r\n<html></html>", 50)
            .await;
    assert_eq!((counts.dead, counts.pending), (0, 50), "{calls} calls");
    assert!(calls < 3, "{calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_that_is_not_set_up_is_not_asked_record_by_record() {
    let (counts, calls) = against(
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 82\r\n\r\n[{\"message\":\"The requested resource does not exist\",\"errorCode\":\"NOT_FOUND\"}]     ",
        50,
    ).await;
    assert_eq!((counts.dead, counts.pending), (0, 50), "{calls} calls");
    assert!(calls < 3, "{calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_without_end_is_no_panic() {
    let (counts, _) = against(
        "HTTP/1.1 429 Too Many\r\nConnection: close\r\nRetry-After: 99999999999999999\r\nContent-Length: 0\r\n\r\n",
        1,
    ).await;
    assert_eq!(counts.pending, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_null_message_is_readable() {
    let (counts, calls) = against(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 153\r\n\r\n{\"compositeResponse\":[{\"httpStatusCode\":200,\"body\":[{\"success\":false,\"errors\":[{\"statusCode\":\"STRING_TOO_LONG\",\"message\":null,\"fields\":null}]}]}]}       ",
        1,
    ).await;
    assert_eq!(counts.dead, 1, "{counts:?} {calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn results_and_events_do_not_lock_each_other_out() {
    let bridge = Bridge::start(Backend::Postgres).await;
    // Ids descend while external ids ascend.
    let states: Vec<_> = (0..300).rev().map(|n| state(&format!("ch_{n:03}"), 1, "evt_a")).collect();
    for one in states {
        bridge.store().write(move |conn| outbox::merge(conn, &[one], 0)).await.unwrap();
    }
    for n in 0..40 {
        let filler: Vec<_> = (0..500).map(|m| state(&format!("x_{n}_{m}"), 1, "evt_a")).collect();
        bridge.store().write(move |conn| outbox::merge(conn, &filler, 1_000)).await.unwrap();
    }
    bridge
        .store()
        .write(|conn| {
            if let Conn::Postgres(c) = conn {
                use diesel::connection::SimpleConnection;
                c.batch_execute("ANALYZE outbox")?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let store = bridge.store().clone();
    let merger = tokio::spawn(async move {
        let mut failed = 0;
        for round in 2..150 {
            let states: Vec<_> = (0..300).map(|n| state(&format!("ch_{n:03}"), round, "evt_a")).collect();
            let done = store
                .write(move |conn| {
                    let ids: Vec<_> = states.iter().map(|s| s.external_id.as_str()).collect();
                    outbox::known(conn, "main", &ids)?;
                    outbox::merge(conn, &states, 0)
                })
                .await;
            failed += usize::from(done.is_err());
        }
        failed
    });
    let store = bridge.store().clone();
    let deliverer = tokio::spawn(async move {
        let mut failed = 0;
        for round in 0..150 {
            let rows =
                store.write(move |conn| lease_due(conn, &format!("l{round}"), 99, 99, 1_000)).await.unwrap();
            let ids: Vec<_> = rows.iter().map(|r| r.id).collect();
            let done = store
                .write(move |conn| {
                    outbox::lock(conn, &ids)?;
                    outbox::complete(conn, &format!("l{round}"), &arrived(ids), 1)
                })
                .await;
            failed += usize::from(done.is_err());
        }
        failed
    });
    let failed = (merger.await.unwrap(), deliverer.await.unwrap());
    let ids: Vec<i64> = (0..400).collect();
    bridge
        .store()
        .write(move |conn| {
            for r in 0..150 {
                outbox::complete(conn, &format!("l{r}"), &arrived(ids.clone()), 1)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(failed, (0, 0), "(merges, results) that failed");
}

#[test]
fn a_worker_whose_owner_is_gone_ends() {
    use paybridge::worker::{self, Bell, Next, Step};
    struct Count(std::sync::atomic::AtomicUsize);
    impl Step for Count {
        fn name(&self) -> &'static str {
            "count"
        }
        async fn step(&self) -> Next {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Next::Idle
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let step = std::sync::Arc::new(Count(Default::default()));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let worker = worker::spawn(std::sync::Arc::clone(&step), Bell::default(), Clock::system(), stopped);
        drop(stop);
        tokio::time::timeout(FOREVER, worker).await.expect("it goes on").unwrap();
        let steps = step.0.load(std::sync::atomic::Ordering::SeqCst);
        assert!(steps < 10, "{steps} steps");
    });
}
