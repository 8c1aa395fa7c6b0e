//! Invoices that no subscription asks for: made as a draft, filled with lines, sent.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, int, new_id, text};
use super::{amounts, drafts, invoices, metadata, prices, subscription_items};

const DAY: i64 = 24 * 60 * 60;

const FIELDS: &[Rule] = &[
    ("auto_advance", Kind::Bool),
    ("days_until_due", Kind::Int),
    ("due_date", Kind::Time),
    ("description", Kind::Text),
    ("footer", Kind::Text),
    ("metadata", Kind::Metadata),
    ("default_payment_method", Kind::Word),
    ("collection_method", Kind::OneOf(&["charge_automatically", "send_invoice"])),
];
const ON_CREATE: &[Rule] = &[
    ("customer", Kind::Word),
    ("currency", Kind::Word),
    ("pending_invoice_items_behavior", Kind::OneOf(&["exclude"])),
];
const LINES: &[Rule] = &[
    ("lines[][amount]", Kind::Int),
    ("lines[][description]", Kind::Word),
    ("lines[][quantity]", Kind::Int),
    ("lines[][pricing][price]", Kind::Word),
    ("lines[][price_data][currency]", Kind::Word),
    ("lines[][price_data][product]", Kind::Word),
    ("lines[][price_data][unit_amount]", Kind::Int),
    ("lines[][metadata]", Kind::Metadata),
    ("invoice_metadata", Kind::Metadata),
];

/// `POST /v1/invoices`: an empty draft.
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[FIELDS, ON_CREATE])?;
    form.require(&["customer"])?;
    let customer = state.find("customer", form.word("customer").unwrap_or_default(), "customer")?;
    let currency = match form.word("currency") {
        Some(given) => amounts::currency(given, "currency")?,
        None => customer["currency"].as_str().unwrap_or("usd").to_owned(),
    };
    let mut invoice = drafts::blank(
        state,
        &customer,
        json!({
            "id": new_id("in_1"),
            "auto_advance": false,
            "billing_reason": "manual",
            "collection_method": form.word("collection_method").unwrap_or("charge_automatically"),
            "currency": currency,
            "parent": null,
        }),
    );
    fill(state, form, &mut invoice)?;
    let by_mail = invoice["collection_method"] == "send_invoice";
    match (by_mail, form.has("days_until_due") || form.has("due_date")) {
        (true, false) => return Err(Refusal::missing_param("days_until_due")),
        (false, true) => {
            let message =
                "You can only set `days_until_due` or `due_date` if the collection method is `send_invoice`.";
            return Err(Refusal::invalid(message).param("days_until_due"));
        }
        _ => {}
    }
    total(&mut invoice, Vec::new());
    state.save("invoice.created", invoice.clone());
    Ok(invoice)
}

/// `POST /v1/invoices/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[FIELDS])?;
    let mut invoice = state.find("invoice", id, "id")?;
    let later = ["metadata", "auto_advance", "expand"];
    if invoice["status"] != "draft"
        && form.pairs().iter().any(|(name, _)| !later.iter().any(|later| name.starts_with(later)))
    {
        let message = "Finalized invoices can't be updated in this way";
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    fill(state, form, &mut invoice)?;
    state.save("invoice.updated", invoice.clone());
    Ok(invoice)
}

/// `POST /v1/invoices/{id}/add_lines`
pub(super) fn add_lines(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[LINES])?;
    form.require(&["lines"])?;
    let mut invoice = draft(state, id)?;
    let mut lines = invoice["lines"]["data"].as_array().cloned().unwrap_or_default();
    for asked in form.each("lines") {
        let line = line(state, &invoice, &asked)?;
        lines.push(line);
    }
    if lines.len() > 250 {
        return Err(Refusal::invalid("An invoice can have at most 250 line items.").param("lines"));
    }
    total(&mut invoice, lines);
    state.save("invoice.updated", invoice.clone());
    Ok(invoice)
}

/// `DELETE /v1/invoices/{id}`: drafts only.
pub(super) fn delete(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let invoice = draft(state, id)?;
    state.emit("invoice.deleted", invoice, None);
    let deleted = json!({ "id": id, "object": "invoice", "deleted": true });
    state.put(deleted.clone());
    Ok(deleted)
}

/// `POST /v1/invoices/{id}/send`: a draft is finalised first.
pub(super) fn send(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[])?;
    let mut invoice = state.find("invoice", id, "id")?;
    if invoice["collection_method"] != "send_invoice" {
        let message = "You can only manually send an invoice if its collection method is 'send_invoice'.";
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    if invoice["customer_email"].is_null() {
        let message = "Missing email. In order to send an invoice, the customer must have a valid email.";
        return Err(Refusal::conflict("missing_email", message));
    }
    if invoice["status"] == "draft" {
        invoices::open(state, id)?;
        invoice = state.find("invoice", id, "id")?;
    }
    if invoice["status"] != "open" && invoice["status"] != "paid" {
        let message = format!("You cannot send an invoice that is {}.", text(&invoice, "status"));
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    state.emit("invoice.sent", invoice.clone(), None);
    Ok(invoice)
}

fn draft(state: &State, id: &str) -> Answer {
    let invoice = state.find("invoice", id, "id")?;
    if invoice["status"] != "draft" {
        let message = "Finalized invoices can't be updated in this way";
        return Err(Refusal::conflict("invoice_not_editable", message));
    }
    Ok(invoice)
}

fn fill(state: &State, form: &Form, invoice: &mut Value) -> Result<(), Refusal> {
    form.copy_texts(&["description", "footer", "collection_method", "default_payment_method"], invoice);
    if let Some(method) = form.word("default_payment_method") {
        state.find("payment_method", method, "default_payment_method")?;
    }
    if let Some(advance) = form.flag("auto_advance") {
        invoice["auto_advance"] = json!(advance);
    }
    if let Some(days) = form.int("days_until_due") {
        if days < 0 {
            let message = "This value must be greater than or equal to 0.";
            return Err(Refusal::invalid(message).code("parameter_invalid_integer").param("days_until_due"));
        }
        invoice["due_date"] = json!(state.now + days * DAY);
    }
    if let Some(at) = form.int("due_date") {
        if at <= state.now {
            return Err(Refusal::invalid("The due date must be in the future.").param("due_date"));
        }
        invoice["due_date"] = json!(at);
    }
    metadata::merge(form, invoice)
}

fn line(state: &mut State, invoice: &Value, asked: &Form) -> Answer {
    let currency = text(invoice, "currency").to_owned();
    let quantity = subscription_items::quantity(asked)?.unwrap_or(1);
    let price = match (asked.word("pricing[price]"), asked.has("price_data"), asked.int("amount")) {
        (Some(id), false, None) => {
            Some(subscription_items::active_price(state, id, &asked.name_of("pricing[price]"))?)
        }
        (None, true, None) => Some(prices::of_line(state, asked)?),
        (None, false, Some(_)) => None,
        (None, false, None) => return Err(Refusal::missing_param(&asked.name_of("amount"))),
        _ => {
            let message = "You may only specify one of these parameters: amount, pricing, price_data.";
            return Err(Refusal::invalid(message).param(&asked.name_of("amount")));
        }
    };
    if let Some(price) = &price {
        if price["currency"] != invoice["currency"] {
            let message = format!("The currency of the price must be the invoice's, `{currency}`.");
            return Err(Refusal::invalid(message).param(&asked.name_of("pricing[price]")));
        }
        if !price["recurring"].is_null() {
            let message = "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.";
            return Err(Refusal::invalid(message).param(&asked.name_of("pricing[price]")));
        }
    } else if asked.has("quantity") {
        let message = "You may only specify one of these parameters: amount, quantity.";
        return Err(Refusal::invalid(message).param(&asked.name_of("quantity")));
    }
    let each = price
        .as_ref()
        .map_or_else(|| asked.int("amount").unwrap_or_default(), |price| int(price, "unit_amount"));
    let amount = each.saturating_mul(quantity);
    amounts::check_multiple(amount, &currency, &asked.name_of("amount"))?;
    let product = price.as_ref().and_then(|price| state.get(text(price, "product")));
    let description = asked.word("description").or(product.map(|product| text(product, "name")));
    let mut line = json!({
        "id": new_id("il_1"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": false,
        "metadata": {},
        "parent": {
            "invoice_item_details": {
                "invoice_item": new_id("ii_1"),
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": null,
            },
            "subscription_item_details": null,
            "type": "invoice_item_details",
        },
        "period": { "end": state.now, "start": state.now },
        "pretax_credit_amounts": [],
        "pricing": price.as_ref().map(|price| json!({
            "price_details": { "price": price["id"], "product": price["product"] },
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        })),
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "subscription": null,
        "subtotal": amount,
        "taxes": [],
    });
    metadata::merge(asked, &mut line)?;
    Ok(line)
}

/// Puts the lines in and adds them up; what would be negative becomes nothing due.
fn total(invoice: &mut Value, lines: Vec<Value>) {
    let total: i64 = lines.iter().map(|line| int(line, "amount")).sum();
    let id = text(invoice, "id").to_owned();
    for field in ["subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"] {
        invoice[field] = json!(total);
    }
    invoice["amount_due"] = json!(total.max(0));
    invoice["amount_remaining"] = json!(total.max(0));
    invoice["lines"] = super::lists::complete(lines, format!("/v1/invoices/{id}/lines"));
}
