mod leaks;
mod mail;
mod webhook;

use super::*;
use entity::delivery_config::{
    EmailConfig, EmailFormat, FieldSelectionMode, PayloadFormat, RetryPolicy, WebhookConfig, WebhookMethod,
};
use entity::field::FieldType;
use proptest::prelude::*;
use serde_json::json;

use leadmesh_forms::templates::ProblemKind;

fn envelope(test: bool) -> Envelope {
    Envelope {
        delivery_id: "dlv_1".into(),
        lead_id: "lead_1".into(),
        test,
    }
}

fn definitions() -> Vec<FieldDef> {
    let field = |(name, label, field_type): (&str, &str, FieldType)| FieldDef {
        name: name.into(),
        label: label.into(),
        field_type,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    };
    let fields = [
        ("first_name", "First name", FieldType::Text),
        ("email", "Email", FieldType::Email),
        ("company", "Company <i>", FieldType::Text),
        ("score", "Score", FieldType::Number),
        ("optin", "Opt-in", FieldType::Boolean),
        ("extra", "Extra", FieldType::Json),
        ("ssn", "SSN", FieldType::Text),
    ];
    fields.map(field).into()
}

fn except_ssn() -> FieldSelection {
    FieldSelection {
        mode: FieldSelectionMode::Except,
        fields: vec!["ssn".into()],
    }
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn lead() -> Map<String, Value> {
    object(json!({
        "ssn": "SECRET-7f3", "score": 42, "email": "ana@a.test", "first_name": "Ana", "optin": true, "company": "Müller & Söhne",
    }))
}

fn webhook(payload: PayloadFormat, template: Option<Value>) -> WebhookConfig {
    WebhookConfig {
        url: "https://crm.test/in".into(),
        method: WebhookMethod::Post,
        payload,
        headers: vec![],
        template,
        fields: except_ssn(),
        mapping: vec![],
        sign: true,
        timeout_ms: 15_000,
        retry: RetryPolicy {
            attempts: 6,
            initial_delay_ms: 10_000,
            max_delay_ms: 7_200_000,
            max_age_minutes: 1440,
            give_up_on: vec![],
        },
        response_rule: None,
        allow_insecure_http: false,
    }
}

fn email(subject: &str, body: &str, format: EmailFormat) -> EmailConfig {
    EmailConfig {
        recipients: vec!["buyer@b.test".into()],
        subject: subject.into(),
        body: body.into(),
        format,
        fields: except_ssn(),
        mapping: vec![],
    }
}

fn body(config: &WebhookConfig, lead: &Map<String, Value>) -> String {
    let body = PreparedWebhook::new(config, &definitions())
        .unwrap()
        .render(lead, &Budget::default())
        .unwrap();
    String::from_utf8(body.bytes).unwrap()
}

fn mail(config: &EmailConfig, lead: &Map<String, Value>) -> Mail {
    PreparedEmail::new(config, &definitions())
        .unwrap()
        .render(lead, &envelope(false), &Budget::default())
        .unwrap()
}

fn renamed(from: &str, to: &str) -> Vec<FieldMapping> {
    vec![FieldMapping {
        from: from.into(),
        to: to.into(),
    }]
}

#[test]
fn prepared_settings_are_shared_between_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<PreparedWebhook>();
    shareable::<PreparedEmail>();
}

#[test]
fn selected_values_come_in_the_flows_order_under_the_recipients_names() {
    let only = FieldSelection {
        mode: FieldSelectionMode::Only,
        fields: vec!["extra".into(), "first_name".into(), "email".into()],
    };
    let selected = select(&lead(), &only, &renamed("email", "mail"), &definitions());
    let expected = [
        ("first_name".into(), "First name".into(), json!("Ana")),
        ("mail".into(), "mail".into(), json!("ana@a.test")),
        ("extra".into(), "Extra".into(), Value::Null),
    ];
    assert_eq!(selected, expected);
}

#[test]
fn ids_travel_in_headers() {
    let envelope = envelope(true);
    let headers = envelope.headers();
    assert_eq!(
        headers,
        [
            ("webhook-id", "dlv_1"),
            ("leadmesh-lead-id", "lead_1"),
            ("leadmesh-test", "true")
        ]
    );
}

#[test]
fn settings_that_name_unshared_or_unknown_fields_are_refused_with_their_place() {
    let found = |problems: Vec<TemplateProblem>| {
        problems
            .into_iter()
            .map(|problem| (problem.kind, problem.message))
            .collect::<Vec<_>>()
    };
    let config = email("{{ lead.ssn }}", "{{ nope }}", EmailFormat::Html);
    let [subject, body] = <[_; 2]>::try_from(found(PreparedEmail::check(&config, &definitions()))).unwrap();
    assert_eq!(subject.0, ProblemKind::FieldNotShared);
    assert!(subject.1.starts_with("subject: The field \"ssn\""), "{}", subject.1);
    assert_eq!(body.0, ProblemKind::UnknownField);
    assert!(
        body.1.starts_with("body: There is no field named \"nope\""),
        "{}",
        body.1
    );

    let shape = json!({"a": [{"b": "x {{ ssn }}"}]});
    let config = webhook(PayloadFormat::Json, Some(shape));
    let [leaf] = <[_; 1]>::try_from(found(PreparedWebhook::check(&config, &definitions()))).unwrap();
    assert_eq!(leaf.0, ProblemKind::FieldNotShared);
    assert!(leaf.1.starts_with("template/a/0/b: "), "{}", leaf.1);
    let broken = webhook(PayloadFormat::Json, Some(json!("{{ x")));
    assert_eq!(
        found(PreparedWebhook::check(&broken, &definitions()))[0].0,
        ProblemKind::Invalid
    );
    assert_eq!(
        found(PreparedWebhook::check(
            &webhook(PayloadFormat::Form, None),
            &definitions()
        )),
        []
    );
}

/// Pieces of templates that try every way to a field that is not theirs.
fn probe() -> impl Strategy<Value = String> {
    let pieces = [
        "{{ lead.ssn }}",
        "{{ ssn }}",
        "{{ lead['ssn'] }}",
        "{{ lead['s' ~ 'sn'] }}",
        "{{ lead }}",
        "{{ lead | tojson }}",
        "{{ lead | items }}",
        "{{ lead | dictsort | join(', ') }}",
        "{% for k in lead %}{{ k }}={{ lead[k] }};{% endfor %}",
        "{% for k, v in lead | items %}{{ v }}{% endfor %}",
        "{% set x = lead %}{{ x.ssn }}{{ x | string }}",
        "{% with l = lead %}{{ l.ssn }}{% endwith %}",
        "{% if lead.ssn == 'SECRET-7f3' %}found{% endif %}",
        "{{ self }}{{ loop }}{{ self.ssn }}",
        "{{ lead.extra.ssn }}",
        "{{ lead.first_name }}",
        "{{ lead.company | upper }}",
        "text < & ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_template_shows_a_field_outside_the_selection(source in probe(), alone: bool) {
        let source = if alone { source } else { format!("{source}.") };
        let lead = lead();
        for format in [EmailFormat::Text, EmailFormat::Html] {
            let mail = mail(&email(&source, &source, format), &lead);
            let all = format!("{mail:?}");
            prop_assert!(!all.contains("SECRET") && !all.contains("found"), "{}", all);
        }
        for payload in [PayloadFormat::Json, PayloadFormat::Form] {
            for shape in [None, Some(json!({"a": source, "b": [source]}))] {
                let body = body(&webhook(payload, shape), &lead);
                prop_assert!(!body.contains("SECRET") && !body.contains("found"), "{}", body);
            }
        }
    }

    #[test]
    fn a_value_adds_no_tag_to_html(value in "[a-z<>&\"'/ \n]{0,20}|<script>|\\{\\{ lead \\}\\}", source in probe()) {
        for body in [String::new(), source] {
            let config = email("Lead", &body, EmailFormat::Html);
            let with = |value: &str| {
                let lead = object(json!({"first_name": value, "company": value, "extra": {"k": value}}));
                mail(&config, &lead).html.unwrap().replace("<br>", "").matches('<').count()
            };
            prop_assert_eq!(with(&value), with(if value.is_empty() { "" } else { "x" }));
        }
    }

    #[test]
    fn a_form_decodes_to_what_was_encoded(values in prop::collection::vec("\\PC{1,12}", 6), list in prop::collection::vec(any::<i64>(), 0..4)) {
        let names = ["first_name", "email", "company"];
        let mut lead: Map<_, _> = names.iter().zip(&values).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        lead.insert("extra".into(), json!({ values[5].clone(): list }));
        let encoded = body(&webhook(PayloadFormat::Form, None), &lead);
        let decoded: Vec<_> = url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect();
        let plain = names.iter().zip(&values).map(|(name, value)| ((*name).to_owned(), value.clone()));
        let nested = list.iter().enumerate().map(|(i, n)| (format!("extra[{}][{i}]", values[5]), n.to_string()));
        prop_assert_eq!(decoded, plain.chain(nested).collect::<Vec<_>>());
    }

    #[test]
    fn a_subject_never_holds_a_control_character(value in prop::collection::vec(any::<char>(), 0..300)) {
        let lead = object(json!({"first_name": String::from_iter(value)}));
        let subject = mail(&email("New lead {{ lead.first_name }}", "", EmailFormat::Text), &lead).subject;
        prop_assert!(!subject.contains(char::is_control), "{:?}", subject);
        prop_assert!(subject.starts_with("New lead") && subject.len() <= 998);
    }
}
