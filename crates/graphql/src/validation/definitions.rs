//! Operations and fragments: every fragment used, every variable defined once and used, in each operation.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{DirectiveLocation, OperationDefinition, OperationType, VariableDefinition},
};

use super::{Check, Facts, Mentions, TypeUse, Usage, VariableFacts};
use crate::registry::named;

/// What each fragment mentions, by its name.
type Fragments<'a> = HashMap<&'a Name, Mentions<'a>>;

impl<'a> Check<'a> {
    pub(super) fn definitions(&mut self) -> Facts {
        let document = self.document;
        let mut fragments = Fragments::new();
        for (name, fragment) in &document.fragments {
            let mut mentions = Mentions::default();
            let on = self.condition(&fragment.node.type_condition, &|| format!("Fragment \"{name}\""));
            self.directives(
                &fragment.node.directives,
                DirectiveLocation::FragmentDefinition,
                &mut mentions,
            );
            self.selections(&fragment.node.selection_set.node, on, &mut mentions);
            fragments.insert(name, mentions);
        }
        let mut facts = Facts::default();
        let mut used = HashSet::new();
        for (name, operation) in document.operations.iter() {
            let mentions = self.operation(&operation.node, operation.pos);
            let reached = reached(&mentions, &fragments);
            let usages = reached
                .iter()
                .filter_map(|fragment| fragments.get(fragment))
                .flat_map(|fragment| &fragment.variables)
                .chain(&mentions.variables);
            let usages: Vec<Usage<'a>> = usages.copied().collect();
            let of_variables = self.variables(name, &operation.node, &usages);
            facts.insert(name.cloned(), of_variables);
            used.extend(reached);
        }
        for (name, fragment) in &document.fragments {
            if !used.contains(name) {
                self.fault(fragment.pos, || format!("Fragment \"{name}\" is never used."));
            }
        }
        facts
    }

    fn operation(&mut self, operation: &'a OperationDefinition, at: Pos) -> Mentions<'a> {
        let mut mentions = Mentions::default();
        let location = match operation.ty {
            OperationType::Query => DirectiveLocation::Query,
            OperationType::Mutation => DirectiveLocation::Mutation,
            OperationType::Subscription => DirectiveLocation::Subscription,
        };
        let root = self.registry.root(operation.ty);
        if root.is_none() {
            self.fault(at, || format!("The schema has no {}s.", operation.ty));
        }
        self.directives(&operation.directives, location, &mut mentions);
        self.selections(&operation.selection_set.node, root.map(Name::as_str), &mut mentions);
        mentions
    }

    /// Checks the variables of an operation.
    fn variables(
        &mut self,
        operation: Option<&Name>,
        definition: &'a OperationDefinition,
        usages: &[Usage<'a>],
    ) -> VariableFacts {
        let of = || operation.map_or_else(String::new, |name| format!(" by operation \"{name}\""));
        let mut defined: HashMap<&Name, &'a VariableDefinition> = HashMap::new();
        for variable in &definition.variable_definitions {
            let name = &variable.node.name.node;
            self.variable_definition(variable);
            if defined.insert(name, &variable.node).is_some() {
                self.fault(variable.node.name.pos, || {
                    format!("There can be only one variable named \"${name}\".")
                });
            }
        }
        let mut facts = VariableFacts::default();
        // By name, whether all uses so far are in the values of a lead.
        let mut used: HashMap<&Name, bool> = HashMap::new();
        for usage in usages {
            *used.entry(usage.name).or_insert(true) &= usage.of_lead;
            match defined.get(usage.name) {
                None => self.fault(usage.at, || {
                    format!("Variable \"${}\" is not defined{}.", usage.name, of())
                }),
                Some(variable) => {
                    if self.position(*usage, variable) {
                        facts.never_null.push(usage.name.clone());
                    }
                }
            }
        }
        for variable in &definition.variable_definitions {
            let name = &variable.node.name;
            if !used.contains_key(&name.node) {
                self.fault(name.pos, || {
                    let of = operation.map_or_else(String::new, |name| format!(" in operation \"{name}\""));
                    format!("Variable \"${}\" is never used{of}.", name.node)
                });
            }
        }
        let of_lead = used.into_iter().filter(|(_, of_lead)| *of_lead);
        facts.of_lead = of_lead.map(|(name, _)| name.clone()).collect();
        facts
    }

    fn variable_definition(&mut self, variable: &'a Positioned<VariableDefinition>) {
        let VariableDefinition {
            name,
            var_type,
            directives,
            default_value,
        } = &variable.node;
        let ty = &var_type.node;
        if self.registry.get(named(ty)).is_none() {
            self.unknown_type(named(ty), var_type.pos);
        } else if !self.registry.is_input(ty) {
            self.fault(var_type.pos, || {
                format!("Variable \"${}\" cannot be non-input type \"{ty}\".", name.node)
            });
        } else if let Some(default) = default_value {
            self.default_value(default, TypeUse::new(ty));
        }
        self.directives(
            directives,
            DirectiveLocation::VariableDefinition,
            &mut Mentions::default(),
        );
    }
}

/// The fragments that an operation spreads, directly or through others.
fn reached<'a>(mentions: &Mentions<'a>, fragments: &Fragments<'a>) -> HashSet<&'a Name> {
    let mut reached = HashSet::new();
    let mut next = mentions.spreads.clone();
    while let Some(name) = next.pop() {
        if reached.insert(name)
            && let Some(fragment) = fragments.get(name)
        {
            next.extend(&fragment.spreads);
        }
    }
    reached
}
