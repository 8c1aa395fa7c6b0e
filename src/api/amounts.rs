//! Amounts in requests: decimal text or a JSON number in major units, or whole minor units; exactly one of them.
//!
//! A JSON number is read from its text, so that no amount passes through floating point.

use rust_decimal::Decimal;

use super::fields::{Fields, excerpt};
use crate::money::{self, Currency, Money};

/// The names of the three fields that say an amount.
pub(super) struct AmountNames {
    pub(super) major: &'static str,
    pub(super) minor: &'static str,
    pub(super) currency: &'static str,
}

/// What a payment costs.
pub(super) const AMOUNT: AmountNames =
    AmountNames { major: "amount", minor: "amountMinor", currency: "currencyCode" };

/// What one unit of a product costs.
pub(super) const UNIT_AMOUNT: AmountNames =
    AmountNames { major: "unitAmount", minor: "unitAmountMinor", currency: "currencyCode" };

/// 18 digits.
pub(super) const MOST: i64 = 999_999_999_999_999_999;

/// The amount that the fields say, if nothing is wrong with them; `least` minor units or more.
pub(super) fn read(fields: &mut Fields, names: &AmountNames, least: i64) -> Option<Money> {
    let currency = read_currency(fields, names.currency);
    read_in(fields, names, currency, least)
}

/// The currency that a field names; it has to.
pub(super) fn read_currency(fields: &mut Fields, name: &'static str) -> Option<Currency> {
    let Some(code) = fields.text(name, 3, "USD") else {
        if !fields.has_fault(name) {
            fields.missing(name, "a three-letter ISO currency code", "USD");
        }
        return None;
    };
    let refuse = |error: money::Error| fields.fault(name, error.to_string(), None, Some("USD"));
    Currency::parse(&code).map_err(refuse).ok()
}

/// The amount that the fields say in a currency that is known from elsewhere.
pub(super) fn read_in(
    fields: &mut Fields,
    names: &AmountNames,
    currency: Option<Currency>,
    least: i64,
) -> Option<Money> {
    let major = fields.raw(names.major);
    let minor_given = fields.peek(names.minor);
    let minor = fields.whole(names.minor, least..=MOST);
    let amount = match (major, minor_given) {
        (None, false) => {
            fields.missing(names.major, "a decimal amount in major units", "129.90");
            None
        }
        (Some(_), true) => {
            let problem = format!("is given together with `{}`; send one of them", names.minor);
            fields.fault(names.major, problem, None, None);
            None
        }
        (None, true) => minor.zip(currency).map(|(minor, currency)| Money::from_minor(minor, currency)),
        (Some(major), false) => match decimal(major.get()) {
            Some(major) => currency.and_then(|currency| {
                let refuse = |error: money::Error| fields.fault(names.major, error.to_string(), None, None);
                Money::from_major(major, currency).map_err(refuse).ok()
            }),
            None => {
                let problem = format!("{} is not an amount", excerpt(major.get()));
                fields.fault(names.major, problem, Some("a decimal amount in major units"), Some("129.90"));
                None
            }
        },
    };
    let name = if minor_given { names.minor } else { names.major };
    let amount =
        amount?.chargeable().map_err(|error| fields.fault(name, error.to_string(), None, None)).ok()?;
    if amount.minor() >= least {
        return Some(amount);
    }
    let expected = match least {
        1.. => "an amount above zero",
        0 => "an amount of zero or more",
        _ => "an amount of at most 18 digits",
    };
    fields.fault(name, format!("is {}", amount.major()), Some(expected), Some("129.90"));
    None
}

/// A part of an amount that Stripe knows, in its currency.
#[derive(Debug)]
pub(super) struct Part {
    /// The part; all of it if absent.
    pub(super) minor: Option<i64>,
    /// The currency that the caller has in mind, upper case. Needed with an amount in major units only.
    pub(super) currency: Option<String>,
}

/// Reads an amount that may be left out.
pub(super) fn read_part(fields: &mut Fields, names: &AmountNames) -> Part {
    if fields.peek(names.major) || (fields.peek(names.minor) && fields.peek(names.currency)) {
        let amount = read(fields, names, 1);
        let currency = amount.map(|amount| amount.currency().code().to_owned());
        return Part { minor: amount.map(|amount| amount.minor()), currency };
    }
    fields.know(&[names.major]);
    let minor = fields.whole(names.minor, 1..=MOST);
    let currency = if fields.peek(names.currency) {
        read_currency(fields, names.currency)
    } else {
        fields.know(&[names.currency]);
        None
    };
    Part { minor, currency: currency.map(|currency| currency.code().to_owned()) }
}

/// The exact decimal of a JSON number or of decimal text; `None` for anything else, also for what cannot be held exactly.
///
/// Only numbers may have an exponent: Apex writes a Double of ten million as `1.0E7`.
fn decimal(json: &str) -> Option<Decimal> {
    let text = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let (mantissa, exponent) = match text {
        Some(text) => (text, 0),
        None => match json.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (json, 0),
        },
    };
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    if !mantissa.bytes().all(plain) || !mantissa.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let mut value = Decimal::from_str_exact(mantissa).ok()?;
    let scale = i32::try_from(value.scale()).ok()?.checked_sub(exponent)?;
    if scale >= 0 {
        value.set_scale(u32::try_from(scale).ok()?).ok()?;
        return Some(value);
    }
    value.set_scale(0).ok()?;
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    value.checked_mul(Decimal::try_from_i128_with_scale(factor, 0).ok()?)
}

/// The decimal in major units and the currency in upper case, for answers. A currency we do not know has no decimal.
pub(super) fn major(minor: i64, currency: &str) -> Option<String> {
    Currency::parse(currency).ok().map(|currency| Money::from_minor(minor, currency).major().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(json: &str) -> Result<i64, Vec<String>> {
        let mut fields = Fields::parse(json.as_bytes()).unwrap();
        let money = read(&mut fields, &AMOUNT, 1);
        fields
            .finish(money)
            .map(|money| money.minor())
            .map_err(|problem| problem.errors.iter().cloned().map(|error| error.field).collect())
    }

    #[test]
    fn an_amount_is_exact_however_it_is_written() {
        for (fields, minor) in [
            (r#""amount":"129.90","currencyCode":"USD""#, 12_990),
            (r#""amount":129.90,"currencyCode":"usd""#, 12_990),
            (r#""amount":1.0E7,"currencyCode":"USD""#, 1_000_000_000),
            (r#""amount":1299e-1,"currencyCode":"USD""#, 12_990),
            (r#""amount":0.1,"currencyCode":"USD""#, 10),
            (r#""amount":"8.2","currencyCode":"USD""#, 820),
            (r#""amount":5000,"currencyCode":"JPY""#, 5_000),
            (r#""amount":"12.340","currencyCode":"KWD""#, 12_340),
            (r#""amountMinor":12990,"currencyCode":"USD""#, 12_990),
            (r#""amountMinor":12990.0,"currencyCode":"USD""#, 12_990),
            (r#""amount":null,"amountMinor":1,"currencyCode":"USD""#, 1),
            (r#""amount":"90071992547409.93","currencyCode":"USD""#, 9_007_199_254_740_993),
            (r#""amount":90071992547409.93,"currencyCode":"USD""#, 9_007_199_254_740_993),
        ] {
            assert_eq!(amount(&format!("{{{fields}}}")), Ok(minor), "{fields}");
        }
    }

    /// In the form of a decimal text, of a number, and of minor units.
    #[test]
    fn every_amount_that_is_written_out_is_read_back() {
        use proptest::prelude::ProptestConfig;
        use proptest::test_runner::{RngSeed, TestRunner};
        let config = ProptestConfig {
            cases: 2_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(1),
            ..ProptestConfig::default()
        };
        let codes = proptest::sample::select(vec!["JPY", "USD", "KWD", "ISK", "UGX", "HUF", "MGA"]);
        let tried = TestRunner::new(config).run(&(codes, 1..=MOST), |(code, minor)| {
            let money = Money::from_minor(minor, Currency::parse(code).unwrap());
            let expected = money.chargeable().map(|money| money.minor()).ok();
            let major = money.major();
            for written in [
                format!(r#""amount":"{major}""#),
                format!(r#""amount":{major}"#),
                format!(r#""amount":{}e-{}"#, major.mantissa(), major.scale()),
                format!(r#""amountMinor":{minor}"#),
            ] {
                let read = amount(&format!(r#"{{{written},"currencyCode":"{code}"}}"#)).ok();
                assert_eq!(read, expected, "{written} {code}");
            }
            Ok(())
        });
        tried.unwrap();
    }

    #[test]
    fn what_is_not_one_exact_amount_is_refused_by_field() {
        for (fields, named) in [
            ("", vec!["currencyCode", "amount"]),
            (r#""amount":"1","currencyCode":"XXX""#, vec!["currencyCode"]),
            (r#""amount":"1""#, vec!["currencyCode"]),
            (r#""amount":"1","currencyCode":"euro""#, vec!["currencyCode"]),
            (r#""amount":"1","amountMinor":100,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":12.345,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"1,234.50","currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"1_000","currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"1e3","currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"$5","currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"5.","currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":1e400,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":1e-99,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":99999999999999999999999999999999,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":true,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":{},"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":-5,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":0,"currencyCode":"USD""#, vec!["amount"]),
            (r#""amount":"5.123","currencyCode":"KWD""#, vec!["amount"]),
            (r#""amountMinor":1.5,"currencyCode":"USD""#, vec!["amountMinor"]),
            (r#""amountMinor":0,"currencyCode":"USD""#, vec!["amountMinor"]),
        ] {
            let named = named.into_iter().map(str::to_owned).collect();
            assert_eq!(amount(&format!("{{{fields}}}")), Err(named), "{fields}");
        }
    }
}
