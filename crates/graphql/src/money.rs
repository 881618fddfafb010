//! Amounts of money, exact.

use async_graphql::{InputObject, SimpleObject};

use super::scalars::{CurrencyCode, Decimal};
use leadmesh_flows::PriceInput;
use leadmesh_leads::snapshot::PriceE4;

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
pub struct Money {
    /// Amount in units of the currency, with up to four decimals.
    pub amount: Decimal,
    /// The currency.
    pub currency: CurrencyCode,
}

/// An amount of money.
#[derive(Clone, Debug, InputObject)]
pub struct MoneyInput {
    /// Amount in units of the currency: not negative, at most four decimals.
    pub amount: Decimal,
    /// The currency.
    pub currency: CurrencyCode,
}

impl Money {
    /// From the two columns in which a price is stored.
    pub fn from_columns(amount: Option<i64>, currency: Option<String>) -> Option<Self> {
        PriceE4::from_columns(amount, currency).map(Self::from)
    }
}

impl From<PriceE4> for Money {
    fn from(price: PriceE4) -> Self {
        Self {
            amount: Decimal(rust_decimal::Decimal::new(price.amount, 4).normalize()),
            currency: CurrencyCode(price.currency),
        }
    }
}

impl From<MoneyInput> for PriceInput {
    fn from(money: MoneyInput) -> Self {
        Self {
            amount: money.amount.0,
            currency: money.currency.0,
        }
    }
}
