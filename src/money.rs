//! Amounts: integer minor units with their currency, and exact decimals in major units. The only arithmetic on amounts.
//!
//! No floating point anywhere. The exponents are Stripe's, not ISO 4217's.
//! Source: Stripe documentation, "Supported currencies" (zero-decimal, three-decimal and special cases).

use std::fmt;

use rust_decimal::Decimal;

const NO_DECIMALS: &str = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
const THREE_DECIMALS: &str = "BHD JOD KWD OMR TND";
const TWO_DECIMALS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
    CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EEK EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD \
    HNL HRK HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL LTL LVL MAD MDL MKD \
    MMK MNT MOP MRO MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON \
    RSD RUB SAR SBD SCR SEK SGD SHP SLE SLL SOS SRD STD SVC SZL THB TJS TOP TRY TTD TWD TZS UAH UGX \
    USD UYU UZS VEF WST XCD XCG YER ZAR ZMW";

/// Currencies whose charge amounts must be a multiple of so many minor units.
const COARSE: [(&str, i64); 7] =
    [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("ISK", 100), ("UGX", 100)];

/// A currency that Stripe knows, with the number of decimals between its minor and its major unit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    code: [u8; 3],
    exponent: u32,
}

/// Why something is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The code is not one of Stripe's currencies.
    #[error("`{0}` is not a currency that Stripe knows; use a three-letter ISO code like `USD`")]
    UnknownCurrency(String),
    /// More decimals than the currency has.
    #[error("{amount} has more decimals than {currency} allows ({exponent})")]
    TooManyDecimals {
        /// What was given.
        amount: Decimal,
        /// Upper-case code.
        currency: Currency,
        /// How many decimals the currency has.
        exponent: u32,
    },
    /// More than 18 digits.
    #[error("{0} is too large for an amount")]
    TooLarge(Decimal),
    /// Finer than the smallest step Stripe charges in this currency.
    #[error("{amount} {currency} cannot be charged; amounts in {currency} go in steps of {step}")]
    TooFine {
        /// What was given, major units.
        amount: Decimal,
        /// Upper-case code.
        currency: Currency,
        /// The smallest step, major units.
        step: Decimal,
    },
}

impl Currency {
    /// The currency of a three-letter code in any case.
    pub fn parse(code: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownCurrency(code.to_owned());
        let bytes: [u8; 3] =
            code.to_ascii_uppercase().into_bytes().try_into().map_err(|_bytes: Vec<u8>| unknown())?;
        let listed = |list: &str| list.split(' ').any(|known| known.as_bytes() == bytes);
        let exponent = if listed(TWO_DECIMALS) {
            2
        } else if listed(NO_DECIMALS) {
            0
        } else if listed(THREE_DECIMALS) {
            3
        } else {
            return Err(unknown());
        };
        Ok(Self { code: bytes, exponent })
    }

    /// The code in upper case, as Salesforce writes it.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// How many decimals lie between the minor and the major unit: 0, 2 or 3.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// The smallest number of minor units that can be charged.
    fn step(&self) -> i64 {
        COARSE.iter().find(|(code, _)| *code == self.code()).map_or(1, |(_, step)| *step)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount: minor units of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// So many minor units (cents, or whole yen) of `currency`.
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// An amount in major units.
    ///
    /// Errors: [`Error::TooManyDecimals`] when digits would be lost, [`Error::TooLarge`] beyond 18 digits.
    pub fn from_major(major: Decimal, currency: Currency) -> Result<Self, Error> {
        let amount = major.normalize();
        if amount.scale() > currency.exponent {
            return Err(Error::TooManyDecimals { amount: major, currency, exponent: currency.exponent });
        }
        let factor = Decimal::from(10_u32.pow(currency.exponent));
        let minor = amount.checked_mul(factor).and_then(|minor| i64::try_from(minor).ok());
        match minor {
            Some(minor) if minor.unsigned_abs() < 10_u64.pow(18) => Ok(Self { minor, currency }),
            _ => Err(Error::TooLarge(major)),
        }
    }

    /// Minor units.
    pub fn minor(&self) -> i64 {
        self.minor
    }

    /// The exact decimal in major units, with as many decimals as the currency has: `12.340` KWD, `5000` JPY.
    pub fn major(&self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent)
    }

    /// The currency.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Whether Stripe can charge this amount at all.
    ///
    /// Errors: [`Error::TooFine`] when the currency goes in larger steps.
    pub fn chargeable(self) -> Result<Self, Error> {
        let step = self.currency.step();
        if self.minor % step == 0 {
            return Ok(self);
        }
        let step = Decimal::new(step, self.currency.exponent).normalize();
        Err(Error::TooFine { amount: self.major(), currency: self.currency, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(major: &str, code: &str) -> Result<Money, Error> {
        Money::from_major(major.parse().unwrap(), Currency::parse(code)?)
    }

    #[test]
    fn minor_and_major_units_convert_by_the_currency() {
        for (major, code, minor) in [
            ("12.34", "usd", 1_234),
            ("12.3", "EUR", 1_230),
            ("12", "EUR", 1_200),
            ("12.3400", "EUR", 1_234),
            ("5000", "JPY", 5_000),
            ("12.340", "KWD", 12_340),
            ("5", "ISK", 500),
            ("5", "UGX", 500),
            ("7", "MGA", 7),
            ("-0.01", "USD", -1),
            ("999999999999999.999", "KWD", 999_999_999_999_999_999),
        ] {
            assert_eq!(money(major, code).unwrap().minor(), minor, "{major} {code}");
        }
        let show = |minor, code| Money::from_minor(minor, Currency::parse(code).unwrap()).major().to_string();
        assert_eq!(show(5_000, "jpy"), "5000");
        assert_eq!(show(12_340, "kwd"), "12.340");
        assert_eq!(show(1_200, "usd"), "12.00");
    }

    #[test]
    fn what_would_lose_digits_or_is_unknown_is_refused() {
        assert!(matches!(money("12.345", "USD"), Err(Error::TooManyDecimals { .. })));
        assert!(matches!(money("0.5", "JPY"), Err(Error::TooManyDecimals { .. })));
        assert!(matches!(money("10000000000000000", "USD"), Err(Error::TooLarge(_))));
        for code in ["XXX", "", "us", "usdd", "US ", "ééé"] {
            assert!(matches!(Currency::parse(code), Err(Error::UnknownCurrency(_))), "{code}");
        }
    }

    #[test]
    fn some_currencies_are_charged_in_larger_steps() {
        for (major, code, fits) in
            [("5.124", "KWD", false), ("5.12", "KWD", true), ("5.5", "ISK", false), ("5", "UGX", true)]
        {
            assert_eq!(money(major, code).unwrap().chargeable().is_ok(), fits, "{major} {code}");
        }
    }

    #[test]
    fn every_currency_is_listed_once() {
        let all: Vec<_> =
            [NO_DECIMALS, THREE_DECIMALS, TWO_DECIMALS].iter().flat_map(|l| l.split(' ')).collect();
        assert_eq!(all.len(), 150);
        for code in &all {
            assert_eq!(all.iter().filter(|other| *other == code).count(), 1, "{code}");
        }
    }
}
