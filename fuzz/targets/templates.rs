//! A template and a lead: rendering is bounded in bytes, work and stack, a subject is one line, and a text in HTML cannot become
//! markup. The first line is the template, the rest a value: JSON if it is some.
#![no_main]

use entity::delivery_config::{EmailConfig, EmailFormat, FieldSelection};
use leadmesh_delivery::payload::{Envelope, PreparedEmail};
use leadmesh_forms::templates::{Budget, Escape, Template, Values};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (source, value) = text.split_once('\n').unwrap_or((text, "<b>\r\nBcc: x@y.test"));
    let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(vec![0; 1_000]));
    let lead = Map::from_iter([
        ("text".to_owned(), value.into()),
        ("number".to_owned(), 7.into()),
        ("json".to_owned(), json),
    ]);
    // Half the stack of a server's thread, so that what just fits here has room there.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread
            .spawn_scoped(scope, || all(source, &lead))
            .expect("a thread")
            .join()
            .expect("no panic");
    });
});

/// Bytes of output that a rendering may have here: few, so that the bound is met.
const BYTES: usize = 4_096;
const STACK: usize = 1024 * 1024;

fn all(source: &str, lead: &Map<String, Value>) {
    for escape in [Escape::None, Escape::Html] {
        if let Ok(template) = Template::parse(source, escape) {
            let budget = Budget::of_bytes(BYTES).with_work(50_000);
            if let Ok(text) = template.render(&Values::all(lead), &budget) {
                assert_eq!(text.len(), BYTES - budget.bytes_left(), "every byte is counted");
            }
            let budget = Budget::of_bytes(BYTES).with_work(50_000);
            if let Ok(value) = template.render_value(&Values::all(lead), &budget) {
                assert!(
                    serde_json::from_str::<Value>(&value.to_string()).is_ok(),
                    "it can be stored and read"
                );
                assert!(leadmesh_fuzz::nodes(&value) <= BYTES, "every value is counted");
            }
        }
    }
    mail(source, lead);
}

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
        delivery_id: "dlv_1".to_owned(),
        lead_id: "lead_1".to_owned(),
        test: false,
    };
    let fields = leadmesh_fuzz::fields();
    let _ = PreparedEmail::check(&config, &fields);
    let Ok(prepared) = PreparedEmail::new(&config, &fields) else {
        return;
    };
    if let Ok(mail) = prepared.render(lead, &envelope, &Budget::of_bytes(BYTES)) {
        let html = mail.html.as_deref().unwrap_or_default();
        // What stands around the table is not the lead's.
        assert!(
            html.len() + mail.text.len() <= BYTES + 1_024,
            "subject, text and HTML count together"
        );
        assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
        assert!(!mail.subject.is_empty());
    }
}
