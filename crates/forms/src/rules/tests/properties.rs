use entity::field::FieldType;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Condition, EvalBudget, FieldValue, Operator, Rule, check, compile, text};
use super::{TYPES, fields, operators};

/// Values that hit and that miss, of every kind that clients send.
fn value() -> impl Strategy<Value = Value> {
    let likely = [
        json!("TX"),
        json!("tx "),
        json!("18"),
        json!(18),
        json!(18.5),
        json!("1e3"),
        json!(true),
        json!("false"),
        json!("2026-02-01"),
        json!("2026-02-01T10:00:00+02:00"),
        json!("9999-12-31T23:59:59-14:00"),
        json!("Heat PUMP"),
        json!("10.0.0.1"),
        json!(u64::MAX),
        json!(1e300),
        json!(5e-324),
        json!(-0.0),
        json!(["TX", "ca", "Tx"]),
        json!([1, 5]),
        json!(["2026-01-01", "2026-03-01"]),
        json!([]),
        json!({"a": 1}),
    ];
    prop_oneof![
        3 => prop::sample::select(likely.to_vec()),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => ".{0,12}".prop_map(Value::from),
        1 => "[0-9]{1,30}(\\.[0-9]{0,30})?(e-?[0-9]{1,2})?".prop_map(Value::from),
        1 => "[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}(T[0-9]{2}:[0-9]{2}:[0-6][0-9]Z?)?".prop_map(Value::from),
        1 => prop::collection::vec(".{0,4}".prop_map(Value::from), 0..4).prop_map(Value::from),
    ]
    .prop_filter("null is stored as none", |value| !value.is_null())
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let names: Vec<String> = fields()
        .into_iter()
        .map(|field| field.name)
        .chain(["gone".to_owned()])
        .collect();
    let operators: Vec<Operator> = operators().collect();
    (
        prop::sample::select(names),
        prop::sample::select(operators),
        prop::option::of(value()),
    )
        .prop_map(|(field, operator, value)| Condition { field, operator, value })
}

/// Conditions that pass the check, and not by being trivial alone.
fn good_condition() -> impl Strategy<Value = Condition> {
    let typed = prop::sample::select(TYPES.to_vec()).prop_flat_map(|field_type: FieldType| {
        let fitting: Vec<Operator> = Operator::fitting(field_type).collect();
        (
            Just(super::super::text::type_name(field_type).to_lowercase()),
            prop::sample::select(fitting),
            value(),
        )
    });
    typed
        .prop_map(|(field, operator, value)| Condition {
            field,
            operator,
            value: operator.takes_value().then_some(value),
        })
        .prop_filter("passes the check", |condition| {
            check(&Rule::Condition(condition.clone()), &fields()).is_ok()
        })
}

fn tree(leaf: impl Strategy<Value = Condition> + 'static) -> impl Strategy<Value = Rule> {
    leaf.prop_map(Rule::Condition).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Rule::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::Any),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

fn lead() -> impl Strategy<Value = Vec<(Option<Value>, bool)>> {
    prop::collection::vec((prop::option::of(value()), any::<bool>()), TYPES.len())
}

fn passes(rule: &Rule, lead: &[(Option<Value>, bool)]) -> bool {
    let fields = fields();
    let values = |name: &str| {
        let (value, valid) = &lead[fields.iter().position(|field| field.name == name).unwrap()];
        FieldValue {
            value: value.as_ref(),
            valid: *valid,
        }
    };
    let compiled = compile(rule, &fields).unwrap();
    compiled.evaluate(&values, &mut EvalBudget::default()).unwrap().passed
}

fn not(rule: &Rule) -> Rule {
    Rule::Not(Box::new(rule.clone()))
}

proptest! {
    #[test]
    fn de_morgan_holds(a in tree(good_condition()), b in tree(good_condition()), lead in lead()) {
        let (both, either) = (Rule::All(vec![a.clone(), b.clone()]), Rule::Any(vec![a.clone(), b.clone()]));
        prop_assert_eq!(passes(&not(&both), &lead), passes(&Rule::Any(vec![not(&a), not(&b)]), &lead));
        prop_assert_eq!(passes(&not(&either), &lead), passes(&Rule::All(vec![not(&a), not(&b)]), &lead));
    }

    #[test]
    fn groups_agree_with_their_parts(a in tree(good_condition()), b in tree(good_condition()), lead in lead()) {
        let (both, either) = (Rule::All(vec![a.clone(), b.clone()]), Rule::Any(vec![a.clone(), b.clone()]));
        prop_assert_eq!(passes(&both, &lead), passes(&a, &lead) && passes(&b, &lead));
        prop_assert_eq!(passes(&either, &lead), passes(&a, &lead) || passes(&b, &lead));
    }

    #[test]
    fn an_operator_and_its_opposite_never_agree(value in value(), lead in lead()) {
        let pairs = [
            (Operator::Equals, Operator::NotEquals),
            (Operator::Contains, Operator::NotContains),
            (Operator::In, Operator::NotIn),
        ];
        for (name, (plain, opposite)) in fields().iter().flat_map(|field| pairs.map(|pair| (field.name.clone(), pair))) {
            let [plain, opposite] = [plain, opposite]
                .map(|operator| super::condition(&name, operator, Some(value.clone())));
            if check(&plain, &fields()).is_ok() && check(&opposite, &fields()).is_ok() {
                prop_assert_ne!(passes(&plain, &lead), passes(&opposite, &lead));
            }
        }
    }

    #[test]
    fn every_rule_has_a_text(rule in tree(any_condition())) {
        prop_assert!(!text(&rule, &fields()).is_empty());
        prop_assert!(!text(&rule, &[]).is_empty());
    }

    #[test]
    fn checking_twice_changes_nothing_more(rule in tree(any_condition())) {
        if let Ok(canonical) = check(&rule, &fields()) {
            prop_assert_eq!(check(&canonical, &fields()), Ok(canonical));
        }
    }

    #[test]
    fn the_canonical_form_of_a_condition_stays_canonical(condition in good_condition()) {
        let canonical = check(&Rule::Condition(condition), &fields()).unwrap();
        prop_assert_eq!(check(&canonical, &fields()), Ok(canonical));
    }

    #[test]
    fn the_canonical_form_decides_as_the_given_one(rule in tree(good_condition()), lead in lead()) {
        let canonical = check(&rule, &fields()).unwrap();
        prop_assert_eq!(passes(&canonical, &lead), passes(&rule, &lead));
    }

    #[test]
    fn storing_the_canonical_form_changes_nothing(rule in tree(good_condition())) {
        let canonical = check(&rule, &fields()).unwrap();
        let stored = serde_json::to_string(&canonical).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rule>(&stored).unwrap(), canonical);
    }

    #[test]
    fn every_rule_survives_being_json(rule in tree(any_condition())) {
        let json = serde_json::to_value(&rule).unwrap();
        prop_assert_eq!(serde_json::from_value::<Rule>(json).unwrap(), rule);
    }
}
