//! Exact decimal numbers from text. The parser behind it goes one call deeper with each character, and the text may be a sender's.

use rust_decimal::Decimal;

use crate::numerals;

/// Longest text that is read as a number, in bytes: twice the digits that a `Decimal` holds.
const MAX_BYTES: usize = 64;

/// A number in digits with at most one point. None if it would have to be rounded, is longer than 64 characters, or has a `_`, which
/// stands for nothing and of which there may be any number.
#[expect(clippy::disallowed_methods, reason = "the one place that bounds what is parsed")]
pub fn exact(text: &str) -> Option<Decimal> {
    short(text).and_then(|text| Decimal::from_str_exact(text).ok())
}

/// A number as JSON and GraphQL write it, perhaps with an exponent, such as `1.5e3`. The bounds are those of the value: at most 28
/// digits before and after the point together, whatever the exponent is.
pub fn scientific(text: &str) -> Option<Decimal> {
    exact(&numerals::plain(short(text)?)?)
}

fn short(text: &str) -> Option<&str> {
    (text.len() <= MAX_BYTES && !text.contains('_')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_too_long_is_refused_before_it_is_parsed() {
        assert_eq!(exact("12.50"), Some(Decimal::new(1_250, 2)));
        assert_eq!(exact(&format!("{}7", "0".repeat(63))), Some(Decimal::from(7)));
        assert_eq!(scientific("1.5e3"), Some(Decimal::from(1_500)));
        assert_eq!(scientific("-15E-1"), Some(Decimal::new(-15, 1)));
        assert_eq!(scientific("1e28"), exact(&format!("1{}", "0".repeat(28))));
        assert_eq!(scientific("10000e-32"), Some(Decimal::new(1, 28)));
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
