//! How far an object has got, inside one second.

use std::cmp::Ordering;

use super::*;

#[test]
fn the_further_state_of_a_second_wins_and_what_only_stripe_can_tell_is_a_tie() {
    use Ordering::{Equal, Less};
    let status = |status: &str| json!({"status": status});
    for (kind, (first, before), (second, after), expected) in [
        ("customer", ("customer.created", json!({})), ("customer.updated", json!({})), Less),
        ("customer", ("customer.updated", json!({})), ("customer.deleted", json!({})), Less),
        (
            "payment_intent",
            ("payment_intent.created", status("requires_action")),
            ("x", status("requires_action")),
            Less,
        ),
        ("payment_intent", ("x", status("requires_action")), ("x", status("processing")), Equal),
        ("payment_intent", ("x", status("requires_capture")), ("x", status("succeeded")), Less),
        ("charge", ("x", status("pending")), ("x", status("failed")), Less),
        ("charge", ("x", json!({"amount_captured": 1})), ("x", json!({"amount_captured": 2})), Less),
        ("charge", ("x", json!({"amount_refunded": 1})), ("x", json!({"amount_refunded": 2})), Equal),
        ("charge", ("x", json!({"disputed": false})), ("x", json!({"disputed": true})), Less),
        ("refund", ("refund.created", status("pending")), ("refund.created", status("succeeded")), Less),
        ("refund", ("refund.created", status("succeeded")), ("refund.updated", status("succeeded")), Less),
        ("refund", ("refund.updated", status("succeeded")), ("refund.failed", status("failed")), Less),
        ("dispute", ("charge.dispute.created", status("lost")), ("x", status("lost")), Less),
        ("dispute", ("x", status("warning_needs_response")), ("x", status("warning_closed")), Less),
        ("dispute", ("x", status("needs_response")), ("x", status("under_review")), Less),
        ("dispute", ("x", status("under_review")), ("x", status("won")), Less),
        ("dispute", ("x", status("lost")), ("x", status("won")), Equal),
        ("dispute", ("x", status("appeal_under_review")), ("x", status("lost")), Equal),
        (
            "dispute",
            ("x", json!({"balance_transactions": []})),
            ("x", json!({"balance_transactions": [{}]})),
            Less,
        ),
        ("invoice", ("invoice.created", status("draft")), ("invoice.finalized", status("open")), Less),
        ("invoice", ("x", status("open")), ("x", status("uncollectible")), Less),
        ("invoice", ("x", status("uncollectible")), ("x", status("paid")), Less),
        ("invoice", ("x", status("draft")), ("invoice.deleted", status("draft")), Less),
        ("invoice", ("x", json!({"attempt_count": 1})), ("x", json!({"attempt_count": 2})), Less),
        ("subscription", ("x", status("incomplete")), ("x", status("active")), Less),
        ("subscription", ("x", status("active")), ("x", status("past_due")), Equal),
        ("subscription", ("x", status("active")), ("x", status("canceled")), Less),
        ("checkout.session", ("x", status("open")), ("x", status("complete")), Less),
        ("checkout.session", ("x", status("open")), ("x", status("expired")), Less),
        (
            "checkout.session",
            ("checkout.session.completed", json!({"status": "complete", "payment_status": "unpaid"})),
            (
                "checkout.session.async_payment_failed",
                json!({"status": "complete", "payment_status": "unpaid"}),
            ),
            Less,
        ),
        ("payout", ("payout.created", status("pending")), ("x", status("pending")), Less),
        ("payout", ("x", status("in_transit")), ("x", status("paid")), Less),
        ("payout", ("x", status("paid")), ("x", status("failed")), Less),
        ("balance_transaction", ("x", status("pending")), ("x", status("available")), Less),
        ("price", ("price.created", json!({})), ("price.updated", json!({})), Less),
        (
            "product",
            ("product.updated", json!({"updated": 1})),
            ("product.updated", json!({"updated": 2})),
            Less,
        ),
    ] {
        let (one, other) =
            (mapped(first, &object(kind, before.clone())), mapped(second, &object(kind, after.clone())));
        let found = one.progress.cmp(&other.progress);
        assert_eq!(found, expected, "{kind}: {first} {before} and {second} {after}");
    }
}

#[test]
fn parents_come_before_all_that_can_point_to_them() {
    let order = mapping().parents_first();
    let at = |name: &str| order.iter().position(|known| **known == *name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(order.len(), 12);
    for (parent, child) in [
        ("Stripe_Customer__c", "Stripe_Payment_Intent__c"),
        ("Stripe_Payment_Intent__c", "Stripe_Charge__c"),
        ("Stripe_Charge__c", "Stripe_Refund__c"),
        ("Stripe_Charge__c", "Stripe_Dispute__c"),
        ("Stripe_Customer__c", "Stripe_Subscription__c"),
        ("Stripe_Subscription__c", "Stripe_Invoice__c"),
        ("Stripe_Subscription__c", "Stripe_Checkout_Session__c"),
        ("Stripe_Payment_Intent__c", "Stripe_Checkout_Session__c"),
        ("Stripe_Dispute__c", "Stripe_Balance_Transaction__c"),
        ("Stripe_Payout__c", "Stripe_Balance_Transaction__c"),
        ("Product2", "Stripe_Price__c"),
    ] {
        assert!(at(parent) < at(child), "{order:?}");
    }
}
