//! What is to be read from Stripe is asked for no more often than it helps.

use paybridge::store::fetches::{self, Due, Wanted};
use paybridge::store::{Backend, Conn, Result};

use crate::bridge::Bridge;
use crate::store::cross;

/// A customer that an event speaks of.
fn spoken_of(id: &str) -> Wanted {
    Wanted {
        account: "main".to_owned(),
        object: "customer".to_owned(),
        object_id: id.to_owned(),
        reason: "an event speaks of it",
        not_before_ms: 0,
        event_seq: None,
        around: None,
        missing_in: None,
    }
}

fn due(conn: &mut Conn, now_ms: i64) -> Result<Vec<Due>> {
    fetches::due(conn, &[], now_ms, 1_000)
}

fn ids(due: &[Due]) -> Vec<&str> {
    due.iter().map(|due| due.object_id.as_str()).collect()
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
    let read = due.clone();
    let complete = move |conn: &mut Conn| fetches::complete(conn, &read).map(|_| ());
    cross(&bridge, wish("cus_1"), complete, wish("cus_2")).await;
    let alone: Vec<i64> = due.iter().map(|due| due.id).collect();
    cross(&bridge, wish("cus_1"), move |conn| fetches::read_alone(conn, &alone), wish("cus_2")).await;
    let left = bridge.store().write(move |conn| self::due(conn, 9)).await.unwrap();
    assert_eq!(left.iter().map(|due| due.wishes).collect::<Vec<_>>(), [3, 3], "each wish counts");
}
