//! Whole numbers of more than 64 bits. Neither JSON values nor the values of the library can hold them exactly: they would become
//! floating-point numbers, and a long customer number in a TEXT field another number.
//!
//! Before a request is parsed they are marked, as text that begins with NUL, which no other text does that is taken. When variables
//! are coerced, the mark goes: within a JSON scalar the digits stay, as text; any other scalar gets the number, as imprecise as it
//! was. In a document a name stands for such a literal, for no name begins with a digit.

use async_graphql::{Number, Value};

/// What a marked number begins with.
pub const MARK: &str = "\0#";

/// Whether these are the digits of a whole number as JSON and GraphQL write it, and 64 bits do not hold it.
pub fn is_big(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() >= SHORTEST
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<i64>().is_err()
        && text.parse::<u64>().is_err()
}

/// Digits of the smallest one.
const SHORTEST: usize = 19;

/// Takes the marks off what is given for a scalar.
pub fn unmark(scalar: &str, value: Value) -> Value {
    match value {
        Value::String(text) => match marked(&text) {
            Some(digits) if scalar == "JSON" => Value::String(digits.to_owned()),
            Some(digits) => number(digits).map_or(Value::Null, Value::Number),
            None => Value::String(text),
        },
        Value::List(items) => Value::List(items.into_iter().map(|item| unmark(scalar, item)).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, unmark(scalar, value))).collect())
        }
        other => other,
    }
}

fn marked(text: &str) -> Option<&str> {
    text.strip_prefix(MARK).filter(|digits| is_big(digits))
}

/// The number that a literal stands for, as far as it can be held; none if it is no such literal.
pub fn literal(value: &Value) -> Option<Number> {
    match value {
        Value::Enum(name) if is_big(name) => number(name),
        _ => None,
    }
}

/// None beyond what a double holds.
fn number(digits: &str) -> Option<Number> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn only_what_64_bits_do_not_hold_is_big() {
        for small in [
            "0",
            "-1",
            "18446744073709551615",
            "-9223372036854775808",
            "9223372036854775807",
            "00000000000000000000000",
            "1.000000000000000000000",
            "1000000000000000000e20",
            "-",
            "",
        ] {
            assert!(!is_big(small), "{small}");
        }
        for big in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234",
        ] {
            assert!(is_big(big), "{big}");
        }
    }

    #[test]
    fn json_keeps_the_digits_and_other_scalars_get_the_number() {
        let marked = value!({ "a": ["\u{0}#123456789012345678901234", "\u{0}#12", 7] });
        let expected = value!({ "a": ["123456789012345678901234", "\u{0}#12", 7] });
        assert_eq!(unmark("JSON", marked), expected);
        let float = unmark("Float", value!("\u{0}#123456789012345678901234"));
        assert_eq!(float, value!(1.234_567_890_123_456_8e23));
    }
}
