//! Depth, root fields, introspection and cost of one operation, with its fragments expanded.
//!
//! Expects a document that [`super::count`] has found small.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection},
};

use super::{
    Limits, Refusal,
    cost::{Cost, Page},
};
use crate::registry::{FieldDef, Registry, lists, named};

/// Introspection fields that lead from a type to other types; graphql-js allows three of them nested
/// (its `MaxIntrospectionDepthRule`), and so do we.
const TYPE_LISTS: [&str; 4] = ["fields", "inputFields", "possibleTypes", "interfaces"];
const TYPE_LISTS_NESTED: usize = 2;
/// Lists of the schema in one operation, fragments expanded. The introspection of graphql-js has 5 and each is long: what
/// aliases would ask for again is the whole schema.
const SCHEMA_LISTS: usize = 20;

/// Facts about an operation.
pub(super) struct Facts {
    pub(super) cost: Cost,
    pub(super) introspects: bool,
    /// How often one object is asked for its `__typename` at most.
    pub(super) typenames: usize,
    /// Number of root fields that submit leads, if all of them do.
    pub(super) submissions: Option<usize>,
}

pub(super) struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    registry: &'a Registry,
    limits: &'a Limits,
    introspects: bool,
    schema_lists: usize,
    typenames: usize,
}

/// The mutations that submit leads.
const SUBMISSIONS: [&str; 2] = ["submitLead", "submitLeads"];

/// The position of a selection in the operation.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    /// Nested type lists, inside `__schema` or `__type`.
    introspection: Option<usize>,
    /// The type that is selected from; unknown where the schema has no such field, which validation reports.
    parent: Option<&'a str>,
}

/// Checks `operation` against `limits` and computes its cost.
pub(super) fn walk(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    registry: &Registry,
    limits: &Limits,
) -> Result<Facts, Refusal> {
    let mut walk = Walk {
        fragments: &document.fragments,
        registry,
        limits,
        introspects: false,
        schema_lists: 0,
        typenames: 0,
    };
    let all: fn(&Field) -> bool = |_| true;
    let roots = walk.root_fields(&operation.selection_set.node.items, all);
    let submits: fn(&Field) -> bool = |field| SUBMISSIONS.contains(&field.name.node.as_str());
    let submissions = walk.root_fields(&operation.selection_set.node.items, submits);
    let is_intake = operation.ty == OperationType::Mutation && submissions == roots;
    match operation.ty {
        OperationType::Query => limits.root_fields.at_most(roots, "root fields")?,
        OperationType::Mutation => limits.mutations.at_most(roots, "mutations in one request")?,
        OperationType::Subscription => {}
    }
    let place = Place {
        depth: 0,
        introspection: None,
        parent: registry.root(operation.ty).map(Name::as_str),
    };
    let cost = walk.selection(&operation.selection_set.node.items, place)?.all();
    Ok(Facts {
        cost,
        introspects: walk.introspects,
        typenames: walk.typenames,
        submissions: is_intake.then_some(submissions),
    })
}

/// The cost of a selection: `edges` and `nodes` cost once per entry, the rest once.
#[derive(Default)]
struct Parts {
    once: Cost,
    each: Option<Cost>,
    /// How often this selection asks for `__typename`.
    typenames: usize,
}

impl Parts {
    fn all(mut self) -> Cost {
        if let Some(each) = self.each {
            self.once.add(each);
        }
        self.once
    }

    fn add(&mut self, other: Self) {
        self.typenames += other.typenames;
        self.once.add(other.once);
        if let Some(each) = other.each {
            self.each.get_or_insert_default().add(each);
        }
    }
}

impl<'a> Walk<'a> {
    fn root_fields(&self, items: &'a [Positioned<Selection>], counts: fn(&Field) -> bool) -> usize {
        let count = |item: &'a Positioned<Selection>| match &item.node {
            Selection::Field(field) => usize::from(counts(&field.node)),
            selection => self.root_fields(self.inside(selection), counts),
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

    /// The type that a fragment selects from.
    fn type_of(&self, selection: &'a Selection, place: Place<'a>) -> Option<&'a str> {
        let condition = match selection {
            Selection::Field(_) => None,
            Selection::InlineFragment(inline) => inline.node.type_condition.as_ref(),
            Selection::FragmentSpread(spread) => {
                let fragment = self.fragments.get(&spread.node.fragment_name.node);
                fragment.map(|fragment| &fragment.node.type_condition)
            }
        };
        condition.map_or(place.parent, |condition| Some(condition.node.on.node.as_str()))
    }

    fn selection(&mut self, items: &'a [Positioned<Selection>], place: Place<'a>) -> Result<Parts, Refusal> {
        let mut parts = Parts::default();
        for item in items {
            match &item.node {
                Selection::Field(field) => {
                    parts.typenames += usize::from(field.node.name.node == "__typename");
                    let cost = self.field(&field.node, place)?;
                    if matches!(field.node.name.node.as_str(), "edges" | "nodes") {
                        parts.each.get_or_insert_default().add(cost);
                    } else {
                        parts.once.add(cost);
                    }
                }
                fragment => {
                    let parent = self.type_of(fragment, place);
                    parts.add(self.selection(self.inside(fragment), Place { parent, ..place })?);
                }
            }
        }
        self.typenames = self.typenames.max(parts.typenames);
        Ok(parts)
    }

    fn field(&mut self, field: &'a Field, place: Place<'a>) -> Result<Cost, Refusal> {
        let name = field.name.node.as_str();
        let registry = self.registry;
        let definition = place.parent.and_then(|parent| registry.field(parent, name));
        let list = self.plain_list(name, definition, place);
        let place = Place {
            parent: definition.map(|definition| named(&definition.ty)),
            ..self.enter(name, place)?
        };
        let items = &field.selection_set.node.items;
        if items.is_empty() {
            let leaf = Cost::leaf(name, definition.map(|definition| &definition.ty));
            return Ok(match list {
                Some(list) => leaf.times(list),
                None => leaf,
            });
        }
        let parts = self.selection(items, place)?;
        let mut cost = Cost::object();
        let page = self.limits.page_of(field, parts.each.is_some());
        match (page.or(list), parts) {
            (
                Some(page),
                Parts {
                    once, each: Some(each), ..
                },
            ) => {
                cost.add(once);
                cost.add(each.times(page));
            }
            (Some(page), Parts { once, each: None, .. }) => {
                cost.add(once);
                cost = cost.times(page);
            }
            (None, parts) => cost.add(parts.all()),
        }
        Ok(cost)
    }

    /// The estimated size of a list that is not a page. `edges` and `nodes` have the size of their page, and
    /// introspection has bounds of its own.
    fn plain_list(&self, name: &str, definition: Option<&FieldDef>, place: Place<'_>) -> Option<Page> {
        let (definition, parent) = (definition?, place.parent?);
        let of_page = matches!(name, "edges" | "nodes") && self.registry.field(parent, "pageInfo").is_some();
        let is_plain = lists(&definition.ty) > 0 && !of_page && place.introspection.is_none();
        is_plain.then_some(Page::Fixed(self.limits.default_list))
    }

    fn enter(&mut self, name: &str, place: Place<'a>) -> Result<Place<'a>, Refusal> {
        if let Some(lists) = place.introspection {
            let is_type_list = TYPE_LISTS.contains(&name);
            self.schema_lists += usize::from(is_type_list || name == "types");
            if self.schema_lists > SCHEMA_LISTS {
                return Err(Refusal::too_complex(format!(
                    "The introspection asks for more than {SCHEMA_LISTS} lists of types and fields: ask for each once."
                )));
            }
            let lists = lists + usize::from(is_type_list);
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
