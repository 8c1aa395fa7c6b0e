//! The steps that call a stand-in: which call of a step meets the fault, how the step comes about, and what must be there in
//! the end.

use std::time::Duration;

use paybridge::sandbox::salesforce::OPPORTUNITY_ID;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Caller, Payment};

const CUSTOMER: &str = "Stripe_Customer__c";
const INTENT: &str = "Stripe_Payment_Intent__c";
const CHARGE: &str = "Stripe_Charge__c";
const TRANSACTION: &str = "Stripe_Balance_Transaction__c";
const PAYOUT: &str = "Stripe_Payout__c";

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Salesforce,
    Stripe,
}

macro_rules! steps {
    ($($step:ident $name:literal $party:ident $call:expr;)+) => {
        /// A step that calls a stand-in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step { $($step),+ }

        impl Step {
            pub const ALL: &[Self] = &[$(Self::$step),+];

            /// As the table calls it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$step => $name),+ }
            }

            pub fn party(self) -> Party {
                match self { $(Self::$step => Party::$party),+ }
            }

            /// Whether this call, method and path, is the one that meets the fault first.
            pub fn is_begun_by(self) -> fn(&str) -> bool {
                match self { $(Self::$step => $call),+ }
            }
        }
    };
}

steps! {
    SignIn "sign_in" Salesforce |call| call.contains("/oauth2/token");
    OrgLookUp "org_look_up" Salesforce |call| call.contains("/query?");
    Deliver "deliver" Salesforce |call| call.ends_with("/composite");
    Change "change" Salesforce |call| call.ends_with("/composite");
    Tell "tell" Salesforce |call| call.ends_with("/composite");
    AccountLookUp "account_look_up" Stripe |call| call == "GET /v1/account";
    ReadParent "read_parent" Stripe |call| call.starts_with("GET /v1/customers/");
    ReadTie "read_tie" Stripe |call| call.starts_with("GET /v1/customers/");
    ReadVersion "read_version" Stripe |call| call.starts_with("GET /v1/customers/");
    ReadFee "read_fee" Stripe |call| call.starts_with("GET /v1/balance_transactions/");
    ListFees "list_fees" Stripe |call| call == "GET /v1/balance_transactions";
    ListPayout "list_payout" Stripe |call| call == "GET /v1/balance_transactions";
    FindOut "find_out" Stripe |call| call == "POST /v1/payment_intents";
    LookUp "look_up" Stripe |call| call == "GET /v1/events";
    CreateCustomer "create_customer" Stripe |call| call == "POST /v1/customers";
    CreatePayment "create_payment" Stripe |call| call == "POST /v1/payment_intents";
    FindCustomer "find_customer" Stripe |call| call == "GET /v1/customers/search";
    MakeCustomer "make_customer" Stripe |call| call == "POST /v1/customers";
    BeginInvoice "begin_invoice" Stripe |call| call == "POST /v1/invoices";
    GoOnWithInvoice "go_on_with_invoice" Stripe |call| call.ends_with("/add_lines");
    CancelSubscription "cancel_subscription" Stripe |call| call.starts_with("DELETE /v1/subscriptions/");
    Bulk "bulk" Stripe |call| call == "POST /v1/customers";
    Read "read" Stripe |call| call.starts_with("GET /v1/payment_intents/");
}

/// A record that must be there in the end.
pub struct Expected {
    pub sobject: &'static str,
    pub id: String,
    /// `@Stripe_Customer__c/cus_…` stands for the id of that record.
    pub fields: Vec<(&'static str, String)>,
}

/// What somebody asks of the API.
pub struct Ask {
    pub caller: Caller,
    pub method: &'static str,
    pub path: String,
    pub body: Value,
    /// How many results a complete answer has.
    pub items: usize,
}

/// What a step is about, and how it must end.
#[derive(Default)]
pub struct Scene {
    /// All records that are to be in the org.
    pub records: Vec<Expected>,
    /// Events that must have come about at Stripe, and how often.
    pub at_stripe: Vec<(&'static str, usize)>,
    /// What is to be told beside what Stripe has to tell; then that is not told.
    pub events: Vec<Value>,
    pub ask: Option<Ask>,
    /// An operation that must have succeeded.
    pub operation: Option<(Caller, String)>,
    /// A record that subscribers must have been told of.
    pub told: Option<String>,
}

impl Step {
    /// Nobody has been there before: account and org are not bound.
    pub fn is_the_first(self) -> bool {
        matches!(self, Self::OrgLookUp | Self::AccountLookUp)
    }

    /// Whether a caller of the API waits for it.
    pub fn is_asked(self) -> bool {
        match self {
            Self::CreateCustomer
            | Self::CreatePayment
            | Self::FindCustomer
            | Self::MakeCustomer
            | Self::BeginInvoice
            | Self::GoOnWithInvoice
            | Self::CancelSubscription
            | Self::Bulk
            | Self::Read => true,
            Self::SignIn
            | Self::OrgLookUp
            | Self::Deliver
            | Self::Change
            | Self::Tell
            | Self::AccountLookUp
            | Self::ReadParent
            | Self::ReadTie
            | Self::ReadVersion
            | Self::ReadFee
            | Self::ListFees
            | Self::ListPayout
            | Self::FindOut
            | Self::LookUp => false,
        }
    }

    /// The mapping that it needs.
    pub fn mapping(self) -> Option<&'static str> {
        (self == Self::Tell).then_some("[customer]\nnotify = true\n")
    }

    /// All that comes before the call that meets the fault.
    pub async fn prepare(self, bridge: &Bridge) -> Scene {
        match self {
            Self::SignIn => {
                let (first, mut records) = a_payment(bridge).await;
                settle(bridge).await;
                assert!(bridge.org.record(CHARGE, &first.charge).is_some());
                bridge.org.expire_sessions();
                records.extend(a_payment(bridge).await.1);
                Scene { records, ..Scene::default() }
            }
            Self::Deliver => {
                let mut records = a_payment(bridge).await.1;
                settle(bridge).await;
                records.extend(a_payment(bridge).await.1);
                Scene { records, ..Scene::default() }
            }
            Self::OrgLookUp | Self::AccountLookUp | Self::ReadFee => {
                Scene { records: a_payment(bridge).await.1, ..Scene::default() }
            }
            Self::Change | Self::Tell => {
                let id = bridge.a_customer("Ada Brandt").await;
                settle(bridge).await;
                bridge.at_stripe(&format!("/v1/customers/{id}"), &[("name", "Grace Brandt")]).await;
                let told = (self == Self::Tell).then(|| id.clone());
                Scene { records: vec![customer(&id, "Grace Brandt")], told, ..Scene::default() }
            }
            Self::ReadParent => {
                let (paid, mut records) = a_payment(bridge).await;
                let events = bridge.stripe.events().into_iter();
                let events = events.filter(|event| event["type"] == "charge.succeeded").collect();
                // Of what was booked only a later event speaks.
                records.retain(|record| record.sobject != TRANSACTION);
                let charge = records.iter_mut().find(|record| record.id == paid.charge).unwrap();
                charge.fields.retain(|(field, _)| *field != "Fee__c");
                Scene { records, events, ..Scene::default() }
            }
            Self::ReadTie | Self::ReadVersion => {
                let object = bridge.at_stripe("/v1/customers", &[("name", "As it is")]).await;
                let (version, count) =
                    if self == Self::ReadTie { ("2026-10-28.endive", 2) } else { ("2024-06-20", 1) };
                let created = bridge.clock.now().unix_timestamp() - 100;
                let event = |number: usize| {
                    let mut object = object.clone();
                    object["name"] = format!("As event {number} says").into();
                    json!({"id": format!("evt_{number}"), "object": "event", "type": "customer.updated",
                        "created": created, "api_version": version, "livemode": false, "data": {"object": object}})
                };
                let records = vec![customer(object["id"].as_str().unwrap(), "As it is")];
                Scene { records, events: (0..count).map(event).collect(), ..Scene::default() }
            }
            Self::ListFees => {
                let mut records = Vec::new();
                for _ in 0..4 {
                    records.extend(a_payment(bridge).await.1);
                }
                Scene { records, ..Scene::default() }
            }
            Self::ListPayout => a_payout(bridge).await,
            Self::FindOut | Self::LookUp => an_unknown_outcome(self, bridge).await,
            _ => self.question(bridge).await,
        }
    }

    async fn question(self, bridge: &Bridge) -> Scene {
        let of_record = "001D000000IRFma";
        let (method, path, body) = match self {
            Self::CreateCustomer => (
                "POST",
                "/v1/customers".to_owned(),
                json!({ "name": "Ada", "salesforceRecordId": of_record }),
            ),
            Self::FindCustomer | Self::MakeCustomer => (
                "PUT",
                "/v1/customers".to_owned(),
                json!({ "name": "Ada", "salesforceRecordId": of_record, "idempotencyKey": "k" }),
            ),
            Self::CreatePayment => (
                "POST",
                "/v1/payment-intents".to_owned(),
                json!({ "amount": "20", "currencyCode": "EUR", "idempotencyKey": "k", "confirm": true,
                        "paymentMethodId": "pm_card_visa", "salesforceRecordId": OPPORTUNITY_ID }),
            ),
            Self::BeginInvoice | Self::GoOnWithInvoice => {
                let customer = bridge.a_customer("Ada Brandt").await;
                let body = json!({ "customerId": customer, "currencyCode": "EUR", "finalizeNow": true,
                    "idempotencyKey": "k", "items": [{ "description": "Commissioning", "unitAmount": "480.00" }] });
                ("POST", "/v1/invoices".to_owned(), body)
            }
            Self::CancelSubscription => {
                let customer = bridge.a_customer("Ada Brandt").await;
                let wanted = json!({ "customerId": customer, "idempotencyKey": "sub", "daysUntilDue": 14,
                    "collectionMethod": "send_invoice", "items": [{ "priceId": "price_sandbox_monthly" }] });
                let made = bridge.caller().await.done("POST", "/v1/subscriptions", wanted).await;
                let path = format!("/v1/subscriptions/{}/cancel", made["stripeId"].as_str().unwrap());
                ("POST", path, json!({ "cancelWhen": "now", "idempotencyKey": "k" }))
            }
            Self::Bulk => {
                let item = |number: usize| json!({ "name": "Ada", "idempotencyKey": format!("k{number}") });
                let items: Vec<_> = (0..3).map(item).collect();
                ("POST", "/v1/customers/bulk".to_owned(), json!({ "items": items }))
            }
            _ => {
                let form = [("amount", "2000"), ("currency", "eur")];
                let made = bridge.at_stripe("/v1/payment_intents", &form).await;
                ("GET", format!("/v1/payment-intents/{}", made["id"].as_str().unwrap()), Value::Null)
            }
        };
        let at_stripe = match self {
            Self::CreatePayment => vec![("payment_intent.created", 1), ("payment_intent.succeeded", 1)],
            Self::BeginInvoice | Self::GoOnWithInvoice => {
                vec![("invoice.created", 1), ("invoice.finalized", 1)]
            }
            Self::CancelSubscription => vec![("customer.subscription.deleted", 1)],
            Self::Bulk => vec![("customer.created", 3)],
            Self::Read => Vec::new(),
            _ => vec![("customer.created", 1)],
        };
        let items = if self == Self::Bulk { 3 } else { 1 };
        let ask = Ask { caller: bridge.caller().await, method, path, body, items };
        Scene { at_stripe, ask: Some(ask), ..Scene::default() }
    }

    /// Lets a step of the background come about.
    pub async fn act(self, bridge: &Bridge, scene: &Scene) {
        for event in &scene.events {
            assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
        }
        if scene.events.is_empty() {
            bridge.deliver().await;
        } else {
            bridge.drain().await;
        }
    }
}

async fn settle(bridge: &Bridge) {
    bridge.deliver().await;
    bridge.drain_for(Duration::from_secs(60)).await;
}

fn customer(id: &str, name: &str) -> Expected {
    let fields = vec![("Name", name.to_owned()), ("Status__c", "Active".to_owned())];
    Expected { sobject: CUSTOMER, id: id.to_owned(), fields }
}

/// Somebody pays 49 dollars. Nothing is told yet.
async fn a_payment(bridge: &Bridge) -> (Payment, Vec<Expected>) {
    let paid = bridge.a_payment("4900", "usd").await;
    let transaction = bridge.stripe.object(&paid.charge).unwrap()["balance_transaction"].clone();
    let link = |sobject: &str, id: &str| format!("@{sobject}/{id}");
    let records = vec![
        customer(&paid.customer, "Ada Brandt"),
        Expected {
            sobject: INTENT,
            id: paid.intent.clone(),
            fields: vec![
                ("Status__c", "Completed".to_owned()),
                ("Amount_Received__c", "49.00".to_owned()),
                ("Customer__c", link(CUSTOMER, &paid.customer)),
                ("Opportunity__c", OPPORTUNITY_ID.to_owned()),
            ],
        },
        Expected {
            sobject: CHARGE,
            id: paid.charge.clone(),
            fields: vec![
                ("Status__c", "Completed".to_owned()),
                ("Amount__c", "49.00".to_owned()),
                ("Fee__c", "1.72".to_owned()),
                ("Customer__c", link(CUSTOMER, &paid.customer)),
                ("Payment_Intent__c", link(INTENT, &paid.intent)),
            ],
        },
        Expected {
            sobject: TRANSACTION,
            id: transaction.as_str().unwrap().to_owned(),
            fields: vec![("Net__c", "47.28".to_owned()), ("Charge__c", link(CHARGE, &paid.charge))],
        },
    ];
    (paid, records)
}

/// A payment arrived, and its money is at the bank; of that nothing is told yet.
async fn a_payout(bridge: &Bridge) -> Scene {
    let mut records = a_payment(bridge).await.1;
    settle(bridge).await;
    bridge.clock.advance(Duration::from_secs(49 * 3_600));
    let payout = bridge.stripe.pay_out("usd").unwrap();
    assert!(bridge.stripe.payout_arrives(&payout));
    let own = bridge.stripe.object(&payout).unwrap()["balance_transaction"].as_str().unwrap().to_owned();
    let link = format!("@{PAYOUT}/{payout}");
    let transaction = records.last_mut().unwrap();
    transaction.fields.extend([("Payout__c", link.clone()), ("Status__c", "Available".to_owned())]);
    let status = vec![("Status__c", "Paid".to_owned()), ("Amount__c", "47.28".to_owned())];
    records.push(Expected { sobject: PAYOUT, id: payout, fields: status });
    records.push(Expected { sobject: TRANSACTION, id: own, fields: vec![("Payout__c", link)] });
    Scene { records, ..Scene::default() }
}

/// A payment was asked for, Stripe made it, and no answer came.
async fn an_unknown_outcome(step: Step, bridge: &Bridge) -> Scene {
    let caller = bridge.caller().await;
    bridge.stripe.fail_all(paybridge::sandbox::stripe::Fault::DropConnection);
    let body = json!({ "amount": "20", "currencyCode": "EUR", "idempotencyKey": "k" });
    let (status, accepted) = caller.post("/v1/payment-intents", &body).await;
    bridge.stripe.forget_faults();
    assert_eq!(status, 202, "{accepted:#}");
    if step == Step::LookUp {
        bridge.clock.advance(Duration::from_secs(24 * 3_600));
    }
    let operation = accepted["operationId"].as_str().unwrap().to_owned();
    let at_stripe = vec![("payment_intent.created", 1)];
    Scene { at_stripe, operation: Some((caller, operation)), ..Scene::default() }
}
