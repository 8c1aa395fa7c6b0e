//! Amounts of every currency, there and back.

use paybridge::money::{Currency, Error, Money};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use rust_decimal::Decimal;

use super::{Cost, fuzz};

/// All that is taken for a currency, found out by asking.
fn currencies() -> Vec<Currency> {
    let letters = b'A'..=b'Z';
    let codes = letters.clone().flat_map(|a| {
        let letters = letters.clone();
        let second = letters.clone();
        second.flat_map(move |b| letters.clone().map(move |c| [a, b, c]))
    });
    codes.filter_map(|code| Currency::parse(std::str::from_utf8(&code).unwrap()).ok()).collect()
}

#[test]
fn amounts_of_every_currency_come_back_as_they_were() {
    let all = currencies();
    assert_eq!(all.len(), 150);
    let minor =
        prop_oneof![any::<i64>(), -1_000_i64..1_000, select(vec![i64::MAX, i64::MIN, 10_i64.pow(18) - 1])];
    fuzz("amounts", Cost::Cheap, &(select(all), minor), |(currency, minor)| {
        let money = Money::from_minor(minor, currency);
        let major = money.major();
        assert_eq!(major.scale(), currency.exponent());
        assert_eq!(major.mantissa(), i128::from(minor));
        // As it is written to Salesforce and read from a caller.
        let read: Decimal = major.to_string().parse().unwrap();
        match Money::from_major(read, currency) {
            Ok(back) => assert_eq!(back, money),
            Err(error) => {
                assert!(matches!(error, Error::TooLarge(_)) && minor.unsigned_abs() >= 10_u64.pow(18))
            }
        }
        let _either_way = money.chargeable();
    });
}

#[test]
fn decimals_that_are_taken_for_amounts_lose_nothing() {
    let decimal = (any::<i128>(), 0..=28_u32, any::<bool>()).prop_map(|(digits, scale, small)| {
        let digits = if small { digits % 10_i128.pow(19) } else { digits % (1 << 96) };
        Decimal::try_from_i128_with_scale(digits, scale).unwrap()
    });
    fuzz("decimals", Cost::Cheap, &(select(currencies()), decimal), |(currency, major)| {
        match Money::from_major(major, currency) {
            Ok(money) => assert_eq!(money.major(), major),
            Err(Error::TooManyDecimals { .. }) => assert!(major.normalize().scale() > currency.exponent()),
            Err(error) => assert!(matches!(error, Error::TooLarge(_)), "{error}"),
        }
    });
}

#[test]
fn codes_of_currencies_are_three_letters_or_refused() {
    fuzz("currency codes", Cost::Cheap, &prop_oneof![".{0,6}", "[a-zA-Z]{2,4}"], |code| {
        if let Ok(currency) = Currency::parse(&code) {
            assert!(currency.code().eq_ignore_ascii_case(&code));
        }
    });
}
