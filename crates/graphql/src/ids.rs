//! Identifiers as clients send them.

use std::str::FromStr;

use async_graphql::ID;
use uuid::Uuid;

/// The identifier that the text stands for; of a text that is none of this kind, one that nothing has. So both are looked for
/// in the same way, after the same checks, and are answered alike.
pub fn id_or_unknown<K: FromStr + From<Uuid>>(id: &ID) -> K {
    id.parse().unwrap_or_else(|_not_this_kind| Uuid::nil().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use entity::ids::{FlowId, StepId};

    #[test]
    fn a_text_of_another_kind_is_an_identifier_that_nothing_has() {
        let flow = FlowId(Uuid::from_u128(7));
        assert_eq!(id_or_unknown::<FlowId>(&ID(flow.to_string())), flow);
        for text in [StepId(Uuid::from_u128(7)).to_string(), "7".into(), String::new()] {
            assert_eq!(id_or_unknown::<FlowId>(&ID(text)), FlowId(Uuid::nil()));
        }
    }
}
