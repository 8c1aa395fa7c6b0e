//! Payment links: pages that anyone with the address can pay on, once or again and again.

use serde_json::{Value, json};

use super::checkout_sessions::{self, check_data};
use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::line_items::{self, Sale};
use super::state::{State, filled, int, new_id};
use super::{amounts, metadata};

const BLANK: &str = r#"{
    "object": "payment_link", "active": true, "after_completion": { "type": "hosted_confirmation" },
    "allow_promotion_codes": false, "application": null, "application_fee_amount": null,
    "application_fee_percent": null, "automatic_tax": { "enabled": false, "liability": null },
    "billing_address_collection": "auto", "consent_collection": null, "custom_fields": [],
    "custom_text": {
        "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null
    },
    "customer_creation": "if_required", "inactive_message": null, "invoice_creation": null, "livemode": false,
    "managed_payments": null, "metadata": {}, "on_behalf_of": null, "payment_intent_data": null,
    "payment_method_collection": "always", "payment_method_options": null, "payment_method_types": null,
    "phone_number_collection": { "enabled": false }, "restrictions": null, "shipping_address_collection": null,
    "shipping_options": [], "submit_type": "auto", "subscription_data": null,
    "tax_id_collection": { "enabled": false, "required": "never" }, "transfer_data": null
}"#;

const FIELDS: &[Rule] = &[
    ("after_completion[type]", Kind::OneOf(&["hosted_confirmation", "redirect"])),
    ("after_completion[redirect][url]", Kind::Word),
    ("after_completion[hosted_confirmation][custom_message]", Kind::Word),
    ("allow_promotion_codes", Kind::Bool),
    ("inactive_message", Kind::Text),
    ("metadata", Kind::Metadata),
    ("payment_method_types[]", Kind::Word),
    ("restrictions[completed_sessions][limit]", Kind::Int),
];
const ON_CREATE: &[Rule] = &[
    ("customer_creation", Kind::OneOf(&["always", "if_required"])),
    ("payment_intent_data[capture_method]", Kind::OneOf(&["automatic", "automatic_async", "manual"])),
    ("payment_intent_data[description]", Kind::Word),
    ("payment_intent_data[metadata]", Kind::Metadata),
    ("subscription_data[description]", Kind::Word),
    ("subscription_data[metadata]", Kind::Metadata),
    ("subscription_data[trial_period_days]", Kind::Int),
];
const ON_UPDATE: &[Rule] = &[("active", Kind::Bool)];

/// `POST /v1/payment_links`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_CREATE, line_items::RULES])?;
    form.require(&["line_items"])?;
    let lines = line_items::read(state, form, 20)?;
    let sale = Sale { lines, data: Form::default() };
    let mode = sale.mode();
    let (data, other) = match mode {
        "payment" => ("payment_intent_data", "subscription_data"),
        _ => ("subscription_data", "payment_intent_data"),
    };
    if form.has(other) {
        let message = format!("`{other}` cannot be used with these prices.");
        return Err(Refusal::invalid(message).param(other));
    }
    let sale = Sale { data: form.part(data), ..sale };
    check_data(&sale.data)?;
    if mode == "payment" {
        amounts::check_charge(sale.total(), sale.currency(), "line_items")?;
    }
    let id = new_id("plink_1");
    let mut link = filled(
        BLANK,
        json!({ "id": id, "currency": sale.currency(), "url": format!("{}/link/{id}", state.address) }),
    );
    form.copy_texts(&["customer_creation"], &mut link);
    if form.has(data) {
        link[data] = told(&sale.data, mode)?;
    }
    fill(form, &mut link)?;
    state.sales.insert(id, sale);
    state.save("payment_link.created", link.clone());
    Ok(link)
}

/// `POST /v1/payment_links/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_UPDATE])?;
    let mut link = state.find("payment_link", id, "id")?;
    if let Some(active) = form.flag("active") {
        link["active"] = json!(active);
    }
    fill(form, &mut link)?;
    state.save("payment_link.updated", link.clone());
    Ok(link)
}

/// `GET /v1/payment_links/{id}/line_items`
pub(super) fn line_items(state: &State, id: &str, form: &Form) -> Answer {
    form.check(&[super::lists::LIST])?;
    state.find("payment_link", id, "id")?;
    Ok(sold(state, id))
}

/// What a link sells, as it stands inside it.
pub(super) fn sold(state: &State, id: &str) -> Value {
    let sale = state.sales.get(id).cloned().unwrap_or_default();
    sale.list(format!("/v1/payment_links/{id}/line_items"))
}

/// Someone opens the link: a session of their own begins, with the link's metadata.
pub(super) fn open(state: &mut State, id: &str) -> Answer {
    let link = state.find("payment_link", id, "id")?;
    if link["active"] != true {
        let message = link["inactive_message"].as_str().unwrap_or("This link is no longer active.");
        return Err(Refusal::conflict("payment_link_inactive", message));
    }
    let sale = state.sales.get(id).cloned().unwrap_or_default();
    let mode = sale.mode();
    let mut session = checkout_sessions::open(state, sale, mode)?;
    session["payment_link"] = json!(id);
    session["metadata"] = link["metadata"].clone();
    session["allow_promotion_codes"] = link["allow_promotion_codes"].clone();
    if mode == "payment" {
        session["customer_creation"] = link["customer_creation"].clone();
    }
    if let Some(url) = link["after_completion"]["redirect"]["url"].as_str() {
        session["success_url"] = json!(url);
    }
    state.put(session.clone());
    Ok(session)
}

/// A session of the link is paid: it counts against the link's limit.
pub(super) fn completed(state: &mut State, id: &str) {
    let Ok(mut link) = state.find("payment_link", id, "id") else { return };
    let count = int(&link["restrictions"]["completed_sessions"], "count") + 1;
    if let Some(limit) = link["restrictions"]["completed_sessions"]["limit"].as_i64() {
        link["restrictions"]["completed_sessions"]["count"] = json!(count);
        if count >= limit {
            link["active"] = json!(false);
        }
        state.save("payment_link.updated", link);
    }
}

fn fill(form: &Form, link: &mut Value) -> Result<(), Refusal> {
    match form.word("after_completion[type]") {
        Some("redirect") => {
            form.require(&["after_completion[redirect][url]"])?;
            let url = form.word("after_completion[redirect][url]").unwrap_or_default();
            if !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) {
                let param = "after_completion[redirect][url]";
                return Err(Refusal::invalid("Not a valid URL").code("url_invalid").param(param));
            }
            link["after_completion"] = json!({ "redirect": { "url": url }, "type": "redirect" });
        }
        Some(_) => {
            let message = form.word("after_completion[hosted_confirmation][custom_message]");
            link["after_completion"] = json!({ "hosted_confirmation": { "custom_message": message }, "type": "hosted_confirmation" });
        }
        None if form.has("after_completion") => return Err(Refusal::missing_param("after_completion[type]")),
        None => {}
    }
    if let Some(limit) = form.int("restrictions[completed_sessions][limit]") {
        if limit < 1 {
            let param = "restrictions[completed_sessions][limit]";
            let message = "This value must be greater than or equal to 1.";
            return Err(Refusal::invalid(message).code("parameter_invalid_integer").param(param));
        }
        let count = int(&link["restrictions"]["completed_sessions"], "count");
        link["restrictions"] = json!({ "completed_sessions": { "count": count, "limit": limit } });
    }
    if let Some(allow) = form.flag("allow_promotion_codes") {
        link["allow_promotion_codes"] = json!(allow);
    }
    if form.has("payment_method_types") {
        let types = form.words("payment_method_types");
        if let Some(unknown) = types.iter().find(|kind| !["card", "klarna", "link"].contains(&kind.as_str()))
        {
            let message = format!(
                "The payment method type \"{unknown}\" is invalid or not activated in your dashboard."
            );
            return Err(Refusal::invalid(message).param("payment_method_types"));
        }
        link["payment_method_types"] = json!(types);
    }
    form.copy_texts(&["inactive_message"], link);
    metadata::merge(form, link)
}

/// What a link tells of the payment or the subscription that comes of it.
fn told(data: &Form, mode: &str) -> Answer {
    let mut noted = json!({ "metadata": {} });
    metadata::merge(data, &mut noted)?;
    let (description, metadata) = (data.word("description"), noted["metadata"].take());
    if mode == "payment" {
        return Ok(json!({
            "capture_method": data.word("capture_method"), "description": description, "metadata": metadata,
            "setup_future_usage": null, "statement_descriptor": null, "statement_descriptor_suffix": null,
            "transfer_group": null,
        }));
    }
    Ok(json!({
        "description": description,
        "invoice_settings": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
            "issuer": { "type": "self" },
        },
        "metadata": metadata,
        "trial_period_days": data.int("trial_period_days"),
        "trial_settings": null,
    }))
}
