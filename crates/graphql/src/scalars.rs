//! Scalars of the API.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use rust_decimal::Decimal as Exact;

pub use entity::scalars::{CurrencyCode, EmailAddress, TimeZone, UrlText};
use leadmesh_forms::fields::decimal;

/// What a Decimal is, for a caller whose number is none.
pub const NO_DECIMAL: &str = "a Decimal is a number in digits with at most one point, of at most 28 digits in at most 64 characters: send a string such as \"12.50\"";

/// An exact decimal number as a string, such as `"12.50"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub Exact);

/// An exact decimal number as a string of at most 28 digits, such as `"12.50"`. Numbers are accepted too, with the
/// digits as written, also with an exponent.
#[Scalar(specified_by_url = "https://speleotrove.com/decimal/decarith.html")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let read = match &value {
            Value::String(text) => decimal::exact(text),
            Value::Number(number) => decimal::scientific(&number.to_string()),
            _ => return Err(InputValueError::expected_type(value)),
        };
        read.map(Self).ok_or_else(|| InputValueError::custom(NO_DECIMAL))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
