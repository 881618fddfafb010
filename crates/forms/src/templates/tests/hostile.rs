//! Templates of people who mean harm: refused before anything recurses, or ended by what they cost. Counted, never timed.

use super::*;

/// Repeats a part up to the longest source that may be saved.
fn chain(start: &str, part: &str, end: &str) -> String {
    let times = (MAX_TEMPLATE_BYTES - start.len() - end.len()) / part.len();
    format!("{start}{}{end}", part.repeat(times))
}

/// A stack of 1 MiB, half of what threads have in the debug build.
fn on_a_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1024 * 1024);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn chains_and_nests_are_refused_before_anything_recurses() {
    let parts = [
        ("{{ a", " ~ a", " }}"),
        ("{{ a", "+a", " }}"),
        ("{{ a", "-a", " }}"),
        ("{{ a", "*2", " }}"),
        ("{{ a", "/2", " }}"),
        ("{{ a", "//2", " }}"),
        ("{{ a", "%2", " }}"),
        ("{{ 2", "**2", " }}"),
        ("{{ a", " and a", " }}"),
        ("{{ a", " or a", " }}"),
        ("{{ a", "==a", " }}"),
        ("{{ a", "<a", " }}"),
        ("{{ a", " in a", " }}"),
        ("{{ a", " not in a", " }}"),
        ("{{ a", " is odd", " }}"),
        ("{{ a", " is not odd", " }}"),
        ("{{ a", " is eq a", " }}"),
        ("{{ a", " is eq -a", " }}"),
        ("{{ a", " is in [a", " }}"),
        ("{{ a", "|upper", " }}"),
        ("{{ a", "|default(a", " }}"),
        ("{{ a", "|join(d=a", " }}"),
        ("{{ a", ".a", " }}"),
        ("{{ a", "['a']", " }}"),
        ("{{ a", "[0]", " }}"),
        ("{{ a", "[a", " }}"),
        ("{{ a", "[:1]", " }}"),
        ("{{ a", "[a:", " }}"),
        ("{{ a", " if a else a", " }}"),
        ("{{ a", " if a", " }}"),
        ("{{ ", "not ", "a }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ ", "- ", "a }}"),
        ("{{ ", "(", "a }}"),
        ("{{ ", "[", "a }}"),
        ("{{ ", "{'a':", "1 }}"),
        ("{{ ", "(a,", "1 }}"),
        ("{{ [", "1,", "] }}"),
        ("{{ {", "1:1,", "} }}"),
        ("{{ ", "9", " }}"),
        ("{{ 1.", "9", " }}"),
        ("{% if a %}", "{% elif a %}", "{% endif %}"),
        ("", "{% if a %}", ""),
        ("", "{% for a in b %}", ""),
        ("", "{% with %}", ""),
        ("", "{% with a=1 %}", ""),
        ("", "{% if a %}{% else %}", ""),
        ("{% if a", " and a", " %}{% endif %}"),
        ("{% for a in b", "+b", " %}{% endfor %}"),
        ("{% for a in b if b", "~b", " %}{% endfor %}"),
        ("{% set a = b", "~b", " %}"),
        ("{% set ", "(", "a %}"),
        ("{% with a = b", "|upper", " %}{% endwith %}"),
        ("{{ ", "}", "}}"),
        ("{{ a", ".", " }}"),
        ("{{ a", "|", " }}"),
    ];
    for (start, part, end) in parts {
        let source = chain(start, part, end);
        for escape in [Escape::None, Escape::Html] {
            let refused = on_a_small_stack(|| Template::parse(&source, escape).err().map(|error| error.to_string()));
            let refused = refused.unwrap_or_else(|| panic!("{start}{part}{part}…{end}"));
            assert!(refused.len() < 400 && refused.contains("line "), "{refused}");
        }
    }
}

#[test]
fn the_deepest_tree_that_is_parsed_is_rendered_on_a_small_stack() {
    let nests = [
        ("{{ ", "(", "a", ")", " }}"),
        ("{{ ", "[", "a", "]", " }}"),
        ("{{ ", "{'a':", "a", "}", " }}"),
        ("{{ ", "-", "1", "", " }}"),
        ("{{ ", "not ", "a", "", " }}"),
        ("{{ a", "|default(a", "", ")", " }}"),
        ("{{ a", "[a", "", "]", " }}"),
        ("{{ a", "~(a", "", ")", " }}"),
        ("{{ a", "~a", "", "", " }}"),
        ("{{ a", " if a else (a", "", ")", " }}"),
        ("", "{% for x in [[1]] %}", "{{ x }}", "{% endfor %}", ""),
        ("", "{% if true %}", "{{ x }}", "{% endif %}", ""),
        ("", "{% with a=1 %}", "{{ x }}", "{% endwith %}", ""),
    ];
    for (start, open, middle, close, end) in nests {
        let of = |depth: usize| format!("{start}{}{middle}{}{end}", open.repeat(depth), close.repeat(depth));
        let deepest = (1..100)
            .take_while(|depth| Template::parse(&of(*depth), Escape::None).is_ok())
            .last();
        let deepest = deepest.unwrap();
        assert!((10..100).contains(&deepest), "{open}: {deepest}");
        let nested = format!("{{% if a %}}{}{{% endif %}}", of(deepest.min(15)));
        on_a_small_stack(|| {
            for source in [of(deepest), nested] {
                let template = Template::parse(&source, Escape::Html).unwrap();
                let lead = Map::from_iter([("a".to_owned(), json!("x"))]);
                let _ = template.render(&Values::all(&lead), &Budget::default());
                let _ = template.render_value(&Values::all(&lead), &Budget::default());
            }
        });
    }
}

/// A lead of many short values and long ones.
fn large() -> Map<String, Value> {
    let object: Map<String, Value> = (0..2_000).map(|n| (format!("k{n}"), json!([n]))).collect();
    let lead = json!({
        "j": object, "list": vec![0; 20_000], "text": "<a ".repeat(10_000), "a": "a", "words": "a ".repeat(20_000),
    });
    lead.as_object().unwrap().clone()
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn what_makes_much_of_little_ends_within_its_budget() {
    let doubled = |start: &str, again: &str, end: &str| format!("{start}{}{end}", again.repeat(40));
    let nested = |over: &str| format!("{{% for a in {over} %}}").repeat(8) + "{{ a }}" + &"{% endfor %}".repeat(8);
    let sources = [
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x|tojson}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x ~ ''}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x|string}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x|join}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x|unique}}"),
        doubled(
            "{% set x=[1] %}",
            "{% set x=[x,x] %}",
            "{% set y=x %}{{x == [x[0],x[1]]}}",
        ),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x|sort}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{x is eq [x[0],x[1]]}}"),
        doubled("{% set x=[1] %}", "{% set x=[x,x] %}", "{{[x[0],x[1]] in [x]}}"),
        doubled("{% set x=[1] %}", "{% set x=(x,x) %}", "{{x}}"),
        doubled("{% set x=[1] %}", "{% set x=x+x %}", "{{x}}"),
        doubled("{% set x={'a':1} %}", "{% set x={'a':x,'b':x} %}", "{{x}}"),
        doubled("{% set x={'a':1} %}", "{% set x={'a':x,'b':x}|items %}", "{{x}}"),
        doubled(
            "{% set x=[1] %}",
            "{% with x=[x,x] %}",
            &("{{x}}".to_owned() + &"{% endwith %}".repeat(40)),
        ),
        doubled("{% set x='a' %}", "{% set x=x~x %}", "{{x}}"),
        doubled("{% set x='a' %}", "{% set x=x+x %}", "{{x}}"),
        doubled("{% set x='a' %}", "{% set x=[x,x]|join %}", "{{x}}"),
        doubled("{% set x='a' %}", "{% set x=[x,x]|join(x) %}", "{{x}}"),
        doubled("{% set x='aa' %}", "{% set x=x|replace('a','aa') %}", "{{x}}"),
        doubled("{% set x='aa' %}", "{% set x=x|replace('',x) %}", "{{x}}"),
        doubled("{% set x=text %}", "{% set x=x|urlencode %}", "{{x}}"),
        doubled("{% set x=text %}", "{% set x=x|tojson %}", "{{x}}"),
        doubled(
            "{% set x=j %}",
            "{% set x=[x]|list %}",
            "{{x}}{{x}}{{x}}{{x}}{{x}}".repeat(20).as_str(),
        ),
        nested("list"),
        nested("j"),
        nested("lead"),
        nested("text"),
        nested("words|split"),
        nested("list|reverse"),
        "{% for a in list %}{% for b in list if b != a %}x{% endfor %}{% endfor %}".to_owned(),
        "{% for a in list %}{{ 1 in list }}{{ 'x' in words }}{% endfor %}".to_owned(),
        "{% for a in list %}{{ list|sum }}{% endfor %}".to_owned(),
        "{% for a in list %}{{ list|sort|unique|length }}{% endfor %}".to_owned(),
        "{% for a in list %}{{ list == list }}{% endfor %}".to_owned(),
        "{% for a in list %}{% if list|max %}{% endif %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = text|upper %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = text|trim('<a ') %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = words|split %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = text[1:] %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = list[::1] %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = j|dictsort %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = [j, j] %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = text is upper %}{% endfor %}".to_owned(),
        "{% for a in list %}{% set x = text|length %}{% endfor %}".to_owned(),
        "{% for a in list %}{{ text }}{% endfor %}".to_owned(),
        "{{j}}".repeat(13_100),
        "{{text}}".repeat(8_000),
        "{{lead}}".repeat(8_000),
    ];
    let lead = large();
    for source in &sources {
        for escape in [Escape::None, Escape::Html] {
            let shown: String = source.chars().take(90).collect();
            match Template::parse(source, escape) {
                Ok(template) => {
                    let error = on_a_small_stack(|| {
                        let budget = Budget::default();
                        template.render(&Values::all(&lead), &budget).unwrap_err()
                    });
                    let ended = matches!(
                        error,
                        TemplateError::Work | TemplateError::TooLarge { .. } | TemplateError::Render { .. }
                    );
                    assert!(ended, "{shown}: {error}");
                }
                Err(error) => assert!(error.to_string().contains("line "), "{shown}: {error}"),
            }
        }
    }
}

#[test]
fn widths_repetition_and_endless_lists_are_refused_with_a_sentence() {
    for (source, says) in [
        ("{{ [1,2]|tojson(indent=1000000000) }}", "takes no arguments"),
        ("{{ [1,2]|tojson(1000000000) }}", "takes no arguments"),
        ("{{ 'a'|indent(1000000000) }}", "no filter \"indent\""),
        ("{{ 'a'|center(1000000000) }}", "no filter \"center\""),
        ("{{ '%1000000000s'|format(1) }}", "no filter \"format\""),
        ("{{ [1]|batch(2) }}", "no filter \"batch\""),
        ("{{ [1]|slice(2) }}", "no filter \"slice\""),
        ("{{ 'a'|wordwrap(1) }}", "no filter \"wordwrap\""),
        ("{{ range(1000000000) }}", "cannot be called"),
        ("{% for a in range(1000000000) %}{% endfor %}", "cannot be called"),
        ("{{ lead.text.zfill(1000000000) }}", "cannot be called"),
        ("{{ namespace(a=1) }}", "cannot be called"),
        ("{{ 99999999999999999999 }}", "too large"),
    ] {
        let refused = refusal(source);
        assert!(refused.contains(says), "{source}: {refused}");
    }
    for source in [
        "{{ [1]*100000000 }}",
        "{{ 1000000000 in ([1]*100000000) }}",
        "{{ 'x'*100000000 }}",
        "{{ 100000000*'x' }}",
        "{{ 2**1000 }}",
        "{{ 9223372036854775807**9 }}",
        "{{ 10.5**100000 }}",
        "{{ 1/0 }}",
        "{{ 1//0 }}",
        "{{ 1%0 }}",
        "{{ 1.5|round(1000000000) }}",
    ] {
        let error = render_as(source, Escape::None).unwrap_err();
        assert!(matches!(error, TemplateError::Render { .. }), "{source}: {error}");
    }
}

#[test]
fn what_is_written_is_counted_to_the_byte() {
    for (source, escape, bytes) in [
        ("{{ first_name }}", Escape::None, 3),
        ("{{ company }}", Escape::Html, "&lt;b&gt;Söhne &amp; Co&lt;/b&gt;".len()),
        ("abc{{ tags }}", Escape::None, 12),
        ("{% for t in tags %}{{ t }}ü{% endfor %}", Escape::None, 6),
    ] {
        let template = Template::parse(source, escape).unwrap();
        let budget = Budget::of_bytes(bytes);
        assert_eq!(template.render(&Values::all(&lead()), &budget).unwrap().len(), bytes);
        assert_eq!(budget.bytes_left(), 0);
        let budget = Budget::of_bytes(bytes - 1);
        let error = template.render(&Values::all(&lead()), &budget).unwrap_err();
        assert_eq!(error, TemplateError::TooLarge { limit: bytes - 1 });
    }
}

#[test]
fn templates_that_share_a_budget_share_its_work() {
    let template = Template::parse("{% for a in list %}{{ list | sum }}{% endfor %}", Escape::None).unwrap();
    let lead = Map::from_iter([("list".to_owned(), json!(vec![0; 100]))]);
    let budget = Budget::default();
    let before = budget.work_left();
    template.render(&Values::all(&lead), &budget).unwrap();
    let cost = before - budget.work_left();
    assert!(cost > 100 * 100, "{cost}");
    let again = (0..=before / cost).map(|_| template.render(&Values::all(&lead), &budget));
    assert_eq!(again.last().unwrap().unwrap_err(), TemplateError::Work);
}

#[test]
fn values_within_values_never_get_deeper_than_stored_json_is_read() {
    let mut deep = json!(1);
    for _ in 0..90 {
        deep = json!([deep]);
    }
    let lead = Map::from_iter([("a".to_owned(), deep)]);
    let render = |source: &str| {
        let template = Template::parse(source, Escape::None).unwrap();
        template.render_value(&Values::all(&lead), &Budget::default())
    };
    let value = render("{{ [[[[a]]]] }}").unwrap();
    assert!(serde_json::from_str::<Value>(&value.to_string()).is_ok());
    assert!(render("{{ [[[[[[[[[[[[a]]]]]]]]]]]] }}").is_err());
}
