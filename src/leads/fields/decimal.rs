//! Exact decimal numbers from text. The parser behind it goes one call deeper with each character, and the text may be a sender's.

use rust_decimal::Decimal;

/// Longest text that is read as a number, in bytes: twice the digits that a `Decimal` holds.
const MAX_BYTES: usize = 64;

/// A number in digits with at most one point. None if it would have to be rounded, is longer than 64 characters, or has a `_`, which
/// stands for nothing and of which there may be any number.
#[expect(clippy::disallowed_methods, reason = "the one place that bounds what is parsed")]
pub fn exact(text: &str) -> Option<Decimal> {
    short(text).and_then(|text| Decimal::from_str_exact(text).ok())
}

/// The same with an exponent, such as `1.5e3`.
#[expect(clippy::disallowed_methods, reason = "the one place that bounds what is parsed")]
pub fn scientific(text: &str) -> Option<Decimal> {
    short(text).and_then(|text| Decimal::from_scientific(text).ok())
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
