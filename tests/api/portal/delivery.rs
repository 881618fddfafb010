//! A partner that sets up its own delivery in the portal, as far as the account lets it.

use serde_json::{Value, json};

use super::with_mail;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, text, webhook_with};

const UPDATE: &str = "mutation($input: DeliverySettingsInput!) { updatePortalDelivery(input: $input) {
    portalUser { email } signingSecret userErrors { code message path } } }";
const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) {
    partner { id } userErrors { code message path } } }";
const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const AUDIT: &str = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action actor { kind name } } } }";

const WAY: &str = "{ portal { delivery { channel recipients url } } }";
/// What is usual, and changing the delivery.
const MORE: [&str; 5] = ["VIEW_LEADS", "EXPORT", "REVIEW", "RETURN", "EDIT_DELIVERY"];

/// A mail server that nobody asks.
fn smtp() -> Value {
    json!({ "host": "127.0.0.1", "port": 9, "security": "NONE", "fromAddress": "leads@acme.test" })
}

with_mail!(
    /// What the partner asks to see is not what it gets: the account's selection holds, and no account is reached this way.
    a_partner_changes_its_own_delivery_and_sees_no_more_by_it,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": { "fields": { "mode": "ONLY", "fields": ["first_name"] } } })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let hook = webhook_with(&receiver.url("/in"), json!({ "fields": { "mode": "ALL" }, "sign": true }));
        let wanted = json!({ "input": hook });
        assert_eq!(app.error_code(Some(&pat), UPDATE, wanted.clone()).await, "FORBIDDEN");
        assert_eq!(app.error_code(Some(&owner.token), UPDATE, wanted.clone()).await, "FORBIDDEN");
        assert_eq!(app.error_code(None, UPDATE, wanted).await, "UNAUTHENTICATED");

        app.permit(&owner, (&partner, "pat@buyer.test"), json!(MORE)).await;
        let into_account = json!({ "account": { "connectionId": "conn_00000000000000000000000000" } });
        let refused = app.refused(&pat, UPDATE, into_account).await;
        assert_eq!(refused, [("NOT_CONNECTED".to_owned(), "input.account.connectionId".to_owned())]);
        let spying = json!({ "email": { "recipients": ["pat@buyer.test"], "subject": "{{ lead.email }}" } });
        assert_eq!(app.refused(&pat, UPDATE, spying).await[0].0, "UNKNOWN_FIELD");
        let blocked = webhook_with("http://10.0.0.1/in", json!({}));
        assert_eq!(app.refused(&pat, UPDATE, blocked).await[0].0, "DESTINATION_BLOCKED");

        let changed = app.done(&pat, UPDATE, hook).await;
        assert_eq!(changed["portalUser"]["email"], "pat@buyer.test");
        assert!(text(&changed["signingSecret"]).starts_with("whsec_"), "shown once to who has to check signatures");
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let request = receiver.next().await;
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({ "first_name": "Ana" }));

        let narrower = json!({ "partnerId": partner, "delivery": { "portal": { "fields": { "mode": "ONLY", "fields": ["last_name"] } } } });
        app.done(&owner.token, SET_DELIVERY, narrower).await;
        app.done(&pat, UPDATE, json!({ "portal": {} })).await;
        app.submit(&owner, &flow, ana()).await;
        let feed = app.data(&pat, "{ portal { leads { nodes { fields } } } }", json!({})).await;
        assert_eq!(feed["portal"]["leads"]["nodes"], json!([{ "fields": { "last_name": "Silva" } }]));
        let trail = app.data(&owner.token, AUDIT, json!({ "id": partner })).await;
        let by_pat = trail["auditEvents"]["nodes"].as_array().unwrap().iter();
        let by_pat: Vec<_> = by_pat.filter(|entry| entry["actor"]["kind"] == "PORTAL_USER").collect();
        let told = json!({ "action": "partner.delivery_set", "actor": { "kind": "PORTAL_USER", "name": "Pat" } });
        assert_eq!(by_pat, [&told, &told]);
    }
);

with_mail!(
    /// A name that no flow has would share what EXCEPT was meant to hold back: it is refused wherever a selection is saved.
    a_selection_with_a_misspelt_field_is_refused,
    |app| {
        let owner = app.account("Acme").await;
        app.flow(&owner, json!({})).await;
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        let profile = app.profile(&owner, json!({})).await;
        let assignment = app.assign(&owner, &profile, &partner, json!({})).await;
        let misspelt = json!({ "mode": "EXCEPT", "fields": ["first_name", "first_nam"] });
        let mail = json!({ "recipients": ["a@buyer.test"], "subject": "x", "fields": misspelt });
        let ways = [("portal", json!({ "fields": misspelt })), ("email", mail), ("webhook", json!({ "url": "https://crm.example.com", "fields": misspelt }))];
        for (channel, settings) in ways {
            for assignment in [Value::Null, json!(assignment)] {
                let input = json!({ "partnerId": partner, "assignmentId": assignment, "delivery": { channel: settings } });
                let refused = app.refused(&owner.token, SET_DELIVERY, input).await;
                let at = format!("input.delivery.{channel}.fields.fields.1");
                assert_eq!(refused, [("UNKNOWN_FIELD".to_owned(), at)]);
            }
        }
        let create = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { partner { id } userErrors { code message path } } }";
        let nope = json!({ "name": "P", "email": "p@buyer.test", "delivery": { "portal": { "fields": { "mode": "ONLY", "fields": ["nope"] } } } });
        let answer = app.ask(Some(&owner.token), create, json!({ "input": nope })).await;
        let error = &answer["data"]["createPartner"]["userErrors"][0];
        assert_eq!(error["code"], "UNKNOWN_FIELD", "{answer}");
        assert!(text(&error["message"]).contains("first_name"), "it names the fields there are: {error}");
    }
);

with_mail!(
    /// The partner is told at once what it could only wonder about later; the account may set its mail server up afterwards.
    a_partner_cannot_choose_mail_where_the_account_has_no_mail_server,
    |app| {
        let owner = app.account("Acme").await;
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        app.permit(&owner, (&partner, "pat@buyer.test"), json!(MORE)).await;
        let mail = json!({ "email": { "recipients": ["pat@buyer.test"], "subject": "New lead" } });
        assert_eq!(app.refused(&pat, UPDATE, mail.clone()).await, [("NOT_CONFIGURED".to_owned(), "input.email".to_owned())]);

        let settings = "query($id: ID!) { partner(id: $id) { delivery { ... on EmailSettings { warnings } } } }";
        let warnings = async || {
            let found = app.data(&owner.token, settings, json!({ "id": partner })).await;
            found["partner"]["delivery"]["warnings"].to_string()
        };
        app.done(&owner.token, SET_DELIVERY, json!({ "partnerId": partner, "delivery": mail })).await;
        assert!(warnings().await.contains("setSmtpSettings"), "{}", warnings().await);

        app.done(&owner.token, SET_SMTP, smtp()).await;
        assert_eq!(warnings().await, "[]");
        app.done(&pat, UPDATE, mail).await;
    }
);

with_mail!(
    /// Everybody in the portal sees on which way leads come; where that leads, only who may change it. Nothing secret is told.
    a_partner_sees_how_its_leads_come,
    |app| {
        let owner = app.account("Acme").await;
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let lou = app.portal_user(&owner, &partner, "lou@buyer.test").await;
        app.permit(&owner, (&partner, "pat@buyer.test"), json!(MORE)).await;
        let way = async |token: &str| app.data(token, WAY, json!({})).await["portal"]["delivery"].take();
        let plain = json!({ "channel": "PORTAL", "recipients": null, "url": null });
        assert_eq!((way(&pat).await, way(&lou).await), (plain.clone(), plain));

        let headers = json!({ "headers": [{ "name": "X-Key", "value": "very-secret-value" }], "sign": true });
        let hook = webhook_with("http://127.0.0.1:9/in?for=p", headers);
        app.done(&owner.token, SET_DELIVERY, json!({ "partnerId": partner, "delivery": hook })).await;
        assert_eq!(way(&pat).await, json!({ "channel": "WEBHOOK", "recipients": null, "url": "http://127.0.0.1:9/in?for=p" }));
        assert_eq!(way(&lou).await, json!({ "channel": "WEBHOOK", "recipients": null, "url": null }));

        app.done(&owner.token, SET_SMTP, smtp()).await;
        let mail = json!({ "email": { "recipients": ["a@buyer.test", "b@buyer.test"], "subject": "New lead" } });
        app.done(&pat, UPDATE, mail).await;
        assert_eq!(way(&pat).await, json!({ "channel": "EMAIL", "recipients": ["a@buyer.test", "b@buyer.test"], "url": null }));
        assert_eq!(way(&lou).await, json!({ "channel": "EMAIL", "recipients": null, "url": null }));
        assert_eq!(app.error_code(Some(&owner.token), WAY, json!({})).await, "FORBIDDEN");
    }
);
