mod coercion;
mod long_numbers;

use async_graphql::{Value, Variables, value};

use super::*;
use crate::syntax::{self, Bounds};

const SDL: &str = "
    schema { query: Query, mutation: Mutation }
    directive @tag(of: Int! = 1) on FIELD
    interface Node { id: ID! }
    interface Pet { name: String!, owner: Person }
    type Dog implements Node & Pet { id: ID!, name: String!, owner: Person, barks: Boolean!, size: Int, friends: [Dog!] }
    type Cat implements Node & Pet { id: ID!, name: String!, owner: Person, meows: Boolean!, size: Float, friends: [Cat] }
    type Person implements Node { id: ID!, pets(first: Int! = 20, color: Color): [Pet!]!, email: String }
    union Both = Dog | Person
    enum Color { RED GREEN }
    scalar JSON
    scalar Decimal
    scalar DateTime
    input In { id: ID!, count: Int! = 1, names: [String!], color: Color, inner: In, price: Decimal, at: DateTime, rule: JSON }
    input One @oneOf { text: String, number: Int }
    input LeadInput { fields: JSON!, note: String }
    type Query {
        dog: Dog, cat: Cat, pet: Pet, both: Both, node(id: ID!): Node, person: Person
        take(in: In, one: One, int: Int, float: Float, yes: Boolean, id: ID, text: String, ints: [Int!], color: Color, json: JSON): Int
    }
    type Mutation { lead(input: LeadInput!): Int, simulate(fields: JSON!): Int }
";

fn registry() -> Registry {
    Registry::from_sdl(SDL).unwrap()
}

fn read(text: &str) -> Read {
    let bounds = Bounds {
        tokens: 4_000,
        nesting: 64,
    };
    syntax::read(text, bounds).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = validate(&read(text), &registry()).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.message).collect()
}

#[track_caller]
fn valid(texts: &[&str]) {
    for text in texts {
        assert_eq!(faults(text), Vec::<String>::new(), "{text}");
    }
}

/// Each text has exactly one fault, which says that.
#[track_caller]
fn invalid(texts: &[(&str, &str)]) {
    for (text, told) in texts {
        let faults = faults(text);
        assert!(matches!(&faults[..], [one] if one.contains(told)), "{text}: {faults:?}");
    }
}

fn coerced(definitions: &str, given: Value) -> Result<Value, Vec<String>> {
    let document = read(&format!("query ({definitions}) {{ a }}")).document;
    let operation = &document.operations.iter().next().unwrap().1.node;
    let facts = VariableFacts::default();
    let given = Variables::from_value(given);
    let coerced = variables::coerce(&operation.variable_definitions, &facts, &registry(), given);
    coerced
        .map(Variables::into_value)
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

#[track_caller]
fn refused(definitions: &str, given: Value, told: &str) {
    let faults = coerced(definitions, given).unwrap_err();
    assert!(
        matches!(&faults[..], [one] if one.contains(told)),
        "{definitions}: {faults:?}"
    );
}

#[test]
fn fields_exist_and_have_what_they_need() {
    valid(&[
        "{ dog { name __typename owner { pets { name ... on Dog { barks } } } } __schema { types { name } } }",
        "{ both { __typename ... on Dog { size } ... on Node { id } } __type(name: \"Dog\") { kind } }",
    ]);
    invalid(&[
        (
            "{ dog { nmae } }",
            "Cannot query field \"nmae\" on type \"Dog\". Did you mean \"name\"?",
        ),
        ("{ both { id } }", "Cannot query field \"id\" on type \"Both\"."),
        (
            "{ dog { __schema { types { name } } } }",
            "Cannot query field \"__schema\"",
        ),
        ("{ dog }", "must have a selection of subfields"),
        ("{ dog { name { length } } }", "must not have a selection"),
        ("{ dog { __typename { a } } }", "must not have a selection"),
        ("{ node { id } }", "argument \"id\" of type \"ID!\" is required"),
        (
            "{ node(id: null) { id } }",
            "Expected value of type \"ID!\", found null.",
        ),
        (
            "{ node(id: 1, di: 2) { id } }",
            "Unknown argument \"di\" on field \"Query.node\". Did you mean \"id\"?",
        ),
        ("{ node(id: 1, id: 2) { id } }", "only one argument named \"id\""),
        ("{ dog { __typename(a: 1) } }", "Unknown argument \"a\""),
        ("subscription { dog { name } }", "The schema has no subscriptions."),
    ]);
}

#[test]
fn fragments_fit_and_are_used() {
    valid(&[
        "{ pet { ...F ... on Node { id } } } fragment F on Dog { name }",
        "query A { dog { ...F } } query B { cat { ...F } } fragment F on Pet { name }",
    ]);
    invalid(&[
        (
            "{ dog { ... on Cat { name } } }",
            "objects of type \"Dog\" can never be of type \"Cat\"",
        ),
        (
            "{ dog { ...F } } fragment F on Person { id }",
            "Fragment \"F\" cannot be spread here",
        ),
        ("{ dog { ...G } }", "Unknown fragment \"G\"."),
        (
            "{ dog { name } } fragment F on Dog { name }",
            "Fragment \"F\" is never used.",
        ),
        (
            "{ dog { ... on Dgo { name } } }",
            "Unknown type \"Dgo\". Did you mean \"Dog\"?",
        ),
        (
            "{ dog { ... on Color { name } } }",
            "cannot condition on non composite type \"Color\"",
        ),
        (
            "{ dog { ...F } } fragment F on In { id }",
            "cannot condition on non composite type \"In\"",
        ),
    ]);
}

#[test]
fn directives_are_known_and_at_their_places() {
    valid(&[
        "{ dog @skip(if: false) @include(if: true) { name @tag id @tag(of: 2) __typename @skip(if: true) } }",
        "query ($v: Boolean!) { dog { ... @include(if: $v) { name } } }",
    ]);
    invalid(&[
        (
            "{ dog { name @skpi(if: true) } }",
            "Unknown directive \"@skpi\". Did you mean \"skip\"?",
        ),
        ("query @skip(if: true) { dog { name } }", "may not be used on QUERY"),
        (
            "{ dog { ...F } } fragment F on Dog @include(if: true) { name }",
            "may not be used on FRAGMENT_DEFINITION",
        ),
        (
            "query ($a: Int @skip(if: true)) { take(int: $a) }",
            "may not be used on VARIABLE_DEFINITION",
        ),
        (
            "{ dog { name @skip } }",
            "Directive \"@skip\" argument \"if\" of type \"Boolean!\" is required",
        ),
        (
            "{ dog { name @skip(if: \"yes\") } }",
            "expected true or false, found a string",
        ),
        (
            "{ dog { name @skip(if: true, unless: true) } }",
            "Unknown argument \"unless\" on directive \"@skip\"",
        ),
        ("{ dog { name @skip(if: true) @skip(if: true) } }", "only be used once"),
        ("{ dog { __typename @nothing } }", "Unknown directive \"@nothing\"."),
    ]);
}

#[test]
fn literals_are_of_their_types() {
    valid(&[
        "{ take(in: {id: 1, names: \"one\", color: RED, price: \"1.50\", at: \"2026-01-31T12:00:00Z\"}) }",
        "{ take(in: {id: \"a\", names: [\"a\", \"b\"], inner: {id: 2, inner: null}, price: 2.5, rule: [{a: X}, 1]}) }",
        "{ take(int: -2147483648, float: 1, yes: true, id: \"x\", text: \"\", ints: 1, color: GREEN, json: {a: [1]}) }",
        "{ take(one: {number: 1}) }",
    ]);
    invalid(&[
        ("{ take(int: 2147483648) }", "an Int has 32 bits"),
        ("{ take(int: 1.0) }", "an Int is a whole number"),
        ("{ take(int: \"1\") }", "expected an Int, found a string"),
        ("{ take(float: \"1\") }", "expected a Float"),
        ("{ take(yes: 1) }", "expected true or false"),
        ("{ take(id: true) }", "expected an ID"),
        ("{ take(id: 1.5) }", "an ID is a string or a whole number"),
        ("{ take(text: 1) }", "expected a String"),
        ("{ take(text: WORD) }", "expected a String"),
        ("{ take(text: [\"a\"]) }", "expected a String"),
        ("{ take(text: {a: 1}) }", "expected a String"),
        ("{ take(ints: [1, null]) }", "found null"),
        ("{ take(ints: [1, \"2\"]) }", "expected an Int"),
        (
            "{ take(color: \"RED\") }",
            "without quotation marks. Did you mean \"RED\"?",
        ),
        (
            "{ take(color: RDE) }",
            "Value \"RDE\" does not exist in \"Color\" enum. Did you mean \"RED\"?",
        ),
        ("{ take(color: 1) }", "Enum \"Color\" cannot represent"),
        ("{ take(in: 1) }", "Expected value of type \"In\", found a number."),
        (
            "{ take(in: [{id: 1}]) }",
            "Expected value of type \"In\", found a list.",
        ),
    ]);
}

#[test]
fn literals_of_input_objects_are_of_their_types() {
    invalid(&[
        (
            "{ take(in: {}) }",
            "Field \"In.id\" of required type \"ID!\" was not provided.",
        ),
        (
            "{ take(in: {id: 1, conut: 2}) }",
            "Field \"conut\" is not defined by type \"In\". Did you mean \"count\"",
        ),
        (
            "{ take(in: {id: 1, count: null}) }",
            "Expected value of type \"Int!\", found null.",
        ),
        (
            "{ take(in: {id: 1, price: \"dear\"}) }",
            "a Decimal is a number in digits",
        ),
        (
            "{ take(in: {id: 1, at: \"now\"}) }",
            "a DateTime is a time with its zone",
        ),
        (
            r#"{ take(in: {id: 1, at: "\n2026-01-31T12:00:00Z"}) }"#,
            "a DateTime is a time with its zone",
        ),
        ("{ take(one: {}) }", "must specify exactly one key"),
        ("{ take(one: {text: \"\", number: 1}) }", "must specify exactly one key"),
        ("{ take(one: {text: null}) }", "Field \"One.text\" must be non-null."),
    ]);
}

#[test]
fn variables_are_defined_used_and_where_they_fit() {
    valid(&[
        "query ($a: Int!, $b: [Int!] = [1], $c: In) { take(int: $a, ints: $b, in: $c, json: {x: [$a]}) }",
        "query ($a: Int = 5) { person { pets(first: $a) { name } } take(in: {id: 1, count: $a}) }",
        "query ($a: Int) { person { pets(first: $a) { name } } }",
        "query A($a: Int) { ...F } query B($a: Int!) { ...F } fragment F on Query { take(int: $a) }",
        "query ($t: String!) { take(one: {text: $t}) }",
        "query ($j: JSON) { take(json: [$j]) }",
    ]);
    invalid(&[
        ("{ take(int: $a) }", "Variable \"$a\" is not defined."),
        (
            "query Q { ...F } fragment F on Query { take(int: $a) }",
            "is not defined by operation \"Q\"",
        ),
        (
            "query Q($a: Int) { take }",
            "Variable \"$a\" is never used in operation \"Q\".",
        ),
        (
            "query ($a: Int, $a: Int) { take(int: $a) }",
            "only one variable named \"$a\"",
        ),
        (
            "query ($a: Dog) { take(int: 1, json: {a: $a}) }",
            "cannot be non-input type \"Dog\"",
        ),
        (
            "query ($a: [Nothing]) { take(json: {a: $a}) }",
            "Unknown type \"Nothing\".",
        ),
        ("query ($a: Int = \"1\") { take(int: $a) }", "expected an Int"),
        ("query ($a: Int! = null) { take(int: $a) }", "found null"),
        (
            "query ($a: String) { take(int: $a) }",
            "of type \"String\" used in position expecting type \"Int\"",
        ),
        ("query ($a: ID) { node(id: $a) { id } }", "expecting type \"ID!\""),
        (
            "query ($a: ID = null) { node(id: $a) { id } }",
            "expecting type \"ID!\"",
        ),
        ("query ($a: Int) { take(ints: $a) }", "expecting type \"[Int!]\""),
        ("query ($a: [Int]) { take(ints: $a) }", "expecting type \"[Int!]\""),
        ("query ($a: Int) { take(ints: [$a]) }", "expecting type \"Int!\""),
        ("query ($a: String) { take(in: {id: $a}) }", "expecting type \"ID!\""),
        ("query ($a: String) { take(color: $a) }", "expecting type \"Color\""),
        (
            "query ($a: Boolean) { dog { name @skip(if: $a) } }",
            "expecting type \"Boolean!\"",
        ),
        ("query ($t: String) { take(one: {text: $t}) }", "must be non-null"),
        ("query ($t: String) { take(json: [$t]) }", "expecting type \"JSON\""),
    ]);
}

#[test]
fn fields_under_one_key_are_one_field() {
    valid(&[
        "{ dog { name name x: barks x: barks } dog { size } }",
        "{ pet { ... on Dog { x: barks } ... on Cat { x: meows } } }",
        "{ person { pets(first: 1, color: RED) { name } pets(color: RED, first: 1) { name } } }",
        "{ pet { ... on Dog { x: owner { id } } ... on Cat { x: owner { email } } } }",
        "{ dog { ...F ...F friends { ...F } } } fragment F on Dog { name }",
    ]);
    invalid(&[
        (
            "{ dog { x: name x: barks } }",
            "Fields \"x\" conflict because they return conflicting types",
        ),
        (
            "{ dog { x: id x: id } cat: dog { id } cat { id } }",
            "\"dog\" and \"cat\" are different fields",
        ),
        ("{ dog { name: id } dog { name } }", "conflict"),
        (
            "{ person { pets(first: 1) { name } pets(first: 2) { name } } }",
            "they have differing arguments",
        ),
        (
            "query ($a: Int) { a: take(int: $a) a: take(int: 1) }",
            "they have differing arguments",
        ),
        (
            "{ pet { ... on Dog { size } ... on Cat { size } } }",
            "conflicting types \"Int\" and \"Float\"",
        ),
        (
            "{ pet { ... on Dog { x: friends { id } } ... on Cat { x: friends { id } } } }",
            "conflicting types",
        ),
        (
            "{ pet { ... on Dog { x: owner { y: id } } ... on Cat { x: owner { y: email } } } }",
            "Fields \"y\" conflict",
        ),
        ("{ pet { x: name ... on Dog { x: __typename } } }", "different fields"),
        (
            "{ dog { ...F owner { x: email } } } fragment F on Dog { owner { x: id } }",
            "Fields \"x\" conflict",
        ),
    ]);
}

#[test]
fn arguments_of_one_key_are_written_alike() {
    let twice = |one: &str, other: &str| format!("{{ take({one}) take({other}) }}");
    for (one, other) in [
        ("float: 1.0", "float: 1e0"),
        ("float: 1.0", "float: 1.00"),
        ("float: 1e3", "float: 1E3"),
        ("float: 1", "float: 1.0"),
        ("int: 0", "int: -0"),
        ("text: \"a\"", "text: \"\"\"a\"\"\""),
        ("text: \"\"", "text: \"\"\"\"\"\""),
        ("json: A", "json: \"A\""),
        ("json: 123456789012345678901234", "json: \"123456789012345678901234\""),
        ("json: 0.1000000000000000055", "json: 0.10000000000000000550"),
        ("json: [0, {a: [1.0]}]", "json: [0, {a: [1e0]}]"),
        ("json: [1.0, {a: 1.0}]", "json: [1.0, {a: 1.00}]"),
        ("json: {a: 1.0, b: 1e0}", "json: {b: 1.0, a: 1e0}"),
        ("in: {id: 1, price: 1.5}", "in: {id: 1, price: 15e-1}"),
    ] {
        for text in [twice(one, other), twice(other, one)] {
            invalid(&[(text.as_str(), "they have differing arguments")]);
        }
    }
    for text in [
        twice("float: 1e0, id: 1", "id: 1, float: 1e0"),
        twice("text: \"a\\u0062\"", "text: \"ab\""),
        twice("text: \"\"\"\\n  a\"\"\"", "text: \"\"\"\\n  a\"\"\""),
        twice("text: \"\"\"a\"\"\"", "text: \"\"\"\n  a\n  \"\"\""),
        twice("json: {a: 1.0, b: [A, 1e400]}", "json: {b: [A, 1e400], a: 1.0}"),
    ] {
        valid(&[text.as_str()]);
    }
}

#[test]
fn fields_repeated_through_interfaces_end() {
    let level = "x: owner { pets { ... on Dog { x: owner { id } } ... on Cat { x: owner { id } } ";
    let text = format!("{{ pet {{ {}{} }} }}", level.repeat(12), "} } ".repeat(12));
    let _ = faults(&text);
    let same = "dog { ".to_owned() + &"friends { name } ".repeat(900) + "}";
    valid(&[&format!("{{ {same} }}")]);
}

#[test]
fn ten_faults_are_told_in_the_order_of_the_text() {
    let told = faults(&format!(
        "{{ dog {{ {} }} }}",
        (0..50).map(|n| format!("f{n}")).collect::<Vec<_>>().join(" ")
    ));
    assert_eq!(told.len(), 10);
    let told = faults("query ($z: Int) { dog { nothing } } fragment F on Dog { name }");
    let begins = ["Variable \"$z\"", "Cannot query field \"nothing\"", "Fragment \"F\""];
    assert!(
        told.len() == 3 && told.iter().zip(begins).all(|(told, begin)| told.starts_with(begin)),
        "{told:?}"
    );
}

#[test]
fn nul_is_refused_but_in_the_values_of_a_lead() {
    invalid(&[
        ("{ take(text: \"a\\u0000\") }", "NUL"),
        ("{ take(id: \"\\u{0}\") }", "NUL"),
        ("{ take(json: [{a: [\"\\u0000\"]}]) }", "NUL"),
        ("{ take(in: {id: 1, rule: {a: \"\\u0000\"}}) }", "NUL"),
        ("mutation { lead(input: {fields: {}, note: \"\\u0000\"}) }", "NUL"),
    ]);
    valid(&["mutation { lead(input: {fields: {name: \"a\\u0000\"}}) simulate(fields: \"\\u0000\") }"]);
    for (definition, given) in [
        ("$v: String", value!({"v": "\u{0}"})),
        ("$v: [ID]", value!({"v": ["a", "b\u{0}"]})),
        ("$v: JSON", value!({"v": {"a": [{"b": "\u{0}"}]}})),
        ("$v: LeadInput", value!({"v": {"fields": {}, "note": "\u{0}"}})),
    ] {
        refused(definition, given, "NUL");
    }
    let of_lead = value!({"v": {"fields": {"name": "a\u{0}"}}});
    assert_eq!(coerced("$v: LeadInput!", of_lead.clone()).unwrap(), of_lead);
}
