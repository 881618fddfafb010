//! Amounts of money, exact.

use async_graphql::SimpleObject;

use super::scalars::{CurrencyCode, Decimal};
use leadmesh_leads::snapshot::Price;

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
pub struct Money {
    /// Amount in units of the currency, with up to four decimals.
    pub amount: Decimal,
    /// The currency.
    pub currency: CurrencyCode,
}

impl Money {
    /// From the two columns in which a price is stored.
    pub fn from_columns(amount: Option<i64>, currency: Option<String>) -> Option<Self> {
        Price::from_columns(amount, currency).map(Self::from)
    }
}

impl From<Price> for Money {
    fn from(price: Price) -> Self {
        Self {
            amount: Decimal(price.amount()),
            currency: CurrencyCode(price.currency),
        }
    }
}
