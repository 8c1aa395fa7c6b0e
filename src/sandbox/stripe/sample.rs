//! What a first look around finds: objects of each kind under ids that documentation can name.

use super::errors::Refusal;
use super::form::Form;
use super::router::{afterwards, route};
use super::state::{State, text};

const PAYMENT: &str = "amount=4900&currency=eur&customer=cus_sandbox&automatic_payment_methods[enabled]=true\
     &automatic_payment_methods[allow_redirects]=never";
const CARD: &str = "payment_method=pm_sandbox_visa&confirm=true";
const INVOICE: &str = "customer=cus_sandbox&currency=eur&collection_method=send_invoice&days_until_due=30";
const LINES: &str = "lines[0][amount]=48000&lines[0][description]=Commissioning, two days";
const PLAN: &str = "customer=cus_sandbox&items[0][price]=price_sandbox_monthly&items[0][quantity]=3";
const TERMS: &str = "customer=cus_sandbox&phases[0][items][0][price]=price_sandbox_monthly&phases[0][duration][interval]=year";
const SOLD: &str = "line_items[0][price]=price_sandbox_setup&line_items[0][quantity]=1";
const SESSION: &str = "mode=payment&success_url=https://example.com/paid&customer=cus_sandbox";

/// A call with its forms, and the id that what it makes is given; without one the call changes something.
type Step = (&'static str, &'static [&'static str], Option<&'static str>);

const STEPS: &[Step] = &[
    ("customers", &["name=Northwind Robotics&email=ap@northwind.example"], Some("cus_sandbox")),
    ("payment_methods/pm_card_visa/attach", &["customer=cus_sandbox"], Some("pm_sandbox_visa")),
    ("customers/cus_sandbox", &["invoice_settings[default_payment_method]=pm_sandbox_visa"], None),
    (
        "prices",
        &["currency=usd&unit_amount=25000&product=prod_sandbox_plan&nickname=Set-up"],
        Some("price_sandbox_setup"),
    ),
    ("payment_intents", &[PAYMENT], Some("pi_sandbox_open")),
    ("payment_intents", &[PAYMENT], Some("pi_sandbox_unwanted")),
    ("payment_intents", &[PAYMENT, CARD, "capture_method=manual"], Some("pi_sandbox_authorized")),
    ("payment_intents", &[PAYMENT, CARD], Some("pi_sandbox_paid")),
    ("refunds", &["payment_intent=pi_sandbox_paid&amount=900"], Some("re_sandbox")),
    ("invoices", &[INVOICE], Some("in_sandbox_draft")),
    ("invoices/in_sandbox_draft/add_lines", &[LINES], None),
    ("invoices", &[INVOICE], Some("in_sandbox_to_send")),
    ("invoices/in_sandbox_to_send/add_lines", &[LINES], None),
    ("invoices", &[INVOICE], Some("in_sandbox_open")),
    ("invoices/in_sandbox_open/add_lines", &[LINES], None),
    ("invoices/in_sandbox_open/finalize", &[], None),
    ("invoices", &[INVOICE], Some("in_sandbox_unwanted")),
    ("invoices/in_sandbox_unwanted/add_lines", &[LINES], None),
    ("invoices/in_sandbox_unwanted/finalize", &[], None),
    ("subscriptions", &[PLAN], Some("sub_sandbox")),
    ("subscriptions", &[PLAN], Some("sub_sandbox_ending")),
    ("subscriptions/sub_sandbox_ending", &["cancel_at_period_end=true"], None),
    ("subscriptions", &[PLAN], Some("sub_sandbox_unwanted")),
    ("subscriptions", &[PLAN], Some("sub_sandbox_to_pause")),
    ("subscriptions", &[PLAN], Some("sub_sandbox_paused")),
    ("subscriptions/sub_sandbox_paused/pause", &[], None),
    ("subscription_schedules", &[TERMS], Some("sub_sched_sandbox")),
    ("subscription_schedules", &[TERMS], Some("sub_sched_sandbox_unwanted")),
    ("checkout/sessions", &[SESSION, SOLD], Some("cs_test_sandbox")),
    ("checkout/sessions", &[SESSION, SOLD], Some("cs_test_sandbox_unwanted")),
    ("payment_links", &[SOLD], Some("plink_sandbox")),
    ("payment_links", &[SOLD], Some("plink_sandbox_unwanted")),
    ("products", &["name=Welding arm, old model"], Some("prod_sandbox_old")),
    (
        "prices",
        &["currency=usd&unit_amount=4500&product=prod_sandbox_old&recurring[interval]=month"],
        Some("price_sandbox_old"),
    ),
];

/// Puts the objects in place; no event tells of them.
pub(super) fn seed(state: &mut State, now: i64) {
    state.begin(now, None);
    let events = state.events.len();
    for step in STEPS {
        let taken = take(state, step);
        debug_assert!(taken.is_ok(), "{}: {:?}", step.0, taken.err().map(|refusal| refusal.message()));
    }
    if let Some(subscription) = state.get("sub_sandbox").cloned() {
        state.rename(text(&subscription["items"]["data"][0], "id"), "si_sandbox");
    }
    afterwards(state, now);
    state.events.truncate(events);
}

fn take(state: &mut State, (path, forms, id): &Step) -> Result<(), Refusal> {
    let form = Form::parse(&forms.join("&"))?;
    let made = route(state, "POST", &format!("/v1/{path}"), &form)?;
    if let Some(id) = id {
        state.rename(text(&made, "id"), id);
    }
    Ok(())
}
