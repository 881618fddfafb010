//! Settings that are allowed and still worth a word: said when they are saved.

use serde_json::{Value, json};

use super::{SET_SMTP, email};
use crate::support::app::both;
use crate::support::make::{merge, text};

const SET: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) {
    partner { delivery { ... on WebhookSettings { warnings } ... on EmailSettings { warnings } } } userErrors { code message path } } }";
const PLAIN: &str = "Leads are sent over plain http";
const UNSIGNED: &str = "Requests are not signed";
const UNPROVED: &str = "Neither a signature nor a header such as Authorization";
const ONCE: &str = "Failed deliveries are not tried again";
const SAME: &str = "The custom shape names no field";

fn hook(more: Value) -> Value {
    let mut webhook = json!({ "url": "https://crm.example.com/leads" });
    merge(&mut webhook, more);
    json!({ "webhook": webhook })
}

both!(
    /// Each is said where it applies, nothing is said of what is as it should be, and nothing is refused for it.
    what_is_unwise_is_said_when_it_is_saved,
    |app| {
        let owner = app.account("Acme").await;
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        let without = app.done(&owner.token, SET, json!({ "partnerId": partner, "delivery": email(&["a@buyer.test"], json!({})) })).await;
        let warning = without["partner"]["delivery"]["warnings"][0].clone();
        assert!(text(&warning).starts_with("The account has no mail server"), "{warning}");
        let server = json!({ "host": "127.0.0.1", "port": 9, "security": "NONE", "fromAddress": "leads@acme.test" });
        app.done(&owner.token, SET_SMTP, server).await;
        let plain = json!({ "url": "http://crm.example.com/leads", "allowInsecureHttp": true });
        let key = json!([{ "name": "X-Api-Key", "value": "k-123456789" }]);
        let other = json!([{ "name": "X-Team", "value": "k-123456789" }]);
        let once = json!({ "attempts": 1 });
        let same = json!({ "{{ lead.email }}": ["x", { "n": 1 }] });
        let all = json!({ "url": "http://crm.example.com/", "allowInsecureHttp": true, "sign": false, "retry": once, "template": same });
        let cases: [(Value, &[&str]); 11] = [
            (hook(json!({})), &[]),
            (hook(plain), &[PLAIN]),
            (hook(json!({ "sign": false })), &[UNSIGNED, UNPROVED]),
            (hook(json!({ "sign": false, "headers": key })), &[UNSIGNED]),
            (hook(json!({ "sign": false, "headers": other })), &[UNSIGNED, UNPROVED]),
            (hook(json!({ "retry": once })), &[ONCE]),
            (hook(json!({ "template": same })), &[SAME]),
            (hook(json!({ "template": { "a": { "mail": "{{ lead.email }}" } } })), &[]),
            (hook(all), &[PLAIN, UNSIGNED, UNPROVED, ONCE, SAME]),
            (email(&["a@buyer.test"], json!({})), &[]),
            (email(&["a@buyer.test"], json!({ "body": "A lead." })), &["The body names no field"]),
        ];
        for (delivery, expected) in cases {
            let saved = app.done(&owner.token, SET, json!({ "partnerId": partner, "delivery": delivery })).await;
            let warnings: Vec<String> = saved["partner"]["delivery"]["warnings"].as_array().unwrap().iter().map(text).collect();
            assert_eq!(warnings.len(), expected.len(), "{delivery}: {warnings:?}");
            for (warning, beginning) in warnings.iter().zip(expected) {
                assert!(warning.starts_with(beginning), "{delivery}: {warnings:?}");
            }
        }
    }
);
