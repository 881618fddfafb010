//! Nothing is done for nothing. Measured by the budget, never by time: what looks through a long text costs its length, wherever
//! the text stands.

use super::*;

const LONG: usize = 200_000;
/// Units that going once through the long text costs.
const ONCE: u64 = LONG as u64 / 16;

/// Long texts, and an object with long keys.
fn long() -> Map<String, Value> {
    let keys: Map<String, Value> = (10..21)
        .map(|n| (format!("{}{n}", "a".repeat(LONG)), json!(1)))
        .collect();
    let lead = json!({
        "long": "a".repeat(LONG), "zeros": "0".repeat(LONG), "key": format!("{}10", "a".repeat(LONG)), "object": keys,
    });
    lead.as_object().unwrap().clone()
}

/// What an expression costs, whether it has a value or not.
fn cost(expression: &str, lead: &Map<String, Value>) -> u64 {
    let template = Template::parse(&format!("{{% set q = {expression} %}}"), Escape::None).unwrap();
    let budget = Budget::default();
    let before = budget.work_left();
    let _ = template.render(&Values::all(lead), &budget);
    before - budget.work_left()
}

#[test]
fn what_looks_through_a_text_costs_its_length_wherever_it_stands() {
    let lead = long();
    for expression in [
        "''|replace(long, '')",
        "'x'|replace('x', long)",
        "''|split(long)",
        "''|trim(long)",
        "'x'|trim(long)",
        "''|trim(chars=long)",
        "long|trim",
        "long|split",
        "long|lines",
        "long|upper",
        "long|title",
        "long|urlencode",
        "long|tojson",
        "long|length",
        "long|first",
        "long|reverse",
        "long|list",
        "long|int(0)",
        "zeros|int(0)",
        "zeros|float(0)",
        "zeros|float",
        "[long]|join",
        "['', '']|join(long)",
        "[long]|unique",
        "[long]|sort",
        "[{'a': 1}]|sort(attribute=long)",
        "{'a': 1}|dictsort(by=long)",
        "{long: 1}",
        "{'a': 1}[long]",
        "{'a': 1} is eq {long: 1} or {long: 1} == {long: 1}",
        "lead[long]",
        "object[long]",
        "long in {'a': 1}",
        "long in lead",
        "long in ''",
        "'' in long",
        "long not in 'x'",
        "long is in ''",
        "long == long ~ ''",
        "long < zeros or long < long",
        "[long] == [long]",
        "long is eq long",
        "long is lower",
        "long is startingwith 'b'",
        "'' is startingwith long",
        "'' is endingwith long",
        "'' ~ long",
        "long + ''",
        "long[0]",
        "long[-1]",
        "long[1:2]",
    ] {
        let cost = cost(expression, &lead);
        assert!(cost >= ONCE, "{expression}: {cost}");
    }
}

#[test]
fn a_key_costs_its_length_for_every_key_that_it_is_compared_with() {
    let lead = long();
    for expression in ["object[key]", "key in object", "[object]|sort(attribute=key)"] {
        let cost = cost(expression, &lead);
        assert!(cost >= 11 * ONCE, "{expression}: {cost}");
    }
    let own = (10..21).map(|n| format!("long~'{n}':1,")).collect::<Vec<_>>().concat();
    let made = cost(&format!("{{{own}}}"), &lead);
    assert!(made >= 50 * ONCE, "putting eleven such keys in order: {made}");
}

#[test]
fn every_node_costs_something() {
    let lead = Map::new();
    for node in [
        "{% with %}{% endwith %}",
        "{% if true %}{% endif %}",
        "{% if false %}{% else %}{% endif %}",
        "{% for a in [] %}{% endfor %}",
        "{% set a = 1 %}",
        "{{ '' }}",
        "x",
    ] {
        let source = format!("{}{}", "{% if true %}".repeat(8), node.repeat(1_000)) + &"{% endif %}".repeat(8);
        let template = Template::parse(&source, Escape::None).unwrap();
        let budget = Budget::default();
        let before = budget.work_left();
        template.render(&Values::all(&lead), &budget).unwrap();
        let cost = before - budget.work_left();
        let least = if node == "x" { 1 } else { 1_000 };
        assert!(cost >= least, "{node}: {cost}");
    }
}

#[test]
fn work_that_was_for_nothing_ends_by_the_budget() {
    let looped = |start: &str, over: &str, each: &str| {
        let items = "a".repeat(20);
        format!(
            "{start}{{% for x in '{items}' %}}{}{{% endfor %}}",
            each.repeat(over.len())
        )
    };
    let times = "x".repeat(1_500);
    let doubled = |first: &str, doublings: usize| {
        let start = format!("{{% set b='{}' %}}", first.repeat(1_000));
        start + &"{% set b=b~b %}".repeat(doublings)
    };
    let keys = (0..11)
        .map(|n| format!("b~'{:02}':1,", n + 10))
        .collect::<Vec<_>>()
        .concat();
    let keyed = doubled("a", 7) + &format!("{{% set m={{{keys}}} %}}{{% set k=b~'10' %}}");
    for source in [
        looped(&doubled("a", 7), &times, "{{''|replace(b,'')}}"),
        looped(&doubled("a", 7), &times, "{{''|split(b)}}"),
        looped(&doubled("a", 7), &times, "{{''|trim(b)}}"),
        looped(&doubled("0", 7), &times, "{{b|int(1)}}"),
        looped(&doubled("0", 7), &times, "{{b|float(1)}}"),
        looped(&keyed, &times, "{{m[k]}}"),
        looped(&keyed, &times, "{%if k in m%}{%endif%}"),
    ] {
        let template = Template::parse(&source, Escape::None).unwrap();
        let lead = Map::new();
        let error = template.render(&Values::all(&lead), &Budget::default()).unwrap_err();
        assert_eq!(error, TemplateError::Work, "{}", &source[source.len() - 60..]);
    }
    let error = render_as(&(doubled("a", 12) + "{{ b }}"), Escape::None).unwrap_err();
    assert!(error.to_string().contains("more than 256 KiB"), "{error}");
}

#[test]
fn what_did_not_fit_is_not_tried_again_for_nothing() {
    let large = "{% set x=['x'] %}".to_owned() + &"{% set x=[x,x] %}".repeat(12);
    let lead = Map::new();
    for (source, escape) in [
        (large.clone() + "{{ x }}", Escape::None),
        (large.clone() + "{{ x }}", Escape::Html),
        ("{{ 'xxxxxxxxxx'|upper }}".to_owned(), Escape::None),
    ] {
        let template = Template::parse(&source, escape).unwrap();
        let budget = Budget::of_bytes(9);
        let too_large = TemplateError::TooLarge { limit: 9 };
        assert_eq!(template.render(&Values::all(&lead), &budget), Err(too_large.clone()));
        assert_eq!(budget.bytes_left(), 0);
        let short = Template::parse("{{ 'x' }}", Escape::None).unwrap();
        assert_eq!(short.render_value(&Values::all(&lead), &budget), Err(too_large));
    }
    // Writing it down was paid for although it did not end.
    let template = Template::parse(&(large + "{{ x }}"), Escape::None).unwrap();
    let spent = |bytes: usize| {
        let budget = Budget::of_bytes(bytes);
        let before = budget.work_left();
        let _ = template.render(&Values::all(&lead), &budget);
        before - budget.work_left()
    };
    assert!(spent(16_000) > spent(100) + 2_000, "{} {}", spent(16_000), spent(100));
}

#[test]
fn names_are_as_short_as_those_of_fields() {
    let name = "n".repeat(64);
    assert!(Template::parse(&format!("{{{{ {name} }}}}"), Escape::None).is_ok());
    let refused = refusal(&format!("a {{{{ lead.{name}n }}}}"));
    assert!(
        refused.starts_with("line 1, column 11: a name has at most 64"),
        "{refused}"
    );
}
