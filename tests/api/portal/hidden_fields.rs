//! Fields that the account holds back from a partner, by every kind of selection: its people save their settings, learn no name and no
//! value, and what is held back stays so.

use serde_json::{Value, json};

use super::with_mail;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, text, webhook_with};

const UPDATE: &str = "mutation($input: DeliverySettingsInput!) { updatePortalDelivery(input: $input) {
    portalUser { email } userErrors { code message path } } }";
const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) {
    partner { id } userErrors { code message path } } }";
const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const SELECTION: &str = "query($id: ID!) { partner(id: $id) { delivery { __typename
    ... on PortalSettings { fields { mode fields } } ... on WebhookSettings { fields { mode fields } } ... on EmailSettings { fields { mode fields } } } } }";
const SEEN: &str = "{ portal { columns { name label } delivery { channel recipients url } leads { nodes { id title fields } } csvUrl } }";

/// What no partner may learn: a field's name, its label and a value of it.
const HIDDEN: [&str; 3] = ["shoe_zq7", "Zq7 size", "zq7value"];

fn fields() -> Value {
    json!([
        { "name": "first_name", "type": "TEXT" },
        { "name": "email", "type": "EMAIL" },
        { "name": "shoe_zq7", "label": "Zq7 size", "type": "TEXT" },
    ])
}

fn lead() -> Value {
    json!({ "first_name": "Ana", "email": "ana@example.com", "shoe_zq7": "zq7value" })
}

fn tells_nothing(seen: &Value) {
    let seen = seen.to_string();
    assert!(HIDDEN.iter().all(|hidden| !seen.contains(hidden)), "{seen}");
}

/// What people of a partner may save, on every way.
fn settings(url: &str) -> Vec<Value> {
    let text = "{{ lead.first_name }} {{ lead.email }}";
    let renamed = json!([{ "from": "email", "to": "mail" }]);
    vec![
        json!({ "portal": {} }),
        json!({ "portal": { "fields": { "mode": "ALL" } } }),
        json!({ "email": { "recipients": ["pat@buyer.test"], "subject": "Lead {{ lead.first_name }}", "body": text, "mapping": renamed } }),
        webhook_with(
            url,
            json!({ "mapping": renamed, "fields": { "mode": "EXCEPT", "fields": ["first_name"] } }),
        ),
        webhook_with(
            url,
            json!({ "template": { "who": "{{ lead.first_name }}", "all": "{{ lead }}" } }),
        ),
    ]
}

async fn selection(app: &crate::support::app::TestApp, owner: &Account, partner: &str) -> Value {
    let seen = app.data(&owner.token, SELECTION, json!({ "id": partner })).await;
    seen["partner"]["delivery"]["fields"].clone()
}

with_mail!(
    /// Whatever the kind of selection: their settings can be saved, and what the account has hidden is hidden as before.
    partners_save_their_settings_under_every_kind_of_selection,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.done(&owner.token, SET_SMTP, json!({ "host": "127.0.0.1", "port": 9, "security": "NONE", "fromAddress": "leads@acme.test" })).await;
        let kinds = [
            json!({ "mode": "EXCEPT", "fields": ["shoe_zq7"] }),
            json!({ "mode": "ONLY", "fields": ["first_name", "email"] }),
            json!({ "mode": "ALL", "fields": [] }),
        ];
        let flow = app.flow(&owner, json!({ "fields": fields() })).await;
        for (index, kind) in kinds.into_iter().enumerate() {
            let hides = kind["mode"] != "ALL";
            let (partner, _) = app.partner(&owner, &format!("P{index}"), json!({ "portal": { "fields": kind } }), json!({})).await;
            let profile = app.profile(&owner, json!({})).await;
            app.assign(&owner, &profile, &partner, json!({})).await;
            app.step(&owner, &flow, &format!("to {index}"), json!({ "distribute": { "profileId": profile } }), Value::Null).await;
            let email = format!("pat{index}@buyer.test");
            let pat = app.portal_user(&owner, &partner, &email).await;
            app.permit(&owner, (&partner, &email), json!(["VIEW_LEADS", "EXPORT", "EDIT_DELIVERY"])).await;
            app.submit(&owner, &flow, lead()).await;
            let seen = app.data(&pat, SEEN, json!({})).await;
            assert_eq!(seen["portal"]["leads"]["nodes"][0]["fields"]["first_name"], "Ana", "{seen:#}");
            if hides {
                tells_nothing(&seen);
            }
            for wanted in settings(&receiver.url("/in")) {
                let answer = app.ask(Some(&pat), UPDATE, json!({ "input": wanted })).await;
                assert_eq!(answer["data"]["updatePortalDelivery"]["userErrors"], json!([]), "{kind}: {wanted}: {answer:#}");
                assert_eq!(selection(&app, &owner, &partner).await, kind, "{wanted}");
                tells_nothing(&answer);
            }
        }
    }
);

with_mail!(
    /// A name that is hidden is refused like one that does not exist, word for word, and no other name is offered.
    a_hidden_name_is_refused_like_one_that_nobody_has,
    |app| {
        let owner = app.account("Acme").await;
        app.done(&owner.token, SET_SMTP, json!({ "host": "127.0.0.1", "port": 9, "security": "NONE", "fromAddress": "leads@acme.test" })).await;
        let selection = json!({ "mode": "EXCEPT", "fields": ["shoe_zq7"] });
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        app.flow(&owner, json!({ "fields": fields() })).await;
        let hide = json!({ "partnerId": partner, "delivery": { "portal": { "fields": selection } } });
        app.done(&owner.token, SET_DELIVERY, hide).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        app.permit(&owner, (&partner, "pat@buyer.test"), json!(["VIEW_LEADS", "EDIT_DELIVERY"])).await;
        let asking = |name: &str| {
            let named = format!("{{{{ lead.{name} }}}}");
            let renamed = json!([{ "from": name, "to": "x" }]);
            [
                json!({ "email": { "recipients": ["a@buyer.test"], "subject": named } }),
                json!({ "email": { "recipients": ["a@buyer.test"], "subject": "x", "body": named } }),
                json!({ "email": { "recipients": ["a@buyer.test"], "subject": "x", "mapping": renamed } }),
                json!({ "webhook": { "url": "https://crm.example.com", "template": { "a": named } } }),
                json!({ "webhook": { "url": "https://crm.example.com", "mapping": renamed } }),
            ]
        };
        for (hidden, unknown) in asking("shoe_zq7").into_iter().zip(asking("nobody_has")) {
            let hidden = app.ask(Some(&pat), UPDATE, json!({ "input": hidden })).await;
            let unknown = app.ask(Some(&pat), UPDATE, json!({ "input": unknown })).await;
            let told = text(&hidden["data"]["updatePortalDelivery"]["userErrors"][0]["message"]);
            assert_eq!(hidden["data"]["updatePortalDelivery"]["userErrors"][0]["code"], "UNKNOWN_FIELD", "{hidden:#}");
            assert_eq!(hidden, unknown);
            assert!(!told.contains("shoe_zq7") && !told.contains("email"), "{told}");
        }
    }
);
