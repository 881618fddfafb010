use async_graphql::{Name, Value};

use super::*;

const BOUNDS: Bounds = Bounds {
    tokens: 4_000,
    nesting: 64,
};

fn refused(text: &str) -> String {
    read(text, BOUNDS).map(|_| text).unwrap_err().to_string()
}

fn faults(text: &str) -> Vec<String> {
    read(text, BOUNDS)
        .unwrap()
        .faults
        .into_iter()
        .map(|(_, fault)| fault)
        .collect()
}

/// The default of the only variable.
fn value(literal: &str) -> Value {
    let text = format!("query ($v: T = {literal}) {{ a }}");
    let document = read(&text, BOUNDS)
        .unwrap_or_else(|error| panic!("{literal}: {error}"))
        .document;
    let operation = document.operations.iter().next().unwrap().1;
    operation.node.variable_definitions[0]
        .node
        .default_value
        .clone()
        .unwrap()
        .node
}

fn text(literal: &str) -> String {
    match value(literal) {
        Value::String(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_are_read() {
    for text in [
        "{a}",
        "query { a: b(c: $d) @e(f: [1, 2.5e-3, \"x\", null, {g: H}]) { ... { i } ...J ... on K @l { m } } }",
        "mutation Name($a: [Int!]! = [1] @b) @c { d }",
        "subscription on { on } fragment F on on { query fragment on: on }",
        "\u{feff}query,Q{a#comment\r\n,b}",
        "\"\"\"what it is for\"\"\" query Q(\"of what\" $a: Int) { a(b: $a) } \"of whom\" fragment F on T { a }",
    ] {
        read(text, BOUNDS).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn numbers_are_as_they_are_written() {
    assert_eq!(value("-0"), Value::from(0));
    assert_eq!(value("123"), Value::from(123));
    assert_eq!(value("1.0"), Value::from(1.0));
    assert_eq!(value("1e3"), Value::from(1_000.0));
    assert_eq!(value("1e400"), Value::Enum(Name::new("1e400")));
    for wrong in ["01", "-", "1.", ".5", "1.e3", "1e", "1a", "0x1", "1.5.2", "+1", "1_000"] {
        assert!(
            refused(&format!("{{ a(b: {wrong}) }}")).starts_with("Syntax error"),
            "{wrong}"
        );
    }
}

#[test]
fn strings_know_all_escapes() {
    assert_eq!(text(r#""\"\\\/\b\f\n\r\t""#), "\"\\/\u{8}\u{c}\n\r\t");
    assert_eq!(text(r#""\u00e9\u{e9}\u{1F600}\u{00000041}""#), "éé😀A");
    assert_eq!(text(r#""\ud83d\ude00 \uD83D\uDE00""#), "😀 😀");
    assert_eq!(text("\"a\tb😀\""), "a\tb😀");
    for wrong in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83d\n""#,
        r#""\u{d83d}\u{de00}""#,
        r#""\u{110000}""#,
        r#""\u{100000041}""#,
        r#""\u{000000041}""#,
        r#""\u{}""#,
        r#""\u{4""#,
        r#""\u12""#,
        r#""\x41""#,
        "\"a\nb\"",
        "\"a",
        "\"",
    ] {
        let told = refused(&format!("{{ a(b: {wrong}) }}"));
        assert!(told.starts_with("Syntax error at line 1, column "), "{wrong}: {told}");
    }
}

#[test]
fn block_strings_lose_their_indentation() {
    assert_eq!(
        text("\"\"\"\n    Hello,\n      World!\n\n    Yours\n  \"\"\""),
        "Hello,\n  World!\n\nYours"
    );
    assert_eq!(text("\"\"\"  a\r\n  b\rc \"\"\""), "  a\n  b\nc ");
    assert_eq!(text(r#""""a \""" \n "b" """"#), r#"a """ \n "b" "#);
    assert_eq!(text("\"\"\"\"\"\""), "");
    assert_eq!(text("\"\"\" \n\t\n\"\"\""), "");
    assert!(refused("{ a(b: \"\"\"c) }").contains("not closed"));
}

#[test]
fn what_the_tree_cannot_hold_is_told() {
    let only = "An operation without a name must be the only one of its document.";
    assert_eq!(faults("{ a } { b }"), [only]);
    assert_eq!(faults("{ a } query A { b }"), [only]);
    assert_eq!(
        faults("query A { a } mutation A { b }"),
        ["There can be only one operation named \"A\"."]
    );
    assert_eq!(
        faults("{ a } fragment F on A { a } fragment F on B { b }"),
        ["There can be only one fragment named \"F\"."]
    );
    assert_eq!(
        faults("{ a(b: { c: 1, d: { c: 1, c: 2 } }) }"),
        ["There can be only one input field named \"c\"."]
    );
    assert!(faults("{ a: f a: f f(in: [{a: 1}, {a: 1}]) { a: g a: g } }").is_empty());
}

#[test]
fn what_is_not_graphql_is_refused_with_its_place() {
    for (text, told) in [
        (
            "",
            "line 1, column 1: expected query, mutation, subscription or fragment, found the end",
        ),
        ("{", "line 1, column 2: expected a name, found the end"),
        ("{}", "line 1, column 2: expected a field, found \"}\""),
        ("{ a {} }", "expected a field"),
        ("{ a() }", "expected an argument"),
        ("query () { a }", "expected a variable"),
        ("query ($a) { a }", "expected \":\""),
        ("query ($a: Int = $b) { a }", "a variable cannot stand here"),
        ("query ($a: Int @b(c: $d)) { a }", "a variable cannot stand here"),
        ("{\n  a ? }", "line 2, column 5: the character '?'"),
        ("{ ...on }", "expected a name, found \"}\""),
        ("fragment on on T { a }", "expected the name of a fragment"),
        ("fragment F { a }", "expected \"on\""),
        ("fragment F on T { a }", "expected an operation"),
        ("\"for nothing\" { a }", "expected query, mutation"),
        ("query Q", "expected \"{\""),
        ("{ a(b: [1) }", "expected a value"),
        ("{ a } type T { a: Int }", "expected query"),
        ("query ($a: [Int) { a }", "expected \"]\""),
        ("{ a(b: \u{0}) }", "the character '\\0'"),
    ] {
        let refused = refused(text);
        assert!(
            refused.starts_with("Syntax error") && refused.contains(told),
            "{text}: {refused}"
        );
    }
}

#[test]
fn errors_repeat_no_text_and_no_long_name() {
    let told = refused(&format!("{{ a(b \"{}\") }}", "secret".repeat(100)));
    assert!(told.contains("found a string") && !told.contains("secret"), "{told}");
    assert!(refused(&format!("{{ a(b {}) }}", "x".repeat(1_000))).len() < 200);
}

#[test]
fn many_tokens_and_deep_brackets_are_refused() {
    let bounds = Bounds { tokens: 10, nesting: 3 };
    assert!(read("{ a b c d e f g }", bounds).is_ok());
    assert_eq!(
        read("{ a b c d e f g h i }", bounds).unwrap_err(),
        SyntaxError::Tokens(10)
    );
    assert!(read("{ a { b { c } } }", bounds).is_ok());
    for text in [
        "{ a { b { c { d } } } }",
        "{ a(b: [[[",
        "query ($a: [[[",
        "{ a(b: {c: [{",
    ] {
        assert_eq!(read(text, bounds).unwrap_err(), SyntaxError::Nesting(3), "{text}");
    }
    let deep = format!("{{ a(b: {}", "[".repeat(100_000));
    assert_eq!(read(&deep, BOUNDS).unwrap_err(), SyntaxError::Nesting(64));
}

#[test]
fn enum_names_and_lists_and_objects_are_values() {
    assert_eq!(value("GREEN"), Value::Enum(Name::new("GREEN")));
    assert_eq!(value("[true, null]"), Value::List(vec![true.into(), Value::Null]));
    assert_eq!(value("{ a: [] }").to_string(), "{a: []}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,200}") {
        let _ = read(&text, BOUNDS);
    }

    #[test]
    fn what_the_library_reads_is_read_alike(text in "\\{ (a|a: b|a\\(b: (1|\"x\"|\\[1, C\\]|\\$v)\\)|\\.\\.\\.F|\\.\\.\\. on T \\{ a \\}|a \\{ b @c \\}| ){1,8}\\}") {
        let library = async_graphql::parser::parse_query(&text);
        let ours = read(&text, BOUNDS);
        assert_eq!(library.is_ok(), ours.is_ok(), "{text}");
        if let (Ok(library), Ok(ours)) = (library, ours) {
            let tree = |document: &ExecutableDocument| {
                let operation = &document.operations.iter().next().unwrap().1.node;
                format!("{:?}", operation.selection_set.node.items.iter().map(|item| &item.node).collect::<Vec<_>>())
            };
            assert_eq!(strip(&tree(&library)), strip(&tree(&ours.document)), "{text}");
        }
    }
}

/// Without places: the library gives an absent selection another.
fn strip(tree: &str) -> String {
    tree.split("pos: Pos(")
        .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
        .collect()
}
