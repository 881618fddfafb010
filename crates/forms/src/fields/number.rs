//! Decimal and whole numbers.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Number, Value};

use super::decimal;
use super::fold::ascii_digit;
use separators::plain;

mod separators;

/// Signs, codes and units that may stand before or after the digits; longer ones come before their parts.
const MARKS: [&str; 33] = [
    "US$", "CA$", "AU$", "NZ$", "HK$", "A$", "C$", "R$", "$", "€", "£", "¥", "₹", "USD", "EUR", "GBP", "CAD", "AUD",
    "NZD", "CHF", "JPY", "CNY", "INR", "MXN", "BRL", "SEK", "NOK", "DKK", "PLN", "CZK", "ZAR", "SGD", "%",
];

/// Reads a decimal number into a JSON number, or into text where a JSON number would not say exactly the same.
pub(super) fn read(raw: &Value, text: &str) -> Result<Value, String> {
    let message = || {
        "This is not a number. Send digits with at most one decimal sign, such as 1234.5 or 1,234.50, \
         and at most 28 digits."
            .to_owned()
    };
    Ok(canonical(decimal(raw, text).ok_or_else(message)?))
}

/// Reads a whole number of 64 bits. A fraction of zeros is accepted.
pub(super) fn read_integer(raw: &Value, text: &str) -> Result<Value, String> {
    let message = || {
        "This is not a whole number. Send digits only, between -9223372036854775808 and 9223372036854775807.".to_owned()
    };
    let whole = decimal(raw, text)
        .filter(Decimal::is_integer)
        .and_then(|value| value.to_i64());
    Ok(Value::from(whole.ok_or_else(message)?))
}

/// The exact value of a JSON number or of text; an exponent is accepted in the first only, since text like `12E3`
/// is more often a code than a number.
fn decimal(raw: &Value, text: &str) -> Option<Decimal> {
    match raw {
        Value::Number(number) => of_json(number),
        Value::String(_) => decimal::exact(&plain(&bare(text)?)?),
        _ => None,
    }
}

fn of_json(number: &Number) -> Option<Decimal> {
    decimal::scientific(&number.to_string())
}

/// The sign and digits of a text, without currency signs, currency codes and a percent sign.
fn bare(text: &str) -> Option<String> {
    let ascii: String = text.chars().map(ascii_digit).collect();
    let (mut sign, mut rest) = ("", ascii.trim());
    for _ in 0..2 {
        rest = strip_mark(rest);
        if let Some(after) = rest.strip_prefix(['-', '−']) {
            if !sign.is_empty() {
                return None;
            }
            (sign, rest) = ("-", after.trim_start());
        } else if let Some(after) = rest.strip_prefix('+') {
            rest = after.trim_start();
        }
    }
    Some(format!("{sign}{rest}"))
}

fn strip_mark(text: &str) -> &str {
    for mark in MARKS {
        let (head, tail) = (
            text.get(..mark.len()),
            text.len().checked_sub(mark.len()).and_then(|at| text.get(at..)),
        );
        if head.is_some_and(|head| head.eq_ignore_ascii_case(mark)) {
            return text.get(mark.len()..).unwrap_or_default().trim_start();
        }
        if tail.is_some_and(|tail| tail.eq_ignore_ascii_case(mark)) {
            return text.get(..text.len() - mark.len()).unwrap_or_default().trim_end();
        }
    }
    text
}

fn canonical(value: Decimal) -> Value {
    let value = value.normalize();
    if let Some(whole) = value.to_i64().filter(|whole| Decimal::from(*whole) == value) {
        return Value::from(whole);
    }
    let text = value.to_string();
    let float = text.parse().ok().and_then(Number::from_f64);
    match float.filter(|float| of_json(float) == Some(value)) {
        Some(float) => Value::Number(float),
        None => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn typed(raw: &Value) -> Option<Value> {
        read(raw, raw.as_str().unwrap_or_default()).ok()
    }

    #[test]
    fn numbers_and_money_in_text_become_json_numbers() {
        let cases = [
            (json!(12), json!(12)),
            (json!(0.1), json!(0.1)),
            (json!(12.0), json!(12)),
            (json!(1e3), json!(1000)),
            (json!("12"), json!(12)),
            (json!("-0.50"), json!(-0.5)),
            (json!("-0"), json!(0)),
            (json!("+7"), json!(7)),
            (json!("$1,200"), json!(1200)),
            (json!("1,234.50"), json!(1234.5)),
            (json!("1.234,50"), json!(1234.5)),
            (json!("€ 12,50"), json!(12.5)),
            (json!("12.50 EUR"), json!(12.5)),
            (json!("-$5"), json!(-5)),
            (json!("$-5"), json!(-5)),
            (json!("US$ 5"), json!(5)),
            (json!("5.5%"), json!(5.5)),
            (json!("−3"), json!(-3)),
            (json!("١٢٣"), json!(123)),
            (json!("12345678901234567890.12"), json!("12345678901234567890.12")),
            (json!("0.1000000000000000055"), json!("0.1000000000000000055")),
            (json!(18_446_744_073_709_551_615_u64), json!("18446744073709551615")),
        ];
        for (raw, expected) in cases {
            assert_eq!(typed(&raw), Some(expected), "{raw}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        let texts = [
            "abc", "12e3", "0x10", "1 2", "--1", "$", "-", "1.2.3", "12,34,5", "NaN", "inf", "½", "12k", "1-2", "%5%%",
            "🙂",
        ];
        for text in texts {
            assert_eq!(typed(&json!(text)), None, "{text}");
        }
        assert_eq!(typed(&json!("1".repeat(10_000))), None);
        assert_eq!(typed(&json!(1e300)), None);
        assert_eq!(typed(&json!(1e-29)), None);
        assert_eq!(typed(&json!(true)), None);
    }

    #[test]
    fn integers_are_whole_and_fit_64_bits() {
        let typed = |raw: Value| read_integer(&raw, raw.as_str().unwrap_or_default()).ok();
        assert_eq!(typed(json!("1,200")), Some(json!(1200)));
        assert_eq!(typed(json!("5.00")), Some(json!(5)));
        assert_eq!(typed(json!(5.0)), Some(json!(5)));
        assert_eq!(typed(json!("-9223372036854775808")), Some(json!(i64::MIN)));
        for raw in [
            json!("5.5"),
            json!(5.5),
            json!("9223372036854775808"),
            json!(u64::MAX),
            json!("five"),
        ] {
            assert_eq!(typed(raw), None);
        }
    }
}
