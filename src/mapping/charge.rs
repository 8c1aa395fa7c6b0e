//! Charges → `Stripe_Charge__c`.

use super::fields::Builder;
use super::{Change, Error, progress};
use crate::stripe::event::Event;
use crate::stripe::objects::Charge;

pub(super) fn map<O>(event: &Event<'_, O>, charge: &Charge) -> Result<Change, Error> {
    let mut record = Builder::new("Stripe_Charge__c", &charge.id, event);
    record.name(&charge.id);
    record.status(charge.plain_status(), Some(&charge.status));
    record.at("Stripe_Created__c", Some(charge.created));
    let currency = record.currency(&charge.currency)?;
    record.amount("Amount__c", charge.amount, currency);
    record.amount("Amount_Captured__c", charge.amount_captured, currency);
    record.amount("Amount_Refunded__c", charge.amount_refunded, currency);
    if let Some(reference) = &charge.balance_transaction {
        record.text("Balance_Transaction_Id__c", Some(reference.id()), 255);
        if let Some(transaction) = reference.object() {
            // Fees are taken in the settlement currency, which need not be the charge's.
            let settled_in = record.currency_of(&transaction.currency)?;
            record.amount("Fee__c", transaction.fee, settled_in);
            record.amount("Net__c", transaction.net, settled_in);
        }
    }
    record.parent("Customer__r", "customer", charge.customer.as_ref().map(|c| c.id()));
    record.parent("Payment_Intent__r", "payment_intent", charge.payment_intent.as_ref().map(|p| p.id()));
    record.text("Failure_Code__c", charge.failure_code.as_deref(), 255);
    let declined = charge.outcome.as_ref().filter(|_| charge.status == "failed");
    record.text("Decline_Code__c", declined.and_then(|outcome| outcome.reason.as_deref()), 255);
    record.text("Failure_Message__c", charge.failure_message.as_deref(), 32_768);
    let method = charge.payment_method_details.as_ref();
    let card = method.and_then(|method| method.card.as_ref());
    record.text("Payment_Method_Type__c", method.map(|method| method.kind.as_str()), 255);
    record.text("Card_Brand__c", card.and_then(|card| card.brand.as_deref()), 40);
    record.text("Card_Last4__c", card.and_then(|card| card.last4.as_deref()), 4);
    record.whole_text("Receipt_Url__c", charge.receipt_url.as_deref(), 32_768);
    record.flag("Disputed__c", charge.disputed);
    Ok(record.finish(progress(charge)))
}

fn progress(charge: &Charge) -> i64 {
    let stage = if charge.status == "pending" { 0 } else { 1 };
    let moved = charge.amount_captured.saturating_add(charge.amount_refunded);
    let flags = i64::from(charge.disputed) * 2 + i64::from(charge.balance_transaction.is_some());
    let grows = moved.saturating_mul(4).saturating_add(flags);
    progress::of(stage, grows)
}
