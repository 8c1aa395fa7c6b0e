//! Charges: one for each attempt to pay.

use serde_json::{Value, json};

use super::errors::Answer;
use super::form::{Form, Kind, Rule};
use super::lists;
use super::payment_methods::{self, Behaviour, Decline};
use super::state::{State, filled, new_id, text};
use super::{balance, metadata};

const BLANK: &str = r#"{
    "object": "charge", "amount_captured": 0, "amount_refunded": 0, "application": null, "application_fee": null,
    "application_fee_amount": null, "balance_transaction": null, "calculated_statement_descriptor": "SANDBOX",
    "captured": false, "disputed": false, "failure_balance_transaction": null, "failure_code": null,
    "failure_message": null, "fraud_details": {}, "livemode": false, "on_behalf_of": null, "outcome": null,
    "paid": false, "receipt_number": null, "receipt_url": null, "refunded": false, "review": null, "source": null,
    "source_transfer": null, "status": "failed", "transfer_data": null
}"#;

/// Makes the charge of a good card; answers its id. With asynchronous capture the balance transaction follows later.
pub(super) fn succeeded(state: &mut State, intent: &Value, captured: bool) -> String {
    let mut charge = blank(state, intent);
    let id = text(&charge, "id").to_owned();
    let card = payment_methods::card_of(state, text(intent, "payment_method"));
    let elevated = matches!(card.behaviour, Behaviour::Elevated);
    charge["outcome"] = json!({
        "advice_code": null,
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": "approved_by_network",
        "reason": if elevated { Some("elevated_risk_level") } else { None },
        "risk_level": if elevated { "elevated" } else { "normal" },
        "risk_score": if elevated { 70 } else { 23 },
        "seller_message": "Payment complete.",
        "type": if elevated { "manual_review" } else { "authorized" },
    });
    charge["paid"] = json!(true);
    charge["status"] = json!("succeeded");
    charge["captured"] = json!(captured);
    charge["receipt_url"] = json!(format!("https://pay.stripe.com/receipts/payment/{id}"));
    charge["payment_method_details"]["card"]["authorization_code"] = json!("123456");
    if captured {
        charge["amount_captured"] = charge["amount"].clone();
        if text(intent, "capture_method") == "automatic_async" {
            state.to_settle.push(id.clone());
        } else {
            charge["balance_transaction"] = json!(balance::charged(state, &charge));
        }
    }
    state.save("charge.succeeded", charge);
    id
}

/// Makes the charge of a card that was declined or blocked; answers its id.
pub(super) fn failed(state: &mut State, intent: &Value, decline: &Decline, blocked: bool) -> String {
    let mut charge = blank(state, intent);
    let id = text(&charge, "id").to_owned();
    charge["failure_code"] = json!(decline.code);
    charge["failure_message"] = json!(decline.message);
    charge["outcome"] = if blocked {
        json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "risk_level": "highest",
            "risk_score": 92,
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        })
    } else {
        json!({
            "advice_code": decline.advice,
            "network_advice_code": null,
            "network_decline_code": decline.network,
            "network_status": "declined_by_network",
            "reason": decline.decline_code,
            "risk_level": "normal",
            "risk_score": 23,
            "seller_message": format!("The bank returned the decline code `{}`.", decline.decline_code),
            "type": "issuer_declined",
        })
    };
    state.save("charge.failed", charge);
    id
}

/// What a charge takes from its intent and its card.
fn blank(state: &State, intent: &Value) -> Value {
    let method = state.get(text(intent, "payment_method")).cloned().unwrap_or_default();
    let card = &method["card"];
    let mut charge = filled(
        BLANK,
        json!({
            "id": new_id("ch_3"),
            "billing_details": method["billing_details"],
            "created": state.now,
            "payment_intent": intent["id"],
            "payment_method_details": {
                "card": {
                    "amount_authorized": intent["amount"],
                    "authorization_code": null,
                    "brand": card["brand"],
                    "checks": {
                        "address_line1_check": null, "address_postal_code_check": null, "cvc_check": null
                    },
                    "country": card["country"],
                    "electronic_commerce_indicator": null,
                    "exp_month": card["exp_month"],
                    "exp_year": card["exp_year"],
                    "fingerprint": card["fingerprint"],
                    "funding": card["funding"],
                    "installments": null,
                    "last4": card["last4"],
                    "mandate": null,
                    "network": card["brand"],
                    "network_token": { "used": false },
                    "network_transaction_id": fastrand::u64(1_000_000_000..10_000_000_000).to_string(),
                    "regulated_status": "unregulated",
                    "three_d_secure": null,
                    "transaction_link_id": null,
                    "wallet": null,
                },
                "type": "card",
            },
        }),
    );
    let copied = [
        "amount",
        "currency",
        "customer",
        "description",
        "metadata",
        "payment_method",
        "receipt_email",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ];
    for field in copied {
        charge[field] = intent[field].clone();
    }
    charge
}

/// `POST /v1/charges/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    const RULES: &[Rule] = &[
        ("description", Kind::Text),
        ("metadata", Kind::Metadata),
        ("receipt_email", Kind::Text),
        ("transfer_group", Kind::Text),
    ];
    form.check(&[RULES])?;
    let mut charge = state.find("charge", id, "id")?;
    form.copy_texts(&["description", "receipt_email", "transfer_group"], &mut charge);
    metadata::merge(form, &mut charge)?;
    state.save("charge.updated", charge.clone());
    Ok(charge)
}

/// The refunds of a charge, newest first, as they stand inside it.
pub(super) fn refunds(state: &State, charge: &str) -> Value {
    let refunds = state.all("refund").rev().filter(|refund| text(refund, "charge") == charge);
    lists::complete(refunds.cloned().collect(), format!("/v1/charges/{charge}/refunds"))
}
