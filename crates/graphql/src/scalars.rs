//! Scalars of the API.

pub use entity::scalars::{CurrencyCode, EmailAddress, TimeZone, UrlText};
pub use leadmesh_forms::fields::decimal::{Decimal, NO_DECIMAL};
