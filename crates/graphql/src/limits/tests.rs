use async_graphql::{Positioned, Value, Variables, parser, value};

use super::*;

/// Without validation: these documents are of no schema.
fn check(text: &str) -> Result<Document, Refusals> {
    let limits = Limits::default();
    let parsed = Document::read(text, &limits)?.document;
    let registry = crate::schema::registry();
    Ok(Document::measured(parsed, Facts::default(), &limits, &registry)?)
}

fn code_and_text(text: &str) -> (&'static str, String) {
    let refusals = check(text).map(|_| text).unwrap_err();
    let refusal = refusals.0.into_iter().next().unwrap();
    (refusal.code, refusal.message)
}

fn points(text: &str, variables: Value) -> u64 {
    let document = check(text).unwrap();
    document
        .operation(None)
        .unwrap()
        .cost
        .points(&Variables::from_value(variables))
}

/// `levels` fragments of which each spreads the next one twice.
fn doubling(levels: usize, leaf: &str) -> String {
    let doubling = |level| format!("fragment F{level} on Query {{ ...F{0} ...F{0} }}", level + 1);
    let fragments: Vec<String> = (0..levels).map(doubling).collect();
    let last = format!("fragment F{levels} on Query {{ {leaf} }}");
    format!("{{ a {{ ...F0 }} }} {} {last}", fragments.join(" "))
}

#[test]
fn doubling_fragments_are_counted_and_not_expanded() {
    for leaf in ["hello", "__typename"] {
        check(&doubling(9, leaf)).unwrap();
        for levels in [10, 24, 28] {
            assert_eq!(code_and_text(&doubling(levels, leaf)).0, code::TOO_COMPLEX, "{levels}");
        }
    }
    assert_eq!(code_and_text(&doubling(200, "hello")).0, code::TOO_COMPLEX);
}

/// Every walk of a document steps into fragments, whether they select anything or not.
#[test]
fn fragments_that_select_nothing_are_counted_too() {
    for leaf in ["...Unknown ...Unknown", "... { ...Unknown }"] {
        for levels in [10, 24, 28] {
            assert_eq!(code_and_text(&doubling(levels, leaf)).0, code::TOO_COMPLEX, "{levels}");
        }
    }
    let unused = doubling(24, "...Unknown ...Unknown").replace("a { ...F0 }", "a");
    check(&unused).expect("what nothing spreads is not expanded, and validation refuses it");
    let wide = format!(
        "{{ {} }} fragment F on Query {{ {} }}",
        "...F ".repeat(60),
        "...U ".repeat(60)
    );
    assert_eq!(code_and_text(&wide).0, code::TOO_COMPLEX);
}

#[test]
fn an_introspection_asks_for_few_lists() {
    let list = |n: usize| format!("a{n}: types {{ fields {{ name }} }}");
    let many = |n: usize| {
        format!(
            "{{ __schema {{ {} }} }}",
            (0..n).map(list).collect::<Vec<_>>().join(" ")
        )
    };
    check(&many(10)).unwrap();
    assert_eq!(code_and_text(&many(11)).0, code::TOO_COMPLEX);
}

#[test]
fn fragments_in_a_circle_are_invalid_even_if_nothing_spreads_them() {
    let circle = "fragment A on Query { ...B } fragment B on Query { ...A }";
    assert_eq!(code_and_text(&format!("{{ ...A }} {circle}")).0, code::VALIDATION);
    assert_eq!(code_and_text(&format!("{{ hello }} {circle}")).0, code::VALIDATION);
}

#[test]
fn typename_counts_like_any_field() {
    let many = |n: usize| format!("{{ {} }}", "__typename ".repeat(n));
    check(&format!("{{ a {} }}", many(999))).unwrap();
    assert_eq!(code_and_text(&format!("{{ a {} }}", many(1_000))).0, code::TOO_COMPLEX);
}

#[test]
fn depth_aliases_roots_and_directives_are_bounded() {
    let deep = |n: usize| "{ a ".repeat(n) + &"}".repeat(n);
    check(&deep(12)).unwrap();
    assert!(code_and_text(&deep(13)).1.contains("12 fields deep"));
    let aliases = |n: usize| {
        format!(
            "{{ a {{ {} }} }}",
            (0..n).map(|i| format!("a{i}: b")).collect::<Vec<_>>().join(" ")
        )
    };
    check(&aliases(50)).unwrap();
    assert!(code_and_text(&aliases(51)).1.contains("50 aliases"));
    let roots = |kind: &str, n: usize| format!("{kind} {{ {} ...F }} fragment F on T {{ b }}", "a ".repeat(n - 1));
    check(&roots("query", 20)).unwrap();
    check(&roots("mutation", 5)).unwrap();
    assert!(code_and_text(&roots("query", 21)).1.contains("20 root fields"));
    assert!(code_and_text(&roots("mutation", 6)).1.contains("5 mutations"));
    let directives = |n: usize| format!("{{ a {} }}", "@skip(if: false) ".repeat(n));
    check(&directives(20)).unwrap();
    assert!(code_and_text(&directives(21)).1.contains("20 directives"));
}

#[test]
fn introspection_is_exempt_from_depth_but_not_from_going_in_circles() {
    let types = "ofType { ".repeat(9) + "name" + &" }".repeat(9);
    check(&format!(
        "{{ __schema {{ types {{ fields {{ args {{ type {{ {types} }} }} }} }} }} }}"
    ))
    .unwrap();
    let circle = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert_eq!(code_and_text(circle).0, code::TOO_COMPLEX);
    let document = check("{ a { b } ...F } fragment F on Query { __type(name: \"A\") { name } }").unwrap();
    assert!(document.operation(None).unwrap().introspects);
    assert!(!check("{ __typename }").unwrap().operation(None).unwrap().introspects);
}

#[test]
fn a_page_costs_its_entries_and_nested_pages_multiply() {
    assert_eq!(points("{ lead { id name } }", value!(null)), 2);
    let page = |arguments: &str| format!("{{ leads{arguments} {{ totalCount nodes {{ id }} }} }}");
    // 1 for the connection, 0.1 for totalCount, 1.1 for each lead.
    assert_eq!(points(&page("(first: 100)"), value!(null)), 112);
    assert_eq!(points(&page("(last: 10)"), value!(null)), 13);
    assert_eq!(points(&page(""), value!(null)), 24);
    let nested = "{ a(first: 100) { nodes { b(first: 100) { nodes { id } } } } }";
    assert_eq!(points(nested, value!(null)), 11_201);
    assert_eq!(points("{ nodes(ids: [1, 2, 3]) { id } }", value!(null)), 4);
}

#[test]
fn page_sizes_in_variables_count_with_their_values() {
    let text = "query ($n: Int = 10, $ids: [ID!]!) { a(first: $n) { ...P } nodes(ids: $ids) { id } } \
                fragment P on A { edges { node { id } } }";
    // 2.1 for each edge with its node, 1 for the connection; 1.1 for each id.
    assert_eq!(points(text, value!({"n": 100, "ids": ["a", "b"]})), 214);
    assert_eq!(points(text, value!({"n": 1_000_000, "ids": []})), 211);
    assert_eq!(points(text, value!({"n": -1, "ids": "a"})), 65);
}

#[test]
fn a_query_that_costs_too_much_is_refused_with_its_price() {
    let document = check("query ($n: Int) { a(first: $n) { nodes { b(first: $n) { nodes { id } } } } }").unwrap();
    let admit = |n: i32| {
        let variables = Variables::from_value(value!({ "n": n }));
        document
            .operation(None)
            .unwrap()
            .admit(variables, &Limits::default(), &crate::schema::registry())
    };
    admit(50).unwrap();
    let refusals = admit(100).unwrap_err();
    assert_eq!(refusals.0[0].code, code::TOO_COMPLEX);
    assert!(refusals.to_string().contains("11201 points"), "{refusals}");
}

#[test]
fn operations_are_found_by_name() {
    let document = check("query A { a } mutation B { b }").unwrap();
    assert_eq!(document.operation(Some("B")).unwrap().kind, OperationType::Mutation);
    for wrong in [None, Some("C")] {
        assert_eq!(document.operation(wrong).unwrap_err().code, code::BAD_INPUT);
    }
    assert!(check("{ a }").unwrap().operation(Some("A")).is_err());
    assert!(check("query A { a }").unwrap().operation(None).is_ok());
}

#[test]
fn syntax_errors_say_where_and_never_echo() {
    let text = format!("{{ a(b: \"{}\" }} }}", "secret ".repeat(100));
    let (code, message) = code_and_text(&text);
    assert_eq!(code, code::PARSE);
    assert!(message.starts_with("Syntax error at line 1, column "), "{message}");
    assert!(!message.contains("secret"), "{message}");
    for text in [
        "",
        "{",
        "}",
        "{ a(",
        "query ($a) { a }",
        "{ a @ }",
        "{ \" }",
        "subscription",
    ] {
        assert_eq!(code_and_text(text).0, code::PARSE, "{text}");
    }
    for text in ["{ a } { b }", "query A { a } query A { b }", "{ a } query A { b }"] {
        assert_eq!(code_and_text(text).0, code::VALIDATION, "{text}");
    }
}

#[test]
fn a_subscription_has_one_root_field_wherever_it_stands() {
    for text in [
        "subscription { a }",
        "subscription { ...F } fragment F on Subscription { ... { a } }",
        "subscription { ... on Subscription { a { __typename @skip(if: true) } } }",
    ] {
        let parsed = check(text).unwrap().parsed(&Variables::default());
        let root = parsed
            .operations
            .iter()
            .next()
            .unwrap()
            .1
            .node
            .selection_set
            .node
            .items
            .clone();
        assert!(
            matches!(
                &root[..],
                [Positioned {
                    node: parser::types::Selection::Field(_),
                    ..
                }]
            ),
            "{text}"
        );
        assert!(parsed.fragments.is_empty(), "{text}");
    }
    for text in [
        "subscription { a b }",
        "subscription { a ...F } fragment F on Subscription { b }",
        "subscription { __typename }",
        "subscription { a @include(if: true) }",
        "subscription { ...F }",
        "query Q { a } subscription S { a b: a }",
    ] {
        assert_eq!(code_and_text(text).0, code::VALIDATION, "{text}");
    }
}

#[test]
fn a_fragment_that_is_still_spread_stays() {
    let text = "subscription { ...F } query Q { ...F } fragment F on T { a }";
    assert_eq!(code_and_text(text).0, code::VALIDATION);
    let text = "subscription S { ...F } query Q { ...F } fragment F on T { a }";
    assert_eq!(check(text).unwrap().parsed(&Variables::default()).fragments.len(), 1);
}

#[tokio::test]
async fn a_document_that_passed_is_parsed_once() {
    let documents = Documents::new(Limits::default(), crate::schema::registry());
    let first = documents.check("{ __typename }").await.unwrap();
    let second = documents.check("{ __typename }").await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let other = documents.check("{ __typename  }").await.unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let limits = Limits {
        cache_bytes: 32 * 1024,
        ..Limits::default()
    };
    let documents = Documents::new(limits, crate::schema::registry());
    for number in 0..1_000 {
        documents
            .check(&format!("{{ field{number}: __typename }}"))
            .await
            .unwrap();
    }
    documents.passed.run_pending_tasks().await;
    assert!(documents.passed.weighted_size() <= 32 * 1024);
    assert!(documents.passed.entry_count() > 10);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_check_fall_over(text in "[{}()\\[\\].:$@!a-cF \"on]{0,60}") {
        let _ = check(&text);
    }

    #[test]
    fn no_document_makes_the_check_fall_over(items in proptest::collection::vec("(a|__typename|\\.\\.\\.F[0-3]|a \\{ b \\.\\.\\.F[0-3] \\}|a\\(first: [0-9]{1,9}\\) \\{ nodes \\{ c \\} \\}) ", 1..6)) {
        let body = items.concat();
        let fragment = |n: usize| format!("fragment F{n} on T {{ {} }}", items.get(n).map_or("c", |i| i));
        let fragments = (0..4).map(fragment).collect::<Vec<_>>().join(" ");
        for kind in ["query", "mutation", "subscription"] {
            let _ = check(&format!("{kind} {{ {body} }} {fragments}"));
        }
    }
}

#[test]
fn lists_that_are_no_page_and_large_leaves_cost_by_the_schema() {
    let profile = |inner: &str| format!("{{ distributionProfile(id: \"a\") {{ {inner} }} }}");
    assert_eq!(points(&profile("id"), value!(null)), 2);
    // 1 for the profile, 5 times 1.1 for its places.
    assert_eq!(points(&profile("assignments { id }"), value!(null)), 7);
    let circle = "assignments { partner { assignments { profile { assignments { id } } } } }";
    assert_eq!(points(&profile(circle), value!(null)), 199);
    // A page's own lists count once: 1 for the connection, 3 for each lead.
    assert_eq!(points("{ leads(first: 20) { nodes { fields } } }", value!(null)), 61);
}

#[test]
fn submitting_draws_next_to_nothing_from_the_rate() {
    let charged = |text: &str| {
        let price = check(text).unwrap().operation(None).unwrap().admit(
            Variables::default(),
            &Limits::default(),
            &crate::schema::registry(),
        );
        let price = price.unwrap().price;
        (price.charged, price.charges_remainder)
    };
    let submit = "submitLead(input: {flowId: \"f\", fields: {}}) { receipt { id } }";
    assert_eq!(
        charged(&format!("mutation {{ a: {submit} b: {submit} }}")),
        (0.2, false)
    );
    let (mixed, settled) = charged(&format!(
        "mutation {{ {submit} deleteFlow(id: \"f\") {{ deletedId }} }}"
    ));
    assert!(mixed > 1.0 && settled);
    assert!(charged("{ viewer { user { id } } }").1);
}

#[test]
fn fields_of_a_subscription_under_one_key_are_one_field() {
    let parsed = check("subscription { a { b } ...F a { c } } fragment F on Subscription { a { d } }").unwrap();
    let parsed = parsed.parsed(&Variables::default());
    let root = parsed
        .operations
        .iter()
        .next()
        .unwrap()
        .1
        .node
        .selection_set
        .node
        .items
        .clone();
    let [
        Positioned {
            node: parser::types::Selection::Field(field),
            ..
        },
    ] = &root[..]
    else {
        panic!("{root:?}");
    };
    assert_eq!(field.node.selection_set.node.items.len(), 3);
}

#[test]
fn arguments_without_a_variable_are_left_out() {
    let document =
        check("query ($a: Int, $b: Int) { x(a: $a, b: $b, c: { a: $a }) { ...F } } fragment F on T { y(a: $a) }");
    let parsed = document.unwrap().parsed(&Variables::from_value(value!({ "b": 1 })));
    let texts = format!("{parsed:?}");
    // In the input object of `c`, where the library leaves it out itself.
    assert_eq!(texts.matches("Variable(Name(\"a\"))").count(), 1, "{texts}");
    assert_eq!(texts.matches("Variable(Name(\"b\"))").count(), 1, "{texts}");
}
