//! Draft invoices: what a period of a subscription costs, line by line.

use serde_json::{Value, json};

use super::state::{State, filled, int, new_id, text};
use super::{account, amounts, lists, subscription_items};

const BLANK: &str = r#"{
    "object": "invoice", "account_country": "US", "account_tax_ids": null, "amount_overpaid": 0, "amount_paid": 0,
    "amount_shipping": 0, "application": null, "attempt_count": 0, "attempted": false, "auto_advance": true,
    "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
    "automatically_finalizes_at": null, "billing_reason": "subscription_create", "custom_fields": null,
    "customer_account": null, "customer_tax_ids": [], "default_payment_method": null, "default_source": null,
    "default_tax_rates": [], "description": null, "discounts": [], "due_date": null, "effective_at": null,
    "ending_balance": null, "footer": null, "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null,
    "issuer": { "type": "self" }, "last_finalization_error": null, "latest_revision": null, "livemode": false,
    "metadata": {}, "next_payment_attempt": null, "number": null, "on_behalf_of": null,
    "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
    "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0, "receipt_number": null,
    "rendering": null, "shipping_cost": null, "shipping_details": null, "starting_balance": 0,
    "statement_descriptor": null, "status": "draft",
    "status_transitions": {
        "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null
    },
    "test_clock": null, "total_discount_amounts": [], "total_pretax_credit_amounts": [], "total_taxes": [],
    "webhooks_delivered_at": null
}"#;

/// A draft over nothing for a customer, with these fields.
pub(super) fn blank(state: &State, customer: &Value, fields: Value) -> Value {
    let draft = filled(
        BLANK,
        json!({
            "account_name": account::NAME,
            "created": state.now,
            "customer": customer["id"],
            "customer_address": customer["address"],
            "customer_email": customer["email"],
            "customer_name": customer["name"],
            "customer_phone": customer["phone"],
            "customer_shipping": customer["shipping"],
            "customer_tax_exempt": customer["tax_exempt"],
            "period_end": state.now,
            "period_start": state.now,
        }),
    );
    filled(&draft.to_string(), fields)
}

/// The invoice over one period of all items; a trial costs nothing.
pub(super) fn draw_up(state: &State, subscription: &Value, customer: &Value) -> Value {
    let id = new_id("in_1");
    let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
    let trial = !subscription["trial_end"].is_null();
    let total = if trial { 0 } else { subscription_items::total(&items) };
    let lines: Vec<Value> = items.iter().map(|item| line(state, item, subscription, &id, trial)).collect();
    let by_invoice = subscription["collection_method"] == "send_invoice";
    let due_date = subscription["days_until_due"]
        .as_i64()
        .filter(|_| by_invoice)
        .map(|days| state.now + days * 24 * 60 * 60);
    blank(
        state,
        customer,
        json!({
            "id": id,
            "amount_due": total,
            "amount_remaining": total,
            "automatically_finalizes_at": (by_invoice && total > 0).then_some(state.now + 60 * 60),
            "collection_method": subscription["collection_method"],
            "currency": subscription["currency"],
            "due_date": due_date,
            "lines": lists::complete(lines, format!("/v1/invoices/{id}/lines")),
            "parent": {
                "quote_details": null,
                "subscription_details": {
                    "metadata": subscription["metadata"], "subscription": subscription["id"]
                },
                "type": "subscription_details",
            },
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "total": total,
            "total_excluding_tax": total,
        }),
    )
}

fn line(state: &State, item: &Value, subscription: &Value, invoice: &str, trial: bool) -> Value {
    let price = &item["price"];
    let product = state.get(text(price, "product")).map_or("", |product| text(product, "name"));
    let currency = text(price, "currency");
    let each = amounts::written(int(price, "unit_amount"), currency);
    let quantity = int(item, "quantity");
    let amount = if trial { 0 } else { subscription_items::amount(item) };
    let description = if trial {
        format!("Free trial for {quantity} × {product}")
    } else {
        format!("{quantity} × {product} (at {each} / {})", text(&price["recurring"], "interval"))
    };
    json!({
        "id": new_id("il_1"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": invoice,
        "livemode": false,
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": { "end": item["current_period_end"], "start": item["current_period_start"] },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": { "price": price["id"], "product": price["product"] },
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    })
}
