//! What the service is told while it dies again and again: families of events whose end is known, and calls with a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::bridge::{Caller, WEBHOOK_SECRET, sign};

const CHARGE: &str = include_str!("../../../src/bench/charge.json");
/// When the first event of each family happened.
const BEGAN: i64 = 1_791_198_000;
/// How long somebody waits before the same is sent again.
const PATIENCE: Duration = Duration::from_millis(200);
/// Decimals of the currencies, in the order in which families use them.
const CURRENCIES: [(&str, usize); 3] = [("usd", 2), ("jpy", 0), ("kwd", 3)];

/// Where services listen now; nowhere while there is none.
pub type Addresses = watch::Receiver<Vec<String>>;

/// What those who tell and call see while they do.
#[derive(Default)]
pub struct Counts {
    pub acknowledged: AtomicUsize,
    /// Events that had to be sent again because the connection broke.
    pub cut: AtomicUsize,
    /// And because the service said so.
    pub refused: AtomicUsize,
}

/// A customer who pays, and may get some or all of it back.
#[derive(Clone, Copy, Debug)]
pub struct Family(pub usize);

/// How the records of a family must end.
pub struct End {
    pub customer: String,
    pub name: String,
    pub intent: String,
    pub charge: String,
    pub charge_status: &'static str,
    pub amount: String,
    pub refunded: String,
}

impl Family {
    fn ids(self) -> [String; 3] {
        ["cus_k", "pi_3k", "ch_3k"].map(|begin| format!("{begin}{:016}", self.0))
    }

    fn currency(self) -> (&'static str, usize) {
        CURRENCIES[self.0 % CURRENCIES.len()]
    }

    /// In minor units; Stripe wants dinars to end with a zero.
    fn amount(self) -> i64 {
        10_000 + 10 * i64::try_from(self.0 % 7_919).unwrap()
    }

    fn refunds(self) -> i64 {
        [0, 1_230, self.amount()][self.0 / CURRENCIES.len() % 3]
    }

    fn customer(self, name: &str) -> Value {
        let [customer, ..] = self.ids();
        json!({
            "id": customer, "object": "customer", "balance": 0, "created": BEGAN, "currency": self.currency().0,
            "delinquent": false, "description": null, "email": "ada@example.com", "livemode": false, "metadata": {},
            "name": name,
        })
    }

    fn name(self) -> String {
        format!("Ada {}", self.0)
    }

    fn intent(self, status: &str, received: i64) -> Value {
        let [customer, intent, charge] = self.ids();
        let latest = (received > 0).then_some(charge);
        json!({
            "id": intent, "object": "payment_intent", "amount": self.amount(), "amount_received": received,
            "amount_capturable": 0, "created": BEGAN + 1, "description": null, "last_payment_error": null,
            "cancellation_reason": null, "currency": self.currency().0, "customer": customer, "latest_charge": latest,
            "livemode": false, "metadata": {}, "payment_method_types": ["card"], "status": status,
        })
    }

    fn charge(self, refunded: i64) -> Value {
        let [customer, intent, charge] = self.ids();
        let mut object =
            serde_json::from_str::<Value>(&CHARGE.replace("@AT@", "0")).unwrap()["data"]["object"].take();
        let own = json!({
            "id": charge, "amount": self.amount(), "amount_captured": self.amount(), "amount_refunded": refunded,
            "refunded": refunded == self.amount(), "currency": self.currency().0, "customer": customer,
            "payment_intent": intent,
        });
        for (name, value) in own.as_object().unwrap() {
            object[name] = value.clone();
        }
        object
    }

    /// All that is said about it, in the order in which it happened.
    pub fn events(self) -> Vec<(String, String)> {
        let said = [
            ("customer.created", self.customer("Nobody yet")),
            ("payment_intent.created", self.intent("requires_payment_method", 0)),
            ("payment_intent.processing", self.intent("processing", 0)),
            ("payment_intent.succeeded", self.intent("succeeded", self.amount())),
            ("charge.succeeded", self.charge(0)),
            ("customer.updated", self.customer(&self.name())),
            ("charge.refunded", self.charge(self.refunds())),
        ];
        let wanted = if self.refunds() == 0 { said.len() - 1 } else { said.len() };
        let event = |(place, (kind, object)): (usize, (&str, Value))| {
            let id = format!("evt_k{}n{:016}", place, self.0);
            // However fast parents come, something has to be read.
            let is_foreign = kind == "customer.updated" && self.0 % 10 == 3;
            let version = if is_foreign { "2024-06-20" } else { "2026-10-28.endive" };
            let event = json!({
                "id": id, "object": "event", "api_version": version,
                "created": BEGAN + 2 + i64::try_from(place).unwrap(), "livemode": false, "type": kind,
                "data": {"object": object},
            });
            (id, event.to_string())
        };
        said.into_iter().take(wanted).enumerate().map(event).collect()
    }

    /// What Stripe answers to whoever reads it.
    pub fn at_stripe(self) -> [Value; 3] {
        [self.customer(&self.name()), self.intent("succeeded", self.amount()), self.charge(self.refunds())]
    }

    pub fn end(self) -> End {
        let [customer, intent, charge] = self.ids();
        let decimals = self.currency().1;
        let decimal = |minor: i64| {
            let digits = format!("{minor:0width$}", width = decimals + 1);
            let (whole, rest) = digits.split_at(digits.len() - decimals);
            if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
        };
        End {
            customer,
            name: self.name(),
            intent,
            charge,
            charge_status: ["Completed", "Partially Refunded", "Refunded"][self.0 / CURRENCIES.len() % 3],
            amount: decimal(self.amount()),
            refunded: decimal(self.refunds()),
        }
    }
}

/// What a sender did.
#[derive(Default)]
pub struct Told {
    pub families: Vec<Family>,
    pub acknowledged: Vec<String>,
}

/// Tells family after family until `stop`, one in five events twice, half of the families in another order than it happened.
pub async fn tell(
    stripe: paybridge::sandbox::stripe::Stripe,
    mut addresses: Addresses,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    first: usize,
    mut random: fastrand::Rng,
) -> Told {
    let http = reqwest::Client::new();
    let mut told = Told::default();
    for number in first.. {
        let family = Family(number);
        family.at_stripe().into_iter().for_each(|object| stripe.insert(object));
        let mut events = family.events();
        if random.bool() {
            random.shuffle(&mut events);
        }
        for (id, body) in events {
            for _ in 0..=usize::from(random.usize(..5) == 0) {
                until_taken(&http, &mut addresses, &body, &counts).await;
            }
            told.acknowledged.push(id);
        }
        told.families.push(family);
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    told
}

/// Sends an event until it is acknowledged, as Stripe does.
async fn until_taken(http: &reqwest::Client, addresses: &mut Addresses, body: &str, counts: &Counts) {
    loop {
        let to = there(addresses).await;
        let header = sign(body.as_bytes(), OffsetDateTime::now_utc().unix_timestamp(), WEBHOOK_SECRET);
        let request = http.post(format!("http://{to}/webhooks/stripe")).header("Stripe-Signature", header);
        match request.body(body.to_owned()).send().await {
            Ok(answer) if answer.status() == 200 => {
                counts.acknowledged.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Ok(answer) => {
                let (status, said) = (answer.status(), answer.text().await.unwrap_or_default());
                // A clock that goes wrong takes what is signed now for too old.
                assert!(status == 503 || said.contains("signature_invalid"), "{status}: {said}");
                counts.refused.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => drop(counts.cut.fetch_add(1, Ordering::SeqCst)),
        }
        pause(addresses).await;
    }
}

/// Where one of the services is, as soon as there is one.
async fn there(addresses: &mut Addresses) -> String {
    let there = addresses.wait_for(|there| !there.is_empty()).await.unwrap();
    fastrand::choice(there.iter()).unwrap().clone()
}

/// Until the service is somewhere else, but not for ever: it may be there and refuse.
async fn pause(addresses: &mut Addresses) {
    let _same_address = tokio::time::timeout(PATIENCE, addresses.changed()).await;
}

/// Keys with all that was answered under them.
#[derive(Default)]
pub struct Called {
    pub answers: Vec<(String, Vec<String>)>,
    /// Calls whose answer did not come.
    pub cut: usize,
}

/// Asks for customer after customer until `stop`, each under a key of its own until it is answered, some of them again
/// afterwards.
pub async fn call(
    token: String,
    mut addresses: Addresses,
    stop: Arc<AtomicBool>,
    caller: usize,
    mut random: fastrand::Rng,
) -> Called {
    let client = Caller::at("", token);
    let mut called = Called::default();
    for number in 0.. {
        let key = format!("crash-{caller}-{number}");
        let body = json!({"name": format!("Called {key}"), "idempotencyKey": key});
        let mut ids = Vec::new();
        while ids.len() <= usize::from(random.usize(..3) == 0) {
            let to = there(&mut addresses).await;
            match client.calling(to).try_post("/v1/customers", &body).await {
                Some((201, answer)) => ids.push(answer["stripeId"].as_str().unwrap().to_owned()),
                // Somebody who is dead holds the key, or it takes longer, or was too often asked for, or the database or
                // Stripe is away.
                Some((202 | 409 | 429 | 502..=504, _)) => pause(&mut addresses).await,
                Some((status, answer)) => panic!("{key}: {status} {answer:#}"),
                None => {
                    called.cut += 1;
                    pause(&mut addresses).await;
                }
            }
        }
        called.answers.push((key, ids));
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    called
}
