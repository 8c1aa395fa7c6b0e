//! Prices in requests: one that exists, or an amount from which a price is made on the way.

use super::amounts::{self, UNIT_AMOUNT};
use super::fields::Fields;
use crate::stripe::{Interval, NewPrice, PricedProduct, Recurrence};

/// Which prices suit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suits {
    /// Those that recur, of a product that exists.
    Recurring,
    /// All, also of a product that is named here.
    Anything,
}

const OWN: [&str; 6] =
    ["unitAmount", "unitAmountMinor", "currencyCode", "productId", "billingInterval", "billingIntervalCount"];

/// Whether a list item says a price in any way.
pub(super) fn says_price(fields: &Fields) -> bool {
    fields.peek("priceId") || OWN.iter().any(|name| fields.peek(name))
}

/// Names the fields of a price, where they are not read this time.
pub(super) fn know_price(fields: &mut Fields) {
    fields.know(&["priceId"]);
    fields.know(&OWN);
}

/// Reads `priceId`, or the fields that describe a price.
pub(super) fn read_price(fields: &mut Fields, suits: Suits) -> Option<NewPrice> {
    let price = fields.stripe_id("priceId", "", "price_sandbox_monthly");
    let own: Vec<&'static str> = match suits {
        Suits::Recurring => OWN.to_vec(),
        Suits::Anything => OWN.iter().copied().chain(["itemName"]).collect(),
    };
    if let Some(name) = own.iter().find(|name| fields.peek(name)) {
        if price.is_some() {
            fields.fault(name, "is given together with `priceId`; send one or the other", None, None);
        }
    } else if price.is_some() || fields.has_fault("priceId") {
        fields.know(&own);
        return price.map(NewPrice::Existing);
    }
    let amount = amounts::read(fields, &UNIT_AMOUNT, 0);
    let product = read_product(fields, suits);
    let recurring = read_recurrence(fields);
    if suits == Suits::Recurring && recurring.is_none() && !fields.has_fault("billingInterval") {
        fields.missing("billingInterval", "without priceId, one of day, week, month, year", "month");
    }
    let amount = amount?;
    let currency = amount.currency().code().to_owned();
    Some(NewPrice::Inline { unit_amount: amount.minor(), currency, product: product?, recurring })
}

fn read_product(fields: &mut Fields, suits: Suits) -> Option<PricedProduct> {
    let product = fields.stripe_id("productId", "", "prod_sandbox_plan");
    if suits == Suits::Recurring {
        if product.is_none() && !fields.has_fault("productId") {
            fields.missing("productId", "without priceId, the id of a product", "prod_sandbox_plan");
        }
        return product.map(PricedProduct::Existing);
    }
    let name = fields.text("itemName", 250, "Welding arm");
    match (product, name) {
        (Some(_), Some(_)) => {
            fields.fault("itemName", "is given together with `productId`; send one or the other", None, None);
            None
        }
        (Some(id), None) => Some(PricedProduct::Existing(id)),
        (None, Some(name)) => Some(PricedProduct::Named(name)),
        (None, None) => {
            if !fields.has_fault("productId") && !fields.has_fault("itemName") {
                fields.missing("itemName", "without priceId, what is sold", "Welding arm");
            }
            None
        }
    }
}

/// Reads `billingInterval` and `billingIntervalCount`.
pub(super) fn read_recurrence(fields: &mut Fields) -> Option<Recurrence> {
    let interval = read_interval(fields, "billingInterval");
    // Source: Stripe API reference, prices: at most three years.
    let most = match interval {
        Some(Interval::Day) => 1095,
        Some(Interval::Month) => 36,
        Some(Interval::Year) => 3,
        Some(Interval::Week) | None => 156,
    };
    let count = fields.whole("billingIntervalCount", 1..=most);
    if interval.is_none() && count.is_some() && !fields.has_fault("billingInterval") {
        fields.missing(
            "billingInterval",
            "with billingIntervalCount, one of day, week, month, year",
            "month",
        );
    }
    interval.map(|interval| Recurrence { interval, count: count.unwrap_or(1) })
}

/// Reads a length of time by its name.
pub(super) fn read_interval(fields: &mut Fields, name: &'static str) -> Option<Interval> {
    let words = [Interval::Month, Interval::Year, Interval::Week, Interval::Day].map(|one| (one.word(), one));
    fields.word(name, &words)
}
