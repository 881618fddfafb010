//! Variables in allowed positions (GraphQL, September 2025, section 5.8.5).

use async_graphql::{
    Value,
    parser::types::{BaseType, Type, VariableDefinition},
};

use super::{Check, TypeUse, Usage};

impl Check<'_> {
    /// Whether the variable fits; answers whether it must not be null there though its type allows it.
    pub(super) fn position(&mut self, usage: Usage<'_>, variable: &VariableDefinition) -> bool {
        let Some(expected) = usage.expected else {
            return false;
        };
        let given = &variable.var_type.node;
        let place = expected.ty;
        let (name, at) = (usage.name, usage.at);
        if expected.one_of && given.nullable {
            self.fault(at, || {
                format!(
                    "Variable \"${name}\" of type \"{given}\" must be non-null where it is the one key of an object."
                )
            });
            return false;
        }
        let default = variable
            .default_value
            .as_ref()
            .is_some_and(|value| value.node != Value::Null);
        let defaulted = given.nullable && !place.nullable && (default || expected.default);
        let place = TypeUse {
            nullable: place.nullable || defaulted,
            ..place
        };
        if fits(given, place) {
            return defaulted;
        }
        self.fault(at, || {
            format!(
                "Variable \"${name}\" of type \"{given}\" used in position expecting type \"{}\".",
                expected.ty
            )
        });
        false
    }
}

fn fits(given: &Type, place: TypeUse<'_>) -> bool {
    (place.nullable || !given.nullable)
        && match (&given.base, &place.ty.base) {
            (BaseType::Named(given), BaseType::Named(expected)) => given == expected,
            (BaseType::List(given), BaseType::List(expected)) => fits(given, TypeUse::new(expected)),
            _ => false,
        }
}
