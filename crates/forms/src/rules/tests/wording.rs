use entity::field::{FieldDef, FieldType};
use serde_json::{Value, json};

use super::super::Operator::*;
use super::super::{Rule, text};
use super::{condition, field, run};

fn fields() -> Vec<FieldDef> {
    let income = FieldDef {
        encrypted: true,
        ..field("income", "Income", FieldType::Number)
    };
    vec![
        field("state", "State", FieldType::State),
        field("age", "Age", FieldType::Integer),
        field("name", "Full name", FieldType::Text),
        field("born", " ", FieldType::Date),
        income,
    ]
}

fn southern() -> Rule {
    condition("state", In, Some(json!(["TX", "CA"])))
}

fn adult() -> Rule {
    condition("age", GreaterOrEqual, Some(json!(18)))
}

fn not(rule: Rule) -> Rule {
    Rule::Not(Box::new(rule))
}

#[test]
fn rules_read_as_sentences() {
    for (rule, expected) in [
        (
            Rule::All(vec![southern(), adult()]),
            "State is one of TX, CA and Age is at least 18",
        ),
        (
            Rule::All(vec![adult(), not(southern())]),
            "Age is at least 18, and not (State is one of TX, CA)",
        ),
        (
            Rule::All(vec![
                adult(),
                Rule::Any(vec![southern(), condition("name", IsEmpty, None)]),
            ]),
            "Age is at least 18 and (State is one of TX, CA or Full name is empty)",
        ),
        (
            Rule::Any(vec![Rule::All(vec![adult()]), southern()]),
            "Age is at least 18 or State is one of TX, CA",
        ),
        (Rule::All(vec![]), "always"),
        (Rule::Any(vec![]), "never"),
        (
            condition("age", Between, Some(json!([18, 65]))),
            "Age is between 18 and 65",
        ),
        (
            condition("born", GreaterOrEqual, Some(json!("2000-01-01"))),
            "born is on or after 2000-01-01",
        ),
        (
            condition("name", NotContains, Some(json!("a \"b\""))),
            r#"Full name does not contain "a \"b\"""#,
        ),
        (condition("state", NotEquals, Some(json!("TX"))), "State is not TX"),
        (condition("gone", IsNotEmpty, None), "gone is not empty"),
        (condition("age", Equals, None), "Age is (no value)"),
    ] {
        assert_eq!(text(&rule, &fields()), expected);
    }
}

#[test]
fn long_values_and_long_lists_are_cut() {
    let many: Vec<Value> = (0..30).map(Value::from).collect();
    assert!(text(&condition("age", In, Some(json!(many))), &fields()).ends_with(", 18, 19 and 10 more"));
    let long = text(&condition("name", Equals, Some(json!("é ".repeat(250)))), &fields());
    assert_eq!(long, format!("Full name is \"{}…\"", "é ".repeat(50)));
}

#[test]
fn a_rule_deeper_than_any_that_is_saved_still_has_a_text() {
    let deep = (0..5_000).fold(adult(), |rule, _| not(rule));
    assert!(text(&deep, &fields()).contains("not (…)"));
}

#[test]
fn a_verdict_tells_what_decided_without_the_leads_values() {
    let told = |rule: &Rule, lead: Value, invalid: &[&str]| run(rule, &fields(), &lead, invalid).decided_by.unwrap();
    let both = Rule::All(vec![southern(), adult()]);
    let either = Rule::Any(vec![southern(), adult()]);
    assert_eq!(
        told(&both, json!({"state": "NY", "age": 20}), &[]),
        "State is not one of TX, CA"
    );
    assert_eq!(
        told(&both, json!({"state": "TX", "age": 3}), &[]),
        "Age is not at least 18"
    );
    assert_eq!(
        told(&both, json!({"state": "TX", "age": 20}), &[]),
        "State is one of TX, CA and Age is at least 18"
    );
    assert_eq!(
        told(&either, json!({"state": "NY", "age": 20}), &[]),
        "Age is at least 18"
    );
    assert_eq!(
        told(&either, json!({"state": "TX", "age": 3}), &[]),
        "State is one of TX, CA"
    );
    assert_eq!(
        told(&either, json!({"age": "old"}), &["age"]),
        "State is not one of TX, CA (it is empty) and Age is not at least 18 (it is invalid)"
    );
    let nested = Rule::All(vec![adult(), not(either.clone()), southern()]);
    assert_eq!(
        told(&nested, json!({"state": "NY", "age": 20}), &[]),
        "Age is at least 18"
    );
    assert_eq!(
        told(&condition("name", IsNotEmpty, None), json!({}), &[]),
        "Full name is empty"
    );
    assert_eq!(run(&Rule::All(vec![]), &fields(), &json!({}), &[]).decided_by, None);
}

#[test]
fn a_verdict_on_an_encrypted_field_shows_neither_value() {
    let rule = condition("income", Equals, Some(json!(70_000)));
    let told = |income: u32| {
        run(&rule, &fields(), &json!({"income": income}), &[])
            .decided_by
            .unwrap()
    };
    assert_eq!(told(70_000), "Income meets its condition (encrypted)");
    assert_eq!(told(12_345), "Income does not meet its condition (encrypted)");
}

#[test]
fn a_verdict_tells_few_facts_and_counts_the_rest() {
    let facts = |count| {
        run(&Rule::All(vec![adult(); count]), &fields(), &json!({"age": 20}), &[])
            .decided_by
            .unwrap()
    };
    assert_eq!(facts(5).matches("Age is at least 18").count(), 5);
    assert!(!facts(5).contains("more"));
    assert!(facts(7).ends_with("Age is at least 18 and 2 more"));
}
