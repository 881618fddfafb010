//! Rules in words.

use entity::field::FieldDef;
use serde_json::Value;

use leadmesh_core::error::Result;
use leadmesh_forms::rules::{self, Rule};

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
        let input = Rule::parse(Some(Input::from_json(tree.clone()).unwrap())).unwrap();
        assert_eq!(serde_json::to_value(input).unwrap(), tree);
    }

    #[test]
    fn a_rule_is_one_thing_and_not_two() {
        let two = json!({"all": [], "any": []});
        assert!(Rule::parse(Some(Input::from_json(two).unwrap())).is_err());
    }
}
