//! The template engine behind everything that is more than text and plain placeholders.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, Output, State, UndefinedBehavior, Value};

use super::text::{escape_html, float_text, value_json};
use super::{Escape, Place, TemplateError};

/// Work that one rendering may do. A unit pays for about one step or 64 bytes, so this is some 2.5 MB of output or a
/// few milliseconds.
const FUEL: u64 = 40_000;

const NAME: &str = "template";

static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_text));
static HTML: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_html));

type Format = fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), Error>;

/// Escaping is left to the formatter, which knows no "safe" text: whatever a template computes is escaped when written.
fn environment(format: Format) -> Environment<'static> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    for global in ["range", "dict", "debug", "namespace"] {
        environment.remove_global(global);
    }
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(format);
    environment
}

fn write_text(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(out.write_str(&plain(value)?)?)
}

fn write_html(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(out.write_str(&escape_html(&plain(value)?))?)
}

/// The engine's counterpart of [`super::value_text`].
fn plain(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number if !value.is_integer() => float_text(f64::try_from(value.clone())?),
        ValueKind::Number | ValueKind::String | ValueKind::Bytes => value.to_string(),
        _ => {
            let json = value_json(value).map_err(bad_json)?;
            String::from_utf8_lossy(&json).into_owned()
        }
    })
}

fn bad_json(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, "not JSON").with_source(error)
}

/// The values under `lead` and, for the short spelling, by themselves.
pub(super) fn context(fields: &BTreeMap<&str, &serde_json::Value>) -> Value {
    let lead: BTreeMap<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(Serde(value))))
        .collect();
    let mut context = lead.clone();
    context.insert("lead".to_owned(), Value::from(lead));
    Value::from(context)
}

/// A compiled template.
#[derive(Debug)]
pub(super) struct Program(Environment<'static>);

impl Program {
    pub(super) fn compile(source: &str, escape: Escape) -> Result<Self, TemplateError> {
        let mut environment = match escape {
            Escape::None => TEXT.clone(),
            Escape::Html => HTML.clone(),
        };
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| syntax(&error))?;
        Ok(Self(environment))
    }

    pub(super) fn render(&self, context: Value) -> Result<String, TemplateError> {
        let template = self.0.get_template(NAME).map_err(|error| failed(&error))?;
        template.render(context).map_err(|error| failed(&error))
    }
}

pub(super) fn compile_expression(source: &str) -> Result<Expression<'static, 'static>, TemplateError> {
    TEXT.compile_expression_owned(source.to_owned())
        .map_err(|error| syntax(&error))
}

pub(super) fn evaluate(
    expression: &Expression<'static, 'static>,
    context: Value,
) -> Result<serde_json::Value, TemplateError> {
    let value = expression.eval(context).map_err(|error| failed(&error))?;
    serde_json::to_value(&value).map_err(|error| failed(&bad_json(error)))
}

fn place(error: &Error) -> Place {
    Place {
        line: error.line().unwrap_or(1),
        column: None,
    }
}

/// Compiling has seen nothing but the source, so the engine's own words may be passed on.
fn syntax(error: &Error) -> TemplateError {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let advice = format!("{detail}. Write a field as {{{{ lead.name }}}} and close every {{% if %}} and {{% for %}}.");
    TemplateError::Syntax {
        place: place(error),
        advice,
    }
}

/// The engine's own words may quote values here, so only the kind of the error is passed on.
fn failed(error: &Error) -> TemplateError {
    let advice = match error.kind() {
        ErrorKind::OutOfFuel => "the template does too much work; shorten its loops and its output",
        ErrorKind::InvalidOperation | ErrorKind::NonPrimitive | ErrorKind::UndefinedError => {
            "a filter or operator does not fit the lead's value; give absent fields a value with | default(…) and check \
             the types"
        }
        _ => "the template cannot be rendered with the lead's values; simplify this place",
    };
    TemplateError::Render {
        place: place(error),
        advice,
    }
}
