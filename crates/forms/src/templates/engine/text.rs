//! Texts while a template is rendered. Their bytes are out of reach but for a price: who reads a text pays for its length.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Fail;
use crate::templates::Budget;

/// Bytes of the longest text that a template may make.
pub(super) const MAX_TEXT: usize = 256 * 1024;

/// A text of the lead, of the template or made by it.
#[derive(Clone)]
pub(super) struct Text<'r>(Kind<'r>);

#[derive(Clone)]
enum Kind<'r> {
    Borrowed(&'r str),
    Made(Rc<str>),
}

impl<'r> Text<'r> {
    /// A text of the lead or of the template.
    pub(super) fn borrowed(text: &'r str) -> Self {
        Self(Kind::Borrowed(text))
    }

    /// A text of its own. What it is put together from was read before, and so was paid for.
    pub(super) fn made(text: &str, budget: &Budget) -> Result<Self, Fail> {
        fits(text.len())?;
        budget.text(text.len())?;
        Ok(Self(Kind::Made(text.into())))
    }

    pub(super) fn len(&self) -> usize {
        self.unpaid().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, to go through it once.
    pub(super) fn read(&self, budget: &Budget) -> Result<&str, Fail> {
        self.read_times(1, budget)
    }

    /// The text, to go through it so many times, or to make so many times as much of it.
    pub(super) fn read_times(&self, times: usize, budget: &Budget) -> Result<&str, Fail> {
        budget.text(self.len().saturating_mul(times))?;
        Ok(self.unpaid())
    }

    /// The order of two texts, which is found in what they have in common.
    pub(super) fn order(&self, other: &Self, budget: &Budget) -> Result<Ordering, Fail> {
        budget.text(self.len().min(other.len()))?;
        Ok(self.unpaid().as_bytes().cmp(other.unpaid().as_bytes()))
    }

    fn unpaid(&self) -> &str {
        match &self.0 {
            Kind::Borrowed(text) => text,
            Kind::Made(text) => text,
        }
    }
}

/// Whether a text of that many bytes may be made.
pub(super) fn fits(bytes: usize) -> Result<(), Fail> {
    if bytes > MAX_TEXT { Err(Fail::TooLong) } else { Ok(()) }
}
