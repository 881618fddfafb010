//! JSON values.

use std::io::{self, Write};

use serde_json::Value;

use super::text::refuse_nul;
use crate::{lenient_json, numerals};

/// The largest JSON value, in bytes of its compact form.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// The deepest nesting: a scalar has depth 0, `[[1]]` has depth 2.
pub const MAX_JSON_DEPTH: usize = 16;

/// Reads any JSON value; `None` if it is null or blank text.
///
/// Text that begins with `{` or `[` is read as JSON, as form posts send it. All other text stays text, so that reading
/// what was stored gives the same again. Control characters within text stay; NUL is refused, in names too.
pub(super) fn read(raw: &Value) -> Result<Option<Value>, String> {
    let value = match raw {
        Value::Null => return Ok(None),
        Value::String(text) if text.len() > MAX_JSON_BYTES => return Err(too_large()),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => parse(text)?,
        other => return check(other).map(|()| Some(other.clone())),
    };
    check(&value)?;
    Ok(Some(value))
}

fn parse(text: &str) -> Result<Value, String> {
    let message = |_| "This begins like JSON but is not valid JSON. Send a valid object or list.".to_owned();
    let value = serde_json::from_slice(&lenient_json::repair(text.as_bytes(), 0)).map_err(message)?;
    Ok(numerals::unmark(value))
}

fn check(value: &Value) -> Result<(), String> {
    check_inside(value, MAX_JSON_DEPTH)?;
    let mut room = Room(MAX_JSON_BYTES);
    serde_json::to_writer(&mut room, value).map_err(|_full| too_large())
}

fn check_inside(value: &Value, levels: usize) -> Result<(), String> {
    let deeper = || {
        levels
            .checked_sub(1)
            .ok_or_else(|| "This is nested too deeply. Send at most 16 levels.".to_owned())
    };
    match value {
        Value::String(text) => refuse_nul(text),
        Value::Array(items) => {
            let levels = deeper()?;
            items.iter().try_for_each(|item| check_inside(item, levels))
        }
        Value::Object(members) => {
            let levels = deeper()?;
            members.iter().try_for_each(|(name, member)| {
                refuse_nul(name)?;
                check_inside(member, levels)
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn too_large() -> String {
    "This JSON is too large. Send at most 64 KiB.".to_owned()
}

/// Counts bytes and fails when there is no room for more, so that a huge value is never written out.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn values_stay_and_text_with_an_object_or_list_is_read() {
        assert_eq!(
            read(&json!({"a": [1, null, "x"]})),
            Ok(Some(json!({"a": [1, null, "x"]})))
        );
        assert_eq!(read(&json!(" {\"a\": 1} ")), Ok(Some(json!({"a": 1}))));
        assert_eq!(read(&json!("[1,2]")), Ok(Some(json!([1, 2]))));
        assert_eq!(
            read(&json!("[123456789012345678901234,1e400,\"\\ud83d\"]")),
            Ok(Some(json!(["123456789012345678901234", "1e400", "\u{fffd}"])))
        );
        assert_eq!(read(&json!("12")), Ok(Some(json!("12"))));
        assert_eq!(read(&json!("\"quoted\"")), Ok(Some(json!("\"quoted\""))));
        assert_eq!(read(&json!(false)), Ok(Some(json!(false))));
        assert_eq!(read(&json!({})), Ok(Some(json!({}))));
    }

    #[test]
    fn null_and_blank_text_are_empty() {
        for raw in [json!(null), json!(""), json!("  ")] {
            assert_eq!(read(&raw), Ok(None));
        }
    }

    #[test]
    fn depth_size_nul_and_broken_json_are_refused() {
        assert!(read(&nested(MAX_JSON_DEPTH)).is_ok());
        assert!(read(&nested(MAX_JSON_DEPTH + 1)).is_err());
        assert!(read(&json!("[".repeat(60_000))).is_err());
        assert!(read(&json!(["a\0"])).is_err());
        assert!(read(&json!({"a\0": 1})).is_err());
        assert!(read(&json!("{\"a\": \"\\u0000\"}")).is_err());
        assert!(read(&json!("{\"a\": ")).is_err());
        assert!(read(&json!(["a".repeat(MAX_JSON_BYTES - 4)])).is_ok());
        assert!(read(&json!(["a".repeat(MAX_JSON_BYTES - 3)])).is_err());
        assert!(read(&json!("a".repeat(1_000_000))).is_err());
    }
}
