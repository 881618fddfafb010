//! Fields that are not shared.

use serde_json::{Value, json};

use super::{SET_DELIVERY, email};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, merge, text, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;

const SECRET: &str = "Unshared Ltd";
const PREVIEW: &str = "query($partner: ID!, $fields: JSON!) { previewDelivery(partnerId: $partner, fields: $fields) {
    subject body contentType headers { name value } } }";
const FEED: &str = "query($search: String) { portal { columns { name } leads(filter: { search: $search }) { nodes { id title fields } } } }";
const FOLLOW: &str = "subscription { portalLeads(after: \"0\") { lead { id title fields } } }";

/// All fields but the company.
fn all_but_company(more: Value) -> Value {
    let mut settings = json!({ "fields": { "mode": "EXCEPT", "fields": ["company"] } });
    merge(&mut settings, more);
    settings
}

/// A flow that sends every lead to partners with these settings; the flow and the partners.
pub(super) async fn to_all(
    app: &TestApp,
    owner: &Account,
    fields: Value,
    deliveries: Vec<Value>,
) -> (Flow, Vec<String>) {
    let flow = app.flow(owner, json!({ "fields": fields })).await;
    let profile = app.profile(owner, json!({})).await;
    let mut partners = Vec::new();
    for (place, delivery) in deliveries.into_iter().enumerate() {
        let (partner, _) = app.partner(owner, &format!("P{place}"), delivery, json!({})).await;
        app.assign(owner, &profile, &partner, json!({})).await;
        partners.push(partner);
    }
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Distribute", step, Value::Null).await;
    (flow, partners)
}

both!(
    /// D17: not in a webhook, mail, portal, live event or preview, whatever the settings try that is not a template.
    a_field_that_is_not_shared_reaches_nobody,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let template = json!({ "all": "{% for name in lead %}{{ name }}={{ lead[name] }};{% endfor %}", "name": "{{ lead.first_name }}" });
        let deliveries = vec![
            webhook_with(&receiver.url("/flat"), all_but_company(json!({}))),
            webhook_with(&receiver.url("/form"), all_but_company(json!({ "payload": "FORM" }))),
            webhook_with(&receiver.url("/shape"), all_but_company(json!({ "template": template }))),
            email(&["a@buyer.test"], all_but_company(json!({}))),
            email(&["b@buyer.test"], all_but_company(json!({ "format": "HTML" }))),
            json!({ "portal": all_but_company(json!({})) }),
        ];
        let fields = crate::support::make::standard_fields();
        let (flow, partners) = to_all(&app, &owner, fields, deliveries).await;
        let pat = app.portal_user(&owner, &partners[5], "pat@buyer.test").await;
        let sent = json!({ "first_name": "Ana", "company": SECRET });

        let lead = text(&app.submit(&owner, &flow, sent.clone()).await["id"]);

        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let mut got: Vec<String> = receiver.wait_for(3).await.iter().map(|request| format!("{request:?}")).collect();
        got.extend(server.wait_for(2).await.iter().map(|mail| format!("{mail:?} {:?} {:?}", mail.text(), mail.html())));
        got.push(app.data(&pat, FEED, json!({ "search": null })).await.to_string());
        got.push(app.subscribe(&pat, FOLLOW, json!({})).await.event().await.to_string());
        for partner in &partners {
            got.push(app.data(&owner.token, PREVIEW, json!({ "partner": partner, "fields": sent })).await.to_string());
        }
        assert_eq!(got.len(), 3 + 2 + 2 + 6);
        for text in got {
            assert!(text.contains("Ana"), "{text}");
            assert!(!text.to_lowercase().contains("unshared") && !text.contains("company"), "{text}");
        }
        let found = app.data(&pat, FEED, json!({ "search": SECRET })).await;
        assert_eq!(found["portal"]["leads"]["nodes"], json!([]));
    }
);

both!(
    /// D17: a template or a renaming that names such a field is refused when it is saved, and nothing changes.
    settings_that_name_a_field_that_is_not_shared_are_refused,
    |app| {
        let owner = app.account("Acme").await;
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let hook = |more| webhook_with("http://127.0.0.1:9/", all_but_company(more));
        let mail = |more| email(&["a@buyer.test"], all_but_company(more));
        let renamed = json!({ "mapping": [{ "from": "company", "to": "firm" }] });
        for (delivery, path) in [
            (mail(json!({ "subject": "{{ lead.company }}" })), "email.subject"),
            (mail(json!({ "body": "for {{ lead['company'] }}" })), "email.body"),
            (mail(json!({ "body": "{% if company %}x{% endif %}", "format": "HTML" })), "email.body"),
            (hook(json!({ "template": { "a": ["{{ lead.company }}"] } })), "webhook.template"),
            (mail(renamed.clone()), "email.mapping"),
            (hook(renamed), "webhook.mapping"),
        ] {
            let input = json!({ "partnerId": partner, "delivery": delivery });
            let broken = app.refused(&owner.token, SET_DELIVERY, input).await;
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert_eq!(broken[0].0, "FIELD_NOT_SHARED", "{delivery}");
            assert!(broken[0].1.starts_with(&format!("input.delivery.{path}")), "{broken:?}");
        }
        let kept = app.data(&owner.token, "query($id: ID!) { partner(id: $id) { delivery { __typename } } }", json!({ "id": partner })).await;
        assert_eq!(kept["partner"]["delivery"]["__typename"], "PortalSettings");
    }
);
