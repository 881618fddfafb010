//! Identifiers as clients send them.

use std::str::FromStr;

use async_graphql::ID;
use uuid::Uuid;

/// The identifier in a text. A text of another kind becomes an identifier that no row has, so that it is looked up,
/// checked and answered like an unknown one.
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
