//! Customers.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::lists::{self, LIST};
use super::state::{State, filled, new_id, text};
use super::{metadata, payment_methods, subscriptions};

const BLANK: &str = r#"{
    "object": "customer", "address": null, "balance": 0, "currency": null, "default_source": null,
    "delinquent": false, "description": null, "discount": null, "email": null,
    "invoice_settings": {
        "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null
    },
    "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null,
    "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null
}"#;

const FIELDS: &[Rule] = &[
    ("email", Kind::Text),
    ("name", Kind::Text),
    ("phone", Kind::Text),
    ("description", Kind::Text),
    ("metadata", Kind::Metadata),
    ("balance", Kind::Int),
    ("address", Kind::Metadata),
    ("shipping[name]", Kind::Text),
    ("shipping[phone]", Kind::Text),
    ("shipping[address]", Kind::Metadata),
    ("preferred_locales[]", Kind::Word),
    ("tax_exempt", Kind::OneOfOrEmpty(&["exempt", "none", "reverse"])),
    ("invoice_settings[default_payment_method]", Kind::Text),
    ("invoice_settings[footer]", Kind::Text),
    ("invoice_prefix", Kind::Word),
];
const ON_CREATE: &[Rule] = &[("payment_method", Kind::Word)];

/// `POST /v1/customers`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_CREATE])?;
    let id = new_id("cus_");
    let prefix: String = id.chars().rev().take(8).collect::<String>().to_uppercase();
    let mut customer = filled(BLANK, json!({ "id": id, "created": state.now, "invoice_prefix": prefix }));
    fill(state, form, &mut customer, None)?;
    let Some(method) = form.word("payment_method") else {
        state.save("customer.created", customer.clone());
        return Ok(customer);
    };
    state.save("customer.created", customer.clone());
    let attached = payment_methods::take(state, method, "payment_method")?;
    payment_methods::attach_to(state, attached, &id)?;
    Ok(customer)
}

/// `GET /v1/customers/{id}`; a deleted one says so.
pub(super) fn get(state: &State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let known = state.get(id).filter(|object| object["object"] == "customer");
    known.cloned().ok_or_else(|| Refusal::no_such("customer", id, "id"))
}

/// `POST /v1/customers/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[FIELDS])?;
    let mut customer = state.find("customer", id, "id")?;
    fill(state, form, &mut customer, Some(id))?;
    state.save("customer.updated", customer.clone());
    Ok(customer)
}

/// `DELETE /v1/customers/{id}`: for good, with all subscriptions.
pub(super) fn delete(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let customer = state.find("customer", id, "id")?;
    subscriptions::cancel_all(state, id);
    state.emit("customer.deleted", customer, None);
    let deleted = json!({ "id": id, "object": "customer", "deleted": true });
    state.put(deleted.clone());
    Ok(deleted)
}

/// `GET /v1/customers`
pub(super) fn list(state: &State, form: &Form) -> Answer {
    form.check(&[LIST, lists::CREATED, &[("email", Kind::Word)]])?;
    let customers = state.all("customer").rev().filter(|customer| customer["deleted"] != true);
    let customers =
        customers.filter(|customer| form.word("email").is_none_or(|email| text(customer, "email") == email));
    lists::page("customer", "/v1/customers", customers, form)
}

/// `GET /v1/customers/search`: by one metadata value, the newest first. What is younger than a minute is not found.
///
/// Source: docs.stripe.com/search — data is searchable in less than a minute under normal conditions.
pub(super) fn search(state: &State, form: &Form) -> Answer {
    form.check(&[&[("query", Kind::Word), ("limit", Kind::Int), ("page", Kind::Word)]])?;
    form.require(&["query"])?;
    let query = form.word("query").unwrap_or_default();
    let unknown =
        || Refusal::invalid(format!("We were unable to parse your search query: {query}")).param("query");
    let wanted = query.strip_prefix("metadata['").and_then(|rest| rest.strip_suffix('\''));
    let (key, value) = wanted.and_then(|rest| rest.split_once("']:'")).ok_or_else(unknown)?;
    let found = state.all("customer").rev().filter(|customer| {
        customer["metadata"][key] == value && super::state::int(customer, "created") + 60 <= state.now
    });
    let data: Vec<Value> = found.cloned().collect();
    Ok(json!({
        "object": "search_result", "data": data, "has_more": false, "next_page": null,
        "url": "/v1/customers/search",
    }))
}

fn fill(state: &State, form: &Form, customer: &mut Value, id: Option<&str>) -> Result<(), Refusal> {
    if let Some(email) = form.word("email")
        && (!email.contains('@') || email.chars().count() > 512)
    {
        let message = format!("Invalid email address: {email}");
        return Err(Refusal::invalid(message).code("email_invalid").param("email"));
    }
    form.copy_texts(&["email", "name", "phone", "description", "invoice_prefix"], customer);
    if let Some(exempt) = form.text("tax_exempt") {
        customer["tax_exempt"] = json!(if exempt.is_empty() { "none" } else { exempt });
    }
    if let Some(balance) = form.int("balance") {
        customer["balance"] = json!(balance);
    }
    if form.has("preferred_locales") {
        customer["preferred_locales"] = json!(form.words("preferred_locales"));
    }
    if form.has("address") {
        customer["address"] = address(form, "address")?;
    }
    if form.has("shipping") {
        form.require(&["shipping[address]", "shipping[name]"])?;
        let address = address(form, "shipping[address]")?;
        let (name, phone) = (form.word("shipping[name]"), form.word("shipping[phone]"));
        customer["shipping"] = json!({ "address": address, "name": name, "phone": phone });
    }
    if let Some(footer) = form.text("invoice_settings[footer]") {
        customer["invoice_settings"]["footer"] = Some(footer).filter(|text| !text.is_empty()).into();
    }
    let param = "invoice_settings[default_payment_method]";
    if let Some(method) = form.text(param) {
        if !method.is_empty() {
            let method = state.find("payment_method", method, param)?;
            if id != method["customer"].as_str() {
                let message = "The customer does not have a payment method with the ID given. The payment method must be attached to the customer.";
                return Err(Refusal::invalid(message).code("resource_missing").param(param));
            }
        }
        customer["invoice_settings"]["default_payment_method"] =
            Some(method).filter(|id| !id.is_empty()).into();
    }
    metadata::merge(form, customer)
}

/// An address, with null for what was not given.
pub(super) fn address(form: &Form, name: &str) -> Answer {
    let mut address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null
    });
    if form.text(name) == Some("") {
        return Ok(Value::Null);
    }
    for (key, value) in form.below(name) {
        match address.get_mut(&key) {
            Some(field) => *field = Some(value).filter(|value| !value.is_empty()).into(),
            None => return Err(Refusal::unknown_param(&format!("{name}[{key}]"))),
        }
    }
    Ok(address)
}
