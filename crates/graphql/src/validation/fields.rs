//! Selections: fields that exist, leaves and selections, fragments on types that fit.

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{DirectiveLocation, Field, FragmentSpread, InlineFragment, Selection, SelectionSet, TypeCondition},
};

use super::{
    Check, Mentions,
    directives::{given, missing},
    suggest,
};
use crate::registry::{CompositeDef, FieldDef, TypeDef, named};

impl<'a> Check<'a> {
    /// `parent` is `None` below something unknown, where only what needs no type is checked.
    pub(super) fn selections(&mut self, set: &'a SelectionSet, parent: Option<&'a str>, mentions: &mut Mentions<'a>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => self.field(&field.node, item.pos, parent, mentions),
                Selection::InlineFragment(inline) => self.inline(&inline.node, item.pos, parent, mentions),
                Selection::FragmentSpread(spread) => self.spread(&spread.node, item.pos, parent, mentions),
            }
        }
    }

    fn field(&mut self, field: &'a Field, at: Pos, parent: Option<&'a str>, mentions: &mut Mentions<'a>) {
        let name = &field.name.node;
        let registry = self.registry;
        let definition = parent.and_then(|parent| registry.field(parent, name));
        if let (Some(parent), None) = (parent, definition) {
            self.fault(at, || unknown(name, parent, registry.composite(parent)));
        }
        let known = definition.map(|definition| definition.arguments.as_slice());
        let of = || format!("field \"{}.{name}\"", parent.unwrap_or_default());
        self.arguments(&field.arguments, known, &of, mentions);
        for required in known.unwrap_or_default().iter().filter(|argument| argument.required()) {
            if !given(&field.arguments, &required.name) {
                self.fault(at, || missing(required, &format!("Field \"{name}\"")));
            }
        }
        self.directives(&field.directives, DirectiveLocation::Field, mentions);
        if let Some(definition) = definition {
            self.leaf(field, definition, at);
        }
        let inner = definition.map(|definition| named(&definition.ty));
        let inner = inner.filter(|inner| registry.composite(inner).is_some());
        self.selections(&field.selection_set.node, inner, mentions);
    }

    fn leaf(&mut self, field: &Field, definition: &FieldDef, at: Pos) {
        let (name, ty) = (&field.name.node, &definition.ty);
        let selects = !field.selection_set.node.items.is_empty();
        match (self.registry.is_composite(ty), selects) {
            (false, true) => self.fault(field.selection_set.pos, || {
                format!("Field \"{name}\" must not have a selection since type \"{ty}\" has no subfields.")
            }),
            (true, false) => self.fault(at, || {
                format!(
                    "Field \"{name}\" of type \"{ty}\" must have a selection of subfields. Did you mean \"{name} {{ ... }}\"?"
                )
            }),
            _ => {}
        }
    }

    fn inline(&mut self, inline: &'a InlineFragment, at: Pos, parent: Option<&'a str>, mentions: &mut Mentions<'a>) {
        let inner = match &inline.type_condition {
            None => parent,
            Some(condition) => {
                let on = self.condition(condition, &|| "Fragment".into());
                if let (Some(on), Some(parent)) = (on, parent)
                    && !self.registry.overlap(on, parent)
                {
                    self.fault(at, || never("Fragment", parent, on));
                }
                on
            }
        };
        self.directives(&inline.directives, DirectiveLocation::InlineFragment, mentions);
        self.selections(&inline.selection_set.node, inner, mentions);
    }

    fn spread(&mut self, spread: &'a FragmentSpread, at: Pos, parent: Option<&'a str>, mentions: &mut Mentions<'a>) {
        let name = &spread.fragment_name.node;
        self.directives(&spread.directives, DirectiveLocation::FragmentSpread, mentions);
        let Some(fragment) = self.document.fragments.get(name) else {
            let fragments = &self.document.fragments;
            self.fault(at, || {
                let near = suggest::did_you_mean(name, fragments.keys().map(Name::as_str));
                format!("Unknown fragment \"{name}\".{near}")
            });
            return;
        };
        mentions.spreads.push(name);
        let on = fragment.node.type_condition.node.on.node.as_str();
        if let Some(parent) = parent
            && self.registry.composite(on).is_some()
            && !self.registry.overlap(on, parent)
        {
            self.fault(at, || never(&format!("Fragment \"{name}\""), parent, on));
        }
    }

    /// The type that a fragment is on, if it can be.
    pub(super) fn condition(
        &mut self,
        condition: &'a Positioned<TypeCondition>,
        whose: &dyn Fn() -> String,
    ) -> Option<&'a str> {
        let on = &condition.node.on;
        match self.registry.get(&on.node) {
            Some(TypeDef::Composite(_)) => return Some(on.node.as_str()),
            Some(_) => self.fault(on.pos, || {
                format!("{} cannot condition on non composite type \"{}\".", whose(), on.node)
            }),
            None => self.unknown_type(&on.node, on.pos),
        }
        None
    }

    pub(super) fn unknown_type(&mut self, name: &str, at: Pos) {
        let registry = self.registry;
        self.fault(at, || {
            let near = suggest::did_you_mean(name, registry.type_names().map(Name::as_str));
            format!("Unknown type \"{name}\".{near}")
        });
    }
}

fn unknown(name: &str, parent: &str, composite: Option<&CompositeDef>) -> String {
    let fields = composite.into_iter().flat_map(|composite| composite.fields.keys());
    let near = suggest::did_you_mean(name, fields.map(Name::as_str));
    format!("Cannot query field \"{name}\" on type \"{parent}\".{near}")
}

fn never(fragment: &str, parent: &str, on: &str) -> String {
    format!("{fragment} cannot be spread here as objects of type \"{parent}\" can never be of type \"{on}\".")
}
