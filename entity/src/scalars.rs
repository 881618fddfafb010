//! Texts that the API types as scalars of their own. A scalar takes any text; the use case checks its form, so that its
//! message can say what to do.

use std::ops::Deref;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $gname:literal, $url:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq)]
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

            impl Deref for $name {
                type Target = str;

                fn deref(&self) -> &str {
                    &self.0
                }
            }

            impl<T: Into<String>> From<T> for $name {
                fn from(text: T) -> Self {
                    Self(text.into())
                }
            }
        )+
    };
}

texts! {
    /// An email address, at most 254 characters. Stored in lower case.
    EmailAddress = "EmailAddress", "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2";
    /// An absolute `http` or `https` URL.
    UrlText = "URL", "https://url.spec.whatwg.org/";
    /// An ISO 4217 currency code, such as `EUR`.
    CurrencyCode = "CurrencyCode", "https://www.iso.org/iso-4217-currency-codes.html";
    /// An IANA time zone name, such as `Europe/Berlin`.
    TimeZone = "TimeZone", "https://www.iana.org/time-zones";
}
