//! One operation, walked with its fragments expanded: depth, root fields, introspection and cost.
//!
//! Runs only on documents that [`super::count`] has found small.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection},
};

use super::{Limits, Refusal, cost::Cost};

/// Introspection fields that lead from a type to other types; graphql-js allows three of them nested
/// (its `MaxIntrospectionDepthRule`), and so do we.
const TYPE_LISTS: [&str; 4] = ["fields", "inputFields", "possibleTypes", "interfaces"];
const TYPE_LISTS_NESTED: usize = 2;

/// What the walk found out about an operation.
pub(super) struct Facts {
    pub(super) cost: Cost,
    pub(super) introspects: bool,
}

pub(super) struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    limits: &'a Limits,
    introspects: bool,
}

/// Where in the operation a selection stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Nested type lists, inside `__schema` or `__type`.
    introspection: Option<usize>,
}

/// Checks `operation` against `limits` and computes its cost.
pub(super) fn walk(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
) -> Result<Facts, Refusal> {
    let mut walk = Walk {
        fragments: &document.fragments,
        limits,
        introspects: false,
    };
    let roots = walk.root_fields(&operation.selection_set.node.items);
    match operation.ty {
        OperationType::Query => limits.root_fields.at_most(roots, "root fields")?,
        OperationType::Mutation => limits.mutations.at_most(roots, "mutations in one request")?,
        OperationType::Subscription => {}
    }
    let place = Place {
        depth: 0,
        introspection: None,
    };
    let cost = walk.selection(&operation.selection_set.node.items, place)?.all();
    Ok(Facts {
        cost,
        introspects: walk.introspects,
    })
}

/// The cost of a selection, with what each entry of a page costs (`edges`, `nodes`) apart from what a page costs once.
#[derive(Default)]
struct Parts {
    once: Cost,
    each: Option<Cost>,
}

impl Parts {
    fn all(mut self) -> Cost {
        if let Some(each) = self.each {
            self.once.add(each);
        }
        self.once
    }

    fn add(&mut self, other: Self) {
        self.once.add(other.once);
        if let Some(each) = other.each {
            self.each.get_or_insert_default().add(each);
        }
    }
}

impl<'a> Walk<'a> {
    fn root_fields(&self, items: &'a [Positioned<Selection>]) -> usize {
        let count = |item: &'a Positioned<Selection>| match &item.node {
            Selection::Field(_) => 1,
            selection => self.root_fields(self.inside(selection)),
        };
        items.iter().map(count).sum()
    }

    /// What a fragment selects; nothing if it is unknown, which validation reports.
    fn inside(&self, selection: &'a Selection) -> &'a [Positioned<Selection>] {
        match selection {
            Selection::Field(_) => &[],
            Selection::InlineFragment(inline) => &inline.node.selection_set.node.items,
            Selection::FragmentSpread(spread) => self
                .fragments
                .get(&spread.node.fragment_name.node)
                .map_or(&[], |fragment| &fragment.node.selection_set.node.items),
        }
    }

    fn selection(&mut self, items: &'a [Positioned<Selection>], place: Place) -> Result<Parts, Refusal> {
        let mut parts = Parts::default();
        for item in items {
            match &item.node {
                Selection::Field(field) => {
                    let cost = self.field(&field.node, place)?;
                    if matches!(field.node.name.node.as_str(), "edges" | "nodes") {
                        parts.each.get_or_insert_default().add(cost);
                    } else {
                        parts.once.add(cost);
                    }
                }
                fragment => parts.add(self.selection(self.inside(fragment), place)?),
            }
        }
        Ok(parts)
    }

    fn field(&mut self, field: &'a Field, place: Place) -> Result<Cost, Refusal> {
        let place = self.enter(field.name.node.as_str(), place)?;
        let items = &field.selection_set.node.items;
        if items.is_empty() {
            return Ok(Cost::leaf());
        }
        let parts = self.selection(items, place)?;
        let mut cost = Cost::object();
        match (self.limits.page_of(field, parts.each.is_some()), parts) {
            (Some(page), Parts { once, each: Some(each) }) => {
                cost.add(once);
                cost.add(each.times(page));
            }
            (Some(page), Parts { once, each: None }) => {
                cost.add(once);
                cost = cost.times(page);
            }
            (None, parts) => cost.add(parts.all()),
        }
        Ok(cost)
    }

    fn enter(&mut self, name: &str, place: Place) -> Result<Place, Refusal> {
        if let Some(lists) = place.introspection {
            let lists = lists + usize::from(TYPE_LISTS.contains(&name));
            if lists > TYPE_LISTS_NESTED {
                return Err(Refusal::too_complex("Introspection is nested too deep.".to_owned()));
            }
            return Ok(Place {
                introspection: Some(lists),
                ..place
            });
        }
        if matches!(name, "__schema" | "__type") {
            self.introspects = true;
            return Ok(Place {
                introspection: Some(0),
                ..place
            });
        }
        let depth = place.depth + 1;
        if depth > self.limits.depth {
            return Err(Refusal::too_complex(format!(
                "The query is more than {} fields deep.",
                self.limits.depth
            )));
        }
        Ok(Place { depth, ..place })
    }
}
