//! Variables: where they stand, and what becomes of their values.

use super::*;

#[test]
fn a_variable_knows_whether_all_its_places_are_in_a_lead() {
    let facts = |text: &str| {
        let mut facts = validate(&read(text), &registry()).unwrap();
        facts.remove(&None).unwrap()
    };
    let lead = "mutation ($j: JSON!, $s: String) { a: lead(input: {fields: {x: $s}}) b: simulate(fields: $j)";
    assert_eq!(facts(&format!("{lead} }}")).of_lead.len(), 2);
    assert_eq!(
        facts(&format!("{lead} c: lead(input: {{fields: $j, note: $s}}) }}")).of_lead,
        ["j"]
    );
    let page =
        facts("query ($n: Int, $m: Int! = 1) { person { pets(first: $n) { name } p: pets(first: $m) { name } } }");
    assert_eq!(page.never_null, ["n"]);
}

#[test]
fn variables_become_what_resolvers_take() {
    for (definition, given, taken) in [
        ("$v: Int", value!({"v": 1.0}), value!({"v": 1})),
        ("$v: Float", value!({"v": 1}), value!({"v": 1})),
        ("$v: ID", value!({"v": 7}), value!({"v": "7"})),
        ("$v: [Int!]", value!({"v": 7}), value!({"v": [7]})),
        (
            "$v: [[Int]]",
            value!({"v": [1, [2, null]]}),
            value!({"v": [[1], [2, null]]}),
        ),
        ("$v: [[Int]]", value!({"v": 1}), value!({"v": [[1]]})),
        (
            "$v: Color",
            value!({"v": "RED"}),
            value!({"v": (Value::Enum(Name::new("RED")))}),
        ),
        ("$v: Int = 3", value!({}), value!({"v": 3})),
        ("$v: Int = 3", value!({"v": null}), value!({"v": null})),
        ("$v: Int! = 3", value!({}), value!({"v": 3})),
        ("$v: Int", value!({}), value!({})),
        ("$v: Int", value!({"v": 1, "w": {"not": "declared"}}), value!({"v": 1})),
        ("$v: One", value!({"v": {"text": "a"}}), value!({"v": {"text": "a"}})),
        (
            "$v: In!",
            value!({"v": {"id": 1, "names": "a", "color": "GREEN", "inner": {"id": "b"}, "price": 1.5}}),
            value!({"v": {"id": "1", "names": ["a"], "color": (Value::Enum(Name::new("GREEN"))), "inner": {"id": "b"}, "price": 1.5}}),
        ),
        (
            "$v: JSON",
            value!({"v": [{"a": 1.5}, null]}),
            value!({"v": [{"a": 1.5}, null]}),
        ),
    ] {
        assert_eq!(coerced(definition, given.clone()), Ok(taken), "{definition} {given}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn variables_that_do_not_fit_are_refused_with_their_place_and_not_repeated() {
    for (definition, given, told) in [
        (
            "$v: Boolean!",
            value!({}),
            "Variable \"$v\" of type \"Boolean!\" is required and was not provided.",
        ),
        (
            "$v: Boolean!",
            value!({"v": null}),
            "Variable \"$v\" of type \"Boolean!\" must not be null.",
        ),
        ("$v: Boolean! = true", value!({"v": null}), "must not be null"),
        (
            "$v: Boolean",
            value!({"v": "yes"}),
            "Variable \"$v\" got an invalid value: expected true or false, found a string.",
        ),
        ("$v: Int", value!({"v": 1.5}), "an Int is a whole number"),
        ("$v: Int", value!({"v": 2_147_483_648_i64}), "an Int has 32 bits"),
        ("$v: Int", value!({"v": "1"}), "expected an Int, found a string"),
        ("$v: Float", value!({"v": "1"}), "expected a Float"),
        ("$v: String", value!({"v": 1}), "expected a String"),
        ("$v: ID", value!({"v": 1.5}), "an ID is a string or a whole number"),
        (
            "$v: [Int!]",
            value!({"v": [1, null]}),
            "invalid value at \"v[1]\": expected a value of type \"Int!\", found null",
        ),
        (
            "$v: Color",
            value!({"v": "red"}),
            "the enum \"Color\" has no such value. Did you mean \"RED\"?",
        ),
        (
            "$v: Color",
            value!({"v": 1}),
            "expected a string with a name of the enum \"Color\"",
        ),
        (
            "$v: In!",
            value!({"v": "secret"}),
            "expected an object of type \"In\", found a string.",
        ),
        (
            "$v: In!",
            value!({"v": {}}),
            "field \"id\" of required type \"ID!\" was not provided",
        ),
        (
            "$v: In!",
            value!({"v": {"id": 1, "inner": {"id": 2, "x": "secret"}}}),
            "at \"v.inner\": Field \"x\" is not defined by type \"In\"",
        ),
        (
            "$v: In!",
            value!({"v": {"id": 1, "names": ["a", 2]}}),
            "at \"v.names[1]\": expected a String",
        ),
        ("$v: In!", value!({"v": {"id": 1, "count": null}}), "at \"v.count\""),
        (
            "$v: In!",
            value!({"v": {"id": 1, "price": "dear"}}),
            "at \"v.price\": a Decimal is",
        ),
        (
            "$v: In!",
            value!({"v": {"id": 1, "at": "tomorrow"}}),
            "at \"v.at\": a DateTime is",
        ),
        ("$v: One", value!({"v": {}}), "exactly one key"),
        ("$v: One", value!({"v": {"text": "a", "number": 1}}), "exactly one key"),
        ("$v: One", value!({"v": {"text": null}}), "must not be null"),
    ] {
        refused(definition, given, told);
    }
    let many: Vec<Value> = (0..10_000).map(|_| value!("secret")).collect();
    let faults = coerced("$v: [Int!]", value!({ "v": many })).unwrap_err();
    assert!(faults.len() < 20 && !faults.concat().contains("secret"), "{faults:?}");
}
