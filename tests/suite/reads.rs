//! What is to be read from Stripe is asked for no more often than it helps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paybridge::clock::unix_ms;
use paybridge::sandbox::stripe::Fault;
use paybridge::store::fetches::{self, Due, Wanted};
use paybridge::store::{Backend, Conn, Result, inbox, notes, standing};
use paybridge::worker::Step;

use crate::bridge::{Bridge, state_of};
use crate::each_backend;
use crate::store::{cross, until_somebody_waits_for};
use crate::telling::processor;

each_backend!(
    wishes_of_one_object_become_one,
    a_wish_does_not_shorten_the_wait_after_a_failure,
    a_parent_that_stripe_does_not_have_is_asked_for_once_an_hour,
    what_stripe_does_not_have_and_nobody_wants_any_more_is_forgotten,
    a_key_that_is_not_taken_is_not_tried_for_every_object,
);

const CHARGE: &str = "Stripe_Charge__c";

/// A customer in whose place a record of the org waits.
fn missed(id: &str) -> Wanted {
    Wanted {
        account: "main".to_owned(),
        object: "customer".to_owned(),
        object_id: id.to_owned(),
        reason: "a record points to it",
        not_before_ms: 0,
        event_seq: None,
        around: None,
        missing_in: Some("main".to_owned()),
    }
}

/// The same, for an event.
fn spoken_of(id: &str) -> Wanted {
    Wanted { missing_in: None, reason: "an event speaks of it", ..missed(id) }
}

fn due(conn: &mut Conn, now_ms: i64) -> Result<Vec<Due>> {
    fetches::due(conn, &[], now_ms, 1_000)
}

fn ids(due: &[Due]) -> Vec<&str> {
    due.iter().map(|due| due.object_id.as_str()).collect()
}

fn asked(bridge: &Bridge) -> usize {
    bridge.stripe.calls().iter().filter(|call| call.method == "GET").count()
}

async fn wishes_of_one_object_become_one(bridge: Bridge) {
    let wanted = [
        Wanted { around: Some(5), ..missed("cus_2") },
        missed("cus_1"),
        Wanted { not_before_ms: 7_000, event_seq: Some(1), ..spoken_of("cus_2") },
        Wanted { event_seq: Some(2), around: Some(6), ..spoken_of("cus_2") },
        Wanted { not_before_ms: 9_000, ..missed("cus_2") },
    ];
    let look = move |conn: &mut Conn| {
        fetches::request(conn, &wanted, 1_000)?;
        let (soon, all) = (due(conn, 8_999)?, due(conn, 9_000)?);
        assert_eq!((ids(&soon), ids(&all)), (vec!["cus_1"], vec!["cus_1", "cus_2"]));
        let waited = fetches::complete(conn, &all)?;
        Ok((all, waited, due(conn, i64::MAX)?.len()))
    };
    let (all, waited, left) = bridge.store().write(look).await.unwrap();
    let one = |due: &Due| (due.wishes, due.reason.clone(), due.around, due.missing_in.clone());
    assert_eq!(one(&all[0]), (1, "a record points to it".to_owned(), None, Some("main".to_owned())));
    assert_eq!(one(&all[1]), (4, "a record points to it".to_owned(), Some(5), None));
    assert_eq!(waited, [vec![], vec![1, 2]]);
    assert_eq!(left, 0);
}

async fn a_wish_does_not_shorten_the_wait_after_a_failure(bridge: Bridge) {
    let look = |conn: &mut Conn| {
        fetches::request(conn, &[missed("cus_failed"), missed("cus_gone"), missed("cus_gone_too")], 0)?;
        let rows = due(conn, 0)?;
        fetches::retry_at(conn, rows[0].id, 500, "no answer")?;
        fetches::absent(conn, &rows[1..], 500, "no such customer")?;
        fetches::request(conn, &[missed("cus_failed"), missed("cus_gone"), missed("cus_gone_too")], 100)?;
        let before = due(conn, 499)?;
        // What an event speaks of may be there after all.
        fetches::request(conn, &[spoken_of("cus_gone_too")], 200)?;
        Ok((before, due(conn, 499)?, due(conn, 500)?))
    };
    let (before, spoken_of, all) = bridge.store().write(look).await.unwrap();
    assert_eq!(ids(&before), Vec::<&str>::new());
    assert_eq!(ids(&spoken_of), ["cus_gone_too"]);
    assert_eq!(all.iter().map(|due| due.wishes).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(all.iter().map(|due| due.attempts).collect::<Vec<_>>(), [1, 1, 1]);
    bridge.store().write(move |conn| fetches::complete(conn, &all)).await.unwrap();
}

async fn a_parent_that_stripe_does_not_have_is_asked_for_once_an_hour(bridge: Bridge) {
    let fields = r#"{"Customer__r":{"Stripe_Id__c":"cus_nobody"}}"#;
    bridge.merge(vec![state_of(CHARGE, "ch_1", fields, &[("customer", "cus_nobody")])]).await;
    bridge.drain().await;
    let refusals = || bridge.call_sizes().len();
    let at_first = refusals();
    for _ in 0..11 {
        bridge.clock.advance(Duration::from_secs(300));
        bridge.drain().await;
    }
    assert!(refusals() > at_first + 3, "the record is tried again and again");
    assert_eq!(asked(&bridge), 1, "its parent is not");
    assert_eq!(bridge.row(CHARGE, "ch_1").await.state, "pending");
    for _ in 0..12 {
        bridge.clock.advance(Duration::from_secs(300));
        bridge.drain().await;
    }
    assert_eq!(asked(&bridge), 2, "it may be there by now");
}

async fn what_stripe_does_not_have_and_nobody_wants_any_more_is_forgotten(bridge: Bridge) {
    bridge.store().write(|conn| fetches::request(conn, &[missed("cus_nobody")], 0)).await.unwrap();
    bridge.drain().await;
    assert_eq!(asked(&bridge), 1);
    let known = |conn: &mut Conn| Ok((due(conn, i64::MAX)?, standing::waiting(conn)?.reads));
    let (rows, reads) = bridge.store().read(known).await.unwrap();
    assert_eq!((ids(&rows), reads), (vec!["cus_nobody"], 0), "it is remembered, and not to be read");
    bridge.drain_for(Duration::from_secs(3_630)).await;
    let (rows, _) = bridge.store().read(known).await.unwrap();
    assert_eq!((ids(&rows), asked(&bridge)), (vec![], 1));
}

async fn a_key_that_is_not_taken_is_not_tried_for_every_object(bridge: Bridge) {
    let wanted: Vec<_> = (0..30).map(|n| spoken_of(&format!("cus_{n}"))).collect();
    bridge.stripe.at_random(1, 100, &[Fault::ExpiredKey]);
    bridge.store().write(move |conn| fetches::request(conn, &wanted, 0)).await.unwrap();
    bridge.drain_for(Duration::from_secs(300)).await;
    assert!((1..=4).contains(&asked(&bridge)), "{} asked, no more than travel together", asked(&bridge));
    bridge.stripe.at_random(1, 0, &[]);
    bridge.drain_for(Duration::from_secs(900)).await;
    let now_ms = unix_ms(bridge.clock.now());
    let left = bridge.store().read(move |conn| due(conn, now_ms)).await.unwrap();
    assert_eq!(ids(&left), Vec::<&str>::new());
}

/// `cus_2` lies before `cus_1` and was asked for before it.
async fn two_wishes(bridge: &Bridge) -> Vec<Due> {
    let request = |conn: &mut Conn| {
        fetches::request(conn, &[spoken_of("cus_2")], 0)?;
        fetches::request(conn, &[spoken_of("cus_1")], 0)?;
        due(conn, 0)
    };
    let due = bridge.store().write(request).await.unwrap();
    assert_eq!(ids(&due), ["cus_2", "cus_1"]);
    due
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_reads_and_new_wishes_do_not_lock_each_other_out() {
    let bridge = Bridge::start(Backend::Postgres).await;
    let due = two_wishes(&bridge).await;
    let wish = |id: &'static str| move |conn: &mut Conn| fetches::request(conn, &[spoken_of(id)], 0);
    let (read, gone) = (due.clone(), due.clone());
    let complete = move |conn: &mut Conn| fetches::complete(conn, &read).map(|_| ());
    cross(&bridge, wish("cus_1"), complete, wish("cus_2")).await;
    cross(&bridge, wish("cus_1"), move |conn| fetches::absent(conn, &gone, 9, "gone"), wish("cus_2")).await;
    let alone: Vec<i64> = due.iter().map(|due| due.id).collect();
    cross(&bridge, wish("cus_1"), move |conn| fetches::read_alone(conn, &alone), wish("cus_2")).await;
    let left = bridge.store().write(move |conn| self::due(conn, 9)).await.unwrap();
    assert_eq!(left.iter().map(|due| due.wishes).collect::<Vec<_>>(), [4, 4], "each wish counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wishes_and_notes_are_few_statements() {
    use diesel::Connection;
    use diesel::connection::InstrumentationEvent;

    let bridge = Bridge::start(Backend::Postgres).await;
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&statements);
    let write = move |conn: &mut Conn| {
        let Conn::Postgres(c) = conn else { panic!("not PostgreSQL") };
        c.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        let wanted = |n: i64| Wanted { event_seq: Some(n), ..spoken_of(&format!("cus_{n}")) };
        fetches::request(conn, &(0..300).map(wanted).collect::<Vec<_>>(), 0)?;
        let noted: Vec<_> = (0..300).map(|n| (n % 200, "it is read".to_owned())).collect();
        notes::add(conn, &noted)?;
        let rows = due(conn, 0)?;
        let count = (0..200).map(|seq| notes::of(conn, seq)).collect::<Result<Vec<_>>>()?.concat().len();
        Ok((rows, count))
    };
    let (rows, noted) = bridge.store().write(write).await.unwrap();
    assert_eq!((rows.len(), noted), (300, 200));
    let statements = statements.load(Ordering::SeqCst) - 201;
    assert!(statements <= 5, "{statements} statements beside those that look");
    bridge.store().write(move |conn| fetches::complete(conn, &rows)).await.unwrap();
}

/// Each has mapped the same event before the other could merge it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_processes_have_in_hand_is_wished_for_once() {
    let bridge = Bridge::start(Backend::Postgres).await;
    bridge.a_customer("In an old shape").await;
    let mut event = bridge.stripe.events()[0].clone();
    event["api_version"] = "2020-08-27".into();
    assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
    let [one, other] = [(); 2].map(|()| processor(&bridge, [("main".to_owned(), "main".to_owned())].into()));
    let (held, holds) = tokio::sync::oneshot::channel();
    let store = bridge.store().clone();
    let holding = tokio::spawn(async move {
        let hold = move |conn: &mut Conn| {
            inbox::one_at_a_time(conn)?;
            held.send(()).unwrap();
            until_somebody_waits_for(conn, 2);
            Ok(())
        };
        store.write(hold).await
    });
    holds.await.unwrap();
    let _both = tokio::join!(one.step(), other.step());
    holding.await.unwrap().unwrap();
    let wished = bridge.store().read(|conn| due(conn, i64::MAX)).await.unwrap();
    assert_eq!(wished.iter().map(|one| one.wishes).collect::<Vec<_>>(), [1]);
    assert_eq!(bridge.store().read(inbox::counts).await.unwrap(), (0, 1));
    bridge.drain().await;
}
