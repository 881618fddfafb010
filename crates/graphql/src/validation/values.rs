//! Literals: values of correct type, input objects and their fields, and where variables stand in them.

use async_graphql::{Name, Pos, Positioned, Value, indexmap::IndexMap, parser::types::BaseType};
use async_graphql_value::Value as Literal;

use super::{Check, Expected, Mentions, TypeUse, Usage, nul, scalars, suggest};
use crate::numbers;
use crate::registry::{ArgumentDef, InputDef, TypeDef};

/// A value in an argument: where it stands, and whether the values of a lead are inside.
#[derive(Clone, Copy)]
pub(super) struct ValueSite {
    at: Pos,
    of_lead: bool,
}

impl<'a> Check<'a> {
    /// Checks what is given to an argument; `None` if there is no such argument.
    pub(super) fn argument_value(
        &mut self,
        value: &'a Positioned<Literal>,
        definition: Option<&'a ArgumentDef>,
        mentions: &mut Mentions<'a>,
    ) {
        let site = ValueSite {
            at: value.pos,
            of_lead: definition.is_some_and(nul::is_of_lead),
        };
        match definition {
            Some(definition) => self.literal(&value.node, expected(definition), site, mentions),
            None => usages(&value.node, site, mentions),
        }
    }

    /// Checks the default of a variable.
    pub(super) fn default_value(&mut self, value: &Positioned<Value>, expected_type: TypeUse<'_>) {
        let literal = value.node.clone().into_value();
        let mut check = Check {
            faults: std::mem::take(&mut self.faults),
            ..*self
        };
        let site = ValueSite {
            at: value.pos,
            of_lead: false,
        };
        check.literal(&literal, plain(expected_type), site, &mut Mentions::default());
        self.faults = check.faults;
    }

    fn literal(&mut self, value: &'a Literal, expected: Expected<'a>, site: ValueSite, mentions: &mut Mentions<'a>) {
        let expected_type = expected.ty;
        match (value, &expected_type.ty.base) {
            (Literal::Variable(name), _) => mentions.variables.push(Usage {
                name,
                at: site.at,
                of_lead: site.of_lead,
                expected: Some(expected),
            }),
            (Literal::Null, _) => {
                if !expected_type.nullable {
                    self.wrong_value(site.at, || {
                        format!("Expected value of type \"{expected_type}\", found null.")
                    });
                }
            }
            (Literal::List(items), BaseType::List(inner)) => {
                for item in items {
                    self.literal(item, plain(TypeUse::new(inner)), site, mentions);
                }
            }
            _ => self.named_literal(value, expected_type, site, mentions),
        }
    }

    /// A literal where no list, or a list of one, is expected.
    fn named_literal(
        &mut self,
        value: &'a Literal,
        expected_type: TypeUse<'a>,
        site: ValueSite,
        mentions: &mut Mentions<'a>,
    ) {
        let name = expected_type.named();
        match (self.registry.get(name), value) {
            (Some(TypeDef::Input(input)), Literal::Object(fields)) => {
                self.input_object(input, fields, site, mentions);
            }
            (Some(TypeDef::Enum(values)), Literal::Enum(given)) if numbers::written(value).is_none() => {
                if !values.contains(given) {
                    self.wrong_value(site.at, || {
                        let near = suggest::did_you_mean(given, values.iter().map(Name::as_str));
                        format!("Value \"{given}\" does not exist in \"{name}\" enum.{near}")
                    });
                }
            }
            (Some(TypeDef::Enum(values)), other) => self.wrong_value(site.at, || {
                let near = match other {
                    Literal::String(text) => suggest::did_you_mean(text, values.iter().map(Name::as_str)),
                    _ => String::new(),
                };
                let hint = "write its values as names, without quotation marks";
                format!("Enum \"{name}\" cannot represent this value: {hint}.{near}")
            }),
            (Some(TypeDef::Scalar), value) => self.scalar(value, expected_type, site, mentions),
            (_, value) => {
                usages(value, site, mentions);
                self.wrong_value(site.at, || {
                    format!(
                        "Expected value of type \"{expected_type}\", found {}.",
                        scalars::called(&constant(value))
                    )
                });
            }
        }
    }

    fn scalar(&mut self, value: &'a Literal, expected_type: TypeUse<'a>, site: ValueSite, mentions: &mut Mentions<'a>) {
        // Variables inside JSON are of any type; directly in a list they are taken for the scalar itself.
        match value {
            Literal::List(items) => {
                for item in items {
                    match item {
                        Literal::Variable(name) => mentions.variables.push(Usage {
                            name,
                            at: site.at,
                            of_lead: site.of_lead,
                            expected: Some(plain(TypeUse {
                                nullable: true,
                                ..innermost(expected_type)
                            })),
                        }),
                        other => usages(other, site, mentions),
                    }
                }
            }
            other => usages(other, site, mentions),
        }
        let constant = constant(value);
        if !site.of_lead && nul::contains(&constant) {
            self.wrong_value(site.at, || format!("This value is refused: {}.", nul::REFUSED));
        } else if let Err(reason) = scalars::coerce(expected_type.named(), constant, scalars::From::Literal) {
            self.wrong_value(site.at, || {
                format!("Expected value of type \"{expected_type}\": {reason}.")
            });
        }
    }

    fn input_object(
        &mut self,
        input: &'a InputDef,
        given: &'a IndexMap<Name, Literal>,
        site: ValueSite,
        mentions: &mut Mentions<'a>,
    ) {
        let name = input.name.as_str();
        for field in &input.fields {
            if field.required() && !given.contains_key(&field.name) {
                self.wrong_value(site.at, || {
                    let (field, ty) = (&field.name, &field.ty);
                    format!("Field \"{name}.{field}\" of required type \"{ty}\" was not provided.")
                });
            }
        }
        if input.one_of {
            self.one_of(name, given, site.at);
        }
        for (field, value) in given {
            let Some(definition) = input.field(field) else {
                usages(value, site, mentions);
                self.wrong_value(site.at, || unknown_field(field, name, input));
                continue;
            };
            let expected = Expected {
                one_of: input.one_of,
                ..expected(definition)
            };
            let site = ValueSite {
                of_lead: nul::is_of_lead(definition),
                ..site
            };
            self.literal(value, expected, site, mentions);
        }
    }

    fn one_of(&mut self, name: &str, given: &IndexMap<Name, Literal>, at: Pos) {
        let mut fields = given.iter();
        match (fields.next(), fields.next()) {
            (Some((field, Literal::Null)), None) => {
                self.wrong_value(at, || format!("Field \"{name}.{field}\" must be non-null."));
            }
            (Some(_), None) => {}
            _ => self.wrong_value(at, || {
                format!("OneOf Input Object \"{name}\" must specify exactly one key.")
            }),
        }
    }
}

pub(super) fn unknown_field(field: &str, of: &str, input: &InputDef) -> String {
    let near = suggest::did_you_mean(field, input.fields.iter().map(|field| field.name.as_str()));
    format!("Field \"{field}\" is not defined by type \"{of}\".{near}")
}

fn expected(definition: &ArgumentDef) -> Expected<'_> {
    Expected {
        default: definition.default.is_some(),
        ..plain(TypeUse::new(&definition.ty))
    }
}

fn plain(ty: TypeUse<'_>) -> Expected<'_> {
    Expected {
        ty,
        default: false,
        one_of: false,
    }
}

/// The named type inside all lists.
fn innermost(expected_type: TypeUse<'_>) -> TypeUse<'_> {
    match &expected_type.ty.base {
        BaseType::Named(_) => expected_type,
        BaseType::List(inner) => innermost(TypeUse::new(inner)),
    }
}

/// Notes the variables in a value of which the type is unknown.
fn usages<'a>(value: &'a Literal, site: ValueSite, mentions: &mut Mentions<'a>) {
    match value {
        Literal::Variable(name) => mentions.variables.push(Usage {
            name,
            at: site.at,
            of_lead: site.of_lead,
            expected: None,
        }),
        Literal::List(items) => items.iter().for_each(|item| usages(item, site, mentions)),
        Literal::Object(fields) => fields.values().for_each(|value| usages(value, site, mentions)),
        _ => {}
    }
}

/// The value with null for each variable: enough for scalars, which are asked about what stands in the text.
fn constant(value: &Literal) -> Value {
    let constant = value
        .clone()
        .into_const_with(|_variable| Ok::<_, std::convert::Infallible>(Value::Null));
    match constant {
        Ok(constant) => constant,
    }
}
