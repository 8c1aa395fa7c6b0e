//! Which currencies exist, how their amounts are written and which amounts can be charged.
//!
//! Source: docs.stripe.com/currencies — zero-decimal, three-decimal and special-case currencies, minimum amounts.

use super::errors::Refusal;

const ZERO_DECIMALS: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const TWO_DECIMALS: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn \
     bzd cad cdf chf cny cop crc cve czk dkk dop dzd eek egp etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl hrk \
     htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl ltl lvl mad mdl mkd mmk mnt mop mro mur mvr \
     mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sll \
     sos srd std svc szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs vef wst xcd xcg yer zar zmw";
const THREE_DECIMALS: &str = "bhd jod kwd omr tnd";

/// The smallest charge where it is known; elsewhere it depends on the rate of the day.
const MINIMUMS: &[(&str, i64)] = &[
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
];

/// Eight digits.
const MAXIMUM: i64 = 99_999_999;

/// Reads a currency in either case; answers are always lower case.
pub(super) fn currency(given: &str, param: &str) -> Result<String, Refusal> {
    let code = given.to_ascii_lowercase();
    if decimals(&code).is_none() {
        let known = format!("{TWO_DECIMALS} {ZERO_DECIMALS} {THREE_DECIMALS}");
        let known: Vec<&str> = known.split_whitespace().collect();
        let message = format!(
            "Invalid currency: {code}. Stripe currently supports these currencies: {}",
            known.join(", ")
        );
        return Err(Refusal::invalid(message).param(param));
    }
    Ok(code)
}

/// How many digits of an amount stand after the decimal point.
pub(super) fn decimals(currency: &str) -> Option<u32> {
    let listed = |list: &str| list.split_whitespace().any(|code| code == currency);
    match () {
        () if listed(TWO_DECIMALS) => Some(2),
        () if listed(ZERO_DECIMALS) => Some(0),
        () if listed(THREE_DECIMALS) => Some(3),
        () => None,
    }
}

/// Refuses an amount that cannot be charged.
pub(super) fn check_charge(amount: i64, currency: &str, param: &str) -> Result<(), Refusal> {
    check_positive(amount, param)?;
    let least = MINIMUMS.iter().find(|(code, _)| *code == currency).map_or(1, |(_, least)| *least);
    if amount < least {
        let message = format!("Amount must be at least {} {currency}", written(least, currency));
        return Err(Refusal::invalid(message).code("amount_too_small").param(param));
    }
    if amount > MAXIMUM {
        let message = format!("Amount must be no more than {} {currency}", written(MAXIMUM, currency));
        return Err(Refusal::invalid(message).code("amount_too_large").param(param));
    }
    check_multiple(amount, currency, param)
}

/// Refuses zero and less.
pub(super) fn check_positive(amount: i64, param: &str) -> Result<(), Refusal> {
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::invalid(message).code("parameter_invalid_integer").param(param));
    }
    Ok(())
}

/// Refuses an amount with digits that the currency does not have, though they can be written.
pub(super) fn check_multiple(amount: i64, currency: &str, param: &str) -> Result<(), Refusal> {
    let step = match currency {
        "isk" | "ugx" => 100,
        code if decimals(code) == Some(3) => 10,
        _ => 1,
    };
    if amount % step != 0 {
        let message = format!("Invalid amount: {currency} amounts must be a multiple of {step}");
        return Err(Refusal::invalid(message).param(param));
    }
    Ok(())
}

/// The amount in major units, for people.
pub(super) fn written(amount: i64, currency: &str) -> String {
    let decimals = decimals(currency).unwrap_or(2);
    let unit = 10_i64.pow(decimals);
    let sign = if currency == "usd" { "$" } else { "" };
    if decimals == 0 {
        return format!("{sign}{amount}");
    }
    let width = usize::try_from(decimals).unwrap_or(2);
    format!("{sign}{}.{:0width$}", amount / unit, (amount % unit).abs())
}

/// What a card payment costs the account: 2.9 % and 0.30 of the currency.
pub(super) fn fee(amount: i64, currency: &str) -> i64 {
    let fixed = match decimals(currency) {
        Some(0) => 30,
        Some(3) => 300,
        _ => 30,
    };
    (amount * 29 + 500) / 1000 + fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_follow_the_rules_of_their_currency() {
        let code = |amount, currency| {
            let refusal = check_charge(amount, currency, "amount").err()?;
            Some(refusal.body()["error"]["code"].as_str().unwrap_or("none").to_owned())
        };
        assert_eq!(code(50, "usd"), None);
        assert_eq!(code(49, "usd").as_deref(), Some("amount_too_small"));
        assert_eq!(code(0, "usd").as_deref(), Some("parameter_invalid_integer"));
        assert_eq!(code(99_999_999, "usd"), None);
        assert_eq!(code(100_000_000, "usd").as_deref(), Some("amount_too_large"));
        assert_eq!(code(12_340, "kwd"), None);
        assert_eq!(code(12_345, "kwd").as_deref(), Some("none"));
        assert_eq!(code(500, "isk"), None);
        assert_eq!(code(550, "isk").as_deref(), Some("none"));
        assert_eq!(code(5_000, "jpy"), None);
    }

    #[test]
    fn currencies_are_lower_case_and_known() {
        assert_eq!(currency("USD", "currency").unwrap(), "usd");
        assert!(currency("xyz", "currency").is_err());
        assert_eq!(written(1_234, "kwd"), "1.234");
        assert_eq!(written(5_000, "jpy"), "5000");
        assert_eq!(written(4_905, "usd"), "$49.05");
    }
}
