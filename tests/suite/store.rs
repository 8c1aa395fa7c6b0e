//! The store keeps its word on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use paybridge::store::outbox::{self, NewState, Position};
use paybridge::store::{self, Backend, Conn, Group, Payload, Store, inbox};

use crate::bridge::{Bridge, arrived, database, lease_due};
use crate::each_backend;
use crate::patience::{FOREVER, until};

each_backend!(
    a_lease_that_ended_cannot_write_its_result,
    a_state_that_comes_while_its_record_travels_is_sent_afterwards,
    an_older_state_never_replaces_a_newer_one,
    what_is_due_is_leased_and_no_row_twice,
    any_number_of_parents_is_looked_up,
    what_arrived_at_another_org_counts_for_nothing,
    a_lease_by_a_clock_that_was_wrong_is_taken_for_no_call_under_way,
    duplicates_in_one_batch_are_stored_once,
    a_transaction_that_fails_leaves_nothing,
    events_are_found_by_their_object_before_and_after_they_are_mapped,
    what_nobody_waits_for_any_more_is_not_committed,
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

fn event(event_id: &str) -> inbox::NewEvent {
    inbox::NewEvent {
        account: "main".to_owned(),
        event_id: event_id.to_owned(),
        event_type: "plan.created".to_owned(),
        object_id: None,
        created: 1,
        received_at: 1,
        payload: Payload::pack(&format!(
            r#"{{"id":"{event_id}","object":"event","type":"plan.created","created":1,"livemode":false,"data":{{"object":{{}}}}}}"#
        )),
    }
}

async fn what_nobody_waits_for_any_more_is_not_committed(bridge: Bridge) {
    let entered = Arc::new(AtomicUsize::new(0));
    let closed = Arc::new(AtomicBool::new(true));
    let write = {
        let (entered, closed) = (Arc::clone(&entered), Arc::clone(&closed));
        move |conn: &mut Conn, jobs: &[inbox::NewEvent]| {
            entered.fetch_add(1, Ordering::SeqCst);
            while closed.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            inbox::record(conn, jobs)
        }
    };
    let (group, _threads) = Group::start(bridge.store(), "jobs", write, |_, _| {}).unwrap();
    // Every thread that commits has a batch in hand.
    let committers = if bridge.backend == Backend::Sqlite { 1 } else { 2 };
    let mut before = Vec::new();
    for number in 0..committers {
        let (group, job) = (group.clone(), event(&format!("evt_before_{number}")));
        before.push(tokio::spawn(async move { group.write(job).await }));
        until("a thread has a batch", async || entered.load(Ordering::SeqCst) > number).await;
    }
    let gone = tokio::time::timeout(Duration::ZERO, group.write(event("evt_gone"))).await;
    assert!(gone.is_err());
    closed.store(false, Ordering::SeqCst);
    for job in before {
        assert!(job.await.unwrap().unwrap());
    }
    assert!(group.write(event("evt_after")).await.unwrap());
    assert_eq!(bridge.stored_events().await, i64::try_from(committers).unwrap() + 1);
}

async fn events_are_found_by_their_object_before_and_after_they_are_mapped(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let about = |event_id: &str, object_id: Option<&str>| inbox::NewEvent {
        object_id: object_id.map(str::to_owned),
        ..event(event_id)
    };
    let events = [
        about("evt_1", Some("ch_1")),
        about("evt_2", Some("ch_2")),
        about("evt_3", Some("ch_1")),
        about("evt_4", None),
    ];
    let found = bridge
        .store()
        .write(move |conn| {
            inbox::record(conn, &events)?;
            let seqs: Vec<i64> = inbox::take(conn, 0, &[], 10)?.iter().map(|event| event.seq).collect();
            let mut found = vec![inbox::events_of(conn, "ch_1", 10)?];
            inbox::complete(conn, &seqs[..1])?;
            found.push(inbox::events_of(conn, "ch_1", 10)?);
            inbox::complete(conn, &seqs)?;
            found.push(inbox::events_of(conn, "ch_1", 10)?);
            inbox::dead_letter_again(conn, seqs[0], "its object is gone")?;
            found.push(inbox::events_of(conn, "ch_1", 10)?);
            Ok((found, inbox::events_of(conn, "ch_1", 1)?, inbox::events_of(conn, "ch_9", 1)?))
        })
        .await
        .unwrap();
    let (each_time, newest, none) = found;
    for events in each_time {
        assert_eq!(
            events.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>(),
            ["evt_1", "evt_3"]
        );
        assert!(events[0].payload.unpack().unwrap().contains(r#""id":"evt_1""#));
    }
    assert_eq!(newest[0].event_id, "evt_3");
    assert!(none.is_empty());
}

async fn a_lease_that_ended_cannot_write_its_result(bridge: Bridge) {
    let counts = bridge
        .store()
        .write(|conn| {
            outbox::merge(conn, &[state("ch_1", 1, "evt_1")], 0)?;
            let slow = lease_due(conn, "slow", 10, 20, 10)?;
            assert!(lease_due(conn, "eager", 19, 40, 10)?.is_empty());
            let again = lease_due(conn, "next", 20, 40, 10)?;
            assert_eq!((slow[0].attempts, again[0].attempts), (1, 2));
            outbox::complete(conn, "slow", &arrived([slow[0].id]), 25)?;
            outbox::dead_letter(conn, "slow", slow[0].id, 25, "late")?;
            outbox::retry_at(conn, "slow", slow[0].id, 99, true, None, "late")?;
            outbox::release(conn, "slow", &[slow[0].id], 25)?;
            let between = outbox::counts(conn)?;
            outbox::complete(conn, "next", &arrived([again[0].id]), 30)?;
            Ok((between, outbox::counts(conn)?))
        })
        .await
        .unwrap();
    assert_eq!((counts.0.leased, counts.1.done), (1, 1));
}

async fn a_state_that_comes_while_its_record_travels_is_sent_afterwards(bridge: Bridge) {
    bridge
        .store()
        .write(|conn| {
            outbox::merge(conn, &[state("ch_1", 1, "evt_1")], 0)?;
            let first = lease_due(conn, "a", 0, 20, 10)?;
            outbox::merge(conn, &[state("ch_1", 2, "evt_2")], 1)?;
            assert!(lease_due(conn, "b", 1, 20, 10)?.is_empty(), "one call at a time carries a record");
            outbox::complete(conn, "a", &arrived([first[0].id]), 5)?;
            let second = lease_due(conn, "b", 5, 20, 10)?;
            assert_eq!((first[0].event_id.as_str(), second[0].event_id.as_str()), ("evt_1", "evt_2"));
            outbox::complete(conn, "b", &arrived([second[0].id]), 6)?;
            assert_eq!(outbox::counts(conn)?.done, 1);
            Ok(())
        })
        .await
        .unwrap();
}

async fn an_older_state_never_replaces_a_newer_one(bridge: Bridge) {
    bridge
        .store()
        .write(|conn| {
            for (created, event_id) in [(5, "evt_m"), (4, "evt_z"), (5, "evt_a"), (5, "evt_m")] {
                outbox::merge(conn, &[state("ch_1", created, event_id)], 0)?;
                assert_eq!(lease_due(conn, "l", 0, 0, 10)?[0].event_id, "evt_m");
            }
            outbox::merge(conn, &[state("ch_1", 5, "evt_n")], 0)?;
            let rows = lease_due(conn, "l", 0, 0, 10)?;
            assert_eq!(rows[0].event_id, "evt_n");
            outbox::complete(conn, "l", &arrived([rows[0].id]), 0)
        })
        .await
        .unwrap();
}

async fn what_is_due_is_leased_and_no_row_twice(bridge: Bridge) {
    let states: Vec<_> = (0..1_200).map(|n| state(&format!("ch_{n}"), 1, "evt")).collect();
    bridge.store().write(move |conn| outbox::merge(conn, &states, 0)).await.unwrap();
    let mut takers = tokio::task::JoinSet::new();
    for taker in 0..6 {
        let store = bridge.store().clone();
        takers.spawn(async move {
            let lease = format!("taker {taker}");
            store.write(move |conn| lease_due(conn, &lease, 0, 50, 1_200)).await.unwrap()
        });
    }
    let rows: Vec<_> = takers.join_all().await.into_iter().flatten().map(|row| row.id).collect();
    let distinct: std::collections::BTreeSet<_> = rows.iter().copied().collect();
    assert_eq!((rows.len(), distinct.len()), (1_200, 1_200));
    bridge
        .store()
        .write(move |conn| {
            let rows = arrived(rows);
            (0..6).try_for_each(|t| outbox::complete(conn, &format!("taker {t}"), &rows, 1))
        })
        .await
        .unwrap();
    assert_eq!(bridge.counts().await.done, 1_200);
}

async fn any_number_of_parents_is_looked_up(bridge: Bridge) {
    // Far more than a database takes in one query.
    let ids: Vec<String> = (0..40_000).map(|n| format!("ch_{n:05}")).collect();
    let ends = [0, 4_999, 5_000, 39_999].map(|n| ids[n].clone());
    let (there, coming) = ends.split_at(2);
    let (there, coming) = (there.to_vec(), coming.to_vec());
    let looked_up = {
        let (there, coming) = (there.clone(), coming.clone());
        move |conn: &mut Conn| {
            let states: Vec<_> = there.iter().map(|id| state(id, 1, "evt")).collect();
            outbox::merge(conn, &states, 0)?;
            let rows = lease_due(conn, "l", 0, 9, 10)?;
            outbox::complete(conn, "l", &arrived(rows.iter().map(|row| row.id)), 1)?;
            let states: Vec<_> = coming.iter().map(|id| state(id, 1, "evt")).collect();
            outbox::merge(conn, &states, 0)?;
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            Ok((outbox::arrived(conn, "main", &ids)?, outbox::absent(conn, "main", &ids)?))
        }
    };
    let (mut arrived, absent) = bridge.store().write(looked_up).await.unwrap();
    let mut absent: Vec<_> = absent.into_iter().map(|absent| absent.row.external_id).collect();
    arrived.sort();
    absent.sort();
    assert_eq!((arrived, absent), (there, coming));
    bridge.drain().await;
}

async fn what_arrived_at_another_org_counts_for_nothing(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let ids = ["ch_dead", "ch_done", "ch_travels", "ch_waits"];
    let at = move |conn: &mut Conn, org: &str| {
        let standing = |id: &&str| outbox::of(conn, org, "Stripe_Charge__c", id);
        ids.iter().map(standing).collect::<store::Result<Option<Vec<_>>>>()
    };
    let (before, after, other, absent) = bridge
        .store()
        .write(move |conn| {
            for org in ["main", "other"] {
                let at_org = |id: &&str| NewState { org: org.to_owned(), ..state(id, 1, "evt_1") };
                outbox::merge(conn, &ids.iter().map(at_org).collect::<Vec<_>>(), 0)?;
                let due = outbox::due(conn, org, "Stripe_Charge__c", 0, 10)?;
                let due: Vec<i64> = due.into_iter().map(|row| row.id).collect();
                outbox::lease(conn, "first", &due, 0, 10)?;
                outbox::complete(conn, "first", &arrived(due), 1)?;
            }
            let newer = ["ch_dead", "ch_travels", "ch_waits"].map(|id| state(id, 2, "evt_2"));
            outbox::merge(conn, &newer, 2)?;
            let rows = lease_due(conn, "second", 2, 90, 10)?;
            let id = |external_id: &str| rows.iter().find(|row| row.external_id == external_id).unwrap().id;
            outbox::dead_letter(conn, "second", id("ch_dead"), 3, "no")?;
            outbox::retry_at(conn, "second", id("ch_waits"), 99, true, Some(3), "no parent")?;
            let before = at(conn, "main")?;
            outbox::send_all_again(conn, "main", 50)?;
            // The old one's answer comes late.
            outbox::complete(conn, "second", &arrived([id("ch_travels")]), 51)?;
            let absent = outbox::absent(conn, "main", &ids)?.len();
            Ok((before.unwrap(), at(conn, "main")?.unwrap(), at(conn, "other")?.unwrap(), absent))
        })
        .await
        .unwrap();
    let states = |rows: &[outbox::Standing]| rows.iter().map(|row| row.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&before), ["dead", "done", "leased", "pending"]);
    assert!(before.iter().all(|row| row.salesforce_id.is_some() && row.attempts <= 1), "{before:?}");
    assert_eq!(states(&after), ["dead", "pending", "pending", "pending"]);
    for row in &after {
        let marks = (&row.salesforce_id, row.delivered_at, &row.delivered_event_id, &row.delivered_call);
        assert_eq!(marks, (&None, None, &None, &None), "{row:?}");
        if row.state == "pending" {
            assert_eq!((row.attempts, row.due_at, row.waiting_since), (0, 50, None), "{row:?}");
        }
    }
    assert_eq!(absent, 4, "all are to come before those that point to them");
    assert_eq!(states(&other), ["done"; 4]);
    assert!(other.iter().all(|row| row.delivered_at == Some(1)), "{other:?}");
}

/// Holds `first` while `meanwhile` begins, then takes `last` as well. Fails if `meanwhile` had `last` already.
pub async fn cross(
    bridge: &Bridge,
    first: impl FnOnce(&mut Conn) -> store::Result<()> + Send + 'static,
    meanwhile: impl FnOnce(&mut Conn) -> store::Result<()> + Send + 'static,
    last: impl FnOnce(&mut Conn) -> store::Result<()> + Send + 'static,
) {
    let (held, holds) = tokio::sync::oneshot::channel();
    let store = bridge.store().clone();
    let one = tokio::spawn(async move {
        let write = move |conn: &mut Conn| {
            first(conn)?;
            held.send(()).unwrap();
            until_somebody_waits_for(conn, 1);
            last(conn)
        };
        store.write(write).await
    });
    holds.await.unwrap();
    let other = bridge.store().write(meanwhile).await;
    let one = one.await.unwrap();
    assert!(one.is_ok() && other.is_ok(), "they locked each other out: {one:?} {other:?}");
}

/// Blocks until so many others wait for what this transaction holds.
pub fn until_somebody_waits_for(conn: &mut Conn, others: usize) {
    let Conn::Postgres(c) = conn else { panic!("only PostgreSQL has locks of rows") };
    let query = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    let begun = Instant::now();
    while diesel::sql_query(query).execute(c).unwrap() < others {
        assert!(begun.elapsed() < FOREVER, "nobody waits: they do not meet");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_org_and_new_states_do_not_lock_each_other_out() {
    let bridge = Bridge::start(Backend::Postgres).await;
    // The rows lie in the other order than they are locked in.
    let rows = ["ch_2", "ch_1"].map(|id| state(id, 1, "evt_1"));
    bridge.store().write(move |conn| outbox::merge(conn, &rows, 0)).await.unwrap();
    cross(
        &bridge,
        |conn| outbox::known(conn, "main", &["ch_1"]).map(|_| ()),
        |conn| outbox::send_all_again(conn, "main", 5),
        |conn| outbox::known(conn, "main", &["ch_2"]).map(|_| ()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_org_is_sent_everything_however_long_that_takes_to_be_written() {
    let bridge = Bridge::start(Backend::Postgres).await;
    let states: Vec<_> = (0..5_000).map(|n| state(&format!("ch_{n}"), 1, "evt")).collect();
    bridge.store().write(move |conn| outbox::merge(conn, &states, 0)).await.unwrap();
    let again = |conn: &mut Conn| {
        if let Conn::Postgres(c) = conn {
            use diesel::connection::SimpleConnection;
            // As if there were thousands of times as many rows.
            c.batch_execute("SET LOCAL statement_timeout = '1ms'")?;
        }
        outbox::send_all_again(conn, "main", 5)
    };
    bridge.store().write(again).await.unwrap();
    let due = bridge.store().read(|conn| outbox::due(conn, "main", "Stripe_Charge__c", 5, 10)).await.unwrap();
    assert!(due.len() == 10 && due.iter().all(|row| row.due_at == 5), "{due:?}");
}

async fn a_lease_by_a_clock_that_was_wrong_is_taken_for_no_call_under_way(bridge: Bridge) {
    const DAY: i64 = 86_400_000;
    let states = ["ch_1", "ch_2"].map(|id| state(id, 1, "evt_1"));
    bridge.store().write(move |conn| outbox::merge(conn, &states, 0)).await.unwrap();
    let take = |conn: &mut Conn| {
        let leases = [("honest", 180_005), ("a year ahead", 365 * DAY)];
        let mut leased = Vec::new();
        for (lease, until_ms) in leases {
            leased.extend(lease_due(conn, lease, 5, until_ms, 1)?.iter().map(|row| (lease, row.id)));
        }
        let under_way = outbox::travelling(conn, "main", 10)?;
        for (lease, id) in leased {
            outbox::release(conn, lease, &[id], 5)?;
        }
        Ok(under_way)
    };
    let under_way = bridge.store().write(take).await.unwrap();
    assert_eq!(under_way, [("ch_1".to_owned(), "[]".to_owned(), 180_005)]);
}

async fn duplicates_in_one_batch_are_stored_once(bridge: Bridge) {
    let batch = ["a", "b", "a", "c", "b"].map(event);
    let new = bridge.store().write(move |conn| inbox::record(conn, &batch)).await.unwrap();
    assert_eq!(new, [true, true, false, true, false]);
    let taken = bridge.store().write(|conn| inbox::take(conn, 0, &[], 10)).await.unwrap();
    assert_eq!(taken.len(), 3);
    bridge.drain().await;
}

async fn a_transaction_that_fails_leaves_nothing(bridge: Bridge) {
    let failed = bridge
        .store()
        .write(|conn| {
            inbox::record(conn, &[event("a")])?;
            Err::<(), _>(store::Error::Corrupt("on purpose".into()))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(bridge.stored_events().await, 0);
}

#[test]
fn several_processes_may_bring_the_tables_up_to_date_at_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let directory = tempfile::tempdir().unwrap();
        let url = database(backend, &directory);
        std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..6).map(|_| scope.spawn(|| Store::open(&url.clone().into(), 2).map(|_| ()))).collect();
            for start in starts {
                start.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_database_that_is_not_there_is_an_error_and_not_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = format!("postgres:///x?host={}", directory.path().display());
    assert!(matches!(Store::open(&nowhere.into(), 2), Err(store::Error::Unavailable(_))));
    let no_directory = format!("sqlite://{}/no/such/place.db", directory.path().display());
    assert!(matches!(Store::open(&no_directory.into(), 2), Err(store::Error::Unavailable(_))));
}

/// PostgreSQL reads all events when it believes that very many wait, unless it is told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_an_object_are_found_among_very_many_that_wait() {
    let bridge = Bridge::start(Backend::Postgres).await;
    let many: Vec<inbox::NewEvent> = (0..20_000)
        .map(|number| inbox::NewEvent {
            object_id: Some(format!("ch_{number}")),
            ..event(&format!("evt_{number}"))
        })
        .collect();
    let store = bridge.store();
    store.write(move |conn| inbox::record(conn, &many)).await.unwrap();
    store.write(move |conn| Ok(on_postgres(conn, "ANALYZE events, inbox"))).await.unwrap();
    let (found, scans) = store
        .write(move |conn| {
            let found = inbox::events_of(conn, "ch_19999", 1_000)?;
            let asked = "SELECT pg_stat_get_xact_numscans('events'::regclass) AS number";
            Ok((found, on_postgres(conn, asked)))
        })
        .await
        .unwrap();
    assert_eq!((found.len(), scans), (1, 0));
}

/// PostgreSQL plans by statistics that can be of an hour when nothing waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_events_are_taken_without_looking_up_all_that_wait() {
    let mut bridge = Bridge::start(Backend::Postgres).await;
    bridge.expect_dead_letters();
    let many: Vec<inbox::NewEvent> = (0..20_000).map(|number| event(&format!("evt_{number}"))).collect();
    let take = move |conn: &mut Conn| {
        inbox::record(conn, &[event("evt_dead")])?;
        let dead = inbox::take(conn, 0, &[], 1)?[0].seq;
        inbox::dead_letter(conn, dead, "no reason")?;
        on_postgres(conn, "ANALYZE events, inbox");
        inbox::record(conn, &many)?;
        let looked_up = "SELECT pg_stat_get_xact_numscans('events_pkey'::regclass) AS number";
        let before = on_postgres(conn, looked_up);
        let first = inbox::take(conn, 0, &[], 256)?;
        let next = inbox::take(conn, first[255].seq + 1, &[], 256)?;
        let looked_up = on_postgres(conn, looked_up) - before;
        let seqs: Vec<i64> = first.iter().chain(&next).map(|event| event.seq).collect();
        assert_eq!((looked_up, seqs), (512, (dead + 1..=dead + 512).collect()));
        assert!(inbox::take(conn, 0, &["main".to_owned()], 256)?.is_empty());
        // The last few, and beyond them.
        let rest = inbox::take(conn, dead + 19_991, &[], 256)?.len();
        assert_eq!((rest, inbox::take(conn, dead + 1_000_000, &[], 256)?.len()), (10, 0));
        Ok(())
    };
    bridge.store().write(take).await.unwrap();
}

/// The number that this gives; 0 if it gives none, or on SQLite.
pub fn on_postgres(conn: &mut Conn, statement: &str) -> i64 {
    if let Conn::Postgres(_) = conn { number(conn, statement) } else { 0 }
}

/// The number that this gives; 0 if it gives none.
pub fn number(conn: &mut Conn, statement: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let found: Vec<Found> = match conn {
        Conn::Sqlite(c) => diesel::sql_query(statement).load(c).unwrap(),
        Conn::Postgres(c) => diesel::sql_query(statement).load(c).unwrap(),
    };
    found.first().map_or(0, |found| found.number)
}

/// Every query of the daily work finds its rows by an index, however many rows there are.
#[test]
fn no_query_of_the_daily_work_reads_a_whole_table() {
    use diesel::{Connection, QueryableByName, SqliteConnection};

    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    Store::open(&url.clone().into(), 2).unwrap();
    let mut conn = SqliteConnection::establish(url.trim_start_matches("sqlite://")).unwrap();
    for (query, index) in [
        (
            "SELECT id FROM outbox WHERE org = ? AND sobject = ? AND state IN ('pending', 'leased') AND due_at <= ? \
             ORDER BY due_at, id",
            "USING INDEX outbox_due (org=? AND sobject=? AND due_at<?)",
        ),
        (
            "SELECT min(due_at) FROM outbox WHERE org = ? AND sobject = ? AND state IN ('pending', 'leased')",
            "USING INDEX outbox_due (org=? AND sobject=?)",
        ),
        (
            "SELECT min(sobject) FROM outbox WHERE org = ? AND state IN ('pending', 'leased') AND sobject > ?",
            "USING INDEX outbox_due (org=? AND sobject>?)",
        ),
        ("SELECT fields FROM outbox WHERE org = ? AND external_id IN (?, ?)", "(external_id=? AND org=?)"),
        (
            "SELECT seq FROM events WHERE seq IN (SELECT seq FROM inbox) AND object_id = ? ORDER BY seq DESC LIMIT 10",
            "events USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            "SELECT id FROM claims WHERE state IN ('pending', 'leased') AND due_at <= ? ORDER BY due_at, id LIMIT 10",
            "USING INDEX claims_due (due_at<?)",
        ),
        ("SELECT min(due_at) FROM claims WHERE state IN ('pending', 'leased')", "USING INDEX claims_due"),
        (
            "SELECT id FROM claims WHERE idempotency_key IN (?, ?) AND account = ?",
            "(idempotency_key=? AND account=?)",
        ),
    ] {
        let plans: Vec<Plan> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut conn).unwrap();
        let plan = plans.into_iter().map(|plan| plan.detail).collect::<Vec<_>>().join("; ");
        assert!(plan.contains(index), "{query}: {plan}");
    }
}
