//! Customers → `Stripe_Customer__c`.

use super::fields::Builder;
use super::{Change, Error, progress};
use crate::stripe::event::Event;
use crate::stripe::objects::Customer;

pub(super) fn map<O>(event: &Event<'_, O>, customer: &Customer) -> Result<Change, Error> {
    // The event carries the customer in full, as it was; only its type says that it is gone.
    let deleted = customer.deleted || event.kind == "customer.deleted";
    let mut record = Builder::new("Stripe_Customer__c", &customer.id, event);
    record.status(Some(if deleted { "Deleted" } else { customer.plain_status() }), None);
    // Read again after deletion, a customer is an id only; what the record says of it stays.
    if !customer.deleted {
        record.name(customer.name.as_deref().or(customer.email.as_deref()).unwrap_or(&customer.id));
        record.at("Stripe_Created__c", customer.created);
        record.email("Email__c", customer.email.as_deref());
        record.whole_text("Phone__c", customer.phone.as_deref(), 40);
        record.text("Description__c", customer.description.as_deref(), 32_768);
        record.flag("Delinquent__c", customer.delinquent.unwrap_or(false));
        if let Some(code) = customer.currency.as_deref() {
            let currency = record.currency(code)?;
            record.amount("Balance__c", customer.balance.unwrap_or(0), currency);
        }
    }
    record.links(&customer.metadata, &[("Account__c", "Account"), ("Contact__c", "Contact")]);
    let stage = match event.kind.as_ref() {
        "customer.created" => 0,
        _ if deleted => 2,
        _ => 1,
    };
    Ok(record.finish(progress::of(stage, 0)))
}
