//! Encrypted values cannot be asked out by those who may not reveal them: a VIEWER, and a key that reads leads and the setup.

use serde_json::{Value, json};

use super::sharing::to_all;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, standard_fields, text, webhook_with};

const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
const UPDATE: &str =
    "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";
const ADD_STEP: &str =
    "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
const FOUND: &str = "query($search: String!) { leads(filter: { search: $search }) { nodes { id } } deliveries(filter: { search: $search }) { nodes { id } } }";
const SIMULATE: &str = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) { outcome reasons { code message } trace { check passed detail } } }";
const LEAD: &str = "query($id: ID!) { lead(id: $id) { fields rawFields warnings { message } trace { check subject detail } reasons { message } timeline { message }
    deliveries { id failure { code message } externalId review { reason } attempts { message httpStatus responseExcerpt } } } }";
const DIAGNOSE: &str = "query($id: ID!) { diagnoseDelivery(id: $id) { checks { message } } }";

/// A receiver cuts these out of its answers in spellings of its own.
const SSN: &str = "123-45-6789";

fn fields() -> Value {
    let mut fields = standard_fields();
    fields.as_array_mut().unwrap().extend([
        json!({ "name": "ssn", "type": "TEXT", "encrypted": true }),
        json!({ "name": "hidden", "type": "EMAIL", "encrypted": true }),
    ]);
    fields
}

/// Those without the right: by role, and by scopes.
async fn curious(app: &TestApp, owner: &Account) -> [String; 2] {
    let key = app
        .done(
            &owner.token,
            KEY,
            json!({ "name": "k", "scopes": ["LEADS_READ", "NETWORK_READ"] }),
        )
        .await;
    [
        app.colleague(owner, "vic@acme.test", "VIEWER").await,
        text(&key["secret"]),
    ]
}

fn count(found: &Value) -> (usize, usize) {
    let of = |list: &str| found[list]["nodes"].as_array().unwrap().len();
    (of("leads"), of("deliveries"))
}

both!(
    /// A hit would confirm a guess, so what is encrypted is found by those alone who may reveal it.
    encrypted_values_are_not_found_by_guessing,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let owner = app.account("Acme").await;
        let sealed = |name: &str, kind: &str| json!({ "name": name, "type": kind, "encrypted": true });
        let fields = json!([sealed("email", "EMAIL"), sealed("phone", "PHONE"), sealed("first_name", "TEXT"), { "name": "company", "type": "TEXT" }]);
        let (flow, _) = to_all(&app, &owner, fields, vec![json!({ "portal": {} })]).await;
        app.submit(&owner, &flow, json!({ "email": "a@b.test", "phone": "(415) 555-0177", "first_name": "Ana" })).await;
        let (open, _) = to_all(&app, &owner, standard_fields(), vec![json!({ "portal": {} })]).await;
        app.submit(&owner, &open, json!({ "email": "open@b.test" })).await;
        let curious = curious(&app, &owner).await;
        for search in ["a@b.test", "+1 415 555 0177", "(415) 555-0177", "ana", "open@b.test"] {
            let asked = json!({ "search": search });
            assert_eq!(count(&app.data(&owner.token, FOUND, asked.clone()).await), (1, 1), "{search}");
            let expected = if search == "open@b.test" { (1, 1) } else { (0, 0) };
            for token in &curious {
                assert_eq!(count(&app.data(token, FOUND, asked.clone()).await), expected, "{search}");
            }
        }
    }
);

both!(
    /// A right guess and a wrong one are answered alike; also once the key is not encrypted any more, for the lead was.
    a_simulation_confirms_no_guess_of_an_encrypted_value,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({ "fields": fields(), "duplicateKeys": ["ssn"], "duplicateWindowDays": 30 })).await;
        app.submit(&owner, &flow, json!({ "first_name": "Ana", "ssn": SSN })).await;
        let curious = curious(&app, &owner).await;
        let guess = |ssn: &str| json!({ "flow": flow.id, "fields": { "ssn": ssn } });
        for plain_now in [false, true] {
            if plain_now {
                let mut fields = fields();
                for field in fields.as_array_mut().unwrap() {
                    field["encrypted"] = json!(false);
                }
                app.done(&owner.token, UPDATE, json!({ "id": flow.id, "fields": fields })).await;
            }
            let own = app.data(&owner.token, SIMULATE, guess(SSN)).await;
            assert_eq!(own["simulateSubmission"]["reasons"][0]["code"], "DUPLICATE", "{own:#}");
            for token in &curious {
                let right = app.data(token, SIMULATE, guess(SSN)).await;
                let wrong = app.data(token, SIMULATE, guess("987-65-4321")).await;
                assert_eq!(right, wrong);
                assert_eq!(right["simulateSubmission"]["outcome"], "ACCEPTED");
            }
        }
        app.submit(&owner, &flow, json!({ "first_name": "Ben", "ssn": "555-55-5555" })).await;
        for token in &curious {
            let seen = app.data(token, SIMULATE, guess("555-55-5555")).await;
            assert_eq!(seen["simulateSubmission"]["reasons"][0]["code"], "DUPLICATE", "they may read this value: {seen:#}");
        }
    }
);

both!(
    /// Whatever a receiver makes of a value: it is not kept in a spelling that can be undone, and those without the right see nothing
    /// that it has said. About a lead without encrypted values they see all.
    recipients_words_are_for_those_who_may_reveal,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.respond(|_, request| {
            let ssn = request.json()["ssn"].as_str().unwrap_or_default().to_owned();
            let digits: String = ssn.chars().filter(char::is_ascii_digit).collect();
            let hex: String = ssn.bytes().map(|byte| format!("{byte:02X}")).collect();
            let escaped: String = ssn.chars().map(|c| format!("&#{};", u32::from(c))).collect();
            let rotated: String = digits.chars().rev().collect();
            let why = format!("zq7words {digits} {hex} {escaped} {rotated} last {}", ssn.get(7..).unwrap_or_default());
            Answer::json(&json!({ "ok": false, "why": why, "id": format!("zq7id-{digits}") }))
        });
        let rule = json!({ "pointer": "/ok", "acceptedValues": ["true"], "reasonPointer": "/why", "externalIdPointer": "/id" });
        let owner = app.account("Acme").await;
        let hook = webhook_with(&receiver.url("/"), json!({ "responseRule": rule }));
        let (flow, _) = to_all(&app, &owner, fields(), vec![hook.clone()]).await;
        let (open, _) = to_all(&app, &owner, standard_fields(), vec![hook]).await;
        let lead = text(&app.submit(&owner, &flow, json!({ "first_name": "Ana", "ssn": SSN })).await["id"]);
        let plain = text(&app.submit(&owner, &open, json!({ "first_name": "Ben" })).await["id"]);
        let delivery = text(&app.deliveries_at(&owner, &lead, &["REFUSED"]).await[0]["id"]);
        app.deliveries_at(&owner, &plain, &["REFUSED"]).await;

        let own = app.data(&owner.token, LEAD, json!({ "id": lead })).await.to_string();
        assert!(own.contains("zq7words [redacted]") && own.contains("zq7id-[redacted]"), "{own}");
        let hex: String = SSN.bytes().map(|byte| format!("{byte:02X}")).collect();
        for spelled in [SSN, "123456789", "987654321", hex.as_str(), "&#49;&#50;"] {
            assert!(!own.contains(spelled), "{spelled}: {own}");
        }
        for token in &curious(&app, &owner).await {
            let seen = app.data(token, LEAD, json!({ "id": lead })).await;
            let told = seen.to_string() + &app.data(token, DIAGNOSE, json!({ "id": delivery })).await.to_string();
            assert!(!told.contains("zq7") && !told.contains("6789"), "{told}");
            let attempt = &seen["lead"]["deliveries"][0]["attempts"][0];
            assert_eq!(attempt["httpStatus"], 200, "what is not the recipient's words stays: {seen:#}");
            let seen = app.data(token, LEAD, json!({ "id": plain })).await.to_string();
            assert!(seen.contains("zq7words") && seen.contains("zq7id-"), "{seen}");
        }
    }
);

both!(
    /// Whether a condition of an encrypted field holds is a piece of its value.
    verdicts_on_encrypted_fields_are_for_those_who_may_reveal,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({ "fields": fields() })).await;
        let profile = app.profile(&owner, json!({})).await;
        let is = |field: &str, value: &str| json!({ "condition": { "field": field, "operator": "STARTS_WITH", "value": value } });
        for (field, value) in [("ssn", "123"), ("company", "Zq7")] {
            app.step(&owner, &flow, &format!("by {field}"), json!({ "distribute": { "profileId": profile } }), is(field, value)).await;
        }
        let lead = text(&app.submit(&owner, &flow, json!({ "first_name": "Ana", "ssn": SSN, "company": "Acme" })).await["id"]);
        let checks = |seen: &Value| -> Vec<String> {
            let looks = seen["lead"]["trace"].as_array().unwrap().iter();
            looks.filter(|look| look["check"] == "criteria").map(|look| text(&look["subject"])).collect()
        };
        let own = app.data(&owner.token, LEAD, json!({ "id": lead })).await;
        assert_eq!(checks(&own), ["by ssn", "by company"]);
        let curious = curious(&app, &owner).await;
        for token in &curious {
            let seen = app.data(token, LEAD, json!({ "id": lead })).await;
            assert_eq!(checks(&seen), ["by company"]);
            assert!(!seen.to_string().contains("encrypted)"), "{seen:#}");
            let tried = app.data(token, SIMULATE, json!({ "flow": flow.id, "fields": { "ssn": SSN } })).await;
            assert!(!tried.to_string().contains("encrypted)"), "{tried:#}");
        }
        let made = app.done(&owner.token, KEY, json!({ "name": "r", "scopes": ["LEADS_READ"] })).await;
        let seen = app.data(&text(&made["secret"]), LEAD, json!({ "id": lead })).await;
        assert!(!seen.to_string().contains("Zq7"), "rules are the setup's: {seen:#}");
    }
);

both!(
    /// No way of naming an encrypted field copies it into one that is not, and a field that a template reads cannot become encrypted.
    templates_lay_no_encrypted_value_bare,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({ "fields": fields() })).await;
        let step = |template: &str, field: &str| {
            let step = json!({ "transform": { "assignments": [{ "field": field, "template": template }] } });
            json!({ "flowId": flow.id, "name": "Copy", "step": step })
        };
        for template in ["{{ lead.ssn }}", "{{ lead }}", "{{ lead|tojson }}", "{{ lead['s' ~ 'sn'] }}", "{% for name in lead %}{{ lead[name] }}{% endfor %}",
            "{% set all = lead %}{{ all.ssn }}", "{{ ssn }}{% set ssn = 1 %}"] {
            let refused = app.refused(&owner.token, ADD_STEP, step(template, "company")).await;
            assert_eq!(refused[0].0, "INVALID_TEMPLATE", "{template}");
        }
        app.done(&owner.token, ADD_STEP, step("{{ lead|tojson }}", "ssn")).await;
        let open = app.flow(&owner, json!({})).await;
        let whole = json!({ "flowId": open.id, "name": "All", "step": { "transform": { "assignments": [{ "field": "company", "template": "{{ lead|tojson }}" }] } } });
        app.done(&owner.token, ADD_STEP, whole).await;
        let mut fields = standard_fields();
        fields[0]["encrypted"] = json!(true);
        let refused = app.refused(&owner.token, UPDATE, json!({ "id": open.id, "fields": fields })).await;
        assert!(!refused.is_empty(), "first_name would be laid bare by the step that was there before");
    }
);
