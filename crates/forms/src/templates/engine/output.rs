//! What a template writes, counted byte for byte before it is written.

use super::value::Val;
use super::{Fail, json};
use crate::templates::text::escape_html;
use crate::templates::{Budget, Escape};

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
        self.budget.text(text.len())?;
        self.budget.write(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Writes a value as people read it, escaped if need be.
    pub(super) fn value(&mut self, value: &Val<'_>) -> Result<(), Fail> {
        match value {
            Val::Json(_) | Val::List(_) | Val::Map(_) | Val::Lead(_) => {
                self.escaped(&json::output(value, self.budget)?)
            }
            _ => self.escaped(value.text(self.budget)?.read(self.budget)?),
        }
    }

    fn escaped(&mut self, text: &str) -> Result<(), Fail> {
        if text.len() > self.budget.bytes_left() {
            return Err(self.budget.no_more_output().into());
        }
        match self.escape {
            Escape::None => self.literal(text),
            Escape::Html => self.literal(&escape_html(text)),
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
