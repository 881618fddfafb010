use super::*;
use proptest::prelude::*;
use serde_json::json;

const ALL: [FieldType; 15] = [
    FieldType::Text,
    FieldType::Email,
    FieldType::Phone,
    FieldType::Url,
    FieldType::Number,
    FieldType::Integer,
    FieldType::Boolean,
    FieldType::Date,
    FieldType::Datetime,
    FieldType::PostalCode,
    FieldType::State,
    FieldType::Country,
    FieldType::Choice,
    FieldType::IpAddress,
    FieldType::Json,
];

fn def(field_type: FieldType) -> FieldDef {
    FieldDef {
        name: "field".to_owned(),
        label: "Field".to_owned(),
        field_type,
        required: false,
        encrypted: false,
        choices: Some(vec!["Buy".to_owned(), "Rent".to_owned(), "7".to_owned()]),
        example: None,
        description: None,
    }
}

fn typed(field_type: FieldType, raw: &Value, country: Option<&str>) -> TypedValue {
    type_value(&def(field_type), raw, &TypingContext { country })
}

#[test]
fn every_type_takes_valid_and_sloppy_values() {
    let cases = [
        (FieldType::Text, json!("  Ann "), json!("Ann")),
        (FieldType::Text, json!(12.0), json!("12")),
        (FieldType::Text, json!(true), json!("true")),
        (FieldType::Text, json!("שלום 🙂"), json!("שלום 🙂")),
        (FieldType::Email, json!(" Ann@Example.COM"), json!("ann@example.com")),
        (FieldType::Phone, json!("(415) 555-2671"), json!("+14155552671")),
        (FieldType::Phone, json!(4_155_552_671_u64), json!("+14155552671")),
        (FieldType::Phone, json!(4_155_552_671.0), json!("+14155552671")),
        (FieldType::Url, json!("Example.com"), json!("https://example.com/")),
        (FieldType::Number, json!("$1,234.50"), json!(1234.5)),
        (FieldType::Integer, json!("1,234"), json!(1234)),
        (FieldType::Boolean, json!("Yes"), json!(true)),
        (FieldType::Boolean, json!(0), json!(false)),
        (FieldType::Boolean, json!(1.0), json!(true)),
        (FieldType::Date, json!("2/9/2024"), json!("2024-02-09")),
        (FieldType::Date, json!(20_240_209), json!("2024-02-09")),
        (FieldType::Datetime, json!(1_707_473_472), json!("2024-02-09T10:11:12Z")),
        (FieldType::PostalCode, json!(2134), json!("02134")),
        (FieldType::State, json!("new york"), json!("NY")),
        (FieldType::Country, json!("U.S.A."), json!("US")),
        (FieldType::Choice, json!("buy"), json!("Buy")),
        (FieldType::Choice, json!(7), json!("7")),
        (FieldType::IpAddress, json!("::FFFF:192.0.2.1"), json!("192.0.2.1")),
        (FieldType::Json, json!("{\"a\":1}"), json!({"a": 1})),
    ];
    for (field_type, raw, expected) in cases {
        assert_eq!(
            typed(field_type, &raw, None),
            TypedValue::Valid(expected),
            "{field_type:?} {raw}"
        );
    }
}

#[test]
fn every_type_but_text_and_json_refuses_words() {
    for field_type in ALL
        .into_iter()
        .filter(|kind| !matches!(kind, FieldType::Text | FieldType::Json))
    {
        let TypedValue::Invalid(message) = typed(field_type, &json!("zebra crossing"), None) else {
            panic!("{field_type:?} accepts a word");
        };
        assert!(message.ends_with('.') && !message.contains("zebra"), "{message}");
    }
}

#[test]
fn every_type_knows_empty_values() {
    for field_type in ALL {
        for raw in [json!(null), json!(""), json!(" \u{a0}\t")] {
            assert_eq!(typed(field_type, &raw, None), TypedValue::Empty, "{field_type:?} {raw}");
        }
    }
}

#[test]
fn huge_values_nul_and_nesting_get_a_clear_answer_from_every_type() {
    let deep = (0..100).fold(json!("x"), |inner, _| json!({ "a": [inner] }));
    for field_type in ALL {
        for raw in [json!("7".repeat(1_000_000)), json!("7\u{0}"), deep.clone()] {
            assert!(
                matches!(typed(field_type, &raw, None), TypedValue::Invalid(_)),
                "{field_type:?}"
            );
        }
        let list = typed(field_type, &json!(["7"]), None);
        assert_eq!(
            matches!(list, TypedValue::Valid(_)),
            field_type == FieldType::Json,
            "{field_type:?}"
        );
    }
}

#[test]
fn the_country_may_be_spelt_in_any_way() {
    for country in ["GB", "gb", "uk", "United Kingdom "] {
        assert_eq!(
            typed(FieldType::Phone, &json!("020 7183 8750"), Some(country)),
            TypedValue::Valid(json!("+442071838750"))
        );
    }
    assert!(matches!(
        typed(FieldType::Phone, &json!("4155552671"), Some("Atlantis")),
        TypedValue::Invalid(_)
    ));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(20, 60, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Texts near the formats that the types know, so that many are accepted.
fn likely_text() -> impl Strategy<Value = Value> {
    let forms = prop_oneof![
        r"[-+$€ ]{0,2}[0-9]{1,12}([,. '][0-9]{1,4}){0,3}[%€]?",
        r"[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}",
        r"20[0-9]{2}-0[1-9]-[0-2][0-9][T ][01][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?( ?[ap]m|Z|[+-][01][0-9]:?00)?",
        r"[0-9]{1,2}(st|th)? (jan|may|sept|december) [0-9]{4}",
        r"\+?[0-9()./ -]{6,18}( ?x[0-9]{1,3})?",
        r"[A-Za-z0-9.+_-]{1,12}@([a-z0-9éß-]{1,8}\.){1,3}[a-z]{1,4}\.?",
        r"(https?://)?[a-zA-Z0-9éß.-]{1,20}\.[a-z]{2,4}(:[0-9]{1,5})?(/[^\x00-\x1f]{0,20})?",
        r"[A-Za-z]{1,3}[- ]?[A-Z0-9]{0,4}[ -]?[0-9A-Z]{1,4}",
        r"[0-9a-f:.]{2,20}",
        r"(true|NO|buy| Rent |7|\[1e400\]|\[1\.0e2, 0\.10\]|\{.a.: 1\})",
    ];
    forms.prop_map(Value::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_canonical_value_stays_as_it_is(
        raw in prop_oneof![3 => likely_text(), 1 => any_json()],
        country in "US|CA|GB|DE|MX|FR|XX",
    ) {
        for field_type in ALL {
            if let TypedValue::Valid(value) = typed(field_type, &raw, Some(&country)) {
                let again = typed(field_type, &value, Some(&country));
                prop_assert_eq!(again, TypedValue::Valid(value), "{:?} {}", field_type, raw);
            }
        }
    }

    #[test]
    fn nul_is_never_stored(head in any::<String>(), tail in any::<String>()) {
        for field_type in ALL {
            let answer = typed(field_type, &json!(format!("{head}\0{tail}")), None);
            prop_assert!(matches!(answer, TypedValue::Invalid(_)), "{:?}", field_type);
        }
    }
}
