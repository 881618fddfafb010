//! Whatever is selected, renamed and written into templates: no channel shows a field that is not shared.

use super::*;
use leadmesh_forms::templates::value_text;

const NAMES: [&str; 7] = ["first_name", "email", "company", "score", "optin", "extra", "ssn"];

/// A value that is found again wherever it gets, in any spelling of JSON, form or HTML.
fn marker(name: &str) -> String {
    format!("marker7{}7", name.replace('_', ""))
}

fn marked() -> Map<String, Value> {
    let values = NAMES.iter().map(|name| {
        let value = match *name {
            "extra" => json!({ "deep": [marker(name)] }),
            name => json!(marker(name)),
        };
        ((*name).to_owned(), value)
    });
    values.collect()
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn selection() -> impl Strategy<Value = FieldSelection> {
    let mode = prop::sample::select(vec![
        FieldSelectionMode::All,
        FieldSelectionMode::Only,
        FieldSelectionMode::Except,
    ]);
    (mode, prop::collection::vec(name(), 0..5)).prop_map(|(mode, fields)| FieldSelection { mode, fields })
}

/// Also renamings to the names of other fields, which must not bring those along.
fn mapping() -> impl Strategy<Value = Vec<FieldMapping>> {
    let to = prop_oneof![name(), "[a-z]{1,6}"];
    let one = (name(), to).prop_map(|(from, to)| FieldMapping { from, to });
    prop::collection::vec(one, 0..4)
}

fn template() -> impl Strategy<Value = String> {
    let piece = (0..8_usize, name()).prop_map(|(form, name)| match form {
        0 => format!("{{{{ lead.{name} }}}}"),
        1 => format!("{{{{ {name} }}}}"),
        2 => format!("{{{{ lead['{name}'] | upper | lower }}}}"),
        3 => format!("{{% if lead.{name} %}}{{{{ lead.{name} }}}}{{% else %}}none{{% endif %}}"),
        4 => format!("{{% set all = lead %}}{{{{ all.{name} }}}}{{{{ all | tojson }}}}"),
        5 => "{% for name, value in lead | items %}{{ name }}={{ value }};{% endfor %}".to_owned(),
        6 => format!("{{{{ lead.{name} | default(lead) }}}}"),
        _ => format!("text {name} "),
    });
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// All that recipients get by those settings, on every channel and in every format.
fn everything(fields: &FieldSelection, mapping: &[FieldMapping], template: &str) -> String {
    let (lead, definitions) = (marked(), definitions());
    let mut all = String::new();
    for payload in [PayloadFormat::Json, PayloadFormat::Form] {
        for shape in [None, Some(json!({ "a": template, "b": [{ "c": template }] }))] {
            let config = WebhookConfig {
                fields: fields.clone(),
                mapping: mapping.to_vec(),
                ..webhook(payload, shape)
            };
            let rendered =
                PreparedWebhook::new(&config, &definitions).and_then(|ready| ready.render(&lead, &Budget::default()));
            all.extend(rendered.map(|body| String::from_utf8(body.bytes).unwrap()));
        }
    }
    for format in [EmailFormat::Text, EmailFormat::Html] {
        for body in [template, ""] {
            let config = EmailConfig {
                fields: fields.clone(),
                mapping: mapping.to_vec(),
                ..email(template, body, format)
            };
            let rendered = PreparedEmail::new(&config, &definitions)
                .and_then(|ready| ready.render(&lead, &envelope(false), &Budget::default()));
            all.extend(rendered.map(|mail| format!("{mail:?}")));
        }
    }
    for (_, _, value) in select(&lead, fields, mapping, &definitions) {
        all.push_str(&value_text(&value));
    }
    all.to_lowercase()
}

proptest! {
    #[test]
    fn no_channel_shows_a_field_that_is_not_shared(fields in selection(), mapping in mapping(), template in template()) {
        let all = everything(&fields, &mapping, &template);
        for name in NAMES.iter().filter(|name| !fields.shares(name)) {
            prop_assert!(!all.contains(&marker(name)), "{} by {:?} {:?} {:?}: {}", name, fields, mapping, template, all);
        }
    }

    #[test]
    fn every_shared_field_is_in_a_body_without_a_template(fields in selection(), payload: bool) {
        let payload = if payload { PayloadFormat::Json } else { PayloadFormat::Form };
        let config = WebhookConfig { fields: fields.clone(), ..webhook(payload, None) };
        let body = body(&config, &marked());
        for name in NAMES.iter().filter(|name| fields.shares(name)) {
            prop_assert!(body.contains(&marker(name)), "{} is missing: {}", name, body);
        }
    }
}
