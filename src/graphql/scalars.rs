//! Scalars of the API. Texts are taken as they come and checked by the use cases, whose messages say what to do.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use rust_decimal::Decimal as Exact;

use crate::leads::fields::decimal;

/// A scalar whose form is checked by the use case that takes it.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $gname:literal, $url:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name(pub String);

            $(#[$doc])*
            #[Scalar(name = $gname, specified_by_url = $url)]
            impl ScalarType for $name {
                fn parse(value: Value) -> InputValueResult<Self> {
                    match value {
                        Value::String(text) => Ok(Self(text)),
                        other => Err(InputValueError::expected_type(other)),
                    }
                }

                fn to_value(&self) -> Value {
                    Value::String(self.0.clone())
                }
            }

            impl From<String> for $name {
                fn from(text: String) -> Self {
                    Self(text)
                }
            }
        )+
    };
}

texts! {
    /// An email address, at most 254 characters. Kept in lower case.
    EmailAddress = "EmailAddress", "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2";
    /// An absolute `http` or `https` address.
    UrlText = "URL", "https://url.spec.whatwg.org/";
    /// An ISO 4217 currency code, such as `EUR`.
    CurrencyCode = "CurrencyCode", "https://www.iso.org/iso-4217-currency-codes.html";
    /// An IANA time zone name, such as `Europe/Berlin`.
    TimeZone = "TimeZone", "https://www.iana.org/time-zones";
}

/// An exact decimal number as a string, such as `"12.50"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub Exact);

/// An exact decimal number as a string, such as `"12.50"`. Numbers are taken too, where they are exact.
#[Scalar(specified_by_url = "https://speleotrove.com/decimal/decarith.html")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        decimal::exact(&text).map(Self).ok_or_else(|| {
            InputValueError::custom(
                "a Decimal is a number in digits with at most one point, of at most 64 characters, such as \"12.50\"",
            )
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
