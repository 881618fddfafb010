use super::*;

#[test]
fn a_json_body_is_one_flat_object_in_the_flows_order_with_null_for_absent_values() {
    let mut config = webhook(PayloadFormat::Json, None);
    config.mapping = renamed("email", "mail");
    let expected =
        r#"{"first_name":"Ana","mail":"ana@a.test","company":"Müller & Söhne","score":42,"optin":true,"extra":null}"#;
    assert_eq!(body(&config, &lead()), expected);
}

#[test]
fn a_form_is_percent_encoded_and_leaves_absent_values_out() {
    let config = webhook(PayloadFormat::Form, None);
    let rendered = PreparedWebhook::new(&config, &definitions())
        .unwrap()
        .render(&lead(), &Budget::default())
        .unwrap();
    assert_eq!(rendered.content_type, "application/x-www-form-urlencoded");
    let expected = "first_name=Ana&email=ana%40a.test&company=M%C3%BCller+%26+S%C3%B6hne&score=42&optin=true";
    assert_eq!(rendered.bytes, expected.as_bytes());
}

#[test]
fn a_form_nests_with_brackets() {
    let shape = json!({
        "contact": {"mail": "{{ lead.email }}", "phone": "{{ lead.extra }}"}, "a": ["{{ lead.score }}", {"b": false}],
        "none": [], "null": null,
    });
    let encoded = body(&webhook(PayloadFormat::Form, Some(shape)), &lead());
    let pairs: Vec<_> = url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect();
    let expected = [("a[0]", "42"), ("a[1][b]", "false"), ("contact[mail]", "ana@a.test")];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_custom_shape_is_exact_and_numbers_stay_numbers() {
    let shape = json!({"contact": {"mail": "{{ lead.email }}"}, "score": "{{ lead.score }}", "src": "leadmesh"});
    let config = webhook(PayloadFormat::Json, Some(shape));
    let rendered = PreparedWebhook::new(&config, &definitions())
        .unwrap()
        .render(&lead(), &Budget::default())
        .unwrap();
    assert_eq!(rendered.content_type, "application/json");
    assert_eq!(
        rendered.bytes,
        br#"{"contact":{"mail":"ana@a.test"},"score":42,"src":"leadmesh"}"#
    );
}

#[test]
fn a_custom_shape_may_nest_mix_and_carry_fixed_values() {
    let shape = json!({
        "list": ["{{ optin }}", {"extra": "{{ lead.extra }}"}], "hello": "Hi {{ lead.first_name }}!", "n": 1.5, "t": true,
        "{{ lead.email }}": null,
    });
    let rendered: Value = serde_json::from_str(&body(&webhook(PayloadFormat::Json, Some(shape)), &lead())).unwrap();
    let expected = json!({
        "list": [true, {"extra": null}], "hello": "Hi Ana!", "n": 1.5, "t": true, "{{ lead.email }}": null,
    });
    assert_eq!(rendered, expected);
}

#[test]
fn a_value_cannot_break_out_of_a_custom_shape() {
    let shape = json!({"a": "x {{ lead.first_name }}", "b": "{{ lead.company }}"});
    let lead = object(json!({"first_name": "\",\"admin\":true,\"", "company": "{{ lead.ssn }}", "ssn": "SECRET-7f3"}));
    let rendered: Value = serde_json::from_str(&body(&webhook(PayloadFormat::Json, Some(shape)), &lead)).unwrap();
    assert_eq!(rendered, json!({"a": "x \",\"admin\":true,\"", "b": "{{ lead.ssn }}"}));
}

#[test]
fn shapes_that_cannot_be_sent_are_refused() {
    let refused =
        |payload, shape: Value| PreparedWebhook::new(&webhook(payload, Some(shape)), &definitions()).unwrap_err();
    let list = refused(PayloadFormat::Form, json!(["{{ lead.email }}"]));
    assert_eq!(
        list.to_string(),
        "template: a form consists of named values; make the custom shape an object"
    );
    let deep = (0..40).fold(json!("x"), |inner, _| json!([inner]));
    assert!(refused(PayloadFormat::Json, deep).to_string().contains("32 levels"));
    assert!(
        refused(PayloadFormat::Json, json!(vec!["x".repeat(1024); 70]))
            .to_string()
            .contains("64 KiB")
    );
    let broken = refused(PayloadFormat::Json, json!({"a/b": ["{{ lead.email"]}));
    assert_eq!(
        broken.to_string(),
        "template/a~1b/0: line 1, column 1: this is never closed; end it with }}"
    );
}
