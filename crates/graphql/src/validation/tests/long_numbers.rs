//! Numbers that 64 bits do not hold, in documents and in JSON.

use async_graphql::parser::types::Selection;
use serde_json::json;

use super::*;
use leadmesh_forms::lenient_json;

const LONG: &str = "123456789012345678901234";

/// A variable as it comes out of a body.
fn given(definition: &str, json: &str) -> Result<Value, Vec<String>> {
    let body = format!("{{\"v\":{json}}}");
    let body: serde_json::Value = serde_json::from_slice(&lenient_json::repair(body.as_bytes(), 1)).unwrap();
    let Value::Object(coerced) = coerced(definition, Value::from_json(body).unwrap())? else {
        unreachable!("variables have names")
    };
    Ok(of_the_library(coerced["v"].clone()))
}

/// A value with nothing of ours in it; names and texts are equal to the library.
fn of_the_library(value: Value) -> Value {
    let text = format!("{value:?}");
    assert!(!text.contains("Enum(") && !text.contains("\\0#"), "{text}");
    value
}

/// The only argument of the only field, after all checks.
fn settled(argument: &str) -> serde_json::Value {
    let read = read(&format!("query ($w: JSON) {{ take({argument}) }}"));
    let mut document = read.document;
    crate::validation::long_numbers::resolve(&mut document, &registry());
    let operation = document.operations.iter().next().unwrap().1;
    let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
        unreachable!("there is a field")
    };
    let literal = field.node.arguments[0].1.node.clone();
    let value = literal.into_const_with(|_| Ok::<_, ()>(Value::from("$w"))).unwrap();
    of_the_library(value).into_json().unwrap()
}

#[test]
fn each_scalar_gets_those_of_documents_as_it_takes_them() {
    for (ty, literal, taken) in [
        ("id", LONG, json!(LONG)),
        ("id", "18446744073709551615", json!("18446744073709551615")),
        ("float", LONG, json!(1.234_567_890_123_456_8e23)),
        ("float", "0.1000000000000000055", json!(0.1)),
        ("json", LONG, json!(LONG)),
        (
            "json",
            "[1, 1e400, 0.10000000000000001, {a: $w}]",
            json!([1, "1e400", 0.1, {"a": "$w"}]),
        ),
        (
            "in",
            "{id: 1, price: 12345678901234567890.1234}",
            json!({"id": "1", "price": "12345678901234567890.1234"}),
        ),
        (
            "in",
            "{id: 1, price: 1.234567890123456789012e3}",
            json!({"id": "1", "price": "1234.567890123456789012"}),
        ),
        (
            "in",
            "{id: 1, inner: {id: 98765432109876543210}, rule: 1e-400}",
            json!({"id": "1", "inner": {"id": "98765432109876543210"}, "rule": "1e-400"}),
        ),
    ] {
        let argument = format!("{ty}: {literal}");
        let text = format!("{{ take({}) }}", argument.replace("$w", "1"));
        valid(&[text.as_str()]);
        assert_eq!(settled(&argument), taken, "{argument}");
    }
}

#[test]
fn each_scalar_gets_those_of_variables_as_it_takes_them() {
    for (definition, json, taken) in [
        ("$v: ID", LONG, json!(LONG)),
        ("$v: ID", "18446744073709551615", json!("18446744073709551615")),
        ("$v: Decimal", LONG, json!(LONG)),
        (
            "$v: Decimal",
            "-12345678901234567890.1234",
            json!("-12345678901234567890.1234"),
        ),
        ("$v: Decimal", "0.1000000000000000055", json!("0.1000000000000000055")),
        (
            "$v: Decimal",
            "1.234567890123456789012e3",
            json!("1234.567890123456789012"),
        ),
        ("$v: Decimal", "1e25", json!(1e25)),
        ("$v: Float", LONG, json!(1.234_567_890_123_456_8e23)),
        (
            "$v: JSON",
            "{\"a\":[1e400,0.10000000000000001]}",
            json!({"a": ["1e400", 0.1]}),
        ),
    ] {
        assert_eq!(
            given(definition, json).unwrap().into_json().unwrap(),
            taken,
            "{definition} {json}"
        );
    }
}

#[test]
fn what_none_takes_is_refused_with_its_name_and_what_to_do() {
    let no_decimal = "a Decimal is a number in digits with at most one point, of at most 28 digits in at most 64 characters: \
                      send a string such as \"12.50\"";
    for number in ["1e400", "1e-400", "1e30", "1e-29", "1.00000000000000000000000000001"] {
        let told = given("$v: In!", &format!("{{\"id\":1,\"price\":{number}}}")).unwrap_err();
        assert_eq!(
            told,
            [format!(
                "Variable \"$v\" got an invalid value at \"v.price\": {no_decimal}."
            )],
            "{number}"
        );
        let text = format!("{{ take(in: {{id: 1, price: {number}}}) }}");
        invalid(&[(text.as_str(), no_decimal)]);
    }
    for (definition, json, told) in [
        ("$v: ID", "1e400", "an ID is a string or a whole number"),
        ("$v: ID", "0.1000000000000000055", "an ID is a string or a whole number"),
        ("$v: [ID]", "[1, 1e400]", "at \"v[1]\": an ID is"),
        ("$v: Int", LONG, "an Int is a whole number"),
        ("$v: Float", "1e400", "the number is too large for a Float"),
        ("$v: Int", "1e400", "the number is too large for an Int"),
        ("$v: String", LONG, "expected a String, found a number"),
        ("$v: Boolean", "1e400", "found a number"),
        (
            "$v: Color",
            LONG,
            "expected a string with a name of the enum \"Color\", found a number",
        ),
        ("$v: In", LONG, "expected an object of type \"In\", found a number"),
        ("$v: DateTime", LONG, "found a number"),
        ("$v: ID", "[1e400]", "expected an ID, found a list"),
    ] {
        let faults = given(definition, json).unwrap_err();
        assert!(
            matches!(&faults[..], [one] if one.contains(told)),
            "{definition} {json}: {faults:?}"
        );
    }
    invalid(&[
        ("{ take(id: 1e400) }", "an ID is a string or a whole number"),
        (
            "{ take(id: 0.1000000000000000055) }",
            "an ID is a string or a whole number",
        ),
        (
            "{ take(color: 123456789012345678901234) }",
            "Enum \"Color\" cannot represent this value",
        ),
        ("{ take(text: 1e400) }", "expected a String, found a number"),
    ]);
}
