//! `previewDelivery` shows exactly what is sent, whatever the channel and the format.

use serde_json::{Value, json};

use super::email;
use super::sharing::to_all;
use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{merge, standard_fields, text, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;

const PREVIEW: &str = "query($partner: ID!, $fields: JSON!) { previewDelivery(partnerId: $partner, fields: $fields) {
    channel method url headers { name value } subject recipients contentType body } }";
const FEED: &str = "{ portal { leads { nodes { fields } } } }";

/// Values that are easily spoilt on the way.
fn lead() -> Value {
    json!({ "first_name": "Jürgen 😀", "last_name": "O'Brien <b>", "email": "J@Example.com", "phone": "(415) 555-0132",
        "state": "california", "score": "1,250.50", "company": "Müller & Söhne \"=50% +1\"\nBerlin" })
}

fn settings(url: &str) -> Vec<Value> {
    let some = json!({ "fields": { "mode": "EXCEPT", "fields": ["state"] }, "mapping": [{ "from": "company", "to": "Firma ä" }] });
    let shape = json!({ "contact": { "mail": "{{ lead.email }}", "n": ["{{ lead.first_name }}, {{ lead.last_name }}"] },
        "score": "{{ lead.score }}", "none": "{{ lead.phone if lead.score < 3 }}", "src": "leadmesh", "v": 1.50 });
    let hook = |more: Value| {
        let mut all = some.clone();
        merge(&mut all, more);
        webhook_with(url, all)
    };
    let mail = |more: Value| {
        let mut all = some.clone();
        merge(&mut all, more);
        email(&["a@buyer.test", "b@buyer.test"], all)
    };
    let header = json!([{ "name": "X-Api-Key", "value": "k-123456789" }, { "name": "Content-Type", "value": "application/vnd.x+json" }]);
    vec![
        hook(json!({})),
        hook(json!({ "method": "PUT", "headers": header })),
        hook(json!({ "payload": "FORM" })),
        hook(json!({ "template": shape, "method": "PATCH" })),
        hook(json!({ "template": shape, "payload": "FORM", "sign": false })),
        mail(json!({})),
        mail(json!({ "format": "HTML" })),
        mail(
            json!({ "body": "Dear {{ lead.first_name | upper }},\n{% if lead.score > 1000 %}hot{% else %}cold{% endif %}: {{ lead.company }}\n" }),
        ),
        mail(json!({ "format": "HTML", "body": "<p>{{ lead.first_name }} <i>{{ lead.company }}</i></p>" })),
        json!({ "portal": { "fields": { "mode": "EXCEPT", "fields": ["state"] } } }),
    ]
}

both!(
    /// The same bytes, headers, method, address and subject.
    a_preview_shows_what_every_channel_sends,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        for (number, delivery) in settings(&receiver.url("/in?from=acme")).into_iter().enumerate() {
            let (flow, partners) = to_all(&app, &owner, standard_fields(), vec![delivery.clone()]).await;
            let asked = json!({ "partner": partners[0], "fields": lead() });
            let shown = app.data(&owner.token, PREVIEW, asked).await["previewDelivery"].take();
            let sent = text(&app.submit(&owner, &flow, lead()).await["id"]);
            app.deliveries_at(&owner, &sent, &["DELIVERED"]).await;
            match shown["channel"].as_str().unwrap() {
                "WEBHOOK" => same_request(&shown, receiver.next().await.as_ref()),
                "EMAIL" => same_mail(&shown, server.wait_for(number - 4).await.last().unwrap()),
                _ => {
                    let pat = app.portal_user(&owner, &partners[0], "pat@buyer.test").await;
                    let feed = app.data(&pat, FEED, json!({})).await;
                    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
                    assert_eq!(feed["portal"]["leads"]["nodes"][0]["fields"], body);
                }
            }
        }
        assert_eq!((receiver.count(), server.count()), (5, 4));
    }
);

fn same_request(shown: &Value, sent: &crate::support::http_receiver::Received) {
    assert_eq!(shown["body"], sent.text());
    assert_eq!(shown["method"], sent.method.as_str());
    assert!(
        shown["url"].as_str().unwrap().ends_with(&sent.uri.to_string()),
        "{shown}"
    );
    let kind = shown["contentType"].as_str().unwrap();
    assert!(
        kind.contains('…') || sent.header("content-type") == Some(kind),
        "{kind}"
    );
    // All but those that only frame the message.
    let framing = ["host", "content-length", "accept"];
    let mut names: Vec<&str> = sent
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| !framing.contains(name))
        .collect();
    let listed = shown["headers"].as_array().unwrap();
    let mut told: Vec<&str> = listed.iter().map(|header| header["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, names);
    for header in listed {
        let (name, value) = (text(&header["name"]), text(&header["value"]));
        assert!(!value.contains("k-123456789"), "a header's value is shown");
        if !value.contains(['<', '…']) {
            assert_eq!(sent.header(&name), Some(value.as_str()), "{name}");
        }
    }
}

fn same_mail(shown: &Value, sent: &crate::support::mail::ReceivedMail) {
    assert_eq!(shown["subject"], sent.subject());
    assert_eq!(shown["recipients"], json!(sent.recipients));
    let body = shown["body"].as_str().unwrap().replace("\r\n", "\n");
    let html = shown["contentType"].as_str().unwrap().starts_with("text/html");
    let got = if html { sent.html() } else { sent.text() };
    assert_eq!(body.trim_end(), got.unwrap().replace("\r\n", "\n").trim_end());
}

both!(
    /// Into another account go the values that the preview shows, under the names that it shows.
    a_preview_shows_what_enters_a_connected_account,
    |app| {
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
        let mut theirs = standard_fields();
        theirs.as_array_mut().unwrap().push(json!({ "name": "firm", "type": "TEXT" }));
        let target = app.flow(&buyer, json!({ "fields": theirs })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let all = json!({ "connectionId": connection });
        let mut some = all.clone();
        merge(&mut some, json!({ "fields": { "mode": "EXCEPT", "fields": ["state", "phone"] }, "mapping": [{ "from": "company", "to": "firm" }] }));
        for (account, names) in [(all, 7), (some, 5)] {
            let (flow, partners) = to_all(&app, &owner, standard_fields(), vec![json!({ "account": account })]).await;
            let asked = json!({ "partner": partners[0], "fields": lead() });
            let shown = app.data(&owner.token, PREVIEW, asked).await["previewDelivery"].take();
            assert_eq!((&shown["channel"], &shown["method"], &shown["url"]), (&json!("ACCOUNT"), &Value::Null, &Value::Null));
            let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
            assert_eq!(body.as_object().unwrap().len(), names, "{body:#}");
            let sent = text(&app.submit(&owner, &flow, lead()).await["id"]);
            let delivered = app.deliveries_at(&owner, &sent, &["DELIVERED"]).await;
            let got = app.data(&buyer.token, "query($id: ID!) { lead(id: $id) { fields } }", json!({ "id": delivered[0]["externalId"] })).await;
            assert_eq!(got["lead"]["fields"], body);
        }
    }
);
