//! A template and a lead: rendering is bounded, a subject is one line, and a text in HTML cannot become markup.
#![no_main]

use entity::delivery_config::{EmailConfig, EmailFormat, FieldSelection};
use leadmesh::delivery::payload::{Envelope, PreparedEmail};
use leadmesh::delivery::templates::{Escape, Template, Values};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (source, value) = text.split_once('\n').unwrap_or((text, "<b>\r\nBcc: x@y.test"));
    let lead = Map::from_iter([("text".to_owned(), value.into()), ("number".to_owned(), 7.into())]);
    for escape in [Escape::None, Escape::Html] {
        if let Ok(template) = Template::parse(source, escape) {
            let _ = template.render(&Values::all(&lead));
            let _ = template.render_value(&Values::all(&lead));
        }
    }
    mail(source, &lead);
});

fn mail(source: &str, lead: &Map<String, Value>) {
    let config = EmailConfig {
        recipients: vec!["buyer@example.com".to_owned()],
        subject: source.to_owned(),
        body: String::new(),
        format: EmailFormat::Html,
        fields: FieldSelection::default(),
        mapping: Vec::new(),
    };
    let envelope = Envelope {
        delivery_id: "dlv_1",
        lead_id: "lead_1",
        test: false,
    };
    let fields = leadmesh_fuzz::fields();
    let _ = PreparedEmail::check(&config, &fields);
    let Ok(prepared) = PreparedEmail::new(&config, &fields) else {
        return;
    };
    if let Ok(mail) = prepared.render(lead, &envelope) {
        assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
        assert!(!mail.subject.is_empty());
    }
}
