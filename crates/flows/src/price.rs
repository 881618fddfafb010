//! Prices: exact amounts of money, stored as whole ten-thousandths of the currency unit.

use async_graphql::InputObject;
use entity::scalars::CurrencyCode;
use rust_decimal::Decimal as Exact;

use leadmesh_core::error::{UserError, UserErrorCode};
use leadmesh_forms::fields::decimal::Decimal;

/// Digits after the decimal point.
const SCALE: u32 = 4;
/// A billion units: sums over many millions of leads stay within 64 bits.
const MAX_E4: i64 = 10_000_000_000_000;

/// Active currencies of ISO 4217, without funds, metals and test codes.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD \
    MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON \
    RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX \
    USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, InputObject)]
#[graphql(name = "MoneyInput")]
pub struct PriceInput {
    /// Amount in units of the currency: not negative, at most four decimals.
    pub amount: Decimal,
    /// The currency.
    pub currency: CurrencyCode,
}

/// What a lead costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// In 1/10,000 of the currency unit; not negative.
    pub e4: i64,
    /// ISO 4217, in capitals.
    pub currency: String,
}

impl Price {
    /// Checks the amount (0 to 1,000,000,000, at most four decimals) and the currency code; `path` is where the input has them.
    pub fn check(amount: Exact, currency: &str, path: &str) -> Result<Self, UserError> {
        let invalid =
            |field: &str, message: &str| UserError::new(UserErrorCode::Invalid, &format!("{path}.{field}"), message);
        let code = currency.trim().to_ascii_uppercase();
        if !CURRENCIES.split(' ').any(|known| known == code) {
            return Err(invalid(
                "currency",
                "give the ISO 4217 code of a currency in use, such as USD or EUR",
            ));
        }
        let e4 = in_e4(amount).ok_or_else(|| {
            invalid(
                "amount",
                "an amount is from 0 to 1,000,000,000, with four decimals at most",
            )
        })?;
        Ok(Self { e4, currency: code })
    }

    /// The price in the two columns of a row.
    pub fn from_columns(e4: Option<i64>, currency: Option<String>) -> Option<Self> {
        e4.zip(currency).map(|(e4, currency)| Self { e4, currency })
    }

    /// The price as the two columns of a row.
    pub fn columns(price: Option<Self>) -> (Option<i64>, Option<String>) {
        price.map(|price| (price.e4, price.currency)).unzip()
    }

    /// The amount in units of the currency, without zeros at its end.
    pub fn amount(&self) -> Exact {
        Exact::new(self.e4, SCALE).normalize()
    }
}

fn in_e4(amount: Exact) -> Option<i64> {
    let mut exact = amount.normalize();
    if exact.scale() > SCALE || exact > Exact::new(MAX_E4, SCALE) {
        return None;
    }
    exact.rescale(SCALE);
    let e4 = i64::try_from(exact.mantissa()).ok()?;
    (0..=MAX_E4).contains(&e4).then_some(e4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(amount: &str, currency: &str) -> Result<Price, UserError> {
        Price::check(amount.parse().unwrap(), currency, "input.price")
    }

    #[test]
    fn amounts_are_kept_exactly() {
        for (given, e4, shown) in [
            ("12.5", 125_000, "12.5"),
            ("0", 0, "0"),
            ("-0", 0, "0"),
            ("0.0001", 1, "0.0001"),
            ("7.50000000", 75_000, "7.5"),
            ("1000000000", MAX_E4, "1000000000"),
        ] {
            let price = check(given, "eur").unwrap();
            assert_eq!((price.e4, price.currency.as_str()), (e4, "EUR"), "{given}");
            assert_eq!(price.amount().to_string(), shown);
        }
    }

    #[test]
    fn amounts_out_of_bounds_and_unknown_currencies_are_refused() {
        for amount in ["-0.01", "0.00001", "1000000000.0001", "79228162514264337593543950335"] {
            assert_eq!(
                check(amount, "USD").unwrap_err().path.join("."),
                "input.price.amount",
                "{amount}"
            );
        }
        for currency in ["", "US", "USDD", "XXX", "BTC", "DEM", "USD EUR"] {
            assert_eq!(
                check("1", currency).unwrap_err().path.join("."),
                "input.price.currency",
                "{currency}"
            );
        }
    }

    #[test]
    fn a_price_has_both_columns_or_none() {
        assert_eq!(Price::columns(None), (None, None));
        assert_eq!(Price::from_columns(Some(1), None), None);
        let price = check("2", "USD").unwrap();
        let (e4, currency) = Price::columns(Some(price.clone()));
        assert_eq!(Price::from_columns(e4, currency), Some(price));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_was_given(e4 in 0..=MAX_E4, zeros in 0_u32..8) {
            let mut amount = Exact::new(e4, SCALE);
            amount.rescale(SCALE + zeros);
            let price = Price::check(amount, "USD", "input.price").unwrap();
            prop_assert_eq!(price.e4, e4);
            prop_assert_eq!(price.amount(), amount);
        }
    }
}
