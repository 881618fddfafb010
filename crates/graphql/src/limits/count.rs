//! The size of a document with its fragments expanded, computed without expanding them.
//!
//! The library expands fragment spreads one by one, so that twenty fragments that each spread the next one twice cost
//! it seconds and gigabytes before any limit applies. Here each definition is walked once and its size remembered, so
//! the work is linear in the text; only a document that passes is ever expanded.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, FragmentSpread, Selection, SelectionSet},
};

use super::{Limits, Refusal};

/// How large a selection is once all its fragments are expanded. `__typename` counts like any field.
#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    /// Fragments, inline or spread, known or not: what walks a document later steps into each of them.
    fragments: usize,
    /// Nested selections, fragments included; the library refuses more than 32.
    nesting: usize,
}

impl Size {
    /// That of a fragment around it.
    fn in_fragment(self) -> Self {
        Self {
            fragments: self.fragments.saturating_add(1),
            nesting: self.nesting + 1,
            ..self
        }
    }
}

struct Counter<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    limits: &'a Limits,
    /// The size of each fragment met; `None` while it is being walked, so that meeting it again means a cycle.
    known: HashMap<&'a str, Option<Size>>,
    aliases: usize,
    directives: usize,
}

/// Refuses a document that is larger than `limits` allow, or whose fragments go round in a circle.
pub(super) fn count(document: &ExecutableDocument, limits: &Limits) -> Result<(), Refusal> {
    let mut counter = Counter {
        fragments: &document.fragments,
        limits,
        known: HashMap::new(),
        aliases: 0,
        directives: 0,
    };
    let (mut fields, mut fragments) = (0_usize, 0_usize);
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        counter.directives += operation.directives.len();
        counter.directives += operation
            .variable_definitions
            .iter()
            .map(|v| v.node.directives.len())
            .sum::<usize>();
        let size = counter.selection(&operation.selection_set.node, 1)?;
        fields = fields.saturating_add(size.fields);
        fragments = fragments.saturating_add(size.fragments);
    }
    for (name, fragment) in &document.fragments {
        counter.fragment(name, fragment.pos, 1)?;
    }
    limits.aliases.at_most(counter.aliases, "aliases")?;
    limits.directives.at_most(counter.directives, "directives")?;
    limits.fragments.at_most(fragments, "fragments, expanded")?;
    limits.fields.at_most(fields, "fields, fragments expanded")
}

impl<'a> Counter<'a> {
    fn selection(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, Refusal> {
        let mut total = Size::default();
        for item in &set.items {
            self.directives += item.node.directives().len();
            let size = match &item.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => self
                    .selection(&inline.node.selection_set.node, level + 1)?
                    .in_fragment(),
                Selection::FragmentSpread(spread) => self.spread(&spread.node, spread.pos, level)?,
            };
            total.fields = total.fields.saturating_add(size.fields);
            total.fragments = total.fragments.saturating_add(size.fragments);
            total.nesting = total.nesting.max(size.nesting);
        }
        self.check_nesting(total.nesting)?;
        Ok(total)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Size, Refusal> {
        self.aliases += usize::from(field.alias.is_some());
        let inner = self.selection(&field.selection_set.node, level + 1)?;
        Ok(Size {
            fields: inner.fields.saturating_add(1),
            nesting: inner.nesting + 1,
            ..inner
        })
    }

    fn spread(&mut self, spread: &'a FragmentSpread, pos: Pos, level: usize) -> Result<Size, Refusal> {
        let size = self.fragment(&spread.fragment_name.node, pos, level + 1)?;
        Ok(size.in_fragment())
    }

    /// An unknown fragment selects nothing: validation reports it.
    fn fragment(&mut self, name: &'a Name, pos: Pos, level: usize) -> Result<Size, Refusal> {
        self.check_nesting(level)?;
        match self.known.get(name.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                return Err(Refusal::invalid(
                    format!("The fragment \"{name}\" spreads itself."),
                    pos,
                ));
            }
            None => {}
        }
        let Some(fragment) = self.fragments.get(name.as_str()) else {
            return Ok(Size::default());
        };
        self.known.insert(name, None);
        self.directives += fragment.node.directives.len();
        let size = self.selection(&fragment.node.selection_set.node, level)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }

    fn check_nesting(&self, nesting: usize) -> Result<(), Refusal> {
        if nesting > self.limits.selection_nesting {
            return Err(Refusal::too_complex(format!(
                "Selections and fragments are nested more than {} deep.",
                self.limits.selection_nesting
            )));
        }
        Ok(())
    }
}
