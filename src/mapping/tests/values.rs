//! What becomes of values: amounts, links, long texts, missing fields.

use super::*;

#[test]
fn fees_are_in_the_currency_they_were_settled_in() {
    let changes =
        json!({"type": "charge", "source": "ch_1", "fee": 4_500, "net": 145_500, "currency": "jpy"});
    let transaction = object("balance_transaction", changes);
    let settled = object(
        "charge",
        json!({"id": "ch_1", "amount": 1_000, "currency": "usd", "balance_transaction": transaction}),
    );
    let Ok(Mapped::Changes(changes, wishes)) = mapping().map(&event("charge.fetched", &settled), VERSION)
    else {
        panic!("{settled}")
    };
    let of = |sobject: &str, adds: bool| {
        let found = changes.iter().find(|c| *c.sobject == *sobject && c.adds_to.is_some() == adds);
        found.unwrap_or_else(|| panic!("{sobject} in {changes:?}"))
    };
    let (charge, fees) = (of("Stripe_Charge__c", false), of("Stripe_Charge__c", true));
    assert_eq!(text(charge, "Amount__c").as_deref(), Some("10.00"));
    assert_eq!(["Fee__c", "Net__c"].map(|field| text(fees, field).unwrap()), ["4500", "145500"]);
    assert_eq!(fees.external_id, "ch_1");
    assert_eq!(fees.fields.iter().count(), 2, "it says nothing else of the charge");
    assert_eq!(text(of("Stripe_Balance_Transaction__c", false), "Charge__r").as_deref(), Some("ch_1"));
    assert_eq!(wishes, [], "what is there in full need not be read");
}

#[test]
fn what_is_only_named_is_asked_for() {
    let asked_for = |kind: &str, event_kind: &str, changes: Json| match mapping()
        .map(&event(event_kind, &object(kind, changes)), VERSION)
    {
        Ok(Mapped::Changes(_, wishes)) => wishes,
        other => panic!("{other:?}"),
    };
    let transaction =
        |id: &str| Wish::Object(Parent { object: "balance_transaction".to_owned(), id: id.to_owned() });
    let charge = |id: Json| asked_for("charge", "charge.updated", json!({"balance_transaction": id}));
    assert_eq!(charge(json!("txn_1")), [transaction("txn_1")]);
    assert_eq!(charge(json!(null)), []);
    assert_eq!(
        charge(json!({"id": "txn_1", "object": "balance_transaction"})),
        [transaction("txn_1")],
        "in part"
    );
    let payout = |kind: &str, automatic: bool, status: &str| {
        let changes = json!({"id": "po_1", "automatic": automatic, "reconciliation_status": status, "balance_transaction": null, "failure_balance_transaction": null});
        asked_for("payout", kind, changes)
    };
    let contents = [Wish::Contents(Parent { object: "payout".to_owned(), id: "po_1".to_owned() })];
    assert_eq!(payout("payout.paid", true, "in_progress"), contents);
    assert_eq!(payout("payout.reconciliation_completed", true, "completed"), contents);
    assert_eq!(payout("payout.created", true, "in_progress"), []);
    assert_eq!(payout("payout.paid", false, "not_applicable"), []);
}

#[test]
fn amounts_have_the_decimals_of_their_currency() {
    for (currency, amount, expected) in [
        ("usd", 1_i64, "0.01"),
        ("jpy", 5_000, "5000"),
        ("kwd", 12_340, "12.340"),
        ("usd", 99_999_999_999_999, "999999999999.99"),
    ] {
        let change =
            mapped("payout.paid", &object("payout", json!({"currency": currency, "amount": amount})));
        assert_eq!(text(&change, "Amount__c").as_deref(), Some(expected));
    }
    for (changes, said) in [
        (json!({"amount": 10.5}), "`amount` should be a whole number and is 10.5"),
        (json!({"amount": "10"}), "`amount` should be a whole number"),
        (json!({"currency": "xxx"}), "`xxx` is not a currency"),
        (json!({"arrival_date": "tomorrow"}), "`arrival_date` should be a whole number"),
        (json!({"automatic": 1}), "`automatic` should be true or false and is 1"),
    ] {
        let error = try_map(mapping(), "payout.paid", &object("payout", changes)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn numbers_that_are_no_amounts_keep_their_digits() {
    let event = event("x.fetched", &object("balance_transaction", json!({"exchange_rate": 1.5})));
    for (written, expected) in [("1.5", "1.5"), ("0.1234567891", "0.1234567891"), ("1.5e-3", "0.0015")] {
        let event = event.replace(r#""exchange_rate":1.5"#, &format!(r#""exchange_rate":{written}"#));
        let Ok(Mapped::Changes(changes, _)) = mapping().map(&event, VERSION) else { panic!("{event}") };
        assert_eq!(text(&changes[0], "Exchange_Rate__c").as_deref(), Some(expected));
    }
}

#[test]
fn a_time_that_cannot_be_written_is_told_by_its_field() {
    for seconds in [-62_200_000_000_i64, 253_402_300_800, i64::MIN] {
        let error = try_map(mapping(), "price.created", &object("price", json!({ "created": seconds })));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`created` should be a time"), "{seconds}: {error}");
    }
}

#[test]
fn an_id_that_fits_nowhere_is_told_by_its_field() {
    for id in [json!("x".repeat(256)), json!(""), json!("ch\u{0}1"), json!({ "id": "c h" })] {
        let error = try_map(
            mapping(),
            "payment_intent.created",
            &object("payment_intent", json!({ "latest_charge": id })),
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`latest_charge` should be an id"), "{id}: {error}");
    }
}

#[test]
fn a_subscription_costs_the_sum_of_its_items_a_period() {
    let item = |amount: Json, quantity: Json| {
        json!({
            "id": "si_1", "price": {"id": "price_1", "unit_amount": amount, "product": {"id": "prod_1"}},
            "quantity": quantity, "current_period_start": 10, "current_period_end": 20,
        })
    };
    for (items, expected) in [
        (json!([item(json!(4_900), json!(3)), item(json!(100), json!(1))]), "148.00"),
        (json!([item(json!(null), json!(3))]), "null"),
        (json!([item(json!(4_900), json!(null))]), "null"),
    ] {
        let items = json!({"items": {"object": "list", "data": items}});
        let change = mapped("customer.subscription.updated", &object("subscription", items));
        assert_eq!(text(&change, "Amount__c").as_deref(), Some(expected));
        let first =
            ["Price_Id__c", "Product_Id__c", "Current_Period_End__c"].map(|f| text(&change, f).unwrap());
        assert_eq!(first, ["price_1", "prod_1", "20"]);
    }
}

#[test]
fn an_invoice_finds_its_subscription_and_its_tax() {
    let taxes = json!([{"amount": 100}, {"amount": 23}]);
    let parent = json!({"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}});
    let invoice = object("invoice", json!({"parent": parent, "total_taxes": taxes, "currency": "usd"}));
    let change = mapped("invoice.paid", &invoice);
    assert_eq!(text(&change, "Subscription__r").as_deref(), Some("sub_1"));
    assert_eq!(text(&change, "Tax__c").as_deref(), Some("1.23"));
    assert!(change.parents.contains(&Parent { object: "subscription".to_owned(), id: "sub_1".to_owned() }));
    let alone = mapped("invoice.paid", &object("invoice", json!({"parent": null, "total_taxes": null})));
    assert_eq!((text(&alone, "Subscription__r"), text(&alone, "Tax__c")), (None, Some("null".to_owned())));
}

#[test]
fn a_balance_transaction_points_to_what_it_is_about() {
    for (kind, category, field) in [
        ("charge", "charge", "Charge__r"),
        ("payment_refund", "refund", "Refund__r"),
        ("adjustment", "dispute_reversal", "Dispute__r"),
        ("payout", "payout", "Payout__r"),
    ] {
        let source = json!({"type": kind, "reporting_category": category, "source": "x_1"});
        let change = mapped("balance_transaction.fetched", &object("balance_transaction", source));
        assert_eq!(text(&change, field).as_deref(), Some("x_1"), "{kind}");
        assert_eq!(change.parents.len(), 1);
    }
}

#[test]
fn links_come_from_the_metadata_and_only_if_they_are_ids() {
    for (metadata, field, expected, notes) in [
        (
            json!({"sf_object": "Opportunity", "sf_record_id": "006Kj000002NwAr"}),
            "Opportunity__c",
            Some("006Kj000002NwArIAK"),
            0,
        ),
        (json!({"sf_opportunity_id": "006Kj000002NwArIAK"}), "Opportunity__c", Some("006Kj000002NwArIAK"), 0),
        (
            json!({"sf_object": "Order", "sf_record_id": "801Kj000001NwRdIAK"}),
            "Order__c",
            Some("801Kj000001NwRdIAK"),
            0,
        ),
        (json!({"sf_object": "Case", "sf_record_id": "500Kj000001NwRdIAK"}), "Order__c", None, 0),
        (json!({"sf_order_id": "not an id"}), "Order__c", None, 1),
        (json!({"sf_account_id": "006Kj000002NwArIAK"}), "Account__c", None, 1),
    ] {
        let intent = object("payment_intent", json!({"metadata": metadata, "status": "processing"}));
        let change = mapped("payment_intent.created", &intent);
        assert_eq!(text(&change, field).as_deref(), expected, "{metadata}");
        assert_eq!(change.notes.len(), notes, "{metadata}: {:?}", change.notes);
    }
}

#[test]
fn what_salesforce_would_refuse_is_left_out_or_cut() {
    let long = "ü".repeat(100);
    let customer = |changes| mapped("customer.updated", &object("customer", changes));
    let change = customer(json!({"name": long, "email": "nobody", "phone": long}));
    let name = text(&change, "Name").unwrap();
    assert_eq!((name.chars().count(), name.ends_with('…')), (80, true));
    assert_eq!((text(&change, "Email__c"), text(&change, "Phone__c")), (None, None));
    assert_eq!(change.notes.len(), 3);
    let emoji = customer(json!({"name": "😀".repeat(60)}));
    assert_eq!(text(&emoji, "Name").unwrap().encode_utf16().count(), 79, "an emoji is two units");
    let cleared = customer(json!({"name": "", "email": null}));
    assert_eq!(text(&cleared, "Email__c").as_deref(), Some("null"));
    assert_eq!(text(&cleared, "Name"), Some(cleared.external_id), "an empty name is none");
    let quoted = customer(json!({"name": "A \"B\" \u{e9}\n"}));
    assert_eq!(text(&quoted, "Name").as_deref(), Some("A \"B\" \u{e9}\n"));
}

#[test]
fn what_is_read_after_its_deletion_keeps_what_its_record_says() {
    for (kind, field, expected) in [
        ("customer", "Status__c", "Deleted"),
        ("price", "Status__c", "Archived"),
        ("product", "IsActive", "false"),
    ] {
        let stub = json!({"id": "x_1", "object": kind, "deleted": true});
        let change = mapped("x.fetched", &stub);
        assert_eq!(text(&change, field).as_deref(), Some(expected), "{kind}");
        assert!(change.fields.iter().all(|(_, value)| *value != Value::Null), "{change:?}");
        assert_eq!(text(&change, "Email__c"), None);
    }
}

#[test]
fn what_has_no_record_asks_for_nothing() {
    for object in [
        json!({"id": "plan_1", "object": "plan"}),
        json!({"object": "balance"}),
        json!({"id": "x", "object": "quantum"}),
    ] {
        assert!(try_map(mapping(), "whatever.happened", &object).unwrap().is_empty());
    }
    let preview = object("invoice", json!({"id": "upcoming_in_1"}));
    assert!(try_map(mapping(), "invoice.upcoming", &preview).unwrap().is_empty());
}

#[test]
fn another_api_version_is_not_trusted() {
    let charge = object("charge", json!({"id": "ch_1"}));
    let old = event("charge.updated", &charge).replace(VERSION, "2020-08-27");
    let Ok(Mapped::Foreign(object, version)) = mapping().map(&old, VERSION) else {
        panic!("an old shape was mapped")
    };
    assert_eq!((object.object.as_str(), object.id.as_str()), ("charge", "ch_1"));
    assert_eq!(version, "2020-08-27");
}

#[test]
fn a_field_that_vanished_is_an_error_and_never_a_null() {
    for (kind, field, vanishes) in [
        ("charge", "amount", true),
        ("charge", "failure_code", true),
        ("charge", "refunded", true),
        ("charge", "receipt_email", false),
        ("invoice", "parent", false),
        ("subscription", "status", true),
        ("customer", "phone", false),
    ] {
        let mut object = object(kind, json!({}));
        object.as_object_mut().unwrap().remove(field);
        let result = try_map(mapping(), "x.updated", &object);
        let said = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(said.contains(&format!("missing field `{field}`")), vanishes, "{kind} {field}: {said}");
    }
    let nulled = object("charge", json!({"amount": null}));
    assert!(try_map(mapping(), "x.updated", &nulled).is_err());
}
