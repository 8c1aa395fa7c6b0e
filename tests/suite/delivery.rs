//! What delivery does with a record, whatever Salesforce answers.

use std::time::Duration;

use paybridge::sandbox::salesforce::Fault;
use paybridge::store::outbox::{self, NewState};
use paybridge::store::{Backend, Conn, lanes};

use crate::bridge::{Bridge, state_of};
use crate::each_backend;
use crate::patience::until;
use crate::store::{number, on_postgres};

each_backend!(
    an_arrival_leaves_the_records_id_and_its_call,
    a_record_given_up_says_what_was_sent_and_what_was_tried,
    a_discarded_record_stays_away_until_it_has_news,
    several_calls_travel_together_and_touch_no_record_twice,
    records_of_one_customer_travel_one_call_at_a_time,
    after_a_reading_that_failed_delivery_looks_near_again,
    two_processes_do_not_meet_on_the_same_records,
    calls_of_a_process_that_died_are_respected_until_their_lease_ends,
    records_of_a_call_that_was_not_heard_of_are_left_alone_until_its_lease_ends,
    records_are_left_alone_when_a_gateway_answers_for_the_org,
    while_all_answers_break_off_no_record_is_blamed,
    a_lane_is_taken_over_only_from_a_clock_that_is_hours_ahead,
    a_lane_is_kept_while_a_call_takes_long,
    a_record_that_calls_hang_on_is_found_while_others_keep_coming,
    locked_records_are_tried_again_in_smaller_calls,
    an_object_that_is_not_set_up_holds_only_its_own_records,
    a_record_without_access_gets_its_tries_while_others_arrive,
    an_org_that_is_full_stops_the_lane_with_one_alert,
    children_of_a_dead_parent_wait_and_say_so,
    children_do_not_wait_for_a_second_record_of_their_parent,
    a_parent_that_never_comes_is_named_in_the_dead_letter,
    a_parent_that_somebody_deleted_comes_back,
    what_stopped_the_process_before_is_forgotten_when_records_arrive,
    a_value_that_makes_its_collection_unreadable_is_found,
    money_goes_before_profiles_when_requests_get_scarce,
    a_refused_sign_in_is_not_repeated_by_every_call,
    calls_under_way_share_one_new_sign_in,
    maintenance_of_the_org_is_no_try_of_its_records,
);

const CUSTOMER: &str = "Stripe_Customer__c";
const INTENT: &str = "Stripe_Payment_Intent__c";
const CHARGE: &str = "Stripe_Charge__c";

/// A customer with so many charges each.
fn families(customers: usize, charges: usize) -> Vec<NewState> {
    let mut states = Vec::new();
    for number in 0..customers {
        let customer = format!("cus_{number:05}");
        states.push(state_of(CUSTOMER, &customer, r#"{"Name":"Ada"}"#, &[]));
        for charge in 0..charges {
            let fields = format!(r#"{{"Amount__c":12.340,"Customer__r":{{"Stripe_Id__c":"{customer}"}}}}"#);
            let id = format!("ch_{number:05}_{charge:05}");
            states.push(state_of(CHARGE, &id, &fields, &[("customer", &customer)]));
        }
    }
    // Children first: order is delivery's business.
    states.reverse();
    states
}

async fn an_arrival_leaves_the_records_id_and_its_call(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.deliver().await;
    let row = bridge.row("Stripe_Customer__c", &customer).await;
    assert_eq!(row.salesforce_id, Some(bridge.org.record("Stripe_Customer__c", &customer).unwrap().id));
    assert_eq!(row.delivered_event_id, Some(row.event_id));
    assert!(row.delivered_call.is_some() && row.delivered_at.is_some());
    assert!(bridge.attempts(row.id).await.is_empty(), "arrivals are too many to be written down one by one");
}

async fn a_record_given_up_says_what_was_sent_and_what_was_tried(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.fail_next(1, Fault::RecordLocked);
    bridge.deliver().await;
    bridge.org.reject_records(&customer, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no Adas please");
    bridge.drain_for(Duration::from_secs(60)).await;
    let row = bridge.row("Stripe_Customer__c", &customer).await;
    let tried = bridge.attempts(row.id).await;
    let told: Vec<_> = tried.iter().map(|a| (a.outcome.as_str(), a.code.as_str(), a.attempt)).collect();
    let expected = [("dead", "FIELD_CUSTOM_VALIDATION_EXCEPTION", 2), ("retry", "UNABLE_TO_LOCK_ROW", 1)];
    assert_eq!(told, expected, "newest first");
    assert!(tried[0].sent.as_ref().unwrap().contains("Ada Brandt"), "{tried:?}");
    assert_eq!((tried[0].message.as_str(), &tried[1].sent), ("no Adas please", &None));
    assert!(!tried[0].call_id.is_empty());
}

async fn a_discarded_record_stays_away_until_it_has_news(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.org.reject_records(&customer, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no Adas please");
    bridge.deliver().await;
    let id = bridge.row("Stripe_Customer__c", &customer).await.id;
    let discard = |reason: &'static str| {
        let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
        bridge.store().write(move |conn| outbox::discard(conn, id, reason, now_ms))
    };
    assert!(discard("a test customer").await.unwrap());
    assert!(!discard("again").await.unwrap(), "only what was given up can be discarded");
    bridge.drain_for(Duration::from_secs(600)).await;
    assert!(bridge.org.record("Stripe_Customer__c", &customer).is_none());
    assert_eq!(bridge.counts().await.discarded, 1);
    let last = bridge.attempts(id).await.remove(0);
    assert_eq!((last.outcome.as_str(), last.message.as_str()), ("discarded", "a test customer"));

    bridge.org.pardon(&customer);
    bridge.clock.advance(Duration::from_secs(5));
    bridge.at_stripe(&format!("/v1/customers/{customer}"), &[("name", "Grace Brandt")]).await;
    bridge.deliver().await;
    assert_eq!(bridge.field("Stripe_Customer__c", &customer, "Name").as_deref(), Some("Grace Brandt"));
}

/// No record was refused for a lock: no two calls under way touched the same one.
async fn assert_nothing_was_locked(bridge: &Bridge) {
    let locked = bridge.attempts_with("UNABLE_TO_LOCK_ROW").await;
    assert_eq!(locked, 0, "records were refused because another call held them");
}

/// Calls that carry records are carried out and not answered.
fn hold_calls(bridge: &Bridge) {
    bridge.org.hold(|call| call.ends_with("/composite"));
}

/// Answers them once so many are under way.
async fn let_go_when_under_way(bridge: &Bridge, calls: usize) {
    until("calls are under way", async || bridge.org.calls_under_way() >= calls).await;
    bridge.org.let_go();
}

async fn several_calls_travel_together_and_touch_no_record_twice(bridge: Bridge) {
    bridge.merge(families(1_500, 1)).await;
    hold_calls(&bridge);
    let one_more = async {
        until("two calls are under way", async || bridge.org.calls_under_way() == 2).await;
        // The charges that are left belong to customers in the first one: this record alone may leave.
        bridge.merge(vec![state_of(CUSTOMER, "cus_other", "{}", &[])]).await;
        bridge.clock.advance(Duration::from_secs(2));
        let_go_when_under_way(&bridge, 3).await;
    };
    tokio::join!(bridge.drain(), one_more);
    assert_eq!((bridge.counts().await.done, bridge.org.records(CHARGE).len()), (3_001, 1_500));
    let together = bridge.org.most_calls_at_once();
    assert!((2..=4).contains(&together), "{together} calls at once");
    assert_nothing_was_locked(&bridge).await;
    let sizes = bridge.call_sizes();
    assert!(sizes.len() <= 5 && sizes.iter().sum::<usize>() == 3_001, "{sizes:?}");
}

/// SQLite has one writer: nothing is written down there while another one holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrived_is_written_down_while_the_next_call_is_kept_waiting() {
    let in_flight = [("DELIVERY__CALLS_IN_FLIGHT", "2")];
    let bridge = Bridge::start_with(Backend::Postgres, &in_flight).await;
    bridge.merge(families(8_000, 0)).await;
    hold_calls(&bridge);
    let (holds, is_held) = tokio::sync::oneshot::channel();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
    // Whoever makes a call ready takes the lane first.
    let hold = bridge.store().write(move |conn| {
        lanes::take(conn, "main", "another process", now_ms, now_ms)?;
        holds.send(()).unwrap();
        let _until_let_go = held.recv();
        Ok(())
    });
    let waiter = "SELECT (1e6 * extract(epoch FROM xact_start))::bigint AS number FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiter = async || bridge.store().read(|conn| Ok(on_postgres(conn, waiter))).await.unwrap();
    let look = async {
        is_held.await.unwrap();
        // The one that is ready leaves, and the next is to be chosen.
        bridge.org.let_go_of(1);
        until("a call is kept waiting", async || waiter().await != 0).await;
        let first = waiter().await;
        bridge.org.let_go_of(2);
        until("all that arrived is written down", async || bridge.counts().await.done == 2_000).await;
        assert_eq!(waiter().await, first, "it is still kept waiting");
        let_go.send(()).unwrap();
        bridge.org.let_go();
    };
    let begin = async {
        let is_ready = async || bridge.org.calls_under_way() == 2 && bridge.counts().await.leased == 3_000;
        until("two calls are under way and one is ready", is_ready).await;
        tokio::join!(hold, look)
    };
    let (_, (held, ())) = tokio::join!(bridge.drain(), begin);
    held.unwrap();
    assert_eq!(bridge.counts().await.done, 8_000);
    assert_eq!((bridge.call_sizes(), bridge.org.most_calls_at_once()), (vec![1_000; 8], 2));
}

async fn records_of_one_customer_travel_one_call_at_a_time(bridge: Bridge) {
    // Once the customer is there, nothing else keeps the charges back.
    bridge.merge(families(1, 0)).await;
    bridge.drain().await;
    bridge.merge(families(1, 2_100)).await;
    bridge.org.set_latency(Duration::from_millis(300));
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 2_101);
    assert_nothing_was_locked(&bridge).await;
    assert_eq!(bridge.org.most_calls_at_once(), 1);
}

async fn after_a_reading_that_failed_delivery_looks_near_again(bridge: Bridge) {
    let mut states = families(1, 3_000);
    // Read only when the call under way blocks what is nearer.
    let mut odd = states[2_500].clone();
    states[2_500].parents = "no list".to_owned();
    bridge.merge(states).await;
    bridge.org.set_latency(Duration::from_millis(300));
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 1_801, "two calls: all that is before what cannot be read");
    odd.position.created += 1;
    bridge.merge(vec![odd]).await;
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 3_001);
    assert_nothing_was_locked(&bridge).await;
}

async fn two_processes_do_not_meet_on_the_same_records(bridge: Bridge) {
    let second = bridge.second_process().await;
    bridge.merge(families(700, 1)).await;
    bridge.org.set_latency(Duration::from_millis(50));
    tokio::join!(bridge.drain(), second.drain());
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 1_400);
    assert_nothing_was_locked(&bridge).await;
    let twice = bridge.org.records(CHARGE);
    let twice = twice.iter().filter_map(|record| record.text("Stripe_Id__c"));
    assert_eq!(twice.filter(|id| bridge.org.writes(CHARGE, id) != 1).count(), 0);
    // Whoever let go of the lane is no hindrance to the other.
    bridge.merge(vec![state_of(CUSTOMER, "cus_late", "{}", &[])]).await;
    second.drain().await;
    assert!(bridge.org.record(CUSTOMER, "cus_late").is_some());
    second.stop().await;
}

async fn calls_of_a_process_that_died_are_respected_until_their_lease_ends(bridge: Bridge) {
    bridge.merge(families(2, 0)).await;
    bridge.drain().await;
    let before = bridge.call_sizes().len();
    let mut news = families(2, 1);
    news.iter_mut().for_each(|state| state.position.created = 2);
    bridge.merge(news).await;
    let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
    let taken = bridge
        .store()
        .write(move |conn| {
            lanes::take(conn, "main", "another process", now_ms, now_ms + 2_000)?;
            let customers = outbox::due(conn, "main", CUSTOMER, now_ms, 10)?;
            let ids: Vec<i64> =
                customers.iter().filter(|row| row.external_id == "cus_00000").map(|row| row.id).collect();
            outbox::lease(conn, "its call", &ids, now_ms, now_ms + 180_000)
        })
        .await
        .unwrap();
    assert_eq!(taken.len(), 1);
    bridge.drain().await;
    assert_eq!(bridge.call_sizes().len(), before, "it is the other one's turn");
    bridge.clock.advance(Duration::from_secs(3));
    bridge.drain().await;
    assert!(bridge.org.record(CHARGE, "ch_00001_00000").is_some());
    assert_eq!(bridge.org.writes(CUSTOMER, "cus_00001"), 2);
    assert!(
        bridge.org.record(CHARGE, "ch_00000_00000").is_none(),
        "it points into a call that may be under way"
    );
    assert_eq!(bridge.org.writes(CUSTOMER, "cus_00000"), 1);
    bridge.clock.advance(Duration::from_secs(180));
    bridge.drain().await;
    assert_eq!(bridge.counts().await.done, 4);
}

async fn records_of_a_call_that_was_not_heard_of_are_left_alone_until_its_lease_ends(bridge: Bridge) {
    let second = bridge.second_process().await;
    bridge.merge(families(1, 1)).await;
    // It is carried out, and nobody hears of it.
    bridge.org.fail_next(1, Fault::DropConnection);
    bridge.drain().await;
    let row = bridge.row(CHARGE, "ch_00000_00000").await;
    assert_eq!((row.state.as_str(), row.attempts), ("leased", 0), "{row:?}");
    let (news, elsewhere) = (families(1, 2), state_of(CUSTOMER, "cus_elsewhere", "{}", &[]));
    let news = news.into_iter().map(|mut state| {
        state.position.created = 2;
        state
    });
    bridge.merge(news.chain([elsewhere]).collect()).await;
    for _ in 0..5 {
        bridge.clock.advance(Duration::from_secs(30));
        second.drain().await;
        bridge.drain().await;
    }
    let writes = |id| bridge.org.writes(CHARGE, id);
    assert!(bridge.org.record(CUSTOMER, "cus_elsewhere").is_some(), "others go on");
    assert_eq!(
        (writes("ch_00000_00000"), writes("ch_00000_00001")),
        (1, 0),
        "the org may be at work on its parent"
    );
    bridge.drain_for(Duration::from_secs(60)).await;
    second.drain().await;
    assert_eq!((writes("ch_00000_00000"), writes("ch_00000_00001")), (2, 1));
    assert_eq!(bridge.counts().await.done, 4);
    second.stop().await;
}

async fn records_are_left_alone_when_a_gateway_answers_for_the_org(bridge: Bridge) {
    for (fault, leased) in [(Fault::HtmlErrorPage, 1), (Fault::ServerError, 0)] {
        let mut news = families(1, 0);
        news[0].position.created += 10 + leased;
        bridge.merge(news).await;
        bridge.org.fail_next(1, fault);
        bridge.drain().await;
        assert_eq!(bridge.counts().await.leased, leased, "{}", fault.name());
        bridge.drain_for(Duration::from_secs(240)).await;
        assert_eq!(bridge.counts().await.done, 1, "{}", fault.name());
    }
}

async fn while_all_answers_break_off_no_record_is_blamed(bridge: Bridge) {
    bridge.merge(families(1, 1)).await;
    bridge.org.at_random(1, 100, &[Fault::MalformedAnswer]);
    // Long enough to come down to calls of one record, and then to use up all tries.
    bridge.drain_for(Duration::from_secs(2 * 3_600)).await;
    let counts = bridge.counts().await;
    assert_eq!((counts.pending, counts.dead), (2, 0), "{counts:?}");
    let stops = bridge.stops().await;
    assert!(
        stops.iter().any(|stop| stop.sobject.is_empty()),
        "nobody is told that the lane waits: {stops:?}"
    );
    bridge.org.forget_faults();
    bridge.drain_for(Duration::from_secs(900)).await;
    assert_eq!(bridge.counts().await.done, 2);
}

async fn a_lane_is_taken_over_only_from_a_clock_that_is_hours_ahead(bridge: Bridge) {
    let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
    let hold_for = async |minutes: i64| {
        let until_ms = now_ms + minutes * 60_000;
        let hold = move |conn: &mut Conn| lanes::take(conn, "main", "another process", now_ms, until_ms);
        bridge.store().write(hold).await.unwrap();
        bridge.drain().await;
        bridge.counts().await.done
    };
    bridge.merge(families(1, 0)).await;
    assert_eq!(hold_for(10).await, 0, "its clock may differ");
    assert_eq!(hold_for(10 * 365 * 24 * 60).await, 1);
}

async fn a_lane_is_kept_while_a_call_takes_long(bridge: Bridge) {
    let second = bridge.second_process().await;
    bridge.merge(families(1, 0)).await;
    hold_calls(&bridge);
    let others = async {
        until("a call is under way", async || bridge.org.calls_under_way() == 1).await;
        bridge.clock.advance(Duration::from_secs(3));
        let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
        let held_until = |conn: &mut Conn| Ok(number(conn, "SELECT held_until AS number FROM lanes"));
        let is_kept = async || bridge.store().read(held_until).await.unwrap() > now_ms;
        until("the lane is held on to", is_kept).await;
        bridge.merge(vec![state_of(CUSTOMER, "cus_other", "{}", &[])]).await;
        second.drain().await;
        let counts = bridge.counts().await;
        assert_eq!((counts.leased, counts.pending), (1, 1), "it is not the other one's turn");
        bridge.org.let_go();
    };
    tokio::join!(bridge.drain(), others);
    assert_eq!(bridge.counts().await.done, 2);
    second.stop().await;
}

async fn a_record_that_calls_hang_on_is_found_while_others_keep_coming(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    bridge.org.be_silent_on("cus_00013");
    bridge.merge(families(64, 0)).await;
    bridge.drain().await;
    for other in 0..120 {
        bridge.clock.advance(Duration::from_secs(20));
        bridge.merge(vec![state_of(CUSTOMER, &format!("cus_other_{other}"), "{}", &[])]).await;
        bridge.drain().await;
    }
    let row = bridge.row(CUSTOMER, "cus_00013").await;
    let tried: Vec<_> = bridge.attempts(row.id).await.into_iter().map(|a| (a.outcome, a.code)).collect();
    let expected = ["dead", "retry", "retry", "retry", "retry"]
        .map(|outcome| (outcome.to_owned(), "NO_ANSWER".to_owned()));
    assert_eq!((row.state.as_str(), tried), ("dead", expected.to_vec()));
    let neighbour = bridge.row(CUSTOMER, "cus_00012").await;
    assert!(bridge.attempts(neighbour.id).await.is_empty(), "it is not its fault");
    bridge.drain_for(Duration::from_secs(300)).await;
    let counts = bridge.counts().await;
    assert_eq!((counts.done, counts.dead), (63 + 120, 1));
    let hung = bridge.org.calls().into_iter().filter(|call| call.status == 0).count();
    assert_eq!(hung, 6 + 5, "of 64, 32, 16, 8, 4, 2 records; then all its tries alone");
}

async fn locked_records_are_tried_again_in_smaller_calls(bridge: Bridge) {
    bridge.merge(families(600, 0)).await;
    bridge.org.fail_next(1, Fault::RecordLocked);
    bridge.drain_for(Duration::from_secs(60)).await;
    assert_eq!(bridge.counts().await.done, 600);
    let sizes = bridge.call_sizes();
    assert!(sizes[0] == 600 && sizes[1] <= 500, "{sizes:?}");
}

async fn an_object_that_is_not_set_up_holds_only_its_own_records(bridge: Bridge) {
    let no_column = "No such column 'Fee__c' on sobject of type Stripe_Charge__c";
    bridge.org.reject_object(CHARGE, "INVALID_FIELD", no_column);
    let first = bridge.a_payment("4900", "usd").await;
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(3_600)).await;
    assert!(bridge.org.record(INTENT, &first.intent).is_some(), "others go on");
    let calls = bridge.call_sizes().len();
    assert!(calls < 40, "{calls} calls in an hour");
    let second = bridge.a_payment("700", "usd").await;
    bridge.deliver().await;
    assert!(bridge.org.record(INTENT, &second.intent).is_some());

    let stops = bridge.stops().await;
    assert_eq!((stops.len(), stops[0].sobject.as_str(), stops[0].needs_person), (1, CHARGE, true));
    assert!(stops[0].reason.contains(no_column), "{stops:?}");
    let waiting = bridge.row(CHARGE, &first.charge).await;
    assert_eq!((waiting.state.as_str(), waiting.attempts), ("pending", 0), "not the record's fault");

    bridge.org.mend_object(CHARGE);
    bridge.drain_for(Duration::from_secs(600)).await;
    for charge in [&first.charge, &second.charge] {
        assert_eq!(bridge.field(CHARGE, charge, "Status__c").as_deref(), Some("Completed"));
    }
    assert_eq!(bridge.stops().await, []);
}

async fn a_record_without_access_gets_its_tries_while_others_arrive(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    bridge.merge(families(5, 0)).await;
    bridge.org.reject_records("cus_00003", "INSUFFICIENT_ACCESS_OR_READONLY", "it is not yours");
    bridge.drain().await;
    assert_eq!((bridge.counts().await.done, bridge.stops().await.len()), (4, 0));
    for other in 0..8 {
        bridge.clock.advance(Duration::from_secs(300));
        bridge.merge(vec![state_of(CUSTOMER, &format!("cus_other_{other}"), "{}", &[])]).await;
        bridge.drain().await;
    }
    let row = bridge.row(CUSTOMER, "cus_00003").await;
    assert_eq!((row.state.as_str(), row.attempts), ("dead", 5), "{row:?}");
}

async fn an_org_that_is_full_stops_the_lane_with_one_alert(bridge: Bridge) {
    bridge.org.reject_object(CUSTOMER, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded");
    bridge.merge(families(30, 1)).await;
    bridge.drain_for(Duration::from_secs(1_200)).await;
    let stops = bridge.stops().await;
    assert_eq!((stops.len(), stops[0].sobject.as_str(), stops[0].needs_person), (1, "", true));
    assert_eq!((bridge.counts().await.dead, bridge.counts().await.pending), (0, 60));
    let calls = bridge.call_sizes().len();
    assert!(calls < 25, "{calls} calls in twenty minutes");
    bridge.org.mend_object(CUSTOMER);
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!((bridge.counts().await.done, bridge.stops().await.len()), (60, 0));
}

async fn children_of_a_dead_parent_wait_and_say_so(bridge: Bridge) {
    bridge.org.reject_records("cus_00000", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no such customers");
    bridge.merge(families(1, 3)).await;
    bridge.drain().await;
    let calls = bridge.call_sizes().len();
    // Longer than a record waits for a parent that nobody ever heard of.
    for _ in 0..30 {
        bridge.clock.advance(Duration::from_secs(3_600));
        bridge.drain().await;
    }
    let child = bridge.row(CHARGE, "ch_00000_00001").await;
    assert_eq!((child.state.as_str(), child.attempts), ("pending", 0), "{child:?}");
    let says = child.last_error.unwrap();
    let expected = "waits for Stripe_Customer__c cus_00000, which was given up: \
        FIELD_CUSTOM_VALIDATION_EXCEPTION: no such customers";
    assert_eq!(says, expected);
    assert_eq!(bridge.call_sizes().len(), calls, "waiting costs no calls");

    bridge.org.pardon("cus_00000");
    let (parent, now_ms) =
        (bridge.row(CUSTOMER, "cus_00000").await.id, paybridge::clock::unix_ms(bridge.clock.now()));
    bridge.store().write(move |conn| outbox::replay(conn, parent, now_ms)).await.unwrap();
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!(bridge.counts().await.done, 4);
}

async fn children_do_not_wait_for_a_second_record_of_their_parent(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    bridge.org.reject_object("Product2", "REQUIRED_FIELD_MISSING", "somebody's own rule");
    bridge.merge(vec![state_of("Product2", "cus_00000", "{}", &[])]).await;
    bridge.merge(families(1, 0)).await;
    bridge.drain().await;
    assert_eq!((bridge.counts().await.dead, bridge.counts().await.done), (1, 1));
    let fields = r#"{"Customer__r":{"Stripe_Id__c":"cus_00000"}}"#;
    bridge.merge(vec![state_of(CHARGE, "ch_1", fields, &[("customer", "cus_00000")])]).await;
    bridge.drain().await;
    assert!(bridge.org.record(CHARGE, "ch_1").is_some());
}

async fn a_parent_that_never_comes_is_named_in_the_dead_letter(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    bridge.stripe.set_outage(true);
    let fields = r#"{"Customer__r":{"Stripe_Id__c":"cus_nobody"}}"#;
    bridge.merge(vec![state_of(CHARGE, "ch_1", fields, &[("customer", "cus_nobody")])]).await;
    bridge.drain().await;
    for _ in 0..30 {
        bridge.clock.advance(Duration::from_secs(3_600));
        bridge.drain().await;
    }
    let row = bridge.row(CHARGE, "ch_1").await;
    let says = row.last_error.unwrap();
    assert_eq!(row.state, "dead");
    assert!(
        says.contains("waited 1440 minutes for its parent customer cus_nobody, which never came"),
        "{says}"
    );
}

async fn a_parent_that_somebody_deleted_comes_back(bridge: Bridge) {
    let customer = bridge.a_customer("Ada Brandt").await;
    bridge.deliver().await;
    bridge.org.delete(CUSTOMER, &customer);
    bridge.clock.advance(Duration::from_secs(60));
    let fields = format!(r#"{{"Customer__r":{{"Stripe_Id__c":"{customer}"}}}}"#);
    bridge.merge(vec![state_of(CHARGE, "ch_1", &fields, &[("customer", &customer)])]).await;
    bridge.drain_for(Duration::from_secs(60)).await;
    assert!(bridge.org.record(CHARGE, "ch_1").is_some());
    assert_eq!(bridge.field(CUSTOMER, &customer, "Name").as_deref(), Some("Ada Brandt"));
    assert_eq!(bridge.counts().await.done, 2);
}

async fn what_stopped_the_process_before_is_forgotten_when_records_arrive(mut bridge: Bridge) {
    bridge.org.reject_object(CUSTOMER, "INVALID_TYPE", "sObject type 'Stripe_Customer__c' is not supported.");
    bridge.org.fail_next(20, Fault::InvalidGrant);
    bridge.merge(families(1, 0)).await;
    bridge.drain_for(Duration::from_secs(3_600)).await;
    bridge.drain_for(Duration::from_secs(3_600)).await;
    let stopped: Vec<_> = bridge.stops().await.into_iter().map(|stop| stop.sobject).collect();
    assert_eq!(stopped, [CUSTOMER]);
    bridge.restart().await;
    bridge.org.mend_object(CUSTOMER);
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!((bridge.counts().await.done, bridge.stops().await.len()), (1, 0));
}

async fn a_value_that_makes_its_collection_unreadable_is_found(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let mut states = families(60, 0);
    states.push(state_of(CUSTOMER, "cus_odd", r#"{"Name":{"first":"Ada"}}"#, &[]));
    bridge.merge(states).await;
    bridge.drain_for(Duration::from_secs(60)).await;
    let counts = bridge.counts().await;
    assert_eq!((counts.done, counts.dead), (60, 1));
    assert!(bridge.row(CUSTOMER, "cus_odd").await.last_error.unwrap().contains("JSON_PARSER_ERROR"));
}

async fn money_goes_before_profiles_when_requests_get_scarce(bridge: Bridge) {
    bridge.org.set_daily_limit(40);
    // Our share is 20, of which one is kept for asking and the last one of the rest is for money.
    for number in 0..18 {
        bridge.merge(vec![state_of(CUSTOMER, &format!("cus_{number}"), "{}", &[])]).await;
        bridge.drain().await;
    }
    assert_eq!(bridge.org.calls_used(), 18);
    bridge.merge(vec![state_of(CUSTOMER, "cus_profile", "{}", &[])]).await;
    bridge.drain().await;
    assert!(bridge.org.record(CUSTOMER, "cus_profile").is_none(), "the last requests are for money");
    bridge.merge(families(1, 1)).await;
    bridge.drain().await;
    assert!(bridge.org.record(CHARGE, "ch_00000_00000").is_some(), "money went, with its customer");
    assert_eq!(bridge.org.calls_used(), 19);
    bridge.merge(vec![state_of(CHARGE, "ch_late", "{}", &[])]).await;
    bridge.drain().await;
    assert!(bridge.org.record(CHARGE, "ch_late").is_none(), "nothing is left");
    let stops = bridge.stops().await;
    assert_eq!((stops.len(), stops[0].needs_person), (1, false), "{stops:?}");
    bridge.drain_for(Duration::from_secs(3_000)).await;
    assert_eq!(bridge.org.calls_used(), 19, "waiting costs no request");
    for _ in 0..25 {
        bridge.clock.advance(Duration::from_secs(3_600));
        bridge.drain().await;
        assert!(bridge.org.calls_used() <= 21, "{} of 20 used", bridge.org.calls_used());
    }
    assert!(
        bridge.org.record(CHARGE, "ch_late").is_some()
            && bridge.org.record(CUSTOMER, "cus_profile").is_some()
    );
    assert_eq!((bridge.counts().await.pending, bridge.stops().await.len()), (0, 0));
}

async fn a_refused_sign_in_is_not_repeated_by_every_call(bridge: Bridge) {
    bridge.org.fail_next(1_000, Fault::InvalidGrant);
    bridge.merge(families(3_000, 0)).await;
    bridge.drain_for(Duration::from_secs(3_600)).await;
    let sign_ins = bridge.sign_ins();
    assert!((5..=25).contains(&sign_ins), "{sign_ins} token requests in an hour");
    assert_eq!(bridge.counts().await.pending, 3_000);
    let stops = bridge.stops().await;
    assert!(stops[0].needs_person && stops[0].reason.contains("invalid_grant"), "{stops:?}");
}

async fn calls_under_way_share_one_new_sign_in(bridge: Bridge) {
    bridge.merge(families(1, 0)).await;
    bridge.drain().await;
    bridge.org.expire_sessions();
    hold_calls(&bridge);
    let states = (0..4_000).map(|n| state_of(CUSTOMER, &format!("cus_more_{n}"), "{}", &[])).collect();
    bridge.merge(states).await;
    tokio::join!(bridge.drain(), let_go_when_under_way(&bridge, 2));
    assert_eq!((bridge.counts().await.done, bridge.sign_ins()), (4_001, 2));
    let refused = bridge.org.calls().iter().filter(|call| call.status == 401).count();
    assert!(refused >= 2, "{refused} calls learnt of the end of the session");
}

async fn maintenance_of_the_org_is_no_try_of_its_records(bridge: Bridge) {
    for object in [CUSTOMER, CHARGE] {
        let code = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE";
        bridge.org.reject_object(object, code, "the org is read-only for a while");
    }
    bridge.merge(families(3, 1)).await;
    bridge.drain_for(Duration::from_secs(3 * 3_600)).await;
    let (counts, row) = (bridge.counts().await, bridge.row(CUSTOMER, "cus_00001").await);
    assert_eq!((counts.dead, counts.pending, row.attempts), (0, 6, 0));
    let calls = bridge.call_sizes().len();
    assert!(calls < 120, "{calls} calls in three hours");
    let stops = bridge.stops().await;
    assert_eq!((stops.len(), stops[0].sobject.as_str(), stops[0].needs_person), (1, "", false), "{stops:?}");
    for object in [CUSTOMER, CHARGE] {
        bridge.org.mend_object(object);
    }
    bridge.drain_for(Duration::from_secs(600)).await;
    assert_eq!((bridge.counts().await.done, bridge.stops().await.len()), (6, 0));
}
