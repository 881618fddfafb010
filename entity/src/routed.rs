//! The values by which a lead was routed, where TRANSFORM steps after a DISTRIBUTE step have changed them. Who gets a lead next, after
//! a partner has not taken it, is judged by what its first partners were judged by, not by what later steps have made of it.
//!
//! Only what was overwritten is kept, in order, so that it is never much more than the lead itself.

use std::collections::{BTreeMap, HashSet};

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::StepId;

/// What a field was before a TRANSFORM step set it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overwritten {
    /// Which field.
    pub field: String,
    /// Its value; none if it had none. Stored as the lead's values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether the value was not of its type.
    #[serde(default)]
    pub invalid: bool,
}

/// What was overwritten after the first step that has routed the lead, and how much of it before each of these steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Routed {
    /// In order.
    pub overwritten: Vec<Overwritten>,
    /// By step, how many of these there were before it.
    pub steps: BTreeMap<StepId, usize>,
}

impl Routed {
    /// The values that a step has judged, and which of them were invalid, given those that the lead has at last.
    pub fn values_at(
        &self,
        step: Option<StepId>,
        fields: &Map<String, Value>,
        invalid: &HashSet<String>,
    ) -> (Map<String, Value>, HashSet<String>) {
        let (mut fields, mut invalid) = (fields.clone(), invalid.clone());
        let since = step.and_then(|step| self.steps.get(&step));
        let later = since
            .and_then(|since| self.overwritten.get(*since..))
            .unwrap_or_default();
        for before in later.iter().rev() {
            match &before.value {
                Some(value) => drop(fields.insert(before.field.clone(), value.clone())),
                None => drop(fields.remove(&before.field)),
            }
            if before.invalid {
                invalid.insert(before.field.clone());
            } else {
                invalid.remove(&before.field);
            }
        }
        (fields, invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(number: u128) -> StepId {
        StepId(uuid::Uuid::from_u128(number))
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_step_sees_what_it_saw_and_not_what_later_steps_have_made_of_it() {
        let before = |field: &str, value: Option<Value>, invalid| Overwritten {
            field: field.into(),
            value,
            invalid,
        };
        let routed = Routed {
            overwritten: vec![
                before("phone", Some(json!("12")), true),
                before("tier", None, false),
                before("tier", Some(json!("a")), false),
            ],
            steps: [(step(1), 0), (step(2), 2)].into(),
        };
        let last = map(&json!({"phone": "+14155552671", "tier": "b", "age": 3}));
        let none = HashSet::new();
        let (fields, invalid) = routed.values_at(Some(step(1)), &last, &none);
        assert_eq!(fields, map(&json!({"phone": "12", "age": 3})));
        assert_eq!(invalid, HashSet::from(["phone".to_owned()]));
        let (fields, invalid) = routed.values_at(Some(step(2)), &last, &none);
        assert_eq!(fields, map(&json!({"phone": "+14155552671", "tier": "a", "age": 3})));
        assert!(invalid.is_empty());
        for other in [None, Some(step(3))] {
            assert_eq!(
                routed.values_at(other, &last, &none).0,
                last,
                "no later step has changed anything"
            );
        }
        let stored = serde_json::to_value(&routed).unwrap();
        assert_eq!(serde_json::from_value::<Routed>(stored).unwrap(), routed);
    }
}
