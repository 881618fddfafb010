//! Exact decimal numbers: the scalar of the API, and reading numbers from text. The length of a text is bounded first, because the parser
//! recurses for each character.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use rust_decimal::Decimal as Exact;

use crate::numerals;

/// Longest text that is read as a number, in bytes: twice the digits that a decimal holds.
const MAX_BYTES: usize = 64;

/// A number in digits with at most one point. None if it would be rounded, has more than 64 characters, or has a `_`, which the parser
/// ignores.
#[expect(clippy::disallowed_methods, reason = "the one place that bounds what is parsed")]
pub fn exact(text: &str) -> Option<Exact> {
    short(text).and_then(|text| Exact::from_str_exact(text).ok())
}

/// A number as JSON and GraphQL write it, perhaps with an exponent, such as `1.5e3`. The bounds are those of the value: at most 28
/// digits before and after the point together, whatever the exponent is.
pub fn scientific(text: &str) -> Option<Exact> {
    exact(&numerals::without_exponent(short(text)?)?)
}

fn short(text: &str) -> Option<&str> {
    (text.len() <= MAX_BYTES && !text.contains('_')).then_some(text)
}

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
            Value::String(text) => exact(text),
            Value::Number(number) => scientific(&number.to_string()),
            _ => return Err(InputValueError::expected_type(value)),
        };
        read.map(Self).ok_or_else(|| InputValueError::custom(NO_DECIMAL))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_too_long_is_refused_before_it_is_parsed() {
        assert_eq!(exact("12.50"), Some(Exact::new(1_250, 2)));
        assert_eq!(exact(&format!("{}7", "0".repeat(63))), Some(Exact::from(7)));
        assert_eq!(scientific("1.5e3"), Some(Exact::from(1_500)));
        assert_eq!(scientific("-15E-1"), Some(Exact::new(-15, 1)));
        assert_eq!(scientific("1e28"), exact(&format!("1{}", "0".repeat(28))));
        assert_eq!(scientific("10000e-32"), Some(Exact::new(1, 28)));
        for text in [
            "",
            "x",
            "1_000",
            "1__",
            &"1".repeat(31),
            &format!("{}7", "0".repeat(64)),
        ] {
            assert_eq!((exact(text), scientific(&format!("{text}e1"))), (None, None), "{text}");
        }
        // Neither rounded to 28 digits nor to zero.
        for text in ["1e29", "1e400", "1e-29", "1e-400", "1.00000000000000000000000000001e0"] {
            assert_eq!(scientific(text), None, "{text}");
        }
        // On a small stack: none of these may recurse.
        let long = std::thread::Builder::new().stack_size(128 * 1024).spawn(|| {
            let zeros = "0".repeat(60_000);
            for text in [
                zeros.clone(),
                format!("1{}", "_".repeat(60_000)),
                format!("0.{zeros}"),
                format!("1e{zeros}"),
            ] {
                assert_eq!((exact(&text), scientific(&text)), (None, None));
            }
        });
        long.unwrap().join().unwrap();
    }
}
