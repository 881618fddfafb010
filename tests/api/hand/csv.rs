//! `GET /deliveries.csv`.

use serde_json::{Value, json};

use crate::support::app::{TestApp, both, client};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, merge, standard_fields, text, webhook_with};

const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
const AUDIT: &str = "{ auditEvents(action: \"delivery.exported\") { nodes { action subjectId changes } } }";

async fn take(app: &TestApp, token: Option<&str>, query: &str) -> (u16, String) {
    let client = client();
    let mut request = client.get(format!("http://{}/deliveries.csv{query}", app.address));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let kind = response
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    if status == 200 {
        assert_eq!(kind.as_deref(), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    (status, response.text().await.unwrap())
}

fn rows(text: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(text.as_bytes())
        .records()
        .map(Result::unwrap)
        .collect()
}

both!(
    /// The log as the list tells it, formulas neutralised, without a value of a lead; who takes it is told by the trail.
    the_log_is_taken_away_without_values,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let receiver = HttpReceiver::start().await;
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let mut fields = standard_fields();
        fields.as_array_mut().unwrap().push(json!({ "name": "ssn", "type": "TEXT", "encrypted": true }));
        let flow = app.flow(&owner, json!({ "fields": fields, "name": "Solar, \"south\"" })).await;
        let profile = app.profile(&owner, json!({ "basePrice": { "amount": "2.50", "currency": "EUR" } })).await;
        let hook = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 }, "responseRule": { "pointer": "/ok", "acceptedValues": ["yes"], "externalIdPointer": "/id", "reasonPointer": "/why" } }));
        let (partner, _) = app.partner(&owner, "=cmd|' /C calc'!A0", hook, json!({ "email": "p@partner.test" })).await;
        app.assign(&owner, &profile, &partner, json!({})).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        receiver.answers([
            Answer::status(200).body(r#"{"ok":"yes","id":"@crm-7"}"#),
            Answer::status(200).body(r#"{"ok":"no","why":"we know ana@example.com of Kx81"}"#),
            Answer::status(500),
        ]);
        let mut lead = ana();
        lead["ssn"] = json!("Kx81-secret");
        for _ in 0..3 {
            let lead = text(&app.submit(&owner, &flow, lead.clone()).await["id"]);
            app.deliveries_at(&owner, &lead, &["DELIVERED", "FAILED", "REFUSED"]).await;
        }
        app.submit_with(&owner, &flow, lead, json!({ "test": true })).await;

        let (status, text_of_all) = take(&app, Some(&owner.token), "").await;
        assert_eq!(status, 200);
        assert!(text_of_all.starts_with("id,created_at,status,channel,test,lead_id,") && text_of_all.ends_with("\r\n"), "{text_of_all}");
        for value in ["Ana", "Silva", "example.com", "Kx81", "5550132"] {
            assert!(!text_of_all.contains(value), "{value}: {text_of_all}");
        }
        let all = rows(&text_of_all);
        let listed = app.listed(&owner, json!({})).await;
        let ids: Vec<_> = all.iter().map(|row| row[0].to_owned()).collect();
        assert_eq!(ids, listed.iter().map(|row| text(&row["id"])).collect::<Vec<_>>());
        let statuses: Vec<_> = all.iter().map(|row| row[2].to_owned()).collect();
        assert_eq!(statuses, ["FAILED", "REFUSED", "DELIVERED"]);
        let last = &all[2];
        assert_eq!((&last[7], &last[11], &last[19], &last[20]), ("Solar, \"south\"", "'=cmd|' /C calc'!A0", "'@crm-7", "2.5"));

        for (query, expected) in [
            ("?status=FAILED,REFUSED", 2),
            ("?status=FAILED&status=REFUSED", 2),
            ("?channel=PORTAL", 0),
            (&format!("?partnerId={partner}&flowId={}", flow.id), 3),
            ("?partnerId=nobody", 0),
            ("?includeTests=true", 4),
            ("?createdTo=2020-01-01T00:00:00Z", 0),
        ] {
            let (status, found) = take(&app, Some(&owner.key), query).await;
            assert_eq!((status, rows(&found).len()), (200, expected), "{query}");
        }
        assert_eq!(rows(&take(&app, Some(&stranger.token), &format!("?partnerId={partner}")).await.1).len(), 0);
        for query in ["?state=FAILED", "?status=DONE", "?createdFrom=today"] {
            assert_eq!(take(&app, Some(&owner.token), query).await.0, 400, "{query}");
        }
        let trail = app.data(&owner.token, AUDIT, json!({})).await;
        let trail = trail["auditEvents"]["nodes"].as_array().unwrap().clone();
        assert_eq!(trail.len(), 8, "one for each");
        assert_eq!((&trail[7]["subjectId"], &trail[7]["changes"]), (&json!(owner.id), &json!({})));
        assert_eq!(trail[1]["changes"], json!({ "includeTests": "true" }));

        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        for (scope, expected) in [("LEADS_READ", 200), ("LEADS_SUBMIT", 403), ("NETWORK_READ", 403)] {
            let key = app.done(&owner.token, KEY, json!({ "name": scope, "scopes": [scope] })).await;
            assert_eq!(take(&app, Some(&text(&key["secret"])), "").await.0, expected, "{scope}");
        }
        assert_eq!(take(&app, Some(&pat), "").await.0, 403);
        assert_eq!(take(&app, Some("lmk_nonsense"), "").await.0, 401);
        assert_eq!(take(&app, None, "").await.0, 401);
    }
);

/// Parameters, the list's filter for the same, and the leads that both find.
type Narrowed<'a> = (&'a [(&'a str, &'a str)], Value, &'a [&'a str]);

fn encoded(parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
    query.extend_pairs(parameters).finish()
}

both!(
    /// Each parameter finds what the list finds; what was searched for is a value of a lead and stays out of the trail.
    the_log_is_narrowed_as_the_list_is,
    |app| {
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let (selling, _, connection) = app.selling(&owner, &buyer, json!({ "name": "Theirs" })).await;
        let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let profile = app.data(&owner.token, "{ distributionProfiles { nodes { id } } }", json!({})).await;
        let profile = text(&profile["distributionProfiles"]["nodes"][0]["id"]);
        let sold = text(&app.submit(&owner, &selling, json!({ "first_name": "Bo", "phone": "(415) 555-0199" })).await["id"]);
        app.advance(chrono::TimeDelta::minutes(10));
        let since = app.clock.now();
        let kept = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let (sold, kept) = (&sold[..], &kept[..]);
        let since = since.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);

        let cases: [Narrowed; 13] = [
            (&[("search", "ANA@example.com")], json!({ "search": "ANA@example.com" }), &[kept]),
            (&[("search", "ana sil")], json!({ "search": "ana sil" }), &[kept]),
            (&[("search", "+1 415 555 0199")], json!({ "search": "+1 415 555 0199" }), &[sold]),
            (&[("search", "%")], json!({ "search": "%" }), &[]),
            (&[("search", " ")], json!({ "search": " " }), &[kept, sold]),
            (&[("connectionId", &connection)], json!({ "connectionId": connection }), &[sold]),
            (&[("profileId", &profile)], json!({ "profileId": profile }), &[kept]),
            (&[("leadId", sold)], json!({ "leadId": sold }), &[sold]),
            (&[("leadId", "nobody")], json!({ "leadId": "nobody" }), &[]),
            (&[("createdFrom", &since)], json!({ "createdIn": { "from": since, "to": "2100-01-01T00:00:00Z" } }), &[kept]),
            (&[("createdTo", &since)], json!({ "createdIn": { "from": "2000-01-01T00:00:00Z", "to": since } }), &[sold]),
            (&[("search", "ana"), ("connectionId", &connection)], json!({ "search": "ana", "connectionId": connection }), &[]),
            (&[("search", "ana"), ("profileId", &profile)], json!({ "search": "ana", "profileId": profile }), &[kept]),
        ];
        let count = cases.len();
        for (parameters, filter, expected) in cases {
            let (status, found) = take(&app, Some(&owner.token), &encoded(parameters)).await;
            assert_eq!(status, 200, "{found}");
            let found: Vec<_> = rows(&found).iter().map(|row| row[5].to_owned()).collect();
            assert_eq!(found, expected, "{parameters:?}");
            let listed = app.listed(&owner, filter).await;
            assert_eq!(found, listed.iter().map(|row| text(&row["lead"]["id"])).collect::<Vec<_>>(), "{parameters:?}");
        }
        let long = encoded(&[("search", &"x".repeat(201))]);
        assert_eq!(take(&app, Some(&owner.token), &long).await.0, 400);

        let trail = app.data(&owner.token, AUDIT, json!({})).await;
        let trail = trail["auditEvents"]["nodes"].as_array().unwrap().clone();
        assert_eq!(trail.len(), count, "one for each that was answered");
        let mut both = json!({ "searched": true });
        merge(&mut both, json!({ "profileId": profile }));
        assert_eq!((&trail[0]["changes"], &trail[count - 1]["changes"]), (&both, &json!({ "searched": true })));
    }
);

both!(
    /// More than a page: none is left out or comes twice.
    a_long_log_is_whole,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let bulk = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) { accepted userErrors { code message path } } }";
        for _ in 0..3 {
            let leads: Vec<Value> = (0..400).map(|place| json!({ "fields": { "first_name": format!("A{place}") } })).collect();
            let done = app.done(&owner.key, bulk, json!({ "flowId": flow.id, "leads": leads })).await;
            assert_eq!(done["accepted"], 400);
        }
        let (status, text) = take(&app, Some(&owner.token), "").await;
        let mut ids: Vec<_> = rows(&text).iter().map(|row| row[0].to_owned()).collect();
        assert_eq!((status, ids.len()), (200, 1_200));
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
        ids.dedup();
        assert_eq!(ids.len(), 1_200);
    }
);
