//! The custom shape of a webhook's body and a lead: what passes the check renders, as JSON to JSON, as a form to a form.
#![no_main]

use entity::delivery_config::{FieldSelection, PayloadFormat, RetryPolicy, WebhookConfig, WebhookMethod};
use leadmesh_delivery::payload::PreparedWebhook;
use leadmesh_forms::templates::Budget;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((shape, lead)) = leadmesh_fuzz::two(data) else {
        return;
    };
    let fields = leadmesh_fuzz::fields();
    for payload in [PayloadFormat::Json, PayloadFormat::Form] {
        for template in [Some(shape.clone()), None] {
            let config = config(payload, template);
            let _ = PreparedWebhook::check(&config, &fields);
            let Ok(prepared) = PreparedWebhook::new(&config, &fields) else {
                continue;
            };
            let Ok(body) = prepared.render(&lead, &Budget::of_bytes(BYTES)) else {
                continue;
            };
            assert!(body.bytes.len() <= BYTES, "every byte is counted");
            match payload {
                PayloadFormat::Json => drop(serde_json::from_slice::<Value>(&body.bytes).expect("it is JSON")),
                PayloadFormat::Form => assert!(body.bytes.is_ascii(), "a form is percent-encoded"),
            }
        }
    }
});

/// Bytes that a body may have here: few, so that the bound is met.
const BYTES: usize = 4_096;

fn config(payload: PayloadFormat, template: Option<Value>) -> WebhookConfig {
    WebhookConfig {
        url: "https://buyer.example.com/leads".to_owned(),
        method: WebhookMethod::Post,
        payload,
        headers: Vec::new(),
        template,
        fields: FieldSelection::default(),
        mapping: Vec::new(),
        sign: true,
        timeout_ms: 15_000,
        retry: RetryPolicy::default(),
        response_rule: None,
        allow_insecure_http: false,
    }
}
