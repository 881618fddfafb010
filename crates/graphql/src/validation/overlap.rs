//! Fields of one response key can be merged (GraphQL, September 2025, section 5.3.2).
//!
//! Not pair by pair, as the specification tells it, but in groups: all fields that answer under one key are compared with
//! the first of them, once by shape, and once by name and arguments for each object that they may be answered for.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos,
    indexmap::IndexMap,
    parser::types::{BaseType, Field, Selection, SelectionSet, Type},
};

use super::{Check, Fault};
use crate::mask::code;
use crate::registry::{FieldDef, Registry, named};

/// The most fields visited for one document. A document within our limits visits a few thousand; one that repeats the
/// same through interface after interface could visit any number.
const MAX_VISITED_FIELDS: usize = 50_000;

/// A field where it stands.
#[derive(Clone, Copy)]
struct FieldNode<'a> {
    field: &'a Field,
    definition: &'a FieldDef,
    parent: &'a str,
    at: Pos,
}

type ByKey<'a> = IndexMap<&'a Name, Vec<FieldNode<'a>>>;

struct Overlap<'a, 'c> {
    check: &'c mut Check<'a>,
    visited: usize,
}

impl Check<'_> {
    /// Expects a document in which every field is known.
    pub(super) fn overlaps(&mut self) {
        let document = self.document;
        let mut overlap = Overlap {
            check: self,
            visited: 0,
        };
        for (_, operation) in document.operations.iter() {
            let Some(root) = overlap.check.registry.root(operation.node.ty) else {
                continue;
            };
            let mut fields = Vec::new();
            overlap.collect(
                &operation.node.selection_set.node,
                root,
                &mut HashSet::new(),
                &mut fields,
            );
            overlap.shapes(&fields);
            if overlap.check.faults.is_empty() {
                overlap.names(&fields);
            }
        }
        if overlap.visited > MAX_VISITED_FIELDS {
            self.faults = vec![Fault {
                code: code::TOO_COMPLEX,
                message: "The document repeats fields under one key too often. Use aliases or fewer fragments.".into(),
                at: None,
            }];
        }
    }
}

impl<'a> Overlap<'a, '_> {
    /// The fields of a selection, those of its fragments among them. A fragment's fields are the same wherever it is spread.
    fn collect(
        &mut self,
        set: &'a SelectionSet,
        parent: &'a str,
        spread: &mut HashSet<&'a Name>,
        fields: &mut Vec<FieldNode<'a>>,
    ) {
        for item in &set.items {
            self.visited += 1;
            match &item.node {
                Selection::Field(field) => {
                    if let Some(definition) = self.check.registry.field(parent, &field.node.name.node) {
                        fields.push(FieldNode {
                            field: &field.node,
                            definition,
                            parent,
                            at: item.pos,
                        });
                    }
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref();
                    let on = on.map_or(parent, |on| on.node.on.node.as_str());
                    self.collect(&inline.node.selection_set.node, on, spread, fields);
                }
                Selection::FragmentSpread(named) => {
                    let name = &named.node.fragment_name.node;
                    let fragment = self.check.document.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|_| spread.insert(name)) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.collect(&fragment.node.selection_set.node, on, spread, fields);
                    }
                }
            }
        }
    }

    fn inside(&mut self, fields: &[FieldNode<'a>]) -> Vec<FieldNode<'a>> {
        let mut inside = Vec::new();
        let mut spread = HashSet::new();
        for node in fields {
            let parent = named(&node.definition.ty);
            self.collect(&node.field.selection_set.node, parent, &mut spread, &mut inside);
        }
        inside
    }

    fn ends(&self) -> bool {
        self.visited > MAX_VISITED_FIELDS || self.check.is_full()
    }

    /// Whatever object is answered, a key has one shape.
    fn shapes(&mut self, fields: &[FieldNode<'a>]) {
        for (key, group) in by_key(fields) {
            if self.ends() {
                return;
            }
            if let Some((first, others)) = group.split_first() {
                let (registry, ty) = (self.check.registry, &first.definition.ty);
                if let Some(other) = others.iter().find(|other| differ(registry, ty, &other.definition.ty)) {
                    let other_type = &other.definition.ty;
                    let reason = format!("they return conflicting types \"{ty}\" and \"{other_type}\"");
                    self.conflict(key, other.at, &reason);
                    continue;
                }
            }
            let inside = self.inside(&group);
            self.shapes(&inside);
        }
    }

    /// For each object, a key is one field with one set of arguments.
    fn names(&mut self, fields: &[FieldNode<'a>]) {
        for (key, group) in by_key(fields) {
            for group in self.by_object(group) {
                if self.ends() {
                    return;
                }
                if let Some((first, others)) = group.split_first()
                    && let Some((at, reason)) = others.iter().find_map(|other| self.different(first, other))
                {
                    self.conflict(key, at, &reason);
                    continue;
                }
                let inside = self.inside(&group);
                self.names(&inside);
            }
        }
    }

    /// Fields that may be answered for one object. A field of an interface may be answered for any.
    fn by_object(&self, group: Vec<FieldNode<'a>>) -> Vec<Vec<FieldNode<'a>>> {
        let is_object = |node: &FieldNode<'a>| {
            let parent = self.check.registry.composite(node.parent);
            parent.is_some_and(|parent| parent.is_object)
        };
        let (of_objects, shared): (Vec<_>, Vec<_>) = group.into_iter().partition(is_object);
        let mut objects = IndexMap::<&str, Vec<FieldNode<'a>>>::new();
        for node in of_objects {
            objects.entry(node.parent).or_insert_with(|| shared.clone()).push(node);
        }
        if objects.is_empty() {
            return vec![shared];
        }
        objects.into_values().collect()
    }

    fn different(&self, first: &FieldNode<'_>, other: &FieldNode<'_>) -> Option<(Pos, String)> {
        let (one, two) = (&first.field.name.node, &other.field.name.node);
        if one != two {
            return Some((other.at, format!("\"{one}\" and \"{two}\" are different fields")));
        }
        if !self.same_arguments(first.field, other.field) {
            return Some((other.at, "they have differing arguments".into()));
        }
        None
    }

    /// Whether they are written alike, but for white space and the order of arguments and of fields of objects.
    fn same_arguments(&self, one: &Field, other: &Field) -> bool {
        let mut arguments = one.arguments.iter();
        one.arguments.len() == other.arguments.len()
            && arguments.all(|(name, value)| {
                other.get_argument(&name.node).is_some_and(|other| {
                    other.node == value.node && self.check.spellings.are_alike(other.pos, value.pos)
                })
            })
    }

    fn conflict(&mut self, key: &Name, at: Pos, reason: &str) {
        self.check.fault(at, || {
            format!("Fields \"{key}\" conflict because {reason}. Use different aliases on the fields to fetch both if this was intentional.")
        });
    }
}

fn by_key<'a>(fields: &[FieldNode<'a>]) -> ByKey<'a> {
    let mut by_key = ByKey::new();
    for node in fields {
        by_key.entry(&node.field.response_key().node).or_default().push(*node);
    }
    by_key
}

fn differ(registry: &Registry, one: &Type, other: &Type) -> bool {
    if one.nullable != other.nullable {
        return true;
    }
    match (&one.base, &other.base) {
        (BaseType::List(one), BaseType::List(other)) => differ(registry, one, other),
        (BaseType::Named(a), BaseType::Named(b)) => {
            a != b && !(registry.is_composite(one) && registry.is_composite(other))
        }
        _ => true,
    }
}
