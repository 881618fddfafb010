//! Corrects a parsed document where the library would misread it.
//!
//! The library starts a stream for each *field* at the root of a subscription and ignores fragments there. The one
//! root field is moved to the root, with all its selections. More than one root field is invalid (GraphQL, September
//! 2025, section 5.2.4.1).

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
};

use super::Refusal;

/// Corrects all of `document`, or says what is invalid in it.
pub(super) fn rewrite(document: &mut ExecutableDocument) -> Result<(), Refusal> {
    let mut moved = Vec::new();
    match &mut document.operations {
        DocumentOperations::Single(operation) => {
            correct(operation, &document.fragments, &mut moved)?;
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                correct(operation, &document.fragments, &mut moved)?;
            }
        }
    }
    drop_unused(document, &moved);
    Ok(())
}

fn correct(
    operation: &mut Positioned<OperationDefinition>,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    moved: &mut Vec<Name>,
) -> Result<(), Refusal> {
    let root = &mut operation.node.selection_set.node;
    if operation.node.ty == OperationType::Subscription {
        let mut fields = Vec::new();
        roots(root, fragments, &mut fields, moved)?;
        root.items =
            vec![merged(fields).ok_or_else(|| {
                Refusal::invalid("A subscription selects exactly one root field.".into(), operation.pos)
            })?];
    }
    Ok(())
}

/// One field with all that is selected of it; `None` unless all are answered under one key. That they are then the same field
/// has been validated.
fn merged(fields: Vec<(Pos, Field)>) -> Option<Positioned<Selection>> {
    let mut fields = fields.into_iter();
    let (at, mut first) = fields.next()?;
    for (_, other) in fields {
        if other.response_key().node != first.response_key().node {
            return None;
        }
        first.selection_set.node.items.extend(other.selection_set.node.items);
    }
    Some(Positioned::new(Selection::Field(Positioned::new(first, at)), at))
}

/// Collects the root fields of a subscription through its fragments.
fn roots(
    set: &SelectionSet,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    fields: &mut Vec<(Pos, Field)>,
    moved: &mut Vec<Name>,
) -> Result<(), Refusal> {
    for item in &set.items {
        let conditional = |name: &Name| matches!(name.as_str(), "skip" | "include");
        if item
            .node
            .directives()
            .iter()
            .any(|directive| conditional(&directive.node.name.node))
        {
            let message = "The root field of a subscription takes neither @skip nor @include.";
            return Err(Refusal::invalid(message.into(), item.pos));
        }
        match &item.node {
            Selection::Field(field) if field.node.name.node.starts_with("__") => {
                let message = "A subscription does not select introspection fields at its root.";
                return Err(Refusal::invalid(message.into(), item.pos));
            }
            Selection::Field(field) => fields.push((item.pos, field.node.clone())),
            Selection::InlineFragment(inline) => {
                roots(&inline.node.selection_set.node, fragments, fields, moved)?;
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let unknown = || Refusal::invalid(format!("Unknown fragment: \"{name}\"."), item.pos);
                let fragment = fragments.get(name).ok_or_else(unknown)?;
                moved.push(name.clone());
                roots(&fragment.node.selection_set.node, fragments, fields, moved)?;
            }
        }
    }
    Ok(())
}

/// Removes the fragments whose fields were moved and that nothing spreads any more: they would count as unused.
fn drop_unused(document: &mut ExecutableDocument, moved: &[Name]) {
    for name in moved {
        let operations = document
            .operations
            .iter()
            .map(|(_, operation)| &operation.node.selection_set.node);
        let fragments = document
            .fragments
            .values()
            .map(|fragment| &fragment.node.selection_set.node);
        if !operations.chain(fragments).any(|set| spreads(set, name)) {
            document.fragments.remove(name);
        }
    }
}

fn spreads(set: &SelectionSet, fragment: &Name) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => spreads(&field.node.selection_set.node, fragment),
        Selection::InlineFragment(inline) => spreads(&inline.node.selection_set.node, fragment),
        Selection::FragmentSpread(spread) => spread.node.fragment_name.node == *fragment,
    })
}
