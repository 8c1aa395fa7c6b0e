//! The OpenAPI document is true. Whether it can be imported is judged in `tests/suite/contract`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn contract() -> Value {
    serde_json::from_str(document()).unwrap()
}

#[test]
fn every_field_that_is_read_is_described() {
    let contract = contract();
    let read = |read: &dyn Fn(&mut Fields)| {
        let mut fields = Fields::parse(b"{}").unwrap();
        read(&mut fields);
        fields.known_names()
    };
    // The body of `createCustomer` is `CreateCustomerRequest`, and so on.
    let schema_of = |name: &str| format!("{}{}Request", name[..1].to_uppercase(), &name[1..]);
    let actions = RESOURCES.iter().flat_map(|resource| resource.actions);
    let mut bodies: Vec<_> = actions
        .map(|kind| {
            (schema_of(kind.name), read(&|fields| drop((kind.read)(fields, &action::Head::default()))))
        })
        .collect();
    for (schema, known) in [
        ("SubscriptionItemRequest", read(&|fields| drop(subscriptions::read_item(fields)))),
        ("SubscriptionItemChangeRequest", read(&|fields| drop(subscriptions::read_change(fields)))),
        ("SubscriptionTermRequest", read(&|fields| drop(subscription_schedules::read_term(fields)))),
        ("LineItemRequest", read(&|fields| drop(sales::read_line(fields)))),
        ("InvoiceItemRequest", read(&|fields| drop(invoices::read_item(fields, None)))),
    ] {
        bodies.push((schema.to_owned(), known));
    }
    let replay = read(&|fields| drop(ops::requests::read_replay(fields, |_| None)));
    bodies.push((schema_of("replayDeadLetters"), replay));
    let discard = read(&|fields| drop(ops::requests::read_reason(fields)));
    bodies.push((schema_of("discardDeadLetter"), discard));
    for (schema, mut known) in bodies {
        let properties = contract["components"]["schemas"][&schema]["properties"].as_object().unwrap();
        let mut described: Vec<_> = properties.keys().map(String::as_str).collect();
        described.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, described, "{schema}");
    }
}

#[test]
fn every_group_of_operations_is_described() {
    let contract = contract();
    let groups = contract["tags"].as_array().unwrap();
    let described: BTreeSet<&str> = groups.iter().filter_map(|group| group["name"].as_str()).collect();
    let operations =
        contract["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let used: BTreeSet<&str> = operations.filter_map(|operation| operation["tags"][0].as_str()).collect();
    assert_eq!(described, used);
}
