//! Numbers of JSON and GraphQL, and whether 64 bits hold them. Parsing would silently change the others (a long customer number, an
//! amount of 20 digits) or fail the whole request (`1e400`).
//!
//! So before a request is parsed, [`crate::lenient_json`] turns them into marked text, which begins with NUL as no accepted text
//! does. In a GraphQL document a name stands for such a literal. The scalar at that position gets the digits.

use serde_json::{Number, Value};

/// What a marked number begins with.
pub const MARK: &str = "\0#";

/// No number with fewer characters and without exponent is changed: a double holds 15 significant digits.
const HELD: usize = 15;
/// The longest text that [`plain`] writes, in bytes: twice the digits of a Decimal.
const LONGEST: i64 = 64;

/// A number as written.
struct Literal<'a> {
    negative: bool,
    whole: &'a str,
    /// Empty if there is no point.
    fraction: &'a str,
    /// None if it has none. Bounded, which no number of a text that fits into memory notices.
    exponent: Option<i64>,
}

/// A number's value: `0.DIGITS` times ten to the `point`. Zero has no digits; the first and the last digit are not zero.
#[derive(PartialEq, Eq)]
struct Magnitude {
    negative: bool,
    digits: String,
    point: i64,
}

impl<'a> Literal<'a> {
    /// None if that is not how JSON and GraphQL write numbers.
    fn read(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (digits, exponent) = match rest.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, Some(bounded(exponent)?)),
            None => (rest, None),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let leads = whole.len() > 1 && whole.starts_with('0');
        (!whole.is_empty() && !leads && is_digits(whole) && is_digits(fraction)).then_some(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    fn is_whole(&self) -> bool {
        self.fraction.is_empty() && self.exponent.is_none()
    }

    fn magnitude(&self) -> Magnitude {
        let all = format!("{}{}", self.whole, self.fraction);
        let significant = all.trim_start_matches('0');
        let zeros = length(&all) - length(significant);
        Magnitude {
            negative: self.negative,
            digits: significant.trim_end_matches('0').to_owned(),
            point: length(self.whole) - zeros + self.exponent.unwrap_or_default(),
        }
        .normalized()
    }
}

impl Magnitude {
    /// Zero has one form.
    fn normalized(self) -> Self {
        if !self.digits.is_empty() {
            return self;
        }
        Self {
            negative: false,
            digits: String::new(),
            point: 0,
        }
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// An exponent, or the nearest that is certainly beyond every bound.
fn bounded(text: &str) -> Option<i64> {
    const FAR: i64 = 1 << 60;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let far = if text.starts_with('-') { -FAR } else { FAR };
    Some(
        text.parse::<i64>()
            .ok()
            .filter(|exponent| exponent.abs() < FAR)
            .unwrap_or(far),
    )
}

/// Whether 64 bits would change the number: a whole number needs more, or the nearest double has other digits.
pub fn exceeds_64_bits(text: &str) -> bool {
    if text.len() <= HELD && !text.contains(['e', 'E']) {
        return false;
    }
    let Some(literal) = Literal::read(text) else {
        return false;
    };
    if literal.is_whole() {
        return text.parse::<i64>().is_err() && text.parse::<u64>().is_err();
    }
    let magnitude = literal.magnitude();
    let double = text.parse::<f64>().ok().filter(|double| double.is_finite());
    double.is_none_or(|double| !is_written(double, &magnitude))
}

/// Whether programs write a double with these digits: the fewest that lead back to it. Where two numbers of so many digits are equally
/// near (…506709.25 is …709.2 and …709.3), some write the one and some the other.
fn is_written(double: f64, magnitude: &Magnitude) -> bool {
    let Some(shortest) = magnitude_of(&format!("{double:e}")) else {
        return false;
    };
    let rounded = || magnitude_of(&format!("{double:.*e}", magnitude.digits.len().saturating_sub(1)));
    shortest == *magnitude || (shortest.digits.len() == magnitude.digits.len() && rounded().as_ref() == Some(magnitude))
}

fn magnitude_of(text: &str) -> Option<Magnitude> {
    Literal::read(text).map(|literal| literal.magnitude())
}

/// Whether it has neither a fraction nor an exponent.
pub fn is_whole(text: &str) -> bool {
    Literal::read(text).is_some_and(|literal| literal.is_whole())
}

/// The nearest number that JSON values can hold; none beyond the range of doubles.
pub fn nearest(text: &str) -> Option<Number> {
    text.parse().ok()
}

/// Without an exponent and without zeros at the end of a fraction; none if that has more than 64 characters, or if it is no number.
pub fn without_exponent(text: &str) -> Option<String> {
    let Magnitude {
        negative,
        digits,
        point,
    } = magnitude_of(text)?;
    let (count, sign) = (length(&digits), if negative { "-" } else { "" });
    if digits.is_empty() {
        return Some("0".into());
    }
    if count.max(point).saturating_sub(point.min(0)) > LONGEST - 3 {
        return None;
    }
    let zeros = |times: i64| "0".repeat(usize::try_from(times).unwrap_or_default());
    Some(if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= count {
        format!("{sign}{digits}{}", zeros(point - count))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        format!("{sign}{whole}.{fraction}")
    })
}

/// The digits of a marked number.
pub fn marked_digits(text: &str) -> Option<&str> {
    text.strip_prefix(MARK).filter(|digits| exceeds_64_bits(digits))
}

/// What stands in JSON for a number that is beyond 64 bits: its digits, as text. Programs that write 17 digits of every double are
/// taken to mean the double.
pub fn json(text: &str) -> Value {
    if is_whole(text) {
        return Value::from(text);
    }
    let nearest = nearest(text).filter(|number| {
        let double = number.as_f64().unwrap_or_default();
        magnitude_of(&format!("{double:.16e}")) == magnitude_of(text)
    });
    match nearest {
        Some(number) => Value::Number(number),
        None if text.contains(['e', 'E']) => Value::from(without_exponent(text).unwrap_or_else(|| text.to_owned())),
        None => Value::from(text),
    }
}

/// Takes the marks off all numbers inside.
pub fn unmark(value: Value) -> Value {
    match value {
        Value::String(text) => marked_digits(&text).map(json).unwrap_or(Value::String(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(unmark).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, unmark(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_64_bits_hold_is_not_beyond() {
        for held in [
            "0",
            "-1",
            "18446744073709551615",
            "-9223372036854775808",
            "9223372036854775807",
            "1.000000000000000000000",
            "100000000000000000000e-20",
            "0.1",
            "-1.5e300",
            "0e999999999999999999999",
            "0.000000000000000000000",
            "123456789012345.67",
            "5e-324",
            // Equally near to one double.
            "-1794379652506709.2",
            "-1794379652506709.3",
            // No numbers.
            "00000000000000000000000",
            "-",
            "",
            "1e",
            "1.e400",
            "+1e400",
            "123456789012345678901234x",
        ] {
            assert!(!exceeds_64_bits(held), "{held}");
        }
    }

    #[test]
    fn what_they_would_change_is_beyond() {
        for beyond in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234",
            "9007199254740993.0",
            "900719925474099.27",
            "12345678901234567890.12",
            "0.1000000000000000055",
            "1e400",
            "-1E+400",
            "1e-400",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert!(exceeds_64_bits(beyond), "{beyond}");
        }
    }

    #[test]
    fn numbers_are_written_without_exponents() {
        for (text, expected) in [
            ("1.50e3", "1500"),
            ("-1.5e-3", "-0.0015"),
            ("123.450", "123.45"),
            ("0e9", "0"),
            ("-0.0", "0"),
            ("1E+2", "100"),
            ("7e-28", "0.0000000000000000000000000007"),
            ("100e-2", "1"),
        ] {
            assert_eq!(without_exponent(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["1e400", "1e-400", "1e99999999999999999999", &"1".repeat(65), "x", "1e"] {
            assert_eq!(without_exponent(text), None, "{text}");
        }
    }

    #[test]
    fn json_keeps_the_digits() {
        for (text, expected) in [
            ("123456789012345678901234", json!("123456789012345678901234")),
            ("0.1000000000000000055", json!("0.1000000000000000055")),
            ("12345678901234567890.12", json!("12345678901234567890.12")),
            ("1.2345678901234567890123e3", json!("1234.5678901234567890123")),
            ("1e400", json!("1e400")),
            // 0.1 as `printf("%.17g")` writes it.
            ("0.10000000000000001", json!(0.1)),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
        let given = json!({ "a": ["\u{0}#123456789012345678901234", "\u{0}#12", 7] });
        assert_eq!(
            unmark(given),
            json!({ "a": ["123456789012345678901234", "\u{0}#12", 7] })
        );
    }

    proptest! {
        #[test]
        fn doubles_and_whole_numbers_are_held_as_programs_write_them(double in any::<f64>(), whole in any::<i64>()) {
            prop_assert!(!exceeds_64_bits(&json!(double).to_string()));
            let (short, long) = (format!("{double:e}"), format!("{double:.16e}"));
            prop_assert!(!exceeds_64_bits(&short));
            prop_assert!(!exceeds_64_bits(&whole.to_string()));
            prop_assert!(!exceeds_64_bits(&long) || json(&long).is_number() || !double.is_finite());
        }

        #[test]
        fn any_text_is_judged(text in "-?[0-9]{0,30}(\\.[0-9]{0,30})?([eE][+-]?[0-9]{0,25})?") {
            let number = serde_json::from_str::<Number>(&text);
            // What cannot be read as JSON without being beyond is no number.
            prop_assert!(exceeds_64_bits(&text) || number.is_ok() == Literal::read(&text).is_some());
            if let Some(plain) = without_exponent(&text) {
                prop_assert!(magnitude_of(&plain) == magnitude_of(&text));
                prop_assert!(plain.len() <= 64);
            }
        }
    }
}
