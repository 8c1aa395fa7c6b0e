//! One table for each object: what Stripe says, and what Salesforce users read.

use super::*;

/// Maps each variation and compares the normalised status; an unknown one is noted and leaves the field alone.
fn check(event: &str, kind: &str, table: &[(Json, Option<&str>)]) {
    for (changes, expected) in table {
        let change = mapped(event, &object(kind, changes.clone()));
        assert_eq!(text(&change, "Status__c").as_deref(), *expected, "{kind} {event} {changes}");
        assert_eq!(change.notes.is_empty(), expected.is_some(), "{:?}", change.notes);
    }
}

/// The same for objects whose status alone decides.
fn check_words(event: &str, kind: &str, words: &[(&str, Option<&str>)]) {
    let table: Vec<_> = words.iter().map(|(status, word)| (json!({"status": status}), *word)).collect();
    check(event, kind, &table);
}

#[test]
fn customers() {
    check(
        "customer.updated",
        "customer",
        &[
            (json!({"delinquent": false}), Some("Active")),
            (json!({"delinquent": null}), Some("Active")),
            (json!({"delinquent": true}), Some("Delinquent")),
            (json!({"deleted": true}), Some("Deleted")),
        ],
    );
    check("customer.deleted", "customer", &[(json!({"delinquent": true}), Some("Deleted"))]);
}

#[test]
fn payment_intents() {
    let error = json!({"code": "card_declined", "decline_code": "do_not_honor", "message": "No."});
    check(
        "payment_intent.created",
        "payment_intent",
        &[
            (json!({"status": "requires_payment_method", "last_payment_error": null}), Some("Pending")),
            (json!({"status": "requires_payment_method", "last_payment_error": error}), Some("Failed")),
            (json!({"status": "requires_confirmation"}), Some("Pending")),
            (json!({"status": "requires_action"}), Some("Action Required")),
            (json!({"status": "processing"}), Some("Pending")),
            (json!({"status": "requires_capture"}), Some("Authorized")),
            (json!({"status": "succeeded", "last_payment_error": error}), Some("Completed")),
            (json!({"status": "canceled"}), Some("Canceled")),
            (json!({"status": "teleported"}), None),
        ],
    );
}

#[test]
fn a_charge_has_the_first_status_that_holds() {
    let all = json!({"status": "succeeded", "captured": true, "disputed": false, "refunded": false, "amount_refunded": 0});
    let with = |changes: Json| {
        let mut all = all.clone();
        changes.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        all
    };
    check(
        "charge.updated",
        "charge",
        &[
            (with(json!({"status": "failed", "disputed": true})), Some("Failed")),
            (with(json!({"status": "pending"})), Some("Pending")),
            (with(json!({})), Some("Completed")),
            (with(json!({"captured": false})), Some("Authorized")),
            (with(json!({"amount_refunded": 1})), Some("Partially Refunded")),
            (with(json!({"amount_refunded": 1, "disputed": true})), Some("Disputed")),
            (with(json!({"amount_refunded": 1, "refunded": true, "disputed": true})), Some("Refunded")),
            (with(json!({"captured": false, "refunded": true, "amount_refunded": 1})), Some("Refunded")),
            (with(json!({"status": "quantum"})), None),
        ],
    );
}

#[test]
fn refunds_and_payouts_and_balance_transactions() {
    check_words(
        "refund.updated",
        "refund",
        &[
            ("pending", Some("Pending")),
            ("requires_action", Some("Action Required")),
            ("succeeded", Some("Completed")),
            ("failed", Some("Failed")),
            ("canceled", Some("Canceled")),
            ("lost", None),
        ],
    );
    check_words(
        "payout.updated",
        "payout",
        &[
            ("pending", Some("Pending")),
            ("in_transit", Some("In Transit")),
            ("paid", Some("Paid")),
            ("failed", Some("Failed")),
            ("canceled", Some("Canceled")),
            ("stolen", None),
        ],
    );
    check_words(
        "balance_transaction.fetched",
        "balance_transaction",
        &[("pending", Some("Pending")), ("available", Some("Available"))],
    );
}

#[test]
fn disputes_with_inquiries_appeals_and_late_wins() {
    check_words(
        "charge.dispute.updated",
        "dispute",
        &[
            ("warning_needs_response", Some("Inquiry")),
            ("warning_under_review", Some("Inquiry")),
            ("warning_closed", Some("Inquiry Closed")),
            ("needs_response", Some("Needs Response")),
            ("under_review", Some("Under Review")),
            ("appeal_needs_response", Some("Appeal Needs Response")),
            ("appeal_under_review", Some("Appeal Under Review")),
            ("won", Some("Won")),
            ("lost", Some("Lost")),
            ("prevented", Some("Prevented")),
            ("charge_refunded", None),
        ],
    );
}

#[test]
fn invoices() {
    check_words(
        "invoice.updated",
        "invoice",
        &[
            ("draft", Some("Draft")),
            ("open", Some("Open")),
            ("paid", Some("Paid")),
            ("void", Some("Void")),
            ("uncollectible", Some("Uncollectible")),
            ("burnt", None),
        ],
    );
    check_words("invoice.deleted", "invoice", &[("draft", Some("Void"))]);
}

#[test]
fn subscriptions() {
    check_words(
        "customer.subscription.updated",
        "subscription",
        &[
            ("incomplete", Some("Incomplete")),
            ("incomplete_expired", Some("Expired")),
            ("trialing", Some("Trialing")),
            ("active", Some("Active")),
            ("past_due", Some("Past Due")),
            ("unpaid", Some("Unpaid")),
            ("canceled", Some("Canceled")),
            ("paused", Some("Paused")),
            ("dormant", None),
        ],
    );
}

#[test]
fn a_checkout_that_is_complete_is_not_yet_paid() {
    let of = |status: &str, payment: &str| json!({"status": status, "payment_status": payment});
    check(
        "checkout.session.completed",
        "checkout.session",
        &[
            (of("open", "unpaid"), Some("Open")),
            (of("complete", "unpaid"), Some("Pending")),
            (of("complete", "paid"), Some("Completed")),
            (of("complete", "no_payment_required"), Some("Completed")),
            (of("expired", "unpaid"), Some("Expired")),
            (of("lost", "paid"), None),
        ],
    );
    let failed = "checkout.session.async_payment_failed";
    check(failed, "checkout.session", &[(of("complete", "unpaid"), Some("Failed"))]);
    let read_again = |payment: &str| {
        let mut session = of("complete", "unpaid");
        session["payment_intent"] = json!({"id": "pi_1", "object": "payment_intent", "status": payment});
        session
    };
    check(
        "checkout.session.fetched",
        "checkout.session",
        &[
            (read_again("requires_payment_method"), Some("Failed")),
            (read_again("canceled"), Some("Failed")),
            (read_again("processing"), Some("Pending")),
        ],
    );
    let succeeded = "checkout.session.async_payment_succeeded";
    check(succeeded, "checkout.session", &[(of("complete", "paid"), Some("Completed"))]);
}

#[test]
fn prices_and_products() {
    check(
        "price.updated",
        "price",
        &[(json!({"active": true}), Some("Active")), (json!({"active": false}), Some("Archived"))],
    );
    check("price.deleted", "price", &[(json!({"active": true}), Some("Archived"))]);
    for (event, active, expected) in [
        ("product.updated", true, "true"),
        ("product.updated", false, "false"),
        ("product.deleted", true, "false"),
    ] {
        let change = mapped(event, &object("product", json!({"active": active})));
        assert_eq!(text(&change, "IsActive").as_deref(), Some(expected), "{event} {active}");
    }
}
