//! Rules as they are put in, and as they are shown.

use async_graphql::{InputObject, Json, OneofObject};
use entity::field::FieldDef;
use serde_json::Value;

use leadmesh_core::error::Result;
use leadmesh_forms::rules::{self, Condition, Operator, Rule};

/// A rule on the fields of a lead: a tree of conditions, at most 10 levels deep, with at most 200 conditions.
#[derive(Clone, Debug, OneofObject)]
pub enum RuleInput {
    /// Holds if all of these hold. An empty list always holds.
    All(Vec<RuleInput>),
    /// Holds if at least one of these holds. Must not be empty.
    Any(Vec<RuleInput>),
    /// Holds if this does not.
    Not(Box<RuleInput>),
    /// Holds if a field meets this condition.
    Condition(ConditionInput),
}

/// Compares one field with a value. Text is compared case-insensitively, numbers as numbers, dates as dates. For an
/// empty or invalid value a comparison is false and its negation true.
#[derive(Clone, Debug, InputObject)]
pub struct ConditionInput {
    /// The exact name of the field in the flow.
    field: String,
    /// The operator. Which operators apply depends on the field's type.
    operator: Operator,
    /// The value to compare with, in the form that the operator requires. Omit for operators without a value.
    value: Option<Json<Value>>,
}

impl From<RuleInput> for Rule {
    fn from(input: RuleInput) -> Self {
        let each = |items: Vec<RuleInput>| items.into_iter().map(Self::from).collect();
        match input {
            RuleInput::All(items) => Self::All(each(items)),
            RuleInput::Any(items) => Self::Any(each(items)),
            RuleInput::Not(inner) => Self::Not(Box::new(Self::from(*inner))),
            RuleInput::Condition(condition) => Self::Condition(Condition {
                field: condition.field,
                operator: condition.operator,
                value: condition.value.map(|value| value.0),
            }),
        }
    }
}

/// A stored rule in words, with the labels of these fields.
pub fn text(stored: &Value, fields: &[FieldDef]) -> Result<String> {
    let rule: Rule = serde_json::from_value(stored.clone())?;
    Ok(rules::text(&rule, fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{InputType, Value as Input};
    use serde_json::json;

    #[test]
    fn a_rule_is_taken_as_it_is_stored() {
        let tree = json!({"all": [
            {"not": {"any": [{"condition": {"field": "age", "operator": "LESS_THAN", "value": 18}}]}},
            {"condition": {"field": "email", "operator": "IS_VALID"}},
        ]});
        let input = RuleInput::parse(Some(Input::from_json(tree.clone()).unwrap())).unwrap();
        assert_eq!(serde_json::to_value(Rule::from(input)).unwrap(), tree);
    }

    #[test]
    fn a_rule_is_one_thing_and_not_two() {
        let two = json!({"all": [], "any": []});
        assert!(RuleInput::parse(Some(Input::from_json(two).unwrap())).is_err());
    }
}
