//! What a checkout session or a payment link sells, line by line.

use serde_json::{Value, json};

use super::errors::Refusal;
use super::form::{Form, Kind, Rule};
use super::prices::{self, INTERVALS, TAX_BEHAVIOURS};
use super::state::{State, int, new_id, text};
use super::{lists, subscription_items};

/// Line items in a form.
pub(super) const RULES: &[Rule] = &[
    ("line_items[][price]", Kind::Word),
    ("line_items[][quantity]", Kind::Int),
    ("line_items[][price_data][currency]", Kind::Word),
    ("line_items[][price_data][product]", Kind::Word),
    ("line_items[][price_data][product_data][name]", Kind::Word),
    ("line_items[][price_data][product_data][description]", Kind::Word),
    ("line_items[][price_data][unit_amount]", Kind::Int),
    ("line_items[][price_data][tax_behavior]", Kind::OneOf(TAX_BEHAVIOURS)),
    ("line_items[][price_data][recurring][interval]", Kind::OneOf(INTERVALS)),
    ("line_items[][price_data][recurring][interval_count]", Kind::Int),
];

/// What is sold, and what the payment or subscription that comes of it begins with.
#[derive(Debug, Clone, Default)]
pub(super) struct Sale {
    pub(super) lines: Vec<Value>,
    /// `payment_intent_data` or `subscription_data`, as it was sent.
    pub(super) data: Form,
}

impl Sale {
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(|line| int(line, "amount_total")).sum()
    }

    pub(super) fn currency(&self) -> &str {
        self.lines.first().map_or("", |line| text(line, "currency"))
    }

    /// `subscription` if anything recurs.
    pub(super) fn mode(&self) -> &'static str {
        let recurs = self.lines.iter().any(|line| !line["price"]["recurring"].is_null());
        if recurs { "subscription" } else { "payment" }
    }

    /// Price and quantity of each line.
    pub(super) fn prices(&self) -> Vec<(Value, i64)> {
        self.lines.iter().map(|line| (line["price"].clone(), int(line, "quantity"))).collect()
    }

    /// The lines as a list below `url`.
    pub(super) fn list(&self, url: String) -> Value {
        lists::complete(self.lines.clone(), url)
    }
}

/// Reads the lines of a form, at most `most`.
pub(super) fn read(state: &mut State, form: &Form, most: usize) -> Result<Vec<Value>, Refusal> {
    let asked = form.each("line_items");
    if asked.is_empty() {
        return Err(Refusal::missing_param("line_items"));
    }
    if asked.len() > most {
        let message = format!("You can pass at most {most} line items.");
        return Err(Refusal::invalid(message).param("line_items"));
    }
    let mut lines: Vec<Value> = Vec::new();
    for item in asked {
        let line = line(state, &item)?;
        if let Some(first) = lines.first()
            && first["currency"] != line["currency"]
        {
            let message = "All prices of a session must have the same currency.";
            return Err(Refusal::invalid(message).param(&item.name_of("price")));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn line(state: &mut State, item: &Form) -> Result<Value, Refusal> {
    let price = match (item.word("price"), item.has("price_data")) {
        (Some(_), true) => {
            let message = "You may only specify one of these parameters: price, price_data.";
            return Err(Refusal::invalid(message).param(&item.name_of("price")));
        }
        (Some(id), false) => subscription_items::active_price(state, id, &item.name_of("price"))?,
        (None, true) => prices::of_line(state, item)?,
        (None, false) => return Err(Refusal::missing_param(&item.name_of("price"))),
    };
    let Some(quantity) = item.int("quantity") else {
        return Err(Refusal::missing_param(&item.name_of("quantity")));
    };
    if !(1..=999_999).contains(&quantity) {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::invalid(message)
            .code("parameter_invalid_integer")
            .param(&item.name_of("quantity")));
    }
    let amount = int(&price, "unit_amount").saturating_mul(quantity);
    let product = state.get(text(&price, "product")).map_or("", |product| text(product, "name"));
    Ok(json!({
        "id": new_id("li_1"),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product,
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }))
}
