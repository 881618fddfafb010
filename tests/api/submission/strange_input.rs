//! F9: what senders send that nobody expects gets a clear answer, and never an error of the server.

use serde_json::{Map, Value, json};

use super::told;
use crate::support::app::{TestApp, both, client};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, SUBMIT, accepted, ana, merge, webhook};
use crate::support::stream::Stream;

const SUBMIT_LEADS: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome warnings { code field message } } userErrors { code message path } } }";

impl TestApp {
    /// A flow that sends every lead to one webhook.
    async fn flow_with_webhook(&self, owner: &Account, flow: Value, url: &str) -> Flow {
        let flow = self.flow(owner, flow).await;
        let (partner, _) = self.partner(owner, "P", webhook(url), json!({})).await;
        let profile = self.profile(owner, json!({})).await;
        self.assign(owner, &profile, &partner, json!({})).await;
        let step = json!({ "distribute": { "profileId": profile } });
        self.step(owner, &flow, "Distribute", step, Value::Null).await;
        flow
    }
}

/// Status and answer to a body as it is.
pub(super) async fn post(app: &TestApp, token: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let client = client();
    let request = client
        .post(format!("http://{}/graphql", app.address))
        .bearer_auth(token);
    let response = request
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// A submission whose fields are this text.
fn body(flow: &str, fields: &str) -> String {
    format!(
        r#"{{"query":{},"variables":{{"input":{{"flowId":"{flow}","fields":{fields}}}}}}}"#,
        json!(SUBMIT)
    )
}

fn warned(receipt: &Value) -> Vec<(String, String)> {
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
    told(&receipt["warnings"])
}

fn invalid(field: &str) -> (String, String) {
    ("INVALID_VALUE".to_owned(), field.to_owned())
}

both!(unknown_fields_are_warned_about_and_stored_nowhere, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let mut lead = ana();
    merge(
        &mut lead,
        json!({ "shoe_size": "kept-by-nobody-1", "First_Name": { "inner": "kept-by-nobody-2" } }),
    );
    let receipt = app
        .submit_with(&owner, &flow, lead, json!({ "idempotencyKey": "k" }))
        .await;
    assert_eq!(warned(&receipt), [invalid("First_Name"), invalid("shoe_size")]);
    let stored = app.lead(&owner, &receipt["id"]).await;
    assert!(stored["fields"].get("shoe_size").is_none());
    assert_eq!(told(&stored["warnings"]), told(&receipt["warnings"]));
    assert!(!app.dump().await.contains("kept-by-nobody"));
});

both!(ten_thousand_fields_get_a_short_answer, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let mut lead: Map<String, Value> = (0..10_000)
        .map(|number| (format!("field_{number}"), json!("x")))
        .collect();
    lead.insert("first_name".into(), json!("Ana"));
    let receipt = app.submit(&owner, &flow, Value::Object(lead)).await;
    let warnings = warned(&receipt);
    assert_eq!(warnings.len(), 21);
    assert!(
        receipt["warnings"].to_string().contains("9980 more fields"),
        "{warnings:?}"
    );
    assert_eq!(
        app.lead(&owner, &receipt["id"]).await["fields"],
        json!({ "first_name": "Ana" })
    );
});

both!(a_value_of_a_megabyte_is_invalid_and_a_body_of_more_too_large, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let required = app
        .flow(
            &owner,
            json!({ "fields": [{ "name": "company", "type": "TEXT", "required": true }] }),
        )
        .await;
    let lead = json!({ "company": "x".repeat(1_000_000) });
    let receipt = app.submit(&owner, &flow, lead.clone()).await;
    assert_eq!(warned(&receipt), [invalid("company")]);
    assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], json!({}));
    let receipt = app.submit(&owner, &required, lead).await;
    assert_eq!(
        (&receipt["outcome"], told(&receipt["reasons"])),
        (&json!("REJECTED"), vec![invalid("company")])
    );

    let (status, answer) = post(
        &app,
        &owner.key,
        body(&flow.id, &format!(r#"{{"company":"{}"}}"#, "x".repeat(1 << 20))),
    )
    .await;
    assert_eq!(status, 413);
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("larger than 1048576 bytes"),
        "{answer:#}"
    );
    assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
});

both!(deep_json_is_told_to_be_too_deep, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(
            &owner,
            json!({ "fields": [{ "name": "more", "type": "JSON" }, { "name": "name", "type": "TEXT" }] }),
        )
        .await;
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, fits) in [(16, true), (17, false), (60, false)] {
        let deep: Value = serde_json::from_str(&nested(depth)).unwrap();
        let receipt = app.submit(&owner, &flow, json!({ "more": deep })).await;
        let expected = if fits { vec![] } else { vec![invalid("more")] };
        assert_eq!(warned(&receipt), expected, "{depth}");
        // JSON in a text is read as such, with the same limit.
        let receipt = app.submit(&owner, &flow, json!({ "more": nested(depth) })).await;
        assert_eq!(warned(&receipt), expected, "{depth} as text");
        let receipt = app
            .submit(&owner, &flow, json!({ "name": deep, "unknown": deep }))
            .await;
        assert_eq!(warned(&receipt), [invalid("name"), invalid("unknown")]);
    }
    for depth in [200, 100_000] {
        let (status, answer) = post(
            &app,
            &owner.key,
            body(&flow.id, &format!(r#"{{"more":{}}}"#, nested(depth))),
        )
        .await;
        assert_eq!(status, 400, "{answer:#}");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{answer:#}"
        );
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("127 deep"), "{message}");
        let receipt = app.submit(&owner, &flow, json!({ "more": nested(depth) })).await;
        assert_eq!(warned(&receipt), [invalid("more")], "{depth} as text");
    }
});

both!(nul_is_invalid_wherever_it_is, |app| {
    let owner = app.account("Acme").await;
    let fields = json!([
        { "name": "name", "type": "TEXT" },
        { "name": "more", "type": "JSON" },
        { "name": "email", "type": "EMAIL" },
        { "name": "secret", "type": "TEXT", "encrypted": true },
    ]);
    let flow = app
        .flow(
            &owner,
            json!({ "fields": fields, "duplicateKeys": ["name"], "duplicateWindowDays": 1 }),
        )
        .await;
    for (field, value) in [
        ("name", json!("a\u{0}b")),
        ("name", json!(["\u{0}"])),
        ("more", json!({ "a\u{0}": 1 })),
        ("more", json!(["\u{0}"])),
        ("more", json!("{\"a\": \"\\u0000\"}")),
        ("email", json!("a\u{0}@example.com")),
        ("secret", json!("\u{0}")),
    ] {
        let receipt = app.submit(&owner, &flow, json!({ field: value })).await;
        assert_eq!(warned(&receipt), [invalid(field)], "{value}");
    }
    let receipt = app.submit(&owner, &flow, json!({ "nu\u{0}ll": "\u{0}" })).await;
    assert_eq!(warned(&receipt), [invalid("null")]);
});

both!(all_scripts_and_emoji_come_back_as_they_were, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(
            &owner,
            json!({ "fields": [{ "name": "name", "type": "TEXT" }, { "name": "more", "type": "JSON" }] }),
        )
        .await;
    for name in [
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "שלום עולם",
        "مرحبا ‏(2024)‎",
        "Zoë Åström",
        "李小龍",
        "e\u{301}",
        "\u{FFFE}",
        "'; DROP TABLE lead; --",
        "{{ lead.name }}",
        "\\u0041 %s ${x}",
    ] {
        let lead = json!({ "name": name, "more": { name: [name] } });
        let receipt = app
            .submit_with(&owner, &flow, lead.clone(), json!({ "idempotencyKey": name }))
            .await;
        assert_eq!(warned(&receipt), [], "{name}");
        assert_eq!(receipt["idempotencyKey"], name);
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], lead);
    }
});

// Text that was cut off within a character, as some systems send it: half of a surrogate pair.
both!(half_a_character_harms_neither_its_lead_nor_the_others, |app| {
    let owner = app.account("Acme").await;
    let fields = json!([
        { "name": "name", "type": "TEXT" }, { "name": "email", "type": "EMAIL" }, { "name": "more", "type": "JSON" },
    ]);
    let flow = app.flow(&owner, json!({ "fields": fields })).await;
    let broken = r#"{"name":"Ana \ud83d","email":"ana@example.com","more":{"a\udc00":["\ud83d\ude00"]},"x\ud800":1}"#;
    let good = r#"{"name":"Ana \ud83d\ude00"}"#;
    let lead = |fields: &str| format!(r#"{{"fields":{fields},"idempotencyKey":"k\udbff{}"}}"#, fields.len());
    let leads = [good, broken, good].map(lead).join(",");
    let body = format!(
        r#"{{"query":{},"variables":{{"input":{{"flowId":"{}","leads":[{leads}]}}}}}}"#,
        json!(SUBMIT_LEADS),
        flow.id
    );
    let (status, answer) = post(&app, &owner.key, body).await;
    assert_eq!(status, 200, "{answer:#}");
    let payload = accepted(&answer, "submitLeads");
    let receipts = payload["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 3, "{payload:#}");
    assert_eq!(warned(&receipts[0]), []);
    assert_eq!(receipts[0]["id"], receipts[2]["id"], "one key");
    let mut warnings = warned(&receipts[1]);
    warnings.sort();
    assert_eq!(warnings, ["more", "name", "x\u{fffd}"].map(invalid), "{payload:#}");
    let stored = app.lead(&owner, &receipts[1]["id"]).await["fields"].take();
    assert_eq!(
        stored,
        json!({ "name": "Ana \u{fffd}", "email": "ana@example.com", "more": { "a\u{fffd}": ["😀"] } })
    );
    // The same over a socket.
    let single = format!(
        r#"{{"query":{},"variables":{{"input":{{"flowId":"{}","fields":{broken}}}}}}}"#,
        json!(SUBMIT),
        flow.id
    );
    let receipt = over_socket(&app, &owner.key, &single).await["data"]["submitLead"]["receipt"].take();
    assert_eq!(warned(&receipt).len(), 3, "{receipt:#}");
});

// Numbers of customers and the like, which no number of 64 bits holds and which a floating-point number changes.
both!(long_whole_numbers_arrive_as_sent, |app| {
    let owner = app.account("Acme").await;
    let fields = json!([
        { "name": "text", "type": "TEXT" }, { "name": "number", "type": "NUMBER" }, { "name": "integer", "type": "INTEGER" },
        { "name": "more", "type": "JSON" }, { "name": "phone", "type": "PHONE" },
    ]);
    let (receiver, flow) = (HttpReceiver::start().await, json!({ "fields": fields }));
    let flow = app.flow_with_webhook(&owner, flow, &receiver.url("/")).await;
    let long = "123456789012345678901234";
    let fields = format!(
        r#"{{"text":{long},"number":-{long},"integer":{long},"more":{{"a":[{long},18446744073709551615,1.5]}},"phone":4155552671}}"#
    );
    let expected = json!({
        "text": long, "number": format!("-{long}"), "integer": long,
        "more": { "a": [long, 18_446_744_073_709_551_615_u64, 1.5] }, "phone": "+14155552671",
    });
    let (status, by_variable) = post(&app, &owner.key, body(&flow.id, &fields)).await;
    assert_eq!(status, 200, "{by_variable:#}");
    let literal = fields
        .replace("\"text\"", "text")
        .replace("\"number\"", "number")
        .replace("\"integer\"", "integer");
    let literal = literal
        .replace("\"more\"", "more")
        .replace("\"phone\"", "phone")
        .replace("\"a\"", "a");
    let document = format!(
        "mutation {{ submitLead(input: {{ flowId: \"{}\", fields: {literal} }}) {{ receipt {{ id outcome warnings {{ code field message }} }} userErrors {{ message }} }} }}",
        flow.id
    );
    let by_literal = app.ask(Some(&owner.key), &document, json!({})).await;
    let over_socket = over_socket(&app, &owner.key, &body(&flow.id, &fields)).await;
    for answer in [by_variable, by_literal, over_socket] {
        let receipt = accepted(&answer, "submitLead")["receipt"].take();
        assert_eq!(warned(&receipt), [invalid("integer")], "{answer:#}");
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], expected);
        let sent = receiver.next().await;
        assert_eq!(sent.json(), expected, "{}", sent.text());
    }
    // A rule's value, and where such a number is none.
    let refused = app
        .ask(
            Some(&owner.key),
            "query($n: Int) { leads(first: $n) { nodes { id } } }",
            json!({ "n": 1 }),
        )
        .await;
    assert!(refused.get("errors").is_none(), "{refused:#}");
    let document = format!("{{ leads(first: {long}) {{ nodes {{ id }} }} }}");
    let refused = app.error_code(Some(&owner.key), &document, json!({})).await;
    assert_eq!(refused, "BAD_USER_INPUT", "{document}");
    let query = json!("query($n: Int) { leads(first: $n) { nodes { id } } }");
    let (_, refused) = post(
        &app,
        &owner.key,
        format!(r#"{{"query":{query},"variables":{{"n":{long}}}}}"#),
    )
    .await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{refused:#}"
    );
});

/// The answer to an operation of a socket, whose payload is this text.
async fn over_socket(app: &TestApp, token: &str, payload: &str) -> Value {
    let mut stream = Stream::introduced(app.address, token).await;
    assert_eq!(stream.message().await.unwrap()["type"], "connection_ack");
    stream
        .text(format!(r#"{{"type":"subscribe","id":"1","payload":{payload}}}"#))
        .await;
    let mut answer = stream.message().await.unwrap();
    assert_eq!(answer["type"], "next", "{answer:#}");
    answer["payload"].take()
}

both!(numbers_may_be_text_and_text_numbers, |app| {
    let owner = app.account("Acme").await;
    let fields = json!([
        { "name": "text", "type": "TEXT" }, { "name": "number", "type": "NUMBER" }, { "name": "integer", "type": "INTEGER" },
        { "name": "boolean", "type": "BOOLEAN" }, { "name": "phone", "type": "PHONE" },
    ]);
    let flow = app.flow(&owner, json!({ "fields": fields })).await;
    for (lead, stored) in [
        (
            json!({ "text": 12.0, "number": "0012.50", "integer": 3.0, "boolean": 1, "phone": 4_155_552_671_u64 }),
            json!({ "text": "12", "number": 12.5, "integer": 3, "boolean": true, "phone": "+14155552671" }),
        ),
        (
            json!({ "text": true, "integer": "7", "boolean": "0" }),
            json!({ "text": "true", "integer": 7, "boolean": false }),
        ),
        (
            json!({ "text": 1e21, "number": -0.0 }),
            json!({ "text": "1e+21", "number": 0 }),
        ),
    ] {
        let receipt = app.submit(&owner, &flow, lead).await;
        assert_eq!(warned(&receipt), []);
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], stored);
    }
    for huge in [
        "99999999999999999999999999",
        "1e308",
        "-1e308",
        "1e-300",
        "18446744073709551615",
    ] {
        let (status, answer) = post(
            &app,
            &owner.key,
            body(
                &flow.id,
                &format!(r#"{{"number":{huge},"integer":{huge},"text":{huge}}}"#),
            ),
        )
        .await;
        assert_eq!(
            (status, &answer["data"]["submitLead"]["receipt"]["outcome"]),
            (200, &json!("ACCEPTED")),
            "{huge}: {answer:#}"
        );
    }
});

both!(fields_that_are_no_object_are_refused, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    for fields in [json!([]), json!("first_name=Ana"), json!(7), json!(true)] {
        let broken = app
            .refused(&owner.key, SUBMIT, json!({ "flowId": flow.id, "fields": fields }))
            .await;
        assert_eq!(broken, [("INVALID".to_owned(), "input.fields".to_owned())], "{fields}");
    }
});

both!(
    /// Bodies that are no requests: a 4xx with a word of advice, and the server goes on.
    broken_bodies_are_the_clients_fault,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        for fields in [r#"{"score":1e}"#, r#"{"score":01}"#, r#"{"first_name":"a"#, "{'a':1}", "NaN", "null", ""] {
            let (status, answer) = post(&app, &owner.key, body(&flow.id, fields)).await;
            let refused = answer["errors"][0]["message"].as_str().is_some_and(|message| !message.is_empty());
            assert!(status < 500 && refused, "{fields}: {status} {answer:#}");
        }
        let mut bytes = body(&flow.id, r#"{"first_name":"@"}"#).into_bytes();
        let at = bytes.iter().position(|byte| *byte == b'@').unwrap();
        bytes[at] = 0xff;
        let (status, answer) = post(&app, &owner.key, bytes).await;
        assert!(status == 400 && answer["errors"][0]["message"].is_string(), "{status} {answer:#}");
        assert!(app.submissions(&owner, &flow).await.is_empty());
        assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    }
);

both!(
    /// Of two members with one name the last one counts, as everywhere in JSON.
    a_field_that_comes_twice_counts_once,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let (status, answer) = post(&app, &owner.key, body(&flow.id, r#"{"first_name":"Ana","first_name":"Eva"}"#)).await;
        let receipt = &answer["data"]["submitLead"]["receipt"];
        assert_eq!((status, &receipt["outcome"]), (200, &json!("ACCEPTED")));
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"]["first_name"], "Eva");
    }
);
