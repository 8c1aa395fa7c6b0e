//! Stripe's parameter names in the spelling of this API, so that a refusal names the field the caller sent.

/// `items[0][price]` becomes `items[0].priceId`, `receipt_email` becomes `receiptEmail`.
pub(super) fn ours(param: &str) -> String {
    let mut parts = param.split(['[', ']']).filter(|part| !part.is_empty());
    let mut field = parts.next().map_or_else(String::new, rename);
    for part in parts {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            field = format!("{field}[{part}]");
        } else if matches!(part, "recurring") || field == "metadata" {
            // Levels that this API does not have.
        } else if part != "price_data" {
            field = format!("{field}.{}", rename(part));
        }
    }
    field
}

fn rename(part: &str) -> String {
    match part {
        "customer" => "customerId",
        "payment_method" => "paymentMethodId",
        "default_payment_method" => "defaultPaymentMethodId",
        "price" => "priceId",
        "product" => "productId",
        "currency" => "currencyCode",
        "unit_amount" => "unitAmount",
        "trial_period_days" => "trialDays",
        "interval" => "billingInterval",
        "interval_count" => "billingIntervalCount",
        other => return camel_case(other),
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
            ("metadata[note]", "metadata"),
            ("", ""),
        ] {
            assert_eq!(super::ours(param), field);
        }
    }
}
