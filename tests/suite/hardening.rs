//! What once lost, delayed or condemned more than it had to.

use std::time::Duration;

use paybridge::sandbox::salesforce::Fault;
use paybridge::store::fetches::{self, Wanted};
use paybridge::store::outbox::{self, NewState, Position};
use paybridge::store::{Backend, Conn};

use crate::bridge::Bridge;
use crate::each_backend;

each_backend!(
    a_wish_that_comes_during_the_read_is_kept,
    waiting_for_a_parent_is_not_a_failed_try,
    a_newer_state_of_a_dead_letter_starts_anew,
);

fn state(external_id: &str, created: i64, event_id: &str) -> NewState {
    NewState {
        org: "main".to_owned(),
        sobject: "Stripe_Charge__c".to_owned(),
        external_id: external_id.to_owned(),
        account: "main".to_owned(),
        position: Position { created, progress: 0, event_id: event_id.to_owned() },
        fields: format!(r#"{{"Last_Event_Id__c":"{event_id}"}}"#),
        parents: "[]".to_owned(),
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
            };
            fetches::request(conn, std::slice::from_ref(&want), 0)?;
            let due = fetches::due(conn, 0, 1)?.remove(0);
            // Stripe has answered; before the answer is recorded another tie is found.
            fetches::request(conn, &[want], 0)?;
            fetches::complete(conn, &due)?;
            fetches::due(conn, 0, 1)
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
        let rows = outbox::lease(conn, "main", "x", i64::MAX, i64::MAX, 10)?;
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
                let row = outbox::lease(conn, "main", "l", 9, 20, 1)?.remove(0);
                outbox::retry_at(conn, "l", row.id, 0, Some(1), "no parent")?;
            }
            let row = outbox::lease(conn, "main", "l", 9, 20, 1)?.remove(0);
            outbox::merge(conn, &[state("ch_1", 2, "evt_2")], 0)?;
            outbox::dead_letter(conn, "l", row.id, 9, "no")?;
            let row = outbox::lease(conn, "main", "m", 9, 20, 1)?.remove(0);
            outbox::complete(conn, "m", &[row.id], 9)?;
            Ok(row)
        })
        .await
        .unwrap();
    assert_eq!((row.attempts, row.waiting_since), (1, None));
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
            let rows = store
                .write(move |conn| outbox::lease(conn, "main", &format!("l{round}"), 99, 99, 1_000))
                .await
                .unwrap();
            let ids: Vec<_> = rows.iter().map(|r| r.id).collect();
            let done = store
                .write(move |conn| {
                    outbox::lock(conn, &ids)?;
                    outbox::complete(conn, &format!("l{round}"), &ids, 1)
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
                outbox::complete(conn, &format!("l{r}"), &ids, 1)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(failed, (0, 0), "(merges, results) that failed");
}
