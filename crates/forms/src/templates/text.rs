//! Values as text.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Number, Value};

/// Whether there is nothing to show of a value: null or an empty text.
pub fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// A value as people read it: texts as they are, `true` and `false`, numbers without exponent and without a useless
/// `.0`, null as nothing, lists and objects as compact JSON.
pub fn value_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Owned(number_text(number)),
        Value::Array(_) | Value::Object(_) => {
            let json = value_json(value).ok().and_then(|json| String::from_utf8(json).ok());
            Cow::Owned(json.unwrap_or_else(|| value.to_string()))
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

/// A float in plain digits, without a fraction if it has none.
pub(super) fn float_text(float: f64) -> String {
    if float == 0.0 {
        "0".to_owned()
    } else {
        float.to_string()
    }
}

/// Compact JSON in which no number is written with an exponent, as many receivers read `1e21` wrongly or not at all.
pub fn value_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(256);
    value.serialize(&mut Serializer::with_formatter(&mut out, PlainNumbers))?;
    Ok(out)
}

/// The same of at most so many bytes.
pub fn json_within<T: Serialize + ?Sized>(value: &T, most: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Within {
        written: Vec::new(),
        size: 0,
        most,
    };
    value.serialize(&mut Serializer::with_formatter(&mut out, PlainNumbers))?;
    Ok(out.written)
}

/// How many bytes a value has as compact JSON; none if that is more than `most`.
pub(super) fn json_size<T: Serialize + ?Sized>(value: &T, most: usize) -> Option<usize> {
    let mut out = Within {
        written: io::sink(),
        size: 0,
        most,
    };
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, PlainNumbers));
    written.ok().map(|()| out.size)
}

/// Counts what is written before it is, and takes no more than it may.
struct Within<W> {
    written: W,
    size: usize,
    most: usize,
}

impl<W: io::Write> io::Write for Within<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.size.saturating_add(bytes.len());
        if size > self.most {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.size = size;
        self.written.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct PlainNumbers;

impl Formatter for PlainNumbers {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = value.to_string();
        let fraction = if text.contains('.') { "" } else { ".0" };
        write!(writer, "{text}{fraction}")
    }
}

/// Escapes a text for HTML, inside elements and inside quoted attributes.
pub fn escape_html(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '"' | '\'');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_without_exponent() {
        let cases = [
            (json!(7), "7"),
            (json!(1.0), "1"),
            (json!(-0.0), "0"),
            (json!(0.1), "0.1"),
            (json!(1e21), "1000000000000000000000"),
            (json!(1e-7), "0.0000001"),
            (json!(u64::MAX), "18446744073709551615"),
        ];
        for (number, text) in cases {
            assert_eq!(value_text(&number), text);
        }
        let body = value_json(&json!([1e21, 1.0, 2, 1e-7])).unwrap();
        assert_eq!(body, b"[1000000000000000000000.0,1.0,2,0.0000001]");
    }

    #[test]
    fn lists_and_objects_are_compact_json_and_null_is_nothing() {
        assert_eq!(value_text(&json!({"a": [1, "x"]})), r#"{"a":[1,"x"]}"#);
        assert_eq!(value_text(&json!(null)), "");
        assert_eq!(value_text(&json!(true)), "true");
    }

    #[test]
    fn html_specials_are_escaped_and_other_text_is_not_copied() {
        assert_eq!(
            escape_html(r#"<a b="c">'&'"#),
            "&lt;a b=&quot;c&quot;&gt;&#39;&amp;&#39;"
        );
        assert!(matches!(escape_html("Müller/Söhne"), Cow::Borrowed(_)));
    }
}
