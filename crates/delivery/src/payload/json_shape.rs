//! Custom shapes of webhook bodies: JSON in which every text is a template.
//!
//! `{"contact": {"mail": "{{ lead.email }}"}, "score": "{{ lead.score }}", "src": "leadmesh"}`: a text that is one
//! placeholder and nothing else becomes the value with its type, or null if the lead lacks it. Keys are literal. Keys
//! come out sorted, as stored JSON keeps no order of keys.

use entity::delivery_config::FieldSelection;
use serde_json::{Map, Value};

use super::{Budget, PayloadError};
use leadmesh_forms::templates::{Escape, FieldNames, MAX_TEMPLATE_BYTES, Template, TemplateProblem, Values, check};

/// Most levels of nesting; bounds the recursion here.
const MAX_DEPTH: usize = 32;
/// Bytes of a pointer to which nothing more is added.
const LONG_POINTER: usize = 200;
/// Characters of a key that a pointer shows.
const LONG_KEY: usize = 100;

#[derive(Debug)]
pub(super) struct Shape(Node);

#[derive(Debug)]
enum Node {
    Fixed(Value),
    Leaf { template: Box<Template>, pointer: String },
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Shape {
    pub(super) fn parse(source: &Value) -> Result<Self, PayloadError> {
        if source.to_string().len() > MAX_TEMPLATE_BYTES {
            return Err(PayloadError::Shape {
                advice: "the custom shape is longer than 64 KiB; shorten it",
            });
        }
        Node::parse(source, String::new(), 0).map(Self)
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.0, Node::Object(_))
    }

    /// All leaves share the budget.
    pub(super) fn render(&self, values: &Values<'_>, budget: &Budget) -> Result<Value, PayloadError> {
        self.0.render(values, budget)
    }

    pub(super) fn check(&self, names: &FieldNames<'_>, selection: &FieldSelection) -> Vec<TemplateProblem> {
        let mut problems = Vec::new();
        self.0.leaves(&mut |template, pointer| {
            let found = check(template, names, selection);
            problems.extend(found.into_iter().map(|problem| problem.within(&setting(pointer))));
        });
        problems
    }
}

/// How messages name a place in the shape.
fn setting(pointer: &str) -> String {
    format!("template{pointer}")
}

/// The pointer to something within what a pointer names. Long ones are cut off: each leaf keeps its own.
fn below(pointer: &str, key: &str) -> String {
    if pointer.len() >= LONG_POINTER {
        return pointer.to_owned();
    }
    let key: String = key.chars().take(LONG_KEY).collect();
    let key = key.replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{key}")
}

impl Node {
    fn parse(source: &Value, pointer: String, depth: usize) -> Result<Self, PayloadError> {
        if depth > MAX_DEPTH {
            return Err(PayloadError::Shape {
                advice: "the custom shape is nested more than 32 levels deep; flatten it",
            });
        }
        match source {
            Value::String(text) => {
                let template =
                    Template::parse(text, Escape::None).map_err(PayloadError::template(setting(&pointer)))?;
                if template.is_literal() {
                    return Ok(Self::Fixed(source.clone()));
                }
                Ok(Self::Leaf {
                    template: Box::new(template),
                    pointer,
                })
            }
            Value::Array(items) => {
                let node = |(i, item): (usize, &Value)| Self::parse(item, below(&pointer, &i.to_string()), depth + 1);
                items
                    .iter()
                    .enumerate()
                    .map(node)
                    .collect::<Result<_, _>>()
                    .map(Self::List)
            }
            Value::Object(entries) => {
                let entry = |(key, value): (&String, &Value)| {
                    let node = Self::parse(value, below(&pointer, key), depth + 1)?;
                    Ok((key.clone(), node))
                };
                entries.iter().map(entry).collect::<Result<_, _>>().map(Self::Object)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Self::Fixed(source.clone())),
        }
    }

    fn render(&self, values: &Values<'_>, budget: &Budget) -> Result<Value, PayloadError> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Leaf { template, pointer } => template
                .render_value(values, budget)
                .map_err(|error| PayloadError::template(setting(pointer))(error)),
            Self::List(items) => items
                .iter()
                .map(|item| item.render(values, budget))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Self::Object(entries) => {
                let entry = |(key, node): &(String, Self)| Ok((key.clone(), node.render(values, budget)?));
                entries
                    .iter()
                    .map(entry)
                    .collect::<Result<Map<_, _>, _>>()
                    .map(Value::Object)
            }
        }
    }

    fn leaves(&self, visit: &mut impl FnMut(&Template, &str)) {
        match self {
            Self::Fixed(_) => {}
            Self::Leaf { template, pointer } => visit(template, pointer),
            Self::List(items) => items.iter().for_each(|item| item.leaves(visit)),
            Self::Object(entries) => entries.iter().for_each(|(_, node)| node.leaves(visit)),
        }
    }
}
