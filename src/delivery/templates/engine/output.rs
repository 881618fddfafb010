//! What a template writes, counted byte for byte before it is written.

use super::Fail;
use super::value::Val;
use crate::delivery::templates::text::{escape_html, json_within};
use crate::delivery::templates::{Budget, Escape};

pub(super) struct Output<'r> {
    text: String,
    escape: Escape,
    budget: &'r Budget,
}

impl<'r> Output<'r> {
    pub(super) fn new(escape: Escape, budget: &'r Budget) -> Self {
        Self {
            text: String::new(),
            escape,
            budget,
        }
    }

    /// Writes what stands in the template.
    pub(super) fn literal(&mut self, text: &str) -> Result<(), Fail> {
        self.budget.write(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Writes a value as people read it, escaped if need be.
    pub(super) fn value(&mut self, value: &Val<'_>) -> Result<(), Fail> {
        match value {
            Val::Json(_) | Val::List(_) | Val::Map(_) | Val::Lead(_) => {
                let json = json_within(value, self.budget.bytes_left());
                let json = json.map_err(|_too_long| self.over())?;
                self.escaped(&String::from_utf8_lossy(&json))
            }
            _ => self.escaped(&value.text(self.budget)?),
        }
    }

    fn escaped(&mut self, text: &str) -> Result<(), Fail> {
        if text.len() > self.budget.bytes_left() {
            return Err(self.over());
        }
        match self.escape {
            Escape::None => self.literal(text),
            Escape::Html => self.literal(&escape_html(text)),
        }
    }

    fn over(&self) -> Fail {
        Fail::Over(super::Overrun::Bytes(self.budget.limit()))
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
