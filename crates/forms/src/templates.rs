//! Templates in which people write what a recipient gets: `Hello {{ lead.first_name }}`.
//!
//! A placeholder names a field as `{{ lead.first_name }}` or `{{ first_name }}`. Filters (`{{ lead.city | upper }}`),
//! `if`, `for`, `set x = …`, `with` and comments work as in Jinja. Not available, on purpose: includes and macros,
//! calls of functions and methods, captured blocks, repetition by `*`, widths, and any way around HTML escaping.
//!
//! Templates and values come from people who may mean harm. Parsing refuses what is nested or chained too deep before anything
//! recurses; rendering counts every step, every value and every byte against a [`Budget`] before it is taken, made or written.
//! The engine's values hand out nothing that grows with them but for a price, so that no filter can forget to count.
//!
//! A template sees nothing but the [`Values`] it is given. Where only the shared fields are put in, no template can show
//! another one, however it asks. A field that is absent or null renders as nothing.

mod budget;
mod check;
mod engine;
mod names;
mod scan;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

pub use budget::Overrun;
pub use budget::{Budget, DEFAULT_OUTPUT_BYTES};
pub use check::wire_name;
pub use check::{ProblemKind, TemplateProblem, check, check_fields};
use engine::Program;
pub use names::FieldNames;
use scan::lex;
pub use text::json_within;
pub use text::{escape_html, is_absent, value_json, value_text};

/// Longest source of a template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// What happens to values on their way into the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    None,
    /// Every output of a placeholder is HTML-escaped, fit for text and quoted attributes.
    Html,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The source exceeds [`MAX_TEMPLATE_BYTES`].
    #[error("the template has {bytes} bytes; shorten it to at most {MAX_TEMPLATE_BYTES}")]
    TooLong { bytes: usize },
    /// The source is not a template.
    #[error("{place}: {advice}")]
    Syntax { place: Place, advice: String },
    /// The template failed on the values of a lead. Neither the values nor anything made of them is in the text.
    #[error("{place}: {advice}")]
    Render { place: Place, advice: &'static str },
    /// The template does more than a delivery may cost.
    #[error("the template does too much work; shorten its loops, its lists and the texts that it makes")]
    Work,
    /// What is rendered for a delivery exceeds its [`Budget`].
    #[error("what is to be sent has more than {limit} bytes; share fewer fields, or shorten the template")]
    TooLarge { limit: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Character in the line, counted from 1, if known.
    pub column: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}", self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// The values that a template may use, by field name.
///
/// Null counts as absent and is left out.
#[derive(Debug, Default)]
pub struct Values<'a> {
    fields: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Values<'a> {
    /// Offers every field of a lead, as TRANSFORM steps do.
    pub fn all(lead: &'a Map<String, Value>) -> Self {
        lead.iter().map(|(name, value)| (name.as_str(), value)).collect()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).copied()
    }

    fn len(&self) -> usize {
        self.fields.len()
    }

    fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.fields.iter().map(|(name, value)| (*name, *value))
    }
}

impl<'a> FromIterator<(&'a str, &'a Value)> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a Value)>>(fields: I) -> Self {
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        Self { fields }
    }
}

/// A parsed template. Parsing costs more than rendering, so keep it; it may be shared between threads.
#[derive(Debug)]
pub struct Template {
    program: Program,
    escape: Escape,
    is_one_placeholder: bool,
    fields: BTreeSet<String>,
    bare: BTreeSet<String>,
    locals: BTreeSet<String>,
    whole_lead: bool,
}

impl Template {
    /// Parses a template of at most [`MAX_TEMPLATE_BYTES`], in time that grows with its length and on a stack that does not.
    /// Every filter and test is known to exist afterwards; fields are left to [`check`].
    pub fn parse(source: &str, escape: Escape) -> Result<Self, TemplateError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong { bytes: source.len() });
        }
        let pieces = lex::pieces(source)?;
        let scan = scan::scan(source, &pieces)?;
        Ok(Self {
            program: Program::parse(source, &pieces)?,
            escape,
            is_one_placeholder: scan.is_one_placeholder,
            fields: scan.fields,
            bare: scan.bare,
            locals: scan.locals,
            whole_lead: scan.whole_lead,
        })
    }

    /// Names that the template reads as fields: `x` of `{{ lead.x }}`, `{{ lead["x"] }}` and `{{ x }}`, without the
    /// names that it defines itself. Names put together while rendering (`lead[a ~ b]`) cannot be listed.
    pub fn fields(&self) -> BTreeSet<&str> {
        let bare = self.bare.difference(&self.locals);
        self.fields.iter().chain(bare).map(String::as_str).collect()
    }

    /// Whether the template may read that field: by its name, also where it sets a variable of this name, for it may be read before it
    /// is set; or as one of all, where `lead` is written out, passed on or asked for a name that is put together (`lead[a ~ b]`).
    pub fn may_read(&self, field: &str) -> bool {
        self.whole_lead || self.fields.contains(field) || self.bare.contains(field)
    }

    /// Whether the template is plain text, the same for every lead.
    pub fn is_literal(&self) -> bool {
        self.program.is_literal()
    }

    /// Renders to text, at the cost of a budget; fails when that is used up.
    pub fn render(&self, values: &Values<'_>, budget: &Budget) -> Result<String, TemplateError> {
        self.program.render(values, self.escape, budget)
    }

    /// Renders to a JSON value: the value itself, with its type, if the template is exactly one unescaped placeholder
    /// (null if the field is absent), and a string otherwise.
    pub fn render_value(&self, values: &Values<'_>, budget: &Budget) -> Result<Value, TemplateError> {
        if self.escape == Escape::None
            && self.is_one_placeholder
            && let Some(value) = self.program.value(values, budget)?
        {
            return Ok(value);
        }
        self.render(values, budget).map(Value::String)
    }
}

#[cfg(test)]
mod tests;
