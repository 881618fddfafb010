//! Templates in which people write what a recipient gets: `Hello {{ lead.first_name }}`.
//!
//! A placeholder names a field as `{{ lead.first_name }}` or `{{ first_name }}`. Filters (`{{ lead.city | upper }}`),
//! `if`, `for`, `set x = …`, `with` and comments work as in Jinja. Not available, on purpose: includes and macros,
//! calls of functions and methods, captured blocks, and any way around HTML escaping.
//!
//! A template sees nothing but the [`Values`] it is given. Where only the shared fields are put in, no template can show
//! another one, however it asks. A field that is absent or null renders as nothing.

mod check;
mod engine;
mod names;
mod scan;
mod text;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minijinja::Expression;
use serde_json::{Map, Value};

pub(crate) use check::wire_name;
pub use check::{ProblemKind, TemplateProblem, check, check_fields};
use engine::Program;
pub use names::no_such_field;
use scan::Part;
pub use text::{escape_html, is_absent, value_json, value_text};

/// Longest source of a template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// What happens to values on their way into the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Nothing: plain text.
    None,
    /// Every output of a placeholder is HTML-escaped, fit for text and quoted attributes.
    Html,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The source exceeds [`MAX_TEMPLATE_BYTES`].
    #[error("the template has {bytes} bytes; shorten it to at most {MAX_TEMPLATE_BYTES}")]
    TooLong {
        /// Bytes of the source.
        bytes: usize,
    },
    /// The source is not a template.
    #[error("{place}: {advice}")]
    Syntax {
        /// Where the fault was noticed.
        place: Place,
        /// What is wrong and what to write instead.
        advice: String,
    },
    /// The template failed on the values of a lead. Neither the values nor anything made of them is in the text.
    #[error("{place}: {advice}")]
    Render {
        /// Where it failed.
        place: Place,
        /// What is wrong and what to write instead.
        advice: &'static str,
    },
}

/// A place in a template's source.
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
    context: OnceCell<minijinja::Value>,
}

impl<'a> Values<'a> {
    /// Offers every field of a lead, as TRANSFORM steps do.
    pub fn all(lead: &'a Map<String, Value>) -> Self {
        lead.iter().map(|(name, value)| (name.as_str(), value)).collect()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).copied()
    }

    /// The same values for the engine; made once, for all templates that are rendered with them.
    fn context(&self) -> minijinja::Value {
        self.context.get_or_init(|| engine::context(&self.fields)).clone()
    }
}

impl<'a> FromIterator<(&'a str, &'a Value)> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a Value)>>(fields: I) -> Self {
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        Self {
            fields,
            context: OnceCell::new(),
        }
    }
}

/// A parsed template. Parsing costs far more than rendering, so keep it; it may be shared between threads.
#[derive(Debug)]
pub struct Template {
    body: Body,
    escape: Escape,
    fields: BTreeSet<String>,
    bare: BTreeSet<String>,
    locals: BTreeSet<String>,
}

#[derive(Debug)]
enum Body {
    /// Nothing but text and plain placeholders: rendered here.
    Parts(Vec<Part>),
    /// One expression and nothing around it.
    Whole {
        expression: Expression<'static, 'static>,
        program: Program,
    },
    /// Everything else.
    Program(Program),
}

impl Template {
    /// Parses a template of at most [`MAX_TEMPLATE_BYTES`]. Every filter and test is known to exist afterwards; fields
    /// are left to [`check`].
    pub fn parse(source: &str, escape: Escape) -> Result<Self, TemplateError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong { bytes: source.len() });
        }
        let scan = scan::scan(source)?;
        let body = match scan.parts {
            Some(parts) => Body::Parts(parts),
            None => compile(source, escape, scan.only_expression)?,
        };
        let (fields, bare, locals) = (scan.fields, scan.bare, scan.locals);
        Ok(Self {
            body,
            escape,
            fields,
            bare,
            locals,
        })
    }

    /// Names that the template reads as fields: `x` of `{{ lead.x }}`, `{{ lead["x"] }}` and `{{ x }}`, without the
    /// names that it defines itself. Names put together while rendering (`lead[a ~ b]`) cannot be listed.
    pub fn fields(&self) -> BTreeSet<&str> {
        let bare = self.bare.difference(&self.locals);
        self.fields.iter().chain(bare).map(String::as_str).collect()
    }

    /// Whether the template is plain text, the same for every lead.
    pub fn is_literal(&self) -> bool {
        match &self.body {
            Body::Parts(parts) => parts.iter().all(|part| matches!(part, Part::Text(_))),
            Body::Whole { .. } | Body::Program(_) => false,
        }
    }

    /// Renders to text. The work is bounded; a template that asks for too much fails.
    pub fn render(&self, values: &Values<'_>) -> Result<String, TemplateError> {
        match &self.body {
            Body::Parts(parts) => Ok(self.join(parts, values)),
            Body::Whole { program, .. } | Body::Program(program) => program.render(values.context()),
        }
    }

    /// Renders to a JSON value: the value itself, with its type, if the template is exactly one unescaped placeholder
    /// (null if the field is absent), and a string otherwise.
    pub fn render_value(&self, values: &Values<'_>) -> Result<Value, TemplateError> {
        if self.escape == Escape::None {
            match &self.body {
                Body::Whole { expression, .. } => {
                    return engine::evaluate(expression, values.context());
                }
                Body::Parts(parts) => {
                    if let [Part::Field(name)] = parts.as_slice() {
                        return Ok(values.get(name).cloned().unwrap_or(Value::Null));
                    }
                }
                Body::Program(_) => {}
            }
        }
        self.render(values).map(Value::String)
    }

    fn join(&self, parts: &[Part], values: &Values<'_>) -> String {
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(name) => {
                    let text = values.get(name).map_or(Cow::Borrowed(""), value_text);
                    out.push_str(&match self.escape {
                        Escape::None => text,
                        Escape::Html => Cow::Owned(escape_html(&text).into_owned()),
                    });
                }
            }
        }
        out
    }
}

fn compile(source: &str, escape: Escape, expression: Option<&str>) -> Result<Body, TemplateError> {
    let program = Program::compile(source, escape)?;
    Ok(match expression {
        Some(expression) => Body::Whole {
            expression: engine::compile_expression(expression)?,
            program,
        },
        None => Body::Program(program),
    })
}

#[cfg(test)]
mod tests;
