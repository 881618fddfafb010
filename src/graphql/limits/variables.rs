//! Variables, as far as they can be checked without the schema (GraphQL, September 2025, section 6.1.2).
//!
//! The library takes a missing variable in `@include` and `@skip` for `false` and does not see defaults there, so
//! required variables are demanded here and defaults are filled in before it looks.

use async_graphql::{
    Positioned, Value, Variables,
    parser::types::{BaseType, VariableDefinition},
};

use super::Refusal;

/// Refuses a missing or null variable that is required, and a non-Boolean for a Boolean; fills in defaults.
pub(super) fn complete(
    definitions: &[Positioned<VariableDefinition>],
    variables: &mut Variables,
) -> Result<(), Refusal> {
    for definition in definitions {
        let definition = &definition.node;
        let (name, declared) = (&definition.name.node, &definition.var_type.node);
        let refuse = |fault: &str| {
            Err(Refusal::input(format!(
                "Variable \"${name}\" of type \"{declared}\" {fault}."
            )))
        };
        match variables.get(name) {
            Some(Value::Null) if !declared.nullable => return refuse("must not be null"),
            Some(Value::Null | Value::Boolean(_)) => {}
            Some(_) if is_boolean(&declared.base) => return refuse("must be true or false"),
            Some(_) => {}
            None => match &definition.default_value {
                Some(default) => drop(variables.insert(name.clone(), default.node.clone())),
                None if declared.nullable => {}
                None => return refuse("is required and was not provided"),
            },
        }
    }
    Ok(())
}

fn is_boolean(base: &BaseType) -> bool {
    matches!(base, BaseType::Named(name) if name == "Boolean")
}
