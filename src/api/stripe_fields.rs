//! Stripe's parameter names in the spelling of this API, so that a refusal names the field the caller sent.

/// Levels that this API does not have.
const FLAT: [&str; 20] = [
    "after_completion",
    "automatic_payment_methods",
    "billing_cycle_anchor",
    "cancellation_details",
    "completed_sessions",
    "default_settings",
    "duration",
    "hosted_confirmation",
    "invoice_settings",
    "metadata",
    "pause_collection",
    "payment_intent_data",
    "price_data",
    "pricing",
    "product_data",
    "recurring",
    "redirect",
    "restrictions",
    "subscription_data",
    "trial_settings",
];

/// `items[0][price]` becomes `items[0].priceId`, `receipt_email` becomes `receiptEmail`.
pub(super) fn ours(param: &str) -> String {
    let parts: Vec<&str> = param.split(['[', ']']).filter(|part| !part.is_empty()).collect();
    let mut field = String::new();
    for (at, part) in parts.iter().enumerate() {
        let above = at.checked_sub(1).and_then(|above| parts.get(above)).copied().unwrap_or_default();
        let is_last = at + 1 == parts.len();
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            // A term has one level of entries here, and two at Stripe.
            if !(above == "items" && parts.first() == Some(&"phases")) {
                field = format!("{field}[{part}]");
            }
            continue;
        }
        let nested_items = *part == "items" && parts.first() == Some(&"phases");
        if !is_last && (FLAT.contains(part) || *part == "address" || nested_items) {
            if *part == "metadata" {
                return join(&field, "metadata");
            }
            continue;
        }
        field = join(&field, &rename(above, part, parts.first().copied().unwrap_or_default()));
    }
    field
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
}

/// The name of one part, by the level above it and the one at the top.
fn rename(above: &str, part: &str, top: &str) -> String {
    match (above, part) {
        ("address", part) => return camel_case(&format!("address_{part}")),
        ("product_data", "name") => "itemName",
        ("completed_sessions", "limit") => "paymentsLimit",
        ("redirect", "url") => "redirectUrl",
        ("hosted_confirmation", "custom_message") => "confirmationMessage",
        ("pause_collection", "resumes_at") => "collectionResumesAt",
        ("cancellation_details", "comment") => "cancellationComment",
        ("duration", "interval") => "termInterval",
        ("duration", "interval_count") => "termIntervalCount",
        ("billing_cycle_anchor", "type") => "billingPeriod",
        ("end_behavior", "missing_payment_method") => "trialEndBehavior",
        (_, "amount") if top == "lines" => "unitAmount",
        (_, "id") if top == "items" => "subscriptionItemId",
        (_, "deleted") if top == "items" => "removeItem",
        (_, "lines") => "items",
        (_, "phases") => "terms",
        (_, "customer") => "customerId",
        (_, "payment_intent") => "paymentIntentId",
        (_, "charge") => "chargeId",
        (_, "amount_to_capture") => "amount",
        (_, "payment_method") => "paymentMethodId",
        (_, "default_payment_method") => "defaultPaymentMethodId",
        (_, "price") => "priceId",
        (_, "product") => "productId",
        (_, "currency") => "currencyCode",
        (_, "unit_amount") => "unitAmount",
        (_, "trial_period_days") => "trialDays",
        (_, "interval") => "billingInterval",
        (_, "interval_count") => "billingIntervalCount",
        (_, "mode") => "checkoutMode",
        (_, "start_date") => "startsAt",
        (_, "reason") => "refundReason",
        (_, "active") => "isActive",
        (_, "url") => "productUrl",
        (_, "paid_out_of_band") => "paidElsewhere",
        (_, other) => return camel_case(other),
    }
    .to_owned()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let begin = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &begin.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_callers_spelling_is_found() {
        for (param, field) in [
            ("amount", "amount"),
            ("receipt_email", "receiptEmail"),
            ("customer", "customerId"),
            ("items[0][price]", "items[0].priceId"),
            ("items[12][price_data][recurring][interval]", "items[12].billingInterval"),
            ("items[0][price_data][product]", "items[0].productId"),
            ("items[0][id]", "items[0].subscriptionItemId"),
            ("line_items[3][price_data][product_data][name]", "lineItems[3].itemName"),
            ("lines[1][pricing][price]", "items[1].priceId"),
            ("lines[1][amount]", "items[1].unitAmount"),
            ("phases[2][items][0][price]", "terms[2].priceId"),
            ("phases[2][duration][interval]", "terms[2].termInterval"),
            ("payment_intent_data[description]", "description"),
            ("subscription_data[trial_period_days]", "trialDays"),
            ("restrictions[completed_sessions][limit]", "paymentsLimit"),
            ("after_completion[redirect][url]", "redirectUrl"),
            ("address[postal_code]", "addressPostalCode"),
            ("invoice_settings[default_payment_method]", "defaultPaymentMethodId"),
            ("metadata[note]", "metadata"),
            ("metadata", "metadata"),
            ("", ""),
        ] {
            assert_eq!(super::ours(param), field, "{param}");
        }
    }
}
