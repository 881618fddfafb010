//! Corrections to a parsed document where the library would misread it.
//!
//! - Its validation does not visit `__typename`, so that a directive there is unknown to it and a variable in that
//!   directive unused. `__typename @d` becomes `... @d { __typename }`, which means the same and is visited.
//! - It starts a stream for each *field* at the root of a subscription and overlooks fragments there. The one field is
//!   brought to the root. More than one field is invalid (GraphQL, September 2025, section 5.2.4.1).

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, InlineFragment, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};

use super::Refusal;

/// Corrects all of `document`, or says what is invalid in it.
pub(super) fn rewrite(document: &mut ExecutableDocument) -> Result<(), Refusal> {
    for fragment in document.fragments.values_mut() {
        typenames(&mut fragment.node.selection_set.node)?;
    }
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
        root.items = match <[_; 1]>::try_from(fields) {
            Ok(field) => field.into(),
            Err(_) => {
                return Err(Refusal::invalid(
                    "A subscription selects exactly one root field.".into(),
                    operation.pos,
                ));
            }
        };
    }
    typenames(&mut operation.node.selection_set.node)
}

/// Collects the root fields of a subscription through its fragments.
fn roots(
    set: &SelectionSet,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    fields: &mut Vec<Positioned<Selection>>,
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
            Selection::Field(_) => fields.push(item.clone()),
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

fn typenames(set: &mut SelectionSet) -> Result<(), Refusal> {
    for item in &mut set.items {
        let pos = item.pos;
        match &mut item.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                if let Some(wrapped) = typename(&mut field.node, pos)? {
                    item.node = wrapped;
                }
            }
            Selection::Field(field) => typenames(&mut field.node.selection_set.node)?,
            Selection::InlineFragment(inline) => typenames(&mut inline.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

fn typename(field: &mut Field, pos: Pos) -> Result<Option<Selection>, Refusal> {
    if !field.arguments.is_empty() || !field.selection_set.node.items.is_empty() {
        return Err(Refusal::invalid(
            "\"__typename\" takes neither arguments nor a selection.".into(),
            pos,
        ));
    }
    if field.directives.is_empty() {
        return Ok(None);
    }
    let directives = std::mem::take(&mut field.directives);
    let bare = Positioned::new(Selection::Field(Positioned::new(field.clone(), pos)), pos);
    let selection_set = Positioned::new(SelectionSet { items: vec![bare] }, pos);
    let inline = InlineFragment {
        type_condition: None,
        directives,
        selection_set,
    };
    Ok(Some(Selection::InlineFragment(Positioned::new(inline, pos))))
}
