//! What was done with keys: written down, in order, and not to be changed unseen.

use std::time::Duration;

use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use paybridge::api::{Scope, issue};
use paybridge::store::audit::{self, Break, Head, NewEntry};
use paybridge::store::{Backend, Error, api_keys};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    uses_are_counted_by_the_minute_and_written_down_with_the_end_of_the_service,
    whoever_changes_the_record_of_the_past_is_found_out,
    entries_of_several_processes_make_one_chain,
);

fn entry(number: i64) -> NewEntry {
    NewEntry {
        at: number,
        actor: "command:ada".to_owned(),
        action: "key_created",
        subject: format!("key{number}"),
        detail: "{}".to_owned(),
    }
}

/// What somebody does who may write to the database.
fn tamper(bridge: &Bridge, sql: &str) {
    let changed = match bridge.backend {
        Backend::Sqlite => {
            let path = bridge.database_url.trim_start_matches("sqlite://");
            diesel::sql_query(sql).execute(&mut SqliteConnection::establish(path).unwrap())
        }
        Backend::Postgres => {
            diesel::sql_query(sql).execute(&mut PgConnection::establish(&bridge.database_url).unwrap())
        }
    };
    assert!(changed.unwrap() > 0, "{sql}");
}

async fn breaks(bridge: &Bridge, noted: Option<Head>) -> Vec<Break> {
    bridge.store().read(move |conn| audit::verify(conn, noted.as_ref())).await.unwrap().0
}

async fn uses_are_counted_by_the_minute_and_written_down_with_the_end_of_the_service(mut bridge: Bridge) {
    let (key, token) = issue("flow", &[Scope::PaymentsRead], bridge.clock.now(), None).unwrap();
    let id = key.id.clone();
    bridge.store().write(move |conn| api_keys::create(conn, &key)).await.unwrap();
    let http = reqwest::Client::new();
    let ask = |token: String, post: bool, bridge: &Bridge| {
        let url = bridge.url(if post { "/v1/customers" } else { "/v1/customers/cus_1" });
        let request = if post { http.post(url).json(&json!({})) } else { http.get(url) };
        async move { request.bearer_auth(token).send().await.unwrap().status().as_u16() }
    };
    let token = token.expose_secret();
    for _ in 0..3 {
        assert_eq!(ask(token.to_owned(), false, &bridge).await, 404);
    }
    assert_eq!(ask(token.to_owned(), true, &bridge).await, 403);
    assert_eq!(ask(format!("{token}x"), false, &bridge).await, 401);
    assert_eq!(ask("pb_stranger_x".to_owned(), false, &bridge).await, 401);
    bridge.drain().await;
    let none = bridge.store().read(|conn| audit::list(conn, None, 10)).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    let used_at = bridge.clock.now();
    bridge.clock.advance(Duration::from_secs(60));
    bridge.drain().await;
    let entries = bridge.store().read(|conn| audit::list(conn, None, 10)).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.subject.as_str())).collect();
    let mut expected = [("key_used", id.as_str()), ("sign_in_failed", "unknown")];
    expected.sort_by_key(|(_, subject)| *subject);
    assert_eq!(told, expected);
    let of_key = entries.iter().find(|entry| entry.subject == id).unwrap();
    let detail: Value = serde_json::from_str(&of_key.detail).unwrap();
    for (name, count) in [("requests", 4), ("refused", 1), ("failed", 1)] {
        assert_eq!(detail[name], count, "{detail}");
    }
    let found = id.clone();
    let row = bridge.store().read(move |conn| api_keys::find(conn, &found)).await.unwrap().unwrap();
    assert_eq!(row.last_used_at, Some(paybridge::clock::unix_ms(used_at)));
    // The last minute is written at the end.
    assert_eq!(ask(token.to_owned(), false, &bridge).await, 404);
    bridge.restart().await;
    let last = bridge.store().read(|conn| audit::list(conn, None, 1)).await.unwrap();
    assert_eq!((last[0].seq, last[0].subject.as_str()), (3, id.as_str()));
    assert!(breaks(&bridge, None).await.is_empty());
}

async fn whoever_changes_the_record_of_the_past_is_found_out(bridge: Bridge) {
    // More than one page, so that following the chain goes over its border.
    let written =
        bridge.store().write(|conn| audit::append(conn, &(1..=1_200).map(entry).collect::<Vec<_>>()));
    let head = written.await.unwrap().unwrap();
    assert_eq!(head.seq, 1_200);
    assert_eq!(breaks(&bridge, Some(head.clone())).await, []);
    for (change, back, expected) in [
        (
            "UPDATE audit SET detail = '{\"scopes\":\"\"}' WHERE seq = 700",
            "UPDATE audit SET detail = '{}' WHERE seq = 700",
            Break::Altered(700),
        ),
        (
            "UPDATE audit SET at = 5 WHERE seq = 1000",
            "UPDATE audit SET at = 1000 WHERE seq = 1000",
            Break::Altered(1_000),
        ),
        // Text that moves from one column into the next is another entry.
        (
            "UPDATE audit SET actor = 'command:adakey_', action = 'created' WHERE seq = 3",
            "UPDATE audit SET actor = 'command:ada', action = 'key_created' WHERE seq = 3",
            Break::Altered(3),
        ),
        (
            "UPDATE audit SET seq = 5000 WHERE seq = 1200",
            "UPDATE audit SET seq = 1200 WHERE seq = 5000",
            Break::Missing(1_200),
        ),
    ] {
        tamper(&bridge, change);
        assert_eq!(breaks(&bridge, None).await, [expected], "{change}");
        tamper(&bridge, back);
        assert_eq!(breaks(&bridge, None).await, [], "{back}");
    }
    // What is cut off at the end shows only to who noted the end.
    tamper(&bridge, "DELETE FROM audit WHERE seq > 1190");
    assert_eq!(breaks(&bridge, None).await, []);
    assert_eq!(breaks(&bridge, Some(head.clone())).await, [Break::Missing(1_200)]);
    // And so does a chain that was written anew.
    tamper(&bridge, "DELETE FROM audit WHERE seq > 0");
    let anew = (1..=1_200).map(|number| NewEntry { actor: "command:eve".to_owned(), ..entry(number) });
    let anew: Vec<_> = anew.collect();
    bridge.store().write(move |conn| audit::append(conn, &anew)).await.unwrap();
    assert_eq!(breaks(&bridge, None).await, []);
    assert_eq!(breaks(&bridge, Some(head)).await, [Break::NotTheNoted(1_200)]);
    tamper(&bridge, "DELETE FROM audit WHERE seq <= 10");
    assert_eq!(breaks(&bridge, None).await, [Break::Missing(1)]);
}

async fn entries_of_several_processes_make_one_chain(bridge: Bridge) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = bridge.store().clone();
            tokio::spawn(async move {
                for number in 0..5 {
                    let append = async || {
                        let entries = [entry(writer * 10 + number), entry(writer)];
                        store.write(move |conn| audit::append(conn, &entries)).await
                    };
                    // They wait for each other, and not for ever.
                    while let Err(Error::Unavailable(_)) = append().await {}
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let (breaks, head) = bridge.store().read(|conn| audit::verify(conn, None)).await.unwrap();
    assert_eq!((breaks, head.unwrap().seq), (vec![], 80));
    let of_one = bridge.store().read(|conn| audit::list(conn, Some("key3"), 2)).await.unwrap();
    assert_eq!(of_one.len(), 2);
    assert!(of_one[0].seq < of_one[1].seq);
}
