//! No order in which Stripe tells an object's events makes a difference.
//!
//! Every order is told to inbox, mapping and merge (see `telling.rs`): once event by event, so that each is merged into
//! what the database has, and once all together (of more than 1,000 orders, half in one way and half in the other). One
//! event of each order comes twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bridge::Bridge;
use crate::each_backend;
use crate::ends;
use crate::story;
use crate::telling::{self, API_VERSION, End, Pace, Told};

each_backend!(
    every_object_of_the_story_ends_the_same_in_every_order,
    every_life_ends_as_it_should_in_every_order,
    a_tie_is_read_once_and_what_was_read_wins_in_every_order,
    a_burst_of_ties_is_one_read,
    a_fee_that_comes_before_its_charge_is_not_lost,
);

/// Up to so many events, every order is tried; beyond, `RANDOM_ORDERS` of them.
const ALL_ORDERS: usize = 7;
const RANDOM_ORDERS: usize = 2_000;

fn orders<T: Clone>(events: &[T], random: &mut fastrand::Rng) -> Vec<Vec<T>> {
    let mut orders = if events.len() <= ALL_ORDERS {
        permutations(events)
    } else {
        let shuffled = |_| {
            let mut order = events.to_vec();
            random.shuffle(&mut order);
            order
        };
        (0..RANDOM_ORDERS).map(shuffled).collect()
    };
    for order in &mut orders {
        let twice = order[random.usize(..order.len())].clone();
        order.insert(random.usize(..=order.len()), twice);
    }
    orders
}

fn permutations<T: Clone>(events: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = events.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, first.clone());
            all.push(longer);
        }
    }
    all
}

/// The one end of all orders, and what each asked for.
async fn the_end(bridge: &Bridge, name: &str, events: &[Told]) -> (End, Vec<Vec<String>>) {
    let orders = orders(events, &mut fastrand::Rng::with_seed(20_261_125));
    // Few orders are told in both ways, of many each in one.
    let (one_by_one, at_once) =
        if orders.len() > 1_000 { orders.split_at(orders.len() / 2) } else { (&*orders, &*orders) };
    let mut ends = telling::tell(bridge, &format!("{name}, one by one"), one_by_one, Pace::OneByOne).await;
    ends.extend(telling::tell(bridge, &format!("{name}, at once"), at_once, Pace::AtOnce).await);
    for (end, order) in ends.iter().zip(one_by_one.iter().chain(at_once)) {
        let told = || order.iter().map(|event| event.id.clone()).collect::<Vec<_>>().join(", ");
        assert_eq!(end.rows, ends[0].rows, "{name}: {}", told());
    }
    let asked = ends.iter().map(|end| end.asked.clone()).collect();
    (ends.swap_remove(0), asked)
}

async fn every_object_of_the_story_ends_the_same_in_every_order(bridge: Bridge) {
    let mut objects: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    let read = story::at_stripe().into_iter().map(|object| Told::read(&object, story::AFTERWARDS));
    // Of an event in another API version nothing is taken over but that the object is to be read.
    let ours = story::accepted().into_iter().filter(|event| event.api_version == API_VERSION);
    for event in ours.chain(read) {
        objects.entry(event.object_id.clone()).or_default().push(event);
    }
    let (mut found, mut most) = (BTreeMap::new(), 0);
    for (id, events) in objects {
        most = most.max(events.len());
        let (end, _) = the_end(&bridge, &id, &events).await;
        for ((object, id), row) in end.rows {
            found.insert(id, ends::in_the_outbox(&object, &row.fields));
        }
    }
    ends::assert_same(&found, &ends::table(), "object by object");
    assert_eq!(most, 9, "the subscription's eight events and what was read");
}

/// What happens to one object, second by second.
struct Life {
    name: &'static str,
    kind: &'static str,
    /// Type, second, and what differs from the story's first object of the kind.
    events: Vec<(&'static str, i64, Value)>,
    /// What Stripe says afterwards, if only that can tell how it ends.
    read: Option<Value>,
    asks: Asks,
    ends: Vec<(&'static str, &'static str)>,
}

/// In which orders Stripe is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// The events tell everything.
    Never,
    /// Two states that a later one makes pointless contradict each other.
    Sometimes,
    /// Nothing else can tell.
    Always,
}

/// The story's first object of a kind, with `changes` laid over it.
fn object(kind: &str, changes: &Value) -> Value {
    let events = story::story().into_iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
    let mut objects = events.filter(|e| e["api_version"] == API_VERSION).map(|e| e["data"]["object"].clone());
    let mut object = match kind {
        "balance_transaction" => {
            let mut of_disputes = objects.map(|object| object["balance_transactions"][0].clone());
            of_disputes.find(|transaction| transaction.is_object()).unwrap()
        }
        _ => objects.find(|object| object["object"] == kind).unwrap(),
    };
    for (path, value) in changes.as_object().unwrap() {
        let mut place = &mut object;
        for part in path.split('.') {
            place = match part.parse::<usize>() {
                Ok(number) => &mut place[number],
                Err(_) => &mut place[part],
            };
        }
        *place = value.clone();
    }
    object
}

const FIRST: i64 = 1_795_000_000;

impl Life {
    /// Ids run against time, so that they cannot be what decides rightly.
    fn told(&self) -> Vec<Told> {
        let event = |(number, (kind, second, changes)): (usize, &(&str, i64, Value))| {
            Told::of(&json!({
                "id": format!("evt_{}", 99 - number), "object": "event", "type": kind, "api_version": API_VERSION,
                "created": FIRST + second, "livemode": false, "data": {"object": object(self.kind, changes)},
            }))
        };
        self.events.iter().enumerate().map(event).collect()
    }
}

async fn every_life_ends_as_it_should_in_every_order(bridge: Bridge) {
    for life in lives() {
        let events = life.told();
        let (mut end, asked) = the_end(&bridge, life.name, &events).await;
        let asking = asked.iter().filter(|asked| !asked.is_empty()).count();
        let asks = match asking {
            0 => Asks::Never,
            some if some < asked.len() => Asks::Sometimes,
            _ => Asks::Always,
        };
        assert_eq!(asks, life.asks, "{}: {asking} of {} orders ask Stripe", life.name, asked.len());
        if let Some(changes) = &life.read {
            let read = Told::read(&object(life.kind, changes), FIRST + 1_000_000);
            let events = [events.as_slice(), &[read]].concat();
            (end, _) = the_end(&bridge, &format!("{}, read", life.name), &events).await;
        }
        let ((object, _), row) = end.rows.into_iter().next().unwrap();
        let record = ends::in_the_outbox(&object, &row.fields);
        for (field, expected) in &life.ends {
            let found = record.get(*field).map_or("", String::as_str);
            assert_eq!(found, *expected, "{}: {field}", life.name);
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn lives() -> Vec<Life> {
    const DAY: i64 = 86_400;
    let status = |status: &str| json!({ "status": status });
    let money_back = |refunded: i64| {
        json!({"amount": 25_000, "amount_captured": 25_000, "amount_refunded": refunded,
        "refunded": refunded == 25_000})
    };
    let error = json!({"code": "card_declined", "decline_code": "insufficient_funds", "message": "No."});
    let period = |status: &str, end: i64| json!({"status": status, "items.data.0.current_period_end": end});
    vec![
        Life {
            name: "a payment intent that fails and succeeds within one second",
            kind: "payment_intent",
            events: vec![
                ("payment_intent.created", 0, status("requires_payment_method")),
                (
                    "payment_intent.payment_failed",
                    0,
                    json!({"status": "requires_payment_method", "last_payment_error": error}),
                ),
                ("payment_intent.succeeded", 0, json!({"status": "succeeded", "amount_received": 14_700})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Completed"), ("Amount_Received__c", "147.00"), ("Failure_Code__c", "")],
        },
        Life {
            name: "a payment intent that fails and waits for the customer within one second",
            kind: "payment_intent",
            events: vec![
                ("payment_intent.created", 0, status("requires_payment_method")),
                (
                    "payment_intent.payment_failed",
                    0,
                    json!({"status": "requires_payment_method", "last_payment_error": error}),
                ),
                ("payment_intent.requires_action", 0, status("requires_action")),
            ],
            read: Some(status("requires_action")),
            asks: Asks::Always,
            ends: vec![("Status__c", "Action Required"), ("Failure_Code__c", "")],
        },
        Life {
            name: "an authorisation captured in part",
            kind: "payment_intent",
            events: vec![
                ("payment_intent.created", 0, status("requires_confirmation")),
                (
                    "payment_intent.amount_capturable_updated",
                    0,
                    json!({"status": "requires_capture", "amount_capturable": 14_700}),
                ),
                ("payment_intent.succeeded", 0, json!({"status": "succeeded", "amount_received": 10_000})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![
                ("Status__c", "Completed"),
                ("Amount_Received__c", "100.00"),
                ("Amount_Capturable__c", "0.00"),
            ],
        },
        Life {
            name: "a charge whose balance transaction comes later, then disputed",
            kind: "charge",
            events: vec![
                ("charge.succeeded", 0, json!({"balance_transaction": null})),
                ("charge.updated", 0, json!({"balance_transaction": "txn_1"})),
                ("charge.updated", 0, json!({"balance_transaction": "txn_1", "disputed": true})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Disputed"), ("Balance_Transaction_Id__c", "txn_1")],
        },
        Life {
            name: "a charge refunded in parts",
            kind: "charge",
            events: vec![
                ("charge.succeeded", 0, money_back(0)),
                ("charge.refunded", 1, money_back(1_000)),
                ("charge.refunded", 1, money_back(1_000)),
                ("charge.refunded", 2, money_back(3_000)),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Partially Refunded"), ("Amount_Refunded__c", "30.00")],
        },
        Life {
            name: "a charge whose refund fails within the second in which it succeeded",
            kind: "charge",
            events: vec![
                ("charge.succeeded", 0, money_back(0)),
                ("charge.refunded", 5, money_back(25_000)),
                ("charge.updated", 5, money_back(0)),
            ],
            read: Some(money_back(0)),
            asks: Asks::Always,
            ends: vec![("Status__c", "Completed"), ("Amount_Refunded__c", "0.00")],
        },
        Life {
            name: "a refund that fails a week later",
            kind: "refund",
            events: vec![
                ("refund.created", 0, status("succeeded")),
                ("refund.updated", 0, status("succeeded")),
                ("charge.refund.updated", 0, status("succeeded")),
                (
                    "refund.failed",
                    7 * DAY,
                    json!({"status": "failed", "failure_reason": "lost_or_stolen_card"}),
                ),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Failure_Reason__c", "lost_or_stolen_card")],
        },
        Life {
            name: "a refund that succeeds and fails within one second",
            kind: "refund",
            events: vec![
                ("refund.created", 0, status("pending")),
                ("refund.updated", 0, status("pending")),
                ("refund.updated", 0, status("succeeded")),
                ("refund.failed", 0, json!({"status": "failed", "failure_reason": "declined"})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Failure_Reason__c", "declined")],
        },
        Life {
            name: "a dispute that is lost, appealed and won late",
            kind: "dispute",
            events: vec![
                ("charge.dispute.created", 0, status("needs_response")),
                ("charge.dispute.updated", DAY, status("under_review")),
                ("charge.dispute.closed", 2 * DAY, status("lost")),
                ("charge.dispute.updated", 3 * DAY, status("appeal_needs_response")),
                ("charge.dispute.updated", 4 * DAY, status("appeal_under_review")),
                ("charge.dispute.closed", 5 * DAY, status("won")),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Won"), ("Stripe_Status__c", "won")],
        },
        Life {
            name: "a dispute that is lost and won within one second",
            kind: "dispute",
            events: vec![
                ("charge.dispute.created", 0, status("needs_response")),
                ("charge.dispute.updated", 0, status("under_review")),
                ("charge.dispute.closed", 0, status("lost")),
                ("charge.dispute.updated", 0, status("won")),
            ],
            read: Some(status("won")),
            asks: Asks::Always,
            ends: vec![("Status__c", "Won")],
        },
        Life {
            name: "an inquiry that becomes a dispute within one second",
            kind: "dispute",
            events: vec![
                (
                    "charge.dispute.created",
                    0,
                    json!({"status": "warning_needs_response", "balance_transactions": []}),
                ),
                (
                    "charge.dispute.updated",
                    0,
                    json!({"status": "warning_under_review", "balance_transactions": []}),
                ),
                (
                    "charge.dispute.updated",
                    0,
                    json!({"status": "needs_response", "balance_transactions": []}),
                ),
                (
                    "charge.dispute.funds_withdrawn",
                    0,
                    json!({"status": "needs_response", "balance_transactions": [{}]}),
                ),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Needs Response")],
        },
        Life {
            name: "a subscription from trial to its end in equal seconds",
            kind: "subscription",
            events: vec![
                ("customer.subscription.created", 0, period("trialing", 1_800_000_000)),
                ("customer.subscription.updated", 0, period("active", 1_802_592_000)),
                ("customer.subscription.updated", 0, period("past_due", 1_802_592_000)),
                ("customer.subscription.deleted", 0, period("canceled", 1_802_592_000)),
            ],
            read: None,
            asks: Asks::Sometimes,
            ends: vec![("Status__c", "Canceled"), ("Current_Period_End__c", "2027-02-14T08:00:00Z")],
        },
        Life {
            name: "a subscription that leaves its trial for a shorter period within one second",
            kind: "subscription",
            events: vec![
                ("customer.subscription.created", 0, period("trialing", 1_801_000_000)),
                ("customer.subscription.updated", 9, period("trialing", 1_802_000_000)),
                ("customer.subscription.updated", 9, period("active", 1_800_604_800)),
            ],
            read: Some(period("active", 1_800_604_800)),
            asks: Asks::Always,
            ends: vec![("Status__c", "Active"), ("Current_Period_End__c", "2027-01-22T08:00:00Z")],
        },
        Life {
            name: "a subscription that falls past due within the second of its renewal",
            kind: "subscription",
            events: vec![
                ("customer.subscription.created", 0, status("incomplete")),
                ("customer.subscription.updated", 9, status("active")),
                ("customer.subscription.updated", 9, status("past_due")),
            ],
            read: Some(status("past_due")),
            asks: Asks::Always,
            ends: vec![("Status__c", "Past Due")],
        },
        Life {
            name: "an invoice from draft to paid within one second",
            kind: "invoice",
            events: vec![
                ("invoice.created", 0, status("draft")),
                ("invoice.finalized", 0, json!({"status": "open", "attempt_count": 0})),
                ("invoice.payment_failed", 0, json!({"status": "open", "attempt_count": 1})),
                ("invoice.paid", 0, json!({"status": "paid", "attempt_count": 2, "amount_paid": 14_700})),
                (
                    "invoice.payment_succeeded",
                    0,
                    json!({"status": "paid", "attempt_count": 2, "amount_paid": 14_700}),
                ),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Paid"), ("Amount_Paid__c", "147.00"), ("Attempt_Count__c", "2")],
        },
        Life {
            name: "an invoice given up and paid after all",
            kind: "invoice",
            events: vec![
                ("invoice.finalized", 0, status("open")),
                ("invoice.marked_uncollectible", 0, status("uncollectible")),
                ("invoice.paid", 0, status("paid")),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Paid")],
        },
        Life {
            name: "a draft that is deleted",
            kind: "invoice",
            events: vec![
                ("invoice.created", 0, status("draft")),
                ("invoice.updated", 0, status("draft")),
                ("invoice.deleted", 0, status("draft")),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Void"), ("Stripe_Status__c", "draft")],
        },
        Life {
            name: "a checkout that completes before it is paid",
            kind: "checkout.session",
            events: vec![
                ("checkout.session.completed", 0, json!({"status": "complete", "payment_status": "unpaid"})),
                (
                    "checkout.session.async_payment_succeeded",
                    0,
                    json!({"status": "complete", "payment_status": "paid"}),
                ),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Completed"), ("Payment_Status__c", "paid")],
        },
        Life {
            name: "a checkout that completes and is never paid",
            kind: "checkout.session",
            events: vec![
                ("checkout.session.completed", 0, json!({"status": "complete", "payment_status": "unpaid"})),
                (
                    "checkout.session.async_payment_failed",
                    3 * DAY,
                    json!({"status": "complete", "payment_status": "unpaid"}),
                ),
            ],
            read: Some(json!({"status": "complete", "payment_status": "unpaid",
                "payment_intent": {"id": "pi_1", "object": "payment_intent", "status": "requires_payment_method"}})),
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Payment_Status__c", "unpaid")],
        },
        Life {
            name: "a subscription's checkout that is never paid",
            kind: "checkout.session",
            events: vec![
                ("checkout.session.completed", 0, json!({"status": "complete", "payment_status": "unpaid"})),
                (
                    "checkout.session.async_payment_failed",
                    3 * DAY,
                    json!({"status": "complete", "payment_status": "unpaid"}),
                ),
            ],
            read: Some(
                json!({"status": "complete", "payment_status": "unpaid", "mode": "subscription", "payment_intent": null}),
            ),
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Payment_Status__c", "unpaid")],
        },
        Life {
            name: "a payout that is paid and fails days later",
            kind: "payout",
            events: vec![
                ("payout.created", 0, status("pending")),
                ("payout.updated", DAY, status("in_transit")),
                ("payout.paid", 3 * DAY, status("paid")),
                ("payout.reconciliation_completed", 3 * DAY, status("paid")),
                ("payout.failed", 5 * DAY, json!({"status": "failed", "failure_code": "account_closed"})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Failure_Code__c", "account_closed")],
        },
        Life {
            name: "a payout that does all that within one second",
            kind: "payout",
            events: vec![
                ("payout.created", 0, status("pending")),
                ("payout.updated", 0, status("in_transit")),
                ("payout.paid", 0, status("paid")),
                ("payout.failed", 0, json!({"status": "failed", "failure_code": "account_closed"})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Failed"), ("Failure_Code__c", "account_closed")],
        },
        Life {
            name: "a customer made, changed and deleted within one second",
            kind: "customer",
            events: vec![
                ("customer.created", 0, json!({"name": "First"})),
                ("customer.updated", 0, json!({"name": "Second"})),
                ("customer.deleted", 0, json!({"name": "Second"})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Deleted"), ("Name", "Second")],
        },
        Life {
            name: "a product changed and deleted within one second",
            kind: "product",
            events: vec![
                ("product.created", 0, json!({"active": true})),
                ("product.updated", 0, json!({"active": true, "name": "Second"})),
                ("product.deleted", 0, json!({"active": true, "name": "Second"})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("IsActive", "false"), ("Name", "Second")],
        },
        Life {
            name: "a price deleted within the second in which it was made",
            kind: "price",
            events: vec![
                ("price.created", 0, json!({"active": true})),
                ("price.deleted", 0, json!({"active": true})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![("Status__c", "Archived")],
        },
        Life {
            name: "links that come and go",
            kind: "payment_intent",
            events: vec![
                (
                    "payment_intent.created",
                    0,
                    json!({"metadata": {"sf_opportunity_id": "0065g00000QwErTAAV"}}),
                ),
                ("payment_intent.processing", 1, json!({"metadata": {"sf_order_id": "8015g00000CcCcCAAV"}})),
                (
                    "payment_intent.requires_action",
                    2,
                    json!({"metadata": {"sf_opportunity_id": "0065g00000FfFfFAAV"}}),
                ),
                ("payment_intent.succeeded", 3, json!({"status": "succeeded", "metadata": {}})),
            ],
            read: None,
            asks: Asks::Never,
            ends: vec![
                ("Status__c", "Completed"),
                ("Opportunity__c", "0065g00000FfFfFAAV"),
                ("Order__c", "8015g00000CcCcCAAV"),
            ],
        },
    ]
}

fn customer_event(id: &str, event: &str, created: i64, name: &str) -> String {
    let customer = object("customer", &json!({"id": id, "name": name, "metadata": {}}));
    json!({"id": event, "object": "event", "type": "customer.updated", "created": created, "api_version": API_VERSION,
        "livemode": false, "data": {"object": customer}})
    .to_string()
}

/// How often Stripe was asked for each object.
fn reads(bridge: &Bridge) -> BTreeMap<String, usize> {
    let mut reads = BTreeMap::new();
    for call in bridge.stripe.calls().into_iter().filter(|call| call.method == "GET") {
        *reads.entry(call.path.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
    }
    reads
}

/// The same three events in each of their six orders, end to end.
async fn a_tie_is_read_once_and_what_was_read_wins_in_every_order(bridge: Bridge) {
    let created = bridge.clock.now().unix_timestamp() - 100;
    for (number, order) in permutations(&["a", "b", "c"]).iter().enumerate() {
        let id = format!("cus_order_{number}");
        bridge.stripe.insert(object("customer", &json!({"id": id, "name": "The truth", "metadata": {}})));
        for name in order {
            let event = customer_event(&id, &format!("evt_{name}_{number}"), created, name);
            assert_eq!(bridge.receive(&event).await.status, 200);
        }
    }
    bridge.drain_for(std::time::Duration::from_secs(30)).await;
    for number in 0..6 {
        let id = format!("cus_order_{number}");
        assert_eq!(bridge.field("Stripe_Customer__c", &id, "Name").unwrap(), "The truth", "{id}");
        assert_eq!(reads(&bridge).get(&id), Some(&1), "{id}");
    }
}

async fn a_burst_of_ties_is_one_read(bridge: Bridge) {
    let created = bridge.clock.now().unix_timestamp();
    bridge.stripe.insert(object("customer", &json!({"id": "cus_busy", "name": "The truth", "metadata": {}})));
    for number in 0..600 {
        let name = format!("Name {number}");
        let event = customer_event("cus_busy", &format!("evt_{number}"), created + number / 100, &name);
        assert_eq!(bridge.receive(&event).await.status, 200);
        if number % 100 == 0 {
            bridge.drain().await;
        }
    }
    bridge.drain_for(std::time::Duration::from_secs(120)).await;
    assert_eq!(bridge.field("Stripe_Customer__c", "cus_busy", "Name").unwrap(), "The truth");
    assert_eq!(reads(&bridge).get("cus_busy"), Some(&1));
}

/// The payout that a charge is in can be listed before the charge's own event comes.
async fn a_fee_that_comes_before_its_charge_is_not_lost(bridge: Bridge) {
    let paid = bridge.a_payment("4900", "usd").await;
    let events = bridge.stripe.events();
    let charged = events.iter().find(|event| event["type"] == "charge.succeeded").unwrap();
    let charge = bridge.stripe.object(&paid.charge).unwrap();
    let listed = bridge.stripe.object(charge["balance_transaction"].as_str().unwrap()).unwrap();
    let listed = json!({
        "id": "fetch_1", "object": "event", "type": "balance_transaction.fetched", "api_version": API_VERSION,
        "created": charged["created"], "livemode": false, "data": {"object": listed},
    });
    bridge.stripe.set_outage(true);
    for event in [&listed, charged] {
        assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
        bridge.drain().await;
    }
    bridge.stripe.set_outage(false);
    bridge.drain_for(std::time::Duration::from_secs(1_200)).await;
    assert_eq!(bridge.field("Stripe_Charge__c", &paid.charge, "Fee__c").as_deref(), Some("1.72"));
}
