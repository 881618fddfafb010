use entity::field::FieldType;
use serde_json::{Value, json};

use super::super::Operator::{self, *};
use super::super::text::type_name;
use super::super::{MAX_CONDITIONS, MAX_DEPTH, MAX_LIST, Problem, ProblemKind, Rule, check, compile};
use super::{TYPES, condition, field, fields, operators};

fn problems(rule: &Rule) -> Vec<Problem> {
    check(rule, &fields()).unwrap_err()
}

/// The one problem of a rule, as path and message.
fn problem(rule: &Rule) -> (String, String) {
    let [problem] = <[Problem; 1]>::try_from(problems(rule)).unwrap();
    assert_eq!(problem.kind, ProblemKind::Invalid);
    (problem.path.join("."), problem.message)
}

fn canonical(field: &str, operator: Operator, value: Value) -> Value {
    match check(&condition(field, operator, Some(value)), &fields()) {
        Ok(Rule::Condition(condition)) => condition.value.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn states_and_countries_are_named_as_people_do() {
    for (name, code) in [
        ("California", "CA"),
        (" new york ", "NY"),
        ("Bayern", "BY"),
        ("tx", "TX"),
        ("zz9", "ZZ9"),
    ] {
        assert_eq!(canonical("state", Equals, json!(name)), json!(code));
    }
    assert_eq!(canonical("state", In, json!(["Texas", "TX"])), json!(["TX"]));
    assert_eq!(canonical("country", Equals, json!("Germany")), json!("DE"));
}

#[test]
fn every_operator_is_refused_on_every_type_it_does_not_fit() {
    for field_type in TYPES {
        let name = type_name(field_type).to_lowercase();
        for operator in operators().filter(|operator| !operator.fits(field_type)) {
            let (path, message) = problem(&condition(&name, operator, Some(json!("1"))));
            assert_eq!(path, "condition.operator");
            let start = format!("{operator} does not fit {}; use one of ", type_name(field_type));
            assert!(
                message.starts_with(&start) && message.ends_with("IS_VALID, IS_INVALID"),
                "{message}"
            );
        }
    }
}

#[test]
fn the_path_leads_to_each_offender() {
    let rule = Rule::All(vec![
        condition("state", Equals, Some(json!("TX"))),
        condition("agee", Equals, Some(json!(1))),
        Rule::Not(Box::new(Rule::Any(vec![condition(
            "integer",
            StartsWith,
            Some(json!("1")),
        )]))),
        Rule::Any(vec![]),
        condition("state", In, Some(json!(["TX", {}]))),
    ]);
    let found: Vec<_> = problems(&rule)
        .into_iter()
        .map(|problem| (problem.path.join("."), problem.kind))
        .collect();
    let expected = [
        ("all.1.condition.field", ProblemKind::UnknownField),
        ("all.2.not.any.0.condition.operator", ProblemKind::Invalid),
        ("all.3.any", ProblemKind::Invalid),
        ("all.4.condition.value.1", ProblemKind::Invalid),
    ];
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
    assert!(compile(&rule, &fields()).is_err());
}

#[test]
fn an_unknown_field_is_answered_with_the_known_ones() {
    let told = |count: usize| {
        let fields: Vec<_> = (0..count)
            .map(|n| field(&format!("f{n}"), "", FieldType::Text))
            .collect();
        check(&condition("agee", IsEmpty, None), &fields)
            .unwrap_err()
            .remove(0)
            .message
    };
    assert_eq!(told(0), "unknown field \"agee\"; the flow has no fields");
    assert_eq!(told(2), "unknown field \"agee\"; the flow has: f0, f1");
    assert!(told(23).ends_with(", f18, f19 and 3 more"));
}

#[test]
fn values_take_the_type_of_their_field() {
    for (field, given, expected) in [
        ("number", json!("18"), json!(18)),
        ("number", json!("18.50"), json!(18.5)),
        ("number", json!(1e3), json!(1000)),
        (
            "number",
            json!("0.12345678901234567891"),
            json!("0.12345678901234567891"),
        ),
        ("integer", json!("7.0"), json!(7)),
        ("boolean", json!("True"), json!(true)),
        ("date", json!(" 2026-1-5"), json!("2026-01-05")),
        ("date", json!("2026-01-05T23:00:00-05:00"), json!("2026-01-05")),
        (
            "datetime",
            json!("2026-01-05T23:00:00-05:00"),
            json!("2026-01-06T04:00:00Z"),
        ),
        (
            "datetime",
            json!("2026-01-05T23:00:00.5"),
            json!("2026-01-05T23:00:00.500Z"),
        ),
        ("datetime", json!("2026-01-05"), json!("2026-01-05T00:00:00Z")),
        ("text", json!(" Ana "), json!("Ana")),
        ("text", json!(5), json!("5")),
        ("email", json!(" Ana@X.test"), json!("ana@x.test")),
        ("phone", json!("+1 (512) 555-01.00"), json!("+15125550100")),
        ("state", json!("tx"), json!("TX")),
        ("country", json!("us "), json!("US")),
        ("postal_code", json!("sw1a 1aa"), json!("SW1A 1AA")),
        ("choice", json!("heat PUMP"), json!("Heat pump")),
        ("ip_address", json!("2001:DB8:0::1"), json!("2001:db8::1")),
    ] {
        assert_eq!(canonical(field, Equals, given), expected);
    }
    assert_eq!(canonical("state", In, json!(["tx", "CA", " Tx "])), json!(["TX", "CA"]));
    assert_eq!(canonical("number", In, json!("5")), json!([5]));
    assert_eq!(canonical("number", Between, json!(["1", 2.0])), json!([1, 2]));
    assert_eq!(canonical("text", Contains, json!(" jr")), json!(" jr"));
}

#[test]
fn values_that_cannot_be_compared_with_are_refused() {
    for (field, operator, value, expected) in [
        ("text", Equals, json!(" "), "use IS_EMPTY"),
        ("text", Equals, json!({}), "write one text"),
        ("text", Equals, json!(["a"]), "EQUALS takes one value, not a list"),
        ("text", Contains, json!(""), "is empty"),
        ("phone", StartsWith, json!("()"), "is empty"),
        ("text", Equals, json!("x".repeat(1_001)), "longer than 1000"),
        ("text", In, json!([]), "list of 1 to 1000 values; this one has 0"),
        ("text", In, json!(vec!["x"; MAX_LIST + 1]), "this one has 1001"),
        (
            "number",
            GreaterThan,
            json!("many"),
            "\"many\" does not fit; write a number",
        ),
        ("number", Equals, json!(true), "write a number"),
        ("number", Equals, json!("1".repeat(40)), "at most 28 digits"),
        ("integer", LessThan, json!(1.5), "write a whole number"),
        ("number", Between, json!([2, 1]), "the lower one first"),
        ("number", Between, json!([1]), "two values"),
        ("number", Between, json!(1), "two values"),
        ("boolean", Equals, json!("yes"), "true or false"),
        ("date", Before, json!("01/05/2026"), "YYYY-MM-DD"),
        ("date", Before, json!("26-01-05"), "YYYY-MM-DD"),
        ("date", Before, json!("2026-02-30"), "YYYY-MM-DD"),
        ("datetime", After, json!("noon"), "RFC 3339"),
        ("datetime", After, json!("9999-12-31T23:59:59-14:00"), "RFC 3339"),
        ("choice", Equals, json!("Wind"), "they are: Solar Roof, Heat pump"),
        ("ip_address", Equals, json!("10.0.0.0/8"), "not a valid IP address"),
        ("text", Matches, json!("(a"), "not a valid pattern: unclosed group"),
        ("text", Matches, json!(r"(a)\1"), "backreferences are not supported"),
        ("text", Matches, json!("a(?=b)"), "look-around"),
        ("text", Matches, json!(r"(\w{100}){100}"), "may have 1000"),
        ("text", Matches, json!(r"\w{900}"), "too large"),
        ("text", Matches, json!("x".repeat(501)), "1 to 500 characters"),
        ("text", Matches, json!(""), "1 to 500 characters"),
        ("text", IsEmpty, json!(false), "IS_EMPTY takes no value"),
    ] {
        let (path, message) = problem(&condition(field, operator, Some(value)));
        assert_eq!(path, "condition.value", "{message}");
        assert!(message.contains(expected), "{message}");
    }
    for value in [None, Some(Value::Null)] {
        assert_eq!(
            problem(&condition("text", Equals, value)).1,
            "EQUALS needs a value to compare with"
        );
    }
    let (path, _) = problem(&condition("number", In, Some(json!([1, "x"]))));
    assert_eq!(path, "condition.value.1");
}

#[test]
fn rules_are_limited_in_depth() {
    let nested = |depth| (0..depth).fold(condition("text", IsEmpty, None), |rule, _| Rule::Not(Box::new(rule)));
    assert!(check(&nested(MAX_DEPTH), &fields()).is_ok());
    for depth in [MAX_DEPTH + 1, 5_000] {
        let (path, message) = problem(&nested(depth));
        assert_eq!(path, ["not"; MAX_DEPTH + 1].join("."));
        assert_eq!(message, "rules may be inside one another 10 deep at most");
    }
}

#[test]
fn rules_are_limited_in_size() {
    let wide = |rule: Rule, count| Rule::All(vec![rule; count]);
    assert!(check(&wide(condition("text", IsEmpty, None), MAX_CONDITIONS), &fields()).is_ok());
    for rule in [condition("text", IsEmpty, None), Rule::All(vec![])] {
        let (path, message) = problem(&wide(rule, 4 * MAX_CONDITIONS));
        assert!(path.starts_with("all.200."), "{path}");
        assert!(message.contains("200 conditions"), "{message}");
    }
    assert_eq!(
        problems(&wide(Rule::Any(vec![]), 4 * MAX_CONDITIONS)).len(),
        MAX_CONDITIONS + 1
    );
}

#[test]
fn the_stored_form_is_the_documented_one() {
    let stored = json!({"all": [
        {"condition": {"field": "state", "operator": "IN", "value": ["TX", "CA"]}},
        {"not": {"any": [{"condition": {"field": "email", "operator": "IS_EMPTY"}}]}},
    ]});
    let rule: Rule = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(rule.fields_named().collect::<Vec<_>>(), ["state", "email"]);
    assert_eq!(serde_json::to_value(&rule).unwrap(), stored);
}

#[test]
fn a_stored_form_that_is_none_is_refused_with_the_reason() {
    for (stored, expected) in [
        (
            json!({"condition": {"field": "a", "operator": "LIKE"}}),
            "unknown variant `LIKE`, expected one of `EQUALS`",
        ),
        (json!({"none": []}), "unknown variant `none`"),
        (json!({"all": [], "any": []}), "expected map with a single key"),
        (
            json!({"condition": {"field": "a", "operator": "IN", "values": []}}),
            "unknown field `values`",
        ),
        (json!({"condition": {"operator": "IN"}}), "missing field `field`"),
    ] {
        let error = serde_json::from_value::<Rule>(stored).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn operators_are_named_alike_in_the_api_and_in_store() {
    assert_eq!(operators().count(), 22);
    for operator in operators() {
        assert_eq!(json!(operator), json!(operator.to_string()));
    }
}

#[test]
fn patterns_that_could_keep_a_lead_busy_are_refused_when_saved_and_run_where_they_are_stored() {
    let fields = fields();
    let matches = |pattern: &str| condition("text", Operator::Matches, Some(json!(pattern)));
    for pattern in [
        "(?:[ab]{0,100}){50}c",
        "[ab]{1,3000}c",
        "(?:a?b?){2000}c",
        "[ab]*a[ab]{1001}c",
    ] {
        let problems = check(&matches(pattern), &fields).unwrap_err();
        assert_eq!(problems.len(), 1, "{pattern}");
        assert_eq!(problems[0].path, ["condition", "value"], "{pattern}");
        assert!(problems[0].message.contains("may have 1000"), "{problems:?}");
        assert!(
            compile(&matches(pattern), &fields).is_ok(),
            "stored by an older version: {pattern}"
        );
    }
    for pattern in [r"\w{2,20}", "^.{10,}$", "[a-z ]{1,1000}", &"a".repeat(500)] {
        assert!(check(&matches(pattern), &fields).is_ok(), "{pattern}");
    }
    let many = |count: usize| Rule::Any(vec![matches("[a-z]{1,1000}"); count]);
    assert!(check(&many(10), &fields).is_ok());
    let problems = check(&many(13), &fields).unwrap_err();
    assert_eq!(problems.len(), 1, "told once");
    assert_eq!(problems[0].path, ["any", "10", "condition", "value"]);
}
