//! Number literals that 64 bits do not hold, in the form that the scalars take for which they were written.

use async_graphql::{
    Name, Positioned,
    parser::types::{
        BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type,
    },
};
use async_graphql_value::Value as Literal;

use super::scalars;
use crate::numbers;
use crate::registry::{ArgumentDef, Registry, TypeDef, named};

/// Changes all of them. Expects a valid document: what does not fit stays as it is.
pub(crate) fn resolve(document: &mut ExecutableDocument, registry: &Registry) {
    match &mut document.operations {
        DocumentOperations::Single(only) => operation(&mut only.node, registry),
        DocumentOperations::Multiple(operations) => {
            for each in operations.values_mut() {
                operation(&mut each.node, registry);
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        let fragment = &mut fragment.node;
        let on = fragment.type_condition.node.on.node.as_str();
        selections(&mut fragment.selection_set.node, on, registry);
    }
}

fn operation(operation: &mut OperationDefinition, registry: &Registry) {
    for definition in &mut operation.variable_definitions {
        let definition = &mut definition.node;
        if let Some(default) = &mut definition.default_value {
            let mut literal = std::mem::take(&mut default.node).into_value();
            value(&mut literal, &definition.var_type.node, registry);
            default.node = literal.into_const().unwrap_or_default();
        }
    }
    if let Some(root) = registry.root(operation.ty) {
        selections(&mut operation.selection_set.node, root, registry);
    }
}

fn selections(set: &mut SelectionSet, parent: &str, registry: &Registry) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                let field = &mut field.node;
                let Some(definition) = registry.field(parent, &field.name.node) else {
                    continue;
                };
                for (name, given) in &mut field.arguments {
                    argument(name, given, &definition.arguments, registry);
                }
                selections(&mut field.selection_set.node, named(&definition.ty), registry);
            }
            Selection::InlineFragment(inline) => {
                let inline = &mut inline.node;
                let on = inline.type_condition.as_ref();
                let on = on.map_or(parent, |on| on.node.on.node.as_str());
                selections(&mut inline.selection_set.node, on, registry);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn argument(name: &Positioned<Name>, given: &mut Positioned<Literal>, known: &[ArgumentDef], registry: &Registry) {
    if let Some(definition) = known.iter().find(|known| known.name == name.node) {
        value(&mut given.node, &definition.ty, registry);
    }
}

fn value(given: &mut Literal, ty: &Type, registry: &Registry) {
    match (given, &ty.base) {
        (Literal::List(items), BaseType::List(inner)) => {
            for item in items {
                value(item, inner, registry);
            }
        }
        (single, BaseType::List(inner)) => value(single, inner, registry),
        (single, BaseType::Named(name)) => match (registry.get(name), single) {
            (Some(TypeDef::Input(input)), Literal::Object(fields)) => {
                for (name, given) in fields {
                    if let Some(field) = input.field(name) {
                        value(given, &field.ty, registry);
                    }
                }
            }
            (Some(TypeDef::Scalar), single) if name.as_str() == "JSON" => numbers::resolve_json_literal(single),
            (Some(TypeDef::Scalar), single) => scalar(single, name),
            _ => {}
        },
    }
}

fn scalar(given: &mut Literal, scalar: &str) {
    let settled = match &*given {
        // An ID has the number's text, of which the library reads no more than 63 bits.
        Literal::Number(number) if scalar == "ID" => Some(Literal::String(number.to_string())),
        other => numbers::written(other)
            .and_then(|text| scalars::numeral(scalar, text, scalars::From::Literal).ok())
            .map(async_graphql::Value::into_value),
    };
    if let Some(settled) = settled {
        *given = settled;
    }
}
