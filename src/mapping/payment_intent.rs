//! Payment intents → `Stripe_Payment_Intent__c`.

use super::fields::Builder;
use super::{Change, Error, progress};
use crate::stripe::event::Event;
use crate::stripe::objects::PaymentIntent;

pub(super) fn map<O>(event: &Event<'_, O>, intent: &PaymentIntent) -> Result<Change, Error> {
    let mut record = Builder::new("Stripe_Payment_Intent__c", &intent.id, event);
    record.name(intent.description.as_deref().filter(|text| !text.is_empty()).unwrap_or(&intent.id));
    record.status(intent.plain_status(), Some(&intent.status));
    record.at("Stripe_Created__c", Some(intent.created));
    let currency = record.currency(&intent.currency)?;
    record.amount("Amount__c", intent.amount, currency);
    record.amount("Amount_Received__c", intent.amount_received, currency);
    record.amount("Amount_Capturable__c", intent.amount_capturable, currency);
    record.parent("Customer__r", "customer", intent.customer.as_ref().map(|c| c.id()));
    record.links(
        &intent.metadata,
        &[("Account__c", "Account"), ("Opportunity__c", "Opportunity"), ("Order__c", "Order")],
    );
    record.text("Payment_Method_Types__c", Some(&intent.payment_method_types.join(", ")), 255);
    record.text("Latest_Charge_Id__c", intent.latest_charge.as_ref().map(|c| c.id()), 255);
    let error = intent.last_payment_error.as_ref();
    record.text("Failure_Code__c", error.and_then(|e| e.code.as_deref()), 255);
    record.text("Decline_Code__c", error.and_then(|e| e.decline_code.as_deref()), 255);
    record.text("Failure_Message__c", error.and_then(|e| e.message.as_deref()), 32_768);
    record.text("Cancellation_Reason__c", intent.cancellation_reason.as_deref(), 255);
    Ok(record.finish(progress(&event.kind, intent)))
}

/// The states before authorisation follow each other in more than one order, so they share a stage.
fn progress(kind: &str, intent: &PaymentIntent) -> i64 {
    let stage = match intent.status.as_str() {
        "succeeded" | "canceled" => 3,
        "requires_capture" => 2,
        _ if kind == "payment_intent.created" => 0,
        _ => 1,
    };
    progress::of(stage, intent.amount_received)
}
