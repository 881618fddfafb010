//! Removes arguments whose variable the request does not give, so that their defaults apply.

use async_graphql::{
    Positioned, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// Expects coerced `variables`: an absent one has no default either.
pub(super) fn prune(document: &mut ExecutableDocument, variables: &Variables) {
    let absent = |operation: &Positioned<OperationDefinition>| {
        let mut definitions = operation.node.variable_definitions.iter();
        definitions.any(|definition| !variables.contains_key(&definition.node.name.node))
    };
    if !document.operations.iter().any(|(_, operation)| absent(operation)) {
        return;
    }
    match &mut document.operations {
        DocumentOperations::Single(only) => selections(&mut only.node.selection_set.node, variables),
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                selections(&mut operation.node.selection_set.node, variables);
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        selections(&mut fragment.node.selection_set.node, variables);
    }
}

fn selections(set: &mut SelectionSet, variables: &Variables) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                let given = |value: &Value| !matches!(value, Value::Variable(name) if !variables.contains_key(name));
                field.node.arguments.retain(|(_, value)| given(&value.node));
                selections(&mut field.node.selection_set.node, variables);
            }
            Selection::InlineFragment(inline) => selections(&mut inline.node.selection_set.node, variables),
            Selection::FragmentSpread(_) => {}
        }
    }
}
