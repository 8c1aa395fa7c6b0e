//! What a page for a payer sells, in requests: one amount with a name, or lines.

use utoipa::ToSchema;

use super::amounts::{self, AMOUNT};
use super::fields::Fields;
use super::items::{Suits, read_price};
use crate::stripe::objects::Metadata;
use crate::stripe::{CaptureMethod, CheckoutMode, NewItem, NewPrice, PricedProduct, Sale};

/// One line of a sale: `priceId`, or a price of its own with `unitAmount` or `unitAmountMinor`, `currencyCode`, and
/// `itemName` or `productId`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct LineItemRequest {
    /// Stripe's id of the price.
    #[schema(nullable = false, example = "price_sandbox_monthly")]
    price_id: Option<String>,
    /// How many; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 999999)]
    quantity: Option<i64>,
    /// What one costs in major units, as text; a JSON number is taken too, and read exactly.
    #[schema(nullable = false, example = "49.00")]
    unit_amount: Option<String>,
    /// The same in minor units, instead of unitAmount.
    #[schema(nullable = false, example = 4900)]
    unit_amount_minor: Option<i64>,
    /// Three-letter ISO code of unitAmount.
    #[schema(nullable = false, example = "USD")]
    currency_code: Option<String>,
    /// What is sold, as the payer reads it. A product of this name is made at Stripe.
    #[schema(nullable = false, example = "Welding arm", max_length = 250)]
    item_name: Option<String>,
    /// Stripe's id of a product that exists, instead of itemName.
    #[schema(nullable = false, example = "prod_sandbox_plan")]
    product_id: Option<String>,
    /// day, week, month or year when unitAmount is paid again and again.
    #[schema(nullable = false, example = "month")]
    billing_interval: Option<String>,
    /// Every so many intervals; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 1095)]
    billing_interval_count: Option<i64>,
}

/// Reads one [`LineItemRequest`].
pub(super) fn read_line(fields: &mut Fields) -> Option<NewItem> {
    let quantity = fields.whole("quantity", 1..=999_999).unwrap_or(1);
    let price = read_price(fields, Suits::Anything)?;
    Some(NewItem { price, quantity: Some(quantity) })
}

/// Reads the fields that both kinds of page have; at most `most` lines.
pub(super) fn read(fields: &mut Fields, most: usize, metadata: Metadata) -> Option<Sale> {
    let lines = read_lines(fields, most);
    let words = [CheckoutMode::Payment, CheckoutMode::Subscription].map(|mode| (mode.word(), mode));
    let mode = fields.word("checkoutMode", &words);
    let recurs = |line: &NewItem| matches!(&line.price, NewPrice::Inline { recurring: Some(_), .. });
    let mode = mode.unwrap_or_else(|| {
        let recurs = lines.as_ref().is_some_and(|lines| lines.iter().any(recurs));
        if recurs { CheckoutMode::Subscription } else { CheckoutMode::Payment }
    });
    if mode == CheckoutMode::Payment && lines.as_ref().is_some_and(|lines| lines.iter().any(recurs)) {
        let expected = "checkoutMode: subscription, or no billingInterval";
        fields.fault("checkoutMode", "is payment, and a line is paid again and again", Some(expected), None);
    }
    let words = [CaptureMethod::Automatic, CaptureMethod::Manual].map(|method| (method.word(), method));
    let capture_method = fields.word("captureMethod", &words);
    if capture_method.is_some() && mode == CheckoutMode::Subscription {
        let expected = "checkoutMode: payment";
        fields.fault("captureMethod", "only makes sense for one payment", Some(expected), None);
    }
    let trial_period_days = fields.whole("trialDays", 1..=730);
    if trial_period_days.is_some() && mode == CheckoutMode::Payment {
        let expected = "checkoutMode: subscription";
        fields.fault("trialDays", "only makes sense for a subscription", Some(expected), None);
    }
    let description = fields.text("description", 500, "Order 00000100");
    let allow_promotion_codes = fields.flag("allowPromotionCodes").unwrap_or(false);
    Some(Sale {
        mode,
        lines: lines?,
        description,
        capture_method,
        trial_period_days,
        allow_promotion_codes,
        metadata,
    })
}

/// `lineItems`, or one line from an amount and a name.
fn read_lines(fields: &mut Fields, most: usize) -> Option<Vec<NewItem>> {
    const ONE: [&str; 4] = ["amount", "amountMinor", "currencyCode", "itemName"];
    let lines = fields.list("lineItems", most, read_line);
    let one = ONE.into_iter().find(|name| fields.peek(name));
    if !lines.is_empty() || fields.has_fault("lineItems") {
        if let Some(name) = one {
            fields.fault(name, "is given together with `lineItems`; send one or the other", None, None);
        }
        for name in ONE {
            fields.raw(name);
        }
        return lines.into_iter().collect();
    }
    let amount = amounts::read(fields, &AMOUNT, 1);
    let name = fields.text("itemName", 250, "Welding arm");
    if name.is_none() && !fields.has_fault("itemName") {
        fields.missing("itemName", "without lineItems, what is sold", "Welding arm");
    }
    let amount = amount?;
    let currency = amount.currency().code().to_owned();
    let product = PricedProduct::Named(name?);
    let price = NewPrice::Inline { unit_amount: amount.minor(), currency, product, recurring: None };
    Some(vec![NewItem { price, quantity: Some(1) }])
}
