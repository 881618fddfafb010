//! Bodies of type `application/x-www-form-urlencoded`, as the WHATWG URL standard (section 5) writes them: UTF-8,
//! percent-encoded, a space as `+`.
//!
//! Objects nest as `contact[mail]=…` and lists as `a[0]=…`. Absent values are left out, and empty lists and objects
//! have no form.

use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::delivery::templates::{is_absent, value_text};

/// Encodes named values in their order.
pub(super) fn encode<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let mut out = Serializer::new(String::new());
    for (name, value) in fields {
        append(&mut out, name, value);
    }
    out.finish()
}

fn append(out: &mut Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                append(out, &format!("{name}[{index}]"), item);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                append(out, &format!("{name}[{key}]"), item);
            }
        }
        _ if is_absent(value) => {}
        _ => {
            out.append_pair(name, &value_text(value));
        }
    }
}
