//! Checks the values of a request against [`Bounds`] before anything executes.
//!
//! The schema says where lists, texts and nested objects may stand, so every one of them is bounded without an
//! annotation at the argument. Values in the document are checked once, with the document; variables with each
//! request, each of them once, however often the document mentions it.

use std::collections::HashMap;
use std::fmt;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type, VariableDefinition},
};

use super::bounds::{Bounds, Place};
use super::{Limits, Refusal};
use crate::registry::{FieldDef, Registry, TypeDef, named};

/// The scalar whose values the schema does not describe.
const JSON: &str = "JSON";

/// The arguments that variables are given to, for messages.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// By variable: the first argument that it is given to.
    used: HashMap<Name, Used>,
}

#[derive(Debug, Clone)]
struct Used {
    path: String,
    owner: String,
    name: Name,
}

/// The path from the argument to a value, for messages.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
    /// Input objects around it.
    level: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.step, self.parent) {
            (Step::Name(name), None) => f.write_str(name),
            (Step::Name(name), Some(_)) => write!(f, ".{name}"),
            (Step::Index(index), _) => write!(f, "[{index}]"),
        }
    }
}

impl<'a> Path<'a> {
    fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            step: Step::Name(name),
            level: 0,
        }
    }

    fn field<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            step: Step::Name(name),
            level: self.level + 1,
        }
    }

    fn entry(&self, index: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            step: Step::Index(index),
            level: self.level,
        }
    }
}

impl Inputs {
    /// Checks the values in the document, and records which argument each variable is for.
    pub(super) fn of(document: &ExecutableDocument, registry: &Registry, limits: &Limits) -> Result<Self, Refusal> {
        let mut reader = Reader {
            check: Check {
                registry,
                bounds: &limits.bounds,
            },
            inputs: Self::default(),
        };
        for (_, operation) in document.operations.iter() {
            let root = registry.root(operation.node.ty).map(Name::as_str);
            reader.selection(&operation.node.selection_set.node, root)?;
            for definition in &operation.node.variable_definitions {
                let definition = &definition.node;
                if let Some(default) = &definition.default_value {
                    reader.inputs.check_variable(reader.check, definition, &default.node)?;
                }
            }
        }
        for fragment in document.fragments.values() {
            let on = Some(fragment.node.type_condition.node.on.node.as_str());
            reader.selection(&fragment.node.selection_set.node, on)?;
        }
        Ok(reader.inputs)
    }

    /// Checks the values of the variables that an operation declares.
    pub(super) fn admit(
        &self,
        definitions: &[Positioned<VariableDefinition>],
        variables: &Variables,
        registry: &Registry,
        bounds: &Bounds,
    ) -> Result<(), Refusal> {
        let check = Check { registry, bounds };
        for definition in definitions {
            if let Some(value) = variables.get(&definition.node.name.node) {
                self.check_variable(check, &definition.node, value)?;
            }
        }
        Ok(())
    }

    fn check_variable(&self, check: Check<'_>, definition: &VariableDefinition, value: &Value) -> Result<(), Refusal> {
        let variable = &definition.name.node;
        let ty = &definition.var_type.node;
        let used = self.used.get(variable);
        let place = Place {
            owner: used.map_or("", |used| &used.owner),
            name: used.map_or(variable, |used| &used.name),
        };
        let path = used.map_or(variable.as_str(), |used| &used.path);
        check.value(&Path::root(path), place, ty, value)
    }
}

/// Walks the selections of a document.
struct Reader<'a> {
    check: Check<'a>,
    inputs: Inputs,
}

impl<'a> Reader<'a> {
    fn selection(&mut self, set: &'a SelectionSet, parent: Option<&'a str>) -> Result<(), Refusal> {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => self.field(&field.node, parent)?,
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref();
                    let on = on.map(|condition| condition.node.on.node.as_str()).or(parent);
                    self.selection(&inline.node.selection_set.node, on)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, parent: Option<&'a str>) -> Result<(), Refusal> {
        let registry = self.check.registry;
        let definition = parent.and_then(|parent| registry.field(parent, &field.name.node));
        if let (Some(parent), Some(definition)) = (parent, definition) {
            self.arguments(field, parent, definition)?;
        }
        let inner = definition.map(|definition| named(&definition.ty));
        self.selection(&field.selection_set.node, inner)
    }

    fn arguments(&mut self, field: &'a Field, parent: &str, definition: &'a FieldDef) -> Result<(), Refusal> {
        for (name, value) in &field.arguments {
            let Some(argument) = definition.argument(&name.node) else {
                continue;
            };
            let owner = format!("{parent}.{}", field.name.node);
            let place = Place {
                owner: &owner,
                name: &name.node,
            };
            // Variables are checked with each request; here they count as null.
            let mut mentioned = Vec::new();
            let literal = value.node.clone().into_const_with(|variable| {
                mentioned.push(variable);
                Ok::<_, std::convert::Infallible>(Value::Null)
            });
            let Ok(literal) = literal;
            let is_variable = mentioned.len() == 1 && literal == Value::Null;
            self.check
                .value(&Path::root(&name.node), place, &argument.ty, &literal)?;
            for variable in mentioned {
                let path = if is_variable {
                    name.node.to_string()
                } else {
                    format!("{}: ${variable}", name.node)
                };
                let used = Used {
                    path,
                    owner: if is_variable { owner.clone() } else { String::new() },
                    name: name.node.clone(),
                };
                self.inputs.used.entry(variable).or_insert(used);
            }
        }
        Ok(())
    }
}

/// Checks values against the bounds. [`Bounds::levels`] and [`Bounds::json_levels`] bound the recursion.
#[derive(Clone, Copy)]
struct Check<'a> {
    registry: &'a Registry,
    bounds: &'a Bounds,
}

impl Check<'_> {
    fn value(&self, at: &Path<'_>, place: Place<'_>, ty: &Type, value: &Value) -> Result<(), Refusal> {
        match (&ty.base, value) {
            (_, Value::Null) => Ok(()),
            (BaseType::List(item), Value::List(items)) => {
                let most = self.bounds.entries(place, item, self.registry);
                if items.len() > most {
                    return Err(Refusal::input(format!(
                        "The argument \"{at}\" has {} entries; at most {most} are accepted. Ask in several requests.",
                        items.len()
                    )));
                }
                let mut entries = items.iter().enumerate();
                entries.try_for_each(|(index, entry)| self.value(&at.entry(index), place, item, entry))
            }
            (BaseType::List(item), single) => self.value(at, place, item, single),
            (BaseType::Named(name), value) => match self.registry.get(name) {
                Some(TypeDef::Input(input)) => {
                    let Value::Object(fields) = value else { return Ok(()) };
                    self.check_level(at)?;
                    for (key, value) in fields {
                        let Some(field) = input.field(key) else { continue };
                        let place = Place { owner: name, name: key };
                        self.value(&at.field(key), place, &field.ty, value)?;
                    }
                    Ok(())
                }
                _ => self.scalar(at, place, name, value),
            },
        }
    }

    fn check_level(&self, at: &Path<'_>) -> Result<(), Refusal> {
        if at.level < self.bounds.levels {
            return Ok(());
        }
        Err(Refusal::input(format!(
            "The argument \"{at}\" nests objects more than {} deep.",
            self.bounds.levels
        )))
    }

    fn scalar(&self, at: &Path<'_>, place: Place<'_>, scalar: &str, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::String(text) if scalar != JSON => {
                let most = self.bounds.bytes(place, scalar);
                if text.len() > most {
                    return Err(Refusal::input(format!(
                        "The argument \"{at}\" is {} bytes long; at most {most} are accepted.",
                        text.len()
                    )));
                }
                Ok(())
            }
            Value::List(_) | Value::Object(_) if !within(value, self.bounds.json_levels) => {
                Err(Refusal::input(format!(
                    "The argument \"{at}\" nests lists and objects more than {} deep.",
                    self.bounds.json_levels
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Whether lists and objects are nested at most `levels` deep.
fn within(value: &Value, levels: usize) -> bool {
    match value {
        Value::List(items) => levels > 0 && items.iter().all(|item| within(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| within(field, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
