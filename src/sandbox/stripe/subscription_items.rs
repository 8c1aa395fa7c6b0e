//! The items of a subscription: what is sold, how often and for which period.

use serde_json::{Value, json};
use time::{Date, Month, OffsetDateTime, Time};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, int, new_id, text};
use super::{metadata, prices};

/// Items in the form of a subscription.
pub(super) const RULES: &[Rule] = &[
    ("items[][price]", Kind::Word),
    ("items[][quantity]", Kind::Int),
    ("items[][metadata]", Kind::Metadata),
];
/// What only an existing subscription takes.
pub(super) const ON_UPDATE: &[Rule] = &[("items[][id]", Kind::Word), ("items[][deleted]", Kind::Bool)];

/// Makes the items that a form asks for; their periods begin at `start`.
pub(super) fn create(
    state: &mut State,
    form: &Form,
    subscription: &str,
    start: i64,
    end: Option<i64>,
) -> Result<Vec<Value>, Refusal> {
    let asked = form.each("items");
    if asked.is_empty() {
        return Err(Refusal::missing_param("items"));
    }
    if asked.len() > 20 {
        return Err(Refusal::invalid("A subscription can have at most 20 items.").param("items"));
    }
    let mut items = Vec::new();
    for item in asked {
        let price = price_of(state, &item)?;
        items.push(new_item(state, &item, &price, subscription, start, end)?);
    }
    agree(&items)?;
    Ok(items)
}

/// Makes items of prices that were chosen before, each with its quantity.
pub(super) fn of_prices(
    state: &mut State,
    prices: &[(Value, i64)],
    subscription: &str,
    start: i64,
    end: Option<i64>,
) -> Result<Vec<Value>, Refusal> {
    let mut items = Vec::new();
    for (price, quantity) in prices {
        let quantity = Form::parse(&format!("quantity={quantity}"))?;
        items.push(new_item(state, &quantity, price, subscription, start, end)?);
    }
    agree(&items)?;
    Ok(items)
}

/// The same items for a period that begins at `start`.
pub(super) fn restarted(items: &[Value], start: i64) -> Vec<Value> {
    let restart = |item: &Value| {
        let recurring = &item["price"]["recurring"];
        let end = period_end(start, text(recurring, "interval"), int(recurring, "interval_count"));
        let mut item = item.clone();
        item["current_period_start"] = json!(start);
        item["current_period_end"] = json!(end);
        item
    };
    items.iter().map(restart).collect()
}

/// Changes, adds and removes items as an update asks for. Nothing is prorated.
pub(super) fn change(state: &mut State, form: &Form, subscription: &Value) -> Result<Vec<Value>, Refusal> {
    let mut items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
    let period =
        items.first().map(|item| (int(item, "current_period_start"), int(item, "current_period_end")));
    let (start, end) = period.unwrap_or((state.now, state.now));
    for asked in form.each("items") {
        let Some(id) = asked.word("id") else {
            let price = price_of(state, &asked)?;
            items.push(new_item(state, &asked, &price, text(subscription, "id"), start, Some(end))?);
            continue;
        };
        let param = asked.name_of("id");
        let at = items.iter().position(|item| text(item, "id") == id);
        let at = at.ok_or_else(|| Refusal::no_such("subscription_item", id, &param))?;
        if asked.flag("deleted") == Some(true) {
            items.remove(at);
            continue;
        }
        let new_price =
            if asked.has("price") || asked.has("price_data") { Some(price_of(state, &asked)?) } else { None };
        let quantity = quantity(&asked)?;
        if let Some(item) = items.get_mut(at) {
            if let Some(price) = new_price {
                item["plan"] = plan(&price);
                item["price"] = price;
            }
            if let Some(quantity) = quantity {
                item["quantity"] = json!(quantity);
            }
            metadata::merge(&asked, item)?;
        }
    }
    if items.is_empty() {
        let message = "A subscription must have at least one active plan.";
        return Err(Refusal::invalid(message).param("items"));
    }
    agree(&items)?;
    Ok(items)
}

/// Price times quantity of all items, for one period.
pub(super) fn total(items: &[Value]) -> i64 {
    items.iter().map(amount).sum()
}

pub(super) fn amount(item: &Value) -> i64 {
    int(&item["price"], "unit_amount").saturating_mul(int(item, "quantity"))
}

pub(super) fn price_of(state: &mut State, item: &Form) -> Answer {
    let price = match (item.word("price"), item.has("price_data")) {
        (Some(_), true) => {
            let message = "You may only specify one of these parameters: price, price_data.";
            return Err(Refusal::invalid(message).param(&item.name_of("price")));
        }
        (Some(id), false) => active_price(state, id, &item.name_of("price"))?,
        (None, true) => prices::inline(state, item)?,
        (None, false) => return Err(Refusal::missing_param(&item.name_of("price"))),
    };
    if price["recurring"].is_null() {
        let message = format!(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: '{}'",
            text(&price, "id")
        );
        return Err(Refusal::invalid(message).param(&item.name_of("price")));
    }
    Ok(price)
}

/// A price that can be sold.
pub(super) fn active_price(state: &State, id: &str, param: &str) -> Answer {
    let price = state.find("price", id, param)?;
    if price["active"] != true {
        let message =
            format!("The price specified is inactive. This field only accepts active prices: '{id}'");
        return Err(Refusal::invalid(message).param(param));
    }
    Ok(price)
}

pub(super) fn quantity(item: &Form) -> Result<Option<i64>, Refusal> {
    match item.int("quantity") {
        Some(quantity) if !(0..=999_999).contains(&quantity) => {
            let message = "This value must be greater than or equal to 0.";
            Err(Refusal::invalid(message).code("parameter_invalid_integer").param(&item.name_of("quantity")))
        }
        quantity => Ok(quantity),
    }
}

fn new_item(
    state: &mut State,
    form: &Form,
    price: &Value,
    subscription: &str,
    start: i64,
    end: Option<i64>,
) -> Answer {
    let recurring = &price["recurring"];
    let end = end
        .unwrap_or_else(|| period_end(start, text(recurring, "interval"), int(recurring, "interval_count")));
    let mut item = json!({
        "id": new_id("si_"),
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": state.now,
        "current_period_end": end,
        "current_period_start": start,
        "current_trial": null,
        "discounts": [],
        "metadata": {},
        "plan": plan(price),
        "price": price,
        "quantity": quantity(form)?.unwrap_or(1),
        "subscription": subscription,
        "tax_rates": [],
    });
    metadata::merge(form, &mut item)?;
    Ok(item)
}

/// All items are billed in one currency, and no price twice.
fn agree(items: &[Value]) -> Result<(), Refusal> {
    let Some(first) = items.first() else { return Ok(()) };
    if items.iter().any(|item| item["price"]["currency"] != first["price"]["currency"]) {
        let message = "All prices on a subscription must have the same currency.";
        return Err(Refusal::invalid(message).param("items"));
    }
    let recurs = |item: &Value| {
        (item["price"]["recurring"]["interval"].clone(), item["price"]["recurring"]["interval_count"].clone())
    };
    if items.iter().any(|item| recurs(item) != recurs(first)) {
        let message = "All prices on a subscription must have the same `recurring.interval` and `recurring.interval_count`.";
        return Err(Refusal::invalid(message).param("items"));
    }
    for (at, item) in items.iter().enumerate() {
        if items.iter().take(at).any(|other| other["price"]["id"] == item["price"]["id"]) {
            let message = format!(
                "Cannot add multiple subscription items with the same plan: {}",
                text(&item["price"], "id")
            );
            return Err(Refusal::invalid(message).param("items"));
        }
    }
    Ok(())
}

/// The legacy form of a price, which items still carry.
fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": false,
        "metadata": price["metadata"],
        "meter": null,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}

/// The end of a period: in months it keeps the day, or takes the month's last.
pub(super) fn period_end(start: i64, interval: &str, count: i64) -> i64 {
    const DAY: i64 = 24 * 60 * 60;
    match interval {
        "day" => start + count * DAY,
        "week" => start + count * 7 * DAY,
        "year" => months_later(start, count * 12),
        _ => months_later(start, count),
    }
}

fn months_later(start: i64, months: i64) -> i64 {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(start) else { return start };
    let counted = i64::from(at.year()) * 12 + i64::from(u8::from(at.month())) - 1 + months;
    let date = i32::try_from(counted.div_euclid(12)).ok().and_then(|year| {
        let month = Month::try_from(u8::try_from(counted.rem_euclid(12) + 1).ok()?).ok()?;
        Date::from_calendar_date(year, month, at.day().min(month.length(year))).ok()
    });
    let time: Time = at.time();
    date.map_or(start, |date| date.with_time(time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_keeps_its_day_or_takes_the_last() {
        let (january_31, february_28) = (1_738_324_800, 1_740_744_000);
        assert_eq!(period_end(january_31, "month", 1), february_28);
        assert_eq!(period_end(january_31, "year", 1) - january_31, 365 * 24 * 60 * 60);
        assert_eq!(period_end(january_31, "week", 2) - january_31, 14 * 24 * 60 * 60);
    }
}
