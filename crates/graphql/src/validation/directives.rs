//! Directives: known, at their places, not repeated, and with their arguments.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, DirectiveLocation},
};
use async_graphql_value::Value as Literal;

use super::{Check, Mentions, suggest};
use crate::registry::ArgumentDef;

impl<'a> Check<'a> {
    pub(super) fn directives(
        &mut self,
        directives: &'a [Positioned<Directive>],
        location: DirectiveLocation,
        mentions: &mut Mentions<'a>,
    ) {
        let mut seen = HashSet::new();
        for directive in directives {
            let (at, directive) = (directive.pos, &directive.node);
            let name = &directive.name.node;
            let definition = self.registry.directive(name);
            match definition {
                None => {
                    let registry = self.registry;
                    self.fault(at, || {
                        let near = suggest::did_you_mean(name, registry.directive_names().map(Name::as_str));
                        format!("Unknown directive \"@{name}\".{near}")
                    });
                }
                Some(known) => {
                    if !known.locations.contains(&location) {
                        self.fault(at, || {
                            format!("Directive \"@{name}\" may not be used on {}.", called(location))
                        });
                    }
                    if !seen.insert(name) {
                        self.fault(at, || {
                            format!("The directive \"@{name}\" can only be used once at this location.")
                        });
                    }
                }
            }
            let known = definition.map(|definition| definition.arguments.as_slice());
            self.arguments(
                &directive.arguments,
                known,
                &|| format!("directive \"@{name}\""),
                mentions,
            );
            for required in known.unwrap_or_default().iter().filter(|argument| argument.required()) {
                if !given(&directive.arguments, &required.name) {
                    self.fault(at, || missing(required, &format!("Directive \"@{name}\"")));
                }
            }
        }
    }

    /// Arguments of a field or directive: known, given once, of correct type. `known` is `None` where nothing is known.
    pub(super) fn arguments(
        &mut self,
        given: &'a [(Positioned<Name>, Positioned<Literal>)],
        known: Option<&'a [ArgumentDef]>,
        of: &dyn Fn() -> String,
        mentions: &mut Mentions<'a>,
    ) {
        let mut seen = HashSet::new();
        for (name, value) in given {
            let definition = known.and_then(|known| known.iter().find(|argument| argument.name == name.node));
            if let (Some(known), None) = (known, definition) {
                self.fault(name.pos, || {
                    let near = suggest::did_you_mean(&name.node, known.iter().map(|argument| argument.name.as_str()));
                    format!("Unknown argument \"{}\" on {}.{near}", name.node, of())
                });
            }
            if !seen.insert(&name.node) {
                self.fault(name.pos, || {
                    format!("There can be only one argument named \"{}\".", name.node)
                });
            }
            self.argument_value(value, definition, mentions);
        }
    }
}

pub(super) fn given(arguments: &[(Positioned<Name>, Positioned<Literal>)], name: &Name) -> bool {
    arguments.iter().any(|(given, _)| given.node == *name)
}

/// That a required argument is not given.
pub(super) fn missing(argument: &ArgumentDef, of: &str) -> String {
    let (name, ty) = (&argument.name, &argument.ty);
    format!("{of} argument \"{name}\" of type \"{ty}\" is required, but it was not provided.")
}

fn called(location: DirectiveLocation) -> &'static str {
    match location {
        DirectiveLocation::Query => "QUERY",
        DirectiveLocation::Mutation => "MUTATION",
        DirectiveLocation::Subscription => "SUBSCRIPTION",
        DirectiveLocation::Field => "FIELD",
        DirectiveLocation::FragmentDefinition => "FRAGMENT_DEFINITION",
        DirectiveLocation::FragmentSpread => "FRAGMENT_SPREAD",
        DirectiveLocation::InlineFragment => "INLINE_FRAGMENT",
        DirectiveLocation::VariableDefinition => "VARIABLE_DEFINITION",
        _ => "this place",
    }
}
