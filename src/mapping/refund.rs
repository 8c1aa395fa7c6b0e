//! Refunds → `Stripe_Refund__c`.

use super::fields::Builder;
use super::{Change, Error, progress};
use crate::stripe::event::Event;
use crate::stripe::objects::Refund;

pub(super) fn map<O>(event: &Event<'_, O>, refund: &Refund) -> Result<Change, Error> {
    let mut record = Builder::new("Stripe_Refund__c", &refund.id, event);
    record.name(&refund.id);
    record.status(refund.plain_status(), refund.status.as_deref());
    record.at("Stripe_Created__c", Some(refund.created));
    let currency = record.currency(&refund.currency)?;
    record.amount("Amount__c", refund.amount, currency);
    record.parent("Charge__r", "charge", refund.charge.as_ref().map(|c| c.id()));
    record.parent("Payment_Intent__r", "payment_intent", refund.payment_intent.as_ref().map(|p| p.id()));
    record.text("Reason__c", refund.reason.as_deref(), 255);
    record.text("Failure_Reason__c", refund.failure_reason.as_deref(), 255);
    Ok(record.finish(progress(&event.kind, refund)))
}

/// A refund can fail after it succeeded, so failure is the further stage.
fn progress(kind: &str, refund: &Refund) -> i64 {
    let stage = match refund.status.as_deref() {
        Some("failed" | "canceled") => 5,
        Some("succeeded") => 3,
        _ => 1,
    };
    progress::of(if kind == "refund.created" { stage - 1 } else { stage }, 0)
}
