//! Bodies of type `application/x-www-form-urlencoded`, as the WHATWG URL standard (section 5) writes them: UTF-8,
//! percent-encoded, a space as `+`.
//!
//! Objects nest as `contact[mail]=…` and lists as `a[0]=…`. Absent values are left out, and empty lists and objects
//! have no form.

//!
//! A name is repeated for every item that it holds, so a short lead can make a long form: each pair is counted before it is
//! written.

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::Budget;
use leadmesh_forms::templates::{Overrun, is_absent, value_text};

/// Encodes named values in their order.
pub(super) fn encode<'a>(
    fields: impl Iterator<Item = (&'a str, &'a Value)>,
    budget: &Budget,
) -> Result<String, Overrun> {
    let mut form = Form {
        out: String::new(),
        name: String::new(),
        budget,
    };
    for (name, value) in fields {
        form.within(name, value)?;
    }
    Ok(form.out)
}

struct Form<'b> {
    out: String,
    /// The name as far as it is known.
    name: String,
    budget: &'b Budget,
}

impl Form<'_> {
    /// Appends a value under a longer name.
    fn within(&mut self, more: &str, value: &Value) -> Result<(), Overrun> {
        let before = self.name.len();
        self.name.push_str(more);
        self.append(value)?;
        self.name.truncate(before);
        Ok(())
    }

    fn append(&mut self, value: &Value) -> Result<(), Overrun> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.within(&format!("[{index}]"), item)?;
                }
            }
            Value::Object(entries) => {
                for (key, item) in entries {
                    self.within(&format!("[{key}]"), item)?;
                }
            }
            _ if is_absent(value) => {}
            _ => self.pair(&value_text(value))?,
        }
        Ok(())
    }

    fn pair(&mut self, value: &str) -> Result<(), Overrun> {
        let separator = if self.out.is_empty() { "" } else { "&" };
        let before = self.out.len();
        // What is encoded has at most three times the bytes, so nothing much is made before it is refused.
        if self.name.len().saturating_add(value.len()) > self.budget.bytes_left() {
            return Err(Overrun::Bytes(self.budget.limit()));
        }
        self.out.push_str(separator);
        self.out.extend(byte_serialize(self.name.as_bytes()));
        self.out.push('=');
        self.out.extend(byte_serialize(value.as_bytes()));
        self.budget.write(self.out.len() - before)
    }
}
