//! Scalars of the API.

pub use crate::leads::fields::decimal::{Decimal, NO_DECIMAL};
pub use entity::scalars::{CurrencyCode, EmailAddress, TimeZone, UrlText};
