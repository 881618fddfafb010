//! Variables coerced to their types (GraphQL, September 2025, section 6.1.2): all of them, before anything executes.

use std::fmt::Write;

use async_graphql::{
    Name, Positioned, Value, Variables,
    indexmap::IndexMap,
    parser::types::{BaseType, Type, VariableDefinition},
};

use super::{FAULTS, Fault, VariableFacts, nul, scalars, suggest, values::unknown_field};
use crate::mask::code;
use crate::numbers;
use crate::registry::{InputDef, Registry, TypeDef};
use leadmesh_forms::numerals;

/// Where in a variable a value stands.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

struct Coercion<'a> {
    registry: &'a Registry,
    variable: &'a Name,
    declared: &'a Type,
    path: Vec<Step<'a>>,
    of_lead: bool,
    faults: Vec<Fault>,
}

/// The values for an operation's variables as resolvers take them: defaults filled in, lists of one made lists, names of
/// enums made names. What the operation does not declare is left out.
pub(crate) fn coerce(
    definitions: &[Positioned<VariableDefinition>],
    facts: &VariableFacts,
    registry: &Registry,
    mut given: Variables,
) -> Result<Variables, Vec<Fault>> {
    let mut coerced = Variables::default();
    let mut faults = Vec::new();
    for definition in definitions {
        let VariableDefinition {
            name,
            var_type,
            default_value,
            ..
        } = &definition.node;
        let (name, ty) = (&name.node, &var_type.node);
        let mut coercion = Coercion {
            registry,
            variable: name,
            declared: ty,
            path: Vec::new(),
            of_lead: facts.of_lead.contains(name),
            faults,
        };
        match (given.remove(name), default_value) {
            (Some(Value::Null), _) if !ty.nullable || facts.never_null.contains(name) => {
                coercion.whole("must not be null");
            }
            (Some(value), _) => {
                if let Some(value) = coercion.value(value, ty) {
                    coerced.insert(name.clone(), value);
                }
            }
            // Checked with the document.
            (None, Some(default)) => drop(coerced.insert(name.clone(), default.node.clone())),
            (None, None) if ty.nullable => {}
            (None, None) => coercion.whole("is required and was not provided"),
        }
        faults = coercion.faults;
    }
    if faults.is_empty() { Ok(coerced) } else { Err(faults) }
}

impl<'a> Coercion<'a> {
    /// `None` if it does not fit, which has been noted then.
    fn value(&mut self, value: Value, ty: &'a Type) -> Option<Value> {
        if self.faults.len() >= FAULTS {
            return None;
        }
        match (value, &ty.base) {
            (Value::Null, _) if ty.nullable => Some(Value::Null),
            (Value::Null, _) => {
                self.wrong(&format!("expected a value of type \"{ty}\", found null"));
                None
            }
            (Value::List(items), BaseType::List(inner)) => {
                let items = items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| self.inside(Step::Item(at), |coercion| coercion.value(item, inner)));
                // Every item, so that each fault is reported.
                let items: Vec<Option<Value>> = items.collect();
                items.into_iter().collect::<Option<_>>().map(Value::List)
            }
            (single, BaseType::List(inner)) => Some(Value::List(vec![self.value(single, inner)?])),
            (single, BaseType::Named(name)) => self.named(single, name),
        }
    }

    fn named(&mut self, value: Value, name: &'a str) -> Option<Value> {
        match (self.registry.get(name), value) {
            (Some(TypeDef::Input(input)), Value::Object(given)) => self.object(name, input, given),
            (Some(TypeDef::Enum(values)), Value::String(text)) if numerals::marked_digits(&text).is_none() => {
                let found = values.iter().find(|value| value.as_str() == text);
                if found.is_none() {
                    let near = suggest::did_you_mean(&text, values.iter().map(Name::as_str));
                    self.wrong(&format!("the enum \"{name}\" has no such value.{near}"));
                }
                found.cloned().map(Value::Enum)
            }
            (Some(TypeDef::Scalar), value) => {
                // Within another scalar than JSON nothing is taken, and all at its top is.
                let is_number = name != "JSON" && numbers::spelled(&value).is_some();
                let value = if is_number { value } else { numbers::resolve_json(value) };
                if !self.of_lead && !is_number && nul::contains(&value) {
                    self.wrong(nul::REFUSED);
                    return None;
                }
                scalars::coerce(name, value, scalars::From::Json)
                    .inspect_err(|reason| self.wrong(reason))
                    .ok()
            }
            (_, other) => {
                let expected = match self.registry.get(name) {
                    Some(TypeDef::Enum(_)) => "a string with a name of the enum",
                    _ => "an object of type",
                };
                self.wrong(&format!(
                    "expected {expected} \"{name}\", found {}",
                    scalars::called(&other)
                ));
                None
            }
        }
    }

    fn object(&mut self, name: &str, input: &'a InputDef, given: IndexMap<Name, Value>) -> Option<Value> {
        let before = self.faults.len();
        for field in &input.fields {
            if field.required() && !given.contains_key(&field.name) {
                let (field, ty) = (&field.name, &field.ty);
                self.wrong(&format!("field \"{field}\" of required type \"{ty}\" was not provided"));
            }
        }
        if input.one_of && given.len() != 1 {
            self.wrong(&format!("exactly one key must be specified for OneOf type \"{name}\""));
        }
        let mut coerced = IndexMap::with_capacity(given.len());
        for (key, value) in given {
            let Some(field) = input.field(&key) else {
                self.wrong(&unknown_field(&key, name, input));
                continue;
            };
            let outside = std::mem::replace(&mut self.of_lead, nul::is_of_lead(field));
            let one_is_null = input.one_of && value == Value::Null;
            let value = self.inside(Step::Field(&field.name), |coercion| {
                if one_is_null {
                    coercion.wrong(&format!("the one key of \"{name}\" must not be null"));
                }
                coercion.value(value, &field.ty)
            });
            self.of_lead = outside;
            if let Some(value) = value {
                coerced.insert(key, value);
            }
        }
        (self.faults.len() == before).then_some(Value::Object(coerced))
    }

    fn inside<T>(&mut self, step: Step<'a>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = then(self);
        self.path.pop();
        result
    }

    /// A fault of the whole variable.
    fn whole(&mut self, fault: &str) {
        let (name, ty) = (self.variable, self.declared);
        self.report(|| format!("Variable \"${name}\" of type \"{ty}\" {fault}."));
    }

    /// A fault of the value at the path. The message does not repeat the value, which may be personal data.
    fn wrong(&mut self, reason: &str) {
        let mut place = String::new();
        for step in &self.path {
            let written = match step {
                Step::Field(name) => write!(place, ".{name}"),
                Step::Item(at) => write!(place, "[{at}]"),
            };
            // Writing to a String does not fail.
            debug_assert!(written.is_ok());
        }
        let name = self.variable;
        let end = if reason.ends_with(['.', '?']) { "" } else { "." };
        self.report(|| {
            let at = if place.is_empty() {
                String::new()
            } else {
                format!(" at \"{name}{place}\"")
            };
            format!("Variable \"${name}\" got an invalid value{at}: {reason}{end}")
        });
    }

    fn report(&mut self, message: impl FnOnce() -> String) {
        if self.faults.len() < FAULTS {
            self.faults.push(Fault {
                code: code::BAD_INPUT,
                message: message(),
                at: None,
            });
        }
    }
}
