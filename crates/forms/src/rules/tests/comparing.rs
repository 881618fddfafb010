use entity::field::FieldType;
use serde_json::{Value, json};

use super::super::Operator::{self, *};
use super::super::text::type_name;
use super::super::{CompiledRule, Rule};
use super::{TYPES, condition, field, fields, operators, run};

/// For a type: operator, the rule's value, lead values that meet the condition, lead values that do not.
type Row = (Operator, Value, Vec<Value>, Vec<Value>);

const ANYTHING: [Operator; 6] = [IsEmpty, IsNotEmpty, IsValid, IsInvalid, IsTrue, IsFalse];

/// Rows for a type that compares as text, from one value of it, a part of that, and another value.
fn text_rows(same: &str, start: &str, end: &str, other: &str) -> Vec<Row> {
    let (upper, lower) = (json!(same.to_uppercase()), json!(same.to_lowercase()));
    let (same, start, end, other) = (json!(same), json!(start), json!(end), json!(other));
    let alike = vec![same.clone(), upper.clone(), lower.clone()];
    let unlike = vec![other.clone(), json!(["x"]), json!({"a": 1})];
    vec![
        (Equals, lower.clone(), alike.clone(), unlike.clone()),
        (NotEquals, upper.clone(), unlike.clone(), alike.clone()),
        (Contains, start.clone(), alike.clone(), unlike.clone()),
        (NotContains, end.clone(), unlike.clone(), alike.clone()),
        (StartsWith, start.clone(), alike.clone(), unlike.clone()),
        (EndsWith, end.clone(), alike.clone(), unlike.clone()),
        (In, json!([upper, lower]), alike.clone(), unlike.clone()),
        (NotIn, json!([upper]), unlike.clone(), alike.clone()),
        (
            Matches,
            json!(format!("{}$", regex::escape(end.as_str().unwrap()))),
            alike,
            unlike,
        ),
    ]
}

fn number_rows() -> Vec<Row> {
    let eighteen = vec![
        json!(18),
        json!("18"),
        json!(" 18 "),
        json!("18.0"),
        json!(18.0),
        json!("1.8e1"),
    ];
    let below = vec![json!(17), json!("9"), json!(-100), json!("-18")];
    let above = vec![json!(19), json!("100"), json!(1_000_000_000_000_000_000_u64)];
    let strange = vec![json!("eighteen"), json!([18]), json!(true)];
    let join = |a: &[Value], b: &[Value]| [a, b].concat();
    vec![
        (Equals, json!("18"), eighteen.clone(), join(&below, &strange)),
        (NotEquals, json!(18), join(&above, &strange), eighteen.clone()),
        (
            In,
            json!([18, "5"]),
            join(&eighteen, &[json!("5")]),
            join(&above, &strange),
        ),
        (NotIn, json!([18]), join(&below, &strange), eighteen.clone()),
        (
            GreaterThan,
            json!(18),
            above.clone(),
            join(&eighteen, &join(&below, &strange)),
        ),
        (
            GreaterOrEqual,
            json!(18),
            join(&eighteen, &above),
            join(&below, &strange),
        ),
        (
            LessThan,
            json!(18),
            below.clone(),
            join(&eighteen, &join(&above, &strange)),
        ),
        (LessOrEqual, json!(18), join(&eighteen, &below), join(&above, &strange)),
        (
            Between,
            json!(["18", 20]),
            join(&eighteen, &[json!(19), json!("20")]),
            join(&below, &[json!(21), json!("x")]),
        ),
    ]
}

/// Rows from three values in order, with other ways to write the middle one.
fn dated_rows(low: &str, middle: &[&str], high: &str) -> Vec<Row> {
    let same: Vec<Value> = middle.iter().map(|text| json!(text)).collect();
    let (low, high, wrong) = (json!(low), json!(high), json!("soon"));
    let mid = same[0].clone();
    let with = |extra: &Value| [same.clone(), vec![extra.clone()]].concat();
    let misses = |extra: &Value| vec![extra.clone(), wrong.clone(), json!(5)];
    vec![
        (Equals, mid.clone(), same.clone(), misses(&low)),
        (NotEquals, mid.clone(), misses(&high), same.clone()),
        (
            Before,
            mid.clone(),
            vec![low.clone()],
            [with(&high), misses(&high)].concat(),
        ),
        (
            After,
            mid.clone(),
            vec![high.clone()],
            [with(&low), misses(&low)].concat(),
        ),
        (
            LessThan,
            mid.clone(),
            vec![low.clone()],
            [with(&high), misses(&high)].concat(),
        ),
        (
            GreaterThan,
            mid.clone(),
            vec![high.clone()],
            [with(&low), misses(&low)].concat(),
        ),
        (LessOrEqual, mid.clone(), with(&low), misses(&high)),
        (GreaterOrEqual, mid.clone(), with(&high), misses(&low)),
        (Between, json!([low, mid]), with(&low), misses(&high)),
    ]
}

fn rows(field_type: FieldType) -> Vec<Row> {
    match field_type {
        FieldType::Text => text_rows("Ärzte Café 12", "ärz", "FÉ 12", "Zahnarzt"),
        FieldType::Email => text_rows("Ana.B@X.test", "ANA", "@x.test", "bob@y.example"),
        FieldType::Phone => text_rows("+15125550100", "+1 (512)", "0100", "+4930123456"),
        FieldType::Url => text_rows("https://X.test/a?b=1", "HTTPS://x", "?B=1", "http://y.example"),
        FieldType::PostalCode => text_rows("SW1A 1AA", "sw1a", "1aa", "10115"),
        FieldType::State => text_rows("TX", "t", "x", "CA"),
        FieldType::Country => text_rows("US", "u", "s", "DE"),
        FieldType::Choice => text_rows("Solar Roof", "solar", "ROOF", "Heat pump"),
        FieldType::IpAddress => text_rows("2001:DB8::1", "2001:", "::1", "10.0.0.9"),
        FieldType::Number | FieldType::Integer => number_rows(),
        FieldType::Date => dated_rows("2026-01-09", &["2026-02-01", " 2026-02-01 "], "2026-10-01"),
        FieldType::Datetime => dated_rows(
            "2026-02-01T09:59:59.999999Z",
            &[
                "2026-02-01T10:00:00Z",
                "2026-02-01T12:00:00+02:00",
                "2026-02-01T05:00:00.000-05:00",
            ],
            "2026-02-01T10:30:00+00:00",
        ),
        FieldType::Boolean => {
            let (yes, no, neither) = (json!(true), json!("False"), json!("perhaps"));
            vec![
                (
                    Equals,
                    json!("TRUE"),
                    vec![yes.clone(), json!("true")],
                    vec![no.clone(), neither.clone(), json!(1)],
                ),
                (
                    IsTrue,
                    Value::Null,
                    vec![yes.clone()],
                    vec![no.clone(), neither.clone()],
                ),
                (IsFalse, Value::Null, vec![no, json!(false)], vec![yes, neither]),
            ]
        }
        FieldType::Json => Vec::new(),
    }
}

fn given(value: Value) -> Option<Value> {
    Some(value).filter(|value| !value.is_null())
}

#[test]
fn every_operator_compares_as_it_says_on_every_type_it_fits() {
    for field_type in TYPES {
        let name = type_name(field_type).to_lowercase();
        for (operator, value, meeting, missing) in rows(field_type) {
            let rule = condition(&name, operator, given(value));
            for (expected, leads) in [(true, meeting), (false, missing)] {
                for lead in leads {
                    let verdict = run(&rule, &fields(), &json!({ &name: lead }), &[]);
                    assert_eq!(verdict.passed, expected, "{rule:?} on {lead}: {verdict:?}");
                }
            }
        }
    }
}

#[test]
fn the_table_above_leaves_out_no_operator_that_fits() {
    for field_type in TYPES {
        let tried: Vec<_> = rows(field_type).into_iter().map(|row| row.0).collect();
        for operator in operators() {
            let everywhere = matches!(operator, IsEmpty | IsNotEmpty | IsValid | IsInvalid);
            let expected = tried.contains(&operator) || everywhere;
            assert_eq!(operator.fits(field_type), expected, "{operator} on {field_type:?}");
        }
    }
}

#[test]
fn empty_and_invalid_values_make_comparisons_false_and_their_negations_true() {
    for field_type in TYPES {
        let name = type_name(field_type).to_lowercase();
        let empties = [
            json!({}),
            json!({&name: null}),
            json!({&name: "  "}),
            json!({&name: []}),
            json!({&name: {}}),
        ];
        for (operator, value, meeting, missing) in rows(field_type) {
            let rule = condition(&name, operator, given(value));
            let negated = matches!(operator, NotEquals | NotContains | NotIn);
            for lead in &empties {
                assert_eq!(run(&rule, &fields(), lead, &[]).passed, negated, "{rule:?} on {lead}");
                assert_eq!(
                    run(&rule, &fields(), lead, &[&name]).passed,
                    negated,
                    "{rule:?} on {lead}"
                );
            }
            for lead in meeting.into_iter().chain(missing) {
                assert_eq!(
                    run(&rule, &fields(), &json!({&name: lead}), &[&name]).passed,
                    negated,
                    "{rule:?}"
                );
            }
        }
    }
}

#[test]
fn empty_valid_and_invalid_exclude_one_another_on_every_type() {
    for field_type in TYPES {
        let name = type_name(field_type).to_lowercase();
        let told = |lead: &Value, invalid: &[&str]| {
            [IsEmpty, IsNotEmpty, IsValid, IsInvalid]
                .map(|operator| run(&condition(&name, operator, None), &fields(), lead, invalid).passed)
        };
        for empty in [
            json!({}),
            json!({&name: null}),
            json!({&name: " \n"}),
            json!({&name: []}),
            json!({&name: {}}),
        ] {
            assert_eq!(told(&empty, &[]), [true, false, false, false], "{empty}");
            assert_eq!(told(&empty, &[&name]), [true, false, false, false], "{empty}");
        }
        for full in [
            json!({&name: "x"}),
            json!({&name: 0}),
            json!({&name: false}),
            json!({&name: [null]}),
        ] {
            assert_eq!(told(&full, &[]), [false, true, true, false], "{full}");
            assert_eq!(told(&full, &[&name]), [false, true, false, true], "{full}");
        }
    }
}

#[test]
fn numbers_compare_exactly() {
    let number = [field("n", "N", FieldType::Number)];
    let passed = |operator, value, lead| {
        run(
            &condition("n", operator, Some(value)),
            &number,
            &json!({"n": lead}),
            &[],
        )
        .passed
    };
    assert!(passed(Equals, json!("0.3"), json!("0.30")));
    assert!(passed(Equals, json!(0.1), json!("0.1")));
    assert!(!passed(Equals, json!("9007199254740993"), json!("9007199254740992")));
    assert!(passed(GreaterThan, json!("0.3"), json!(0.300_000_000_000_000_04)));
    assert!(passed(
        LessThan,
        json!("1234567890123456789012.1"),
        json!("1234567890123456789012.05")
    ));
    assert!(passed(Equals, json!(0), json!("-0.0")));
}

#[test]
fn dates_alone_mean_the_first_instant_in_utc_on_times() {
    let at = [field("at", "At", FieldType::Datetime)];
    let passed = |operator, lead| {
        run(
            &condition("at", operator, Some(json!("2026-02-01"))),
            &at,
            &json!({"at": lead}),
            &[],
        )
        .passed
    };
    assert!(passed(Equals, "2026-02-01T00:00:00Z"));
    assert!(passed(Before, "2026-02-01T00:30:00+01:00"));
    assert!(passed(After, "2026-02-01T00:00:01Z"));
}

#[test]
fn groups_nest() {
    let is = |state: &str| condition("state", Equals, Some(json!(state)));
    let adult = condition("integer", GreaterOrEqual, Some(json!(18)));
    let rule = Rule::All(vec![
        Rule::Any(vec![is("TX"), is("CA")]),
        adult,
        Rule::Not(Box::new(is("CA"))),
    ]);
    let passed = |state: &str, age: u8| run(&rule, &fields(), &json!({"state": state, "integer": age}), &[]).passed;
    assert!(passed("tx", 18));
    assert!(!passed("tx", 17));
    assert!(!passed("ca", 18));
    assert!(!passed("NY", 18));
    assert!(run(&Rule::All(vec![]), &[], &json!({}), &[]).passed);
    assert!(!run(&Rule::Not(Box::new(Rule::All(vec![]))), &[], &json!({}), &[]).passed);
}

#[test]
fn not_of_a_comparison_holds_for_an_empty_value() {
    let adult = condition("integer", GreaterOrEqual, Some(json!(18)));
    assert!(run(&Rule::Not(Box::new(adult)), &fields(), &json!({}), &[]).passed);
}

#[test]
fn patterns_ignore_case_and_are_not_tied_to_the_ends() {
    let text = [field("t", "T", FieldType::Text)];
    let passed = |pattern: &str, lead: &str| {
        run(
            &condition("t", Matches, Some(json!(pattern))),
            &text,
            &json!({"t": lead}),
            &[],
        )
        .passed
    };
    assert!(passed("b+c", "xABBCx") && passed("äß", "xÄßx"));
    assert!(passed("^a.c$", " ABC ") && !passed("^b", "abc"));
    assert!(passed(r"^[\w.+-]+@[\w-]+\.[\w.-]{2,20}$", "Ana+1@x.test"));
}

#[test]
fn a_pattern_made_to_backtrack_ends_at_once() {
    let text = [field("t", "T", FieldType::Text)];
    let lead = json!({"t": "a".repeat(100_000)});
    assert!(!run(&condition("t", Matches, Some(json!("^(a+)+$b"))), &text, &lead, &[]).passed);
}

#[test]
fn compiled_rules_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<CompiledRule>();
}

#[test]
fn operators_without_a_value_are_those_that_look_at_the_field_alone() {
    for operator in operators() {
        assert_eq!(operator.takes_value(), !ANYTHING.contains(&operator), "{operator}");
    }
}
