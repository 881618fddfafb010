//! N10: what a sender has to know, at once and always as things are now.

use std::process::Command;

use serde_json::{Value, json};

use super::UPDATE_SOURCE;
use crate::support::app::{TestApp, both, client};
use crate::support::make::{Account, Flow, SUBMIT, text};
use crate::support::wait::eventually;

const DOCS: &str = "query($flow: ID) { submissionDocs(flowId: $flow) { nodes {
    flowId flowName sourceId enabled endpoint authentication acceptanceRuleText recipient { id name }
    fields { name required } exampleOperation exampleVariables exampleCurl exampleResponses { outcome } markdown } } }";
const UPDATE_FLOW: &str = "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { version } userErrors { code message path } } }";
const FOLLOW: &str = "subscription { network { kind submissionDocs { sourceId enabled acceptanceRuleText } } }";

async fn docs(app: &TestApp, reader: &Account, flow: Option<&str>) -> Vec<Value> {
    let data = app.data(&reader.token, DOCS, json!({ "flow": flow })).await;
    data["submissionDocs"]["nodes"].as_array().unwrap().clone()
}

fn flow() -> Value {
    json!({
        "fields": [
            { "name": "email", "type": "EMAIL", "required": true },
            { "name": "score", "type": "INTEGER" },
            { "name": "state", "type": "STATE" },
        ],
        "acceptanceRule": { "condition": { "field": "state", "operator": "IN", "value": ["CA", "NV"] } },
    })
}

/// A flow of the first account that is opened to the second, with renamings and a rule of its own.
async fn opened(app: &TestApp, a: &Account, b: &Account) -> (Flow, String, String) {
    let flow = app.flow(a, flow()).await;
    let connection = app.connect(a, b, "RECEIVE_LEADS").await;
    let source = json!({
        "connectionId": connection,
        "name": "Slow payer",
        "mapping": [{ "from": "E-Mail", "to": "email" }],
        "acceptanceRule": { "condition": { "field": "score", "operator": "GREATER_THAN", "value": 80 } },
    });
    let source = app.source(a, &flow, source).await;
    (flow, connection, source)
}

both!(
    /// N10: the docs of that flow and no other, by the sender's names, with both rules in words.
    a_partner_reads_the_docs_of_what_is_open_to_it_and_of_nothing_else,
    |app| {
        let (a, b, c) = (app.account("Acme").await, app.account("Bolt").await, app.account("Cork").await);
        app.connect(&a, &c, "BOTH").await;
        let (flow, connection, source) = opened(&app, &a, &b).await;
        app.flow(&a, json!({ "name": "Secret" })).await;
        let read = docs(&app, &b, None).await;
        assert_eq!(read.len(), 1);
        assert_eq!((&read[0]["flowId"], &read[0]["sourceId"]), (&json!(flow.id), &json!(source)));
        assert_eq!(read[0]["recipient"], json!({ "id": a.id, "name": "Acme" }));
        assert_eq!((&read[0]["enabled"], &read[0]["endpoint"]), (&json!(true), &json!("http://leadmesh.test/graphql")));
        assert!(text(&read[0]["authentication"]).contains("an API key of your own account that has the scope LEADS_SUBMIT"));
        assert_eq!(read[0]["acceptanceRuleText"], "State is one of CA, NV and Score is more than 80");
        let names: Vec<&Value> = read[0]["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
        assert_eq!(names, ["E-Mail", "score", "state"]);
        let outcomes = json!([{ "outcome": "ACCEPTED" }, { "outcome": "REJECTED" }, { "outcome": "FAILED" }]);
        assert_eq!(read[0]["exampleResponses"], outcomes);
        assert!(!read[0].to_string().contains("Slow payer"), "what the owner calls it is its own");
        let of_connection = "query($id: ID!) { connection(id: $id) { submissionDocs { sourceId } } }";
        for (side, wanted) in [(&b, json!([{ "sourceId": source }])), (&a, json!([]))] {
            let link = app.data(&side.token, of_connection, json!({ "id": connection })).await;
            assert_eq!(link["connection"]["submissionDocs"], wanted);
        }
        assert_eq!(docs(&app, &b, Some(&flow.id)).await.len(), 1);
        assert_eq!(docs(&app, &b, Some("flow_01h2xcejqtf2nbrexx3vqjhp41")).await.len(), 0);
        assert_eq!(docs(&app, &c, None).await.len(), 0, "connected, but nothing is open to it");
        assert_eq!(docs(&app, &a, None).await.len(), 0, "one's own flows are no partner's");
    }
);

both!(
    /// N10: the example works when pasted, as an operation with variables and as a command line.
    the_example_works_when_pasted,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        opened(&app, &a, &b).await;
        let docs = docs(&app, &b, None).await.remove(0);
        let operation = text(&docs["exampleOperation"]);
        let answer = app.ask(Some(&b.key), &operation, docs["exampleVariables"].clone()).await;
        assert_eq!(answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED", "{answer:#}");

        let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{}", text(&docs["exampleCurl"]));
        let output = Command::new("sh").args(["-c", &script]).env("LEADMESH_API_KEY", &b.key).output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = words.split_terminator('\0').collect();
        let address = words[1].replace("http://leadmesh.test", &format!("http://{}", app.address));
        let header = |place: usize| words[place].split_once(": ").unwrap();
        let ((_, key), (_, kind)) = (header(3), header(5));
        let request = client().post(address);
        let request = request.header("authorization", key).header("content-type", kind);
        let answer: Value = request.body(words[7].to_owned()).send().await.unwrap().json().await.unwrap();
        let receipt = &answer["data"]["submitLead"]["receipt"];
        assert_eq!((&receipt["outcome"], &receipt["replayed"]), (&json!("ACCEPTED"), &json!(true)), "{answer:#}");
    }
);

both!(
    /// Docs follow every change, with an event to each connected sender; what does not concern it makes none.
    docs_follow_every_change_with_an_event,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let mut stream = app.subscribe(&b.token, FOLLOW, json!({})).await;
        let (flow, connection, source) = opened(&app, &a, &b).await;
        let mut next = async || {
            loop {
                let event = stream.event().await["network"].take();
                if event["kind"] == "SUBMISSION_DOCS_CHANGED" {
                    return event["submissionDocs"].clone();
                }
            }
        };
        let both = "State is one of CA, NV and Score is more than 80";
        assert_eq!(next().await, json!({ "sourceId": source, "enabled": true, "acceptanceRuleText": both }));
        app.step(&a, &flow, "Set", json!({ "transform": { "assignments": [{ "field": "state", "template": "CA" }] } }), Value::Null).await;
        app.done(&a.token, UPDATE_FLOW, json!({ "id": flow.id, "description": "For ourselves" })).await;
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "name": "Renamed" })).await;
        app.done(&a.token, UPDATE_FLOW, json!({ "id": flow.id, "acceptanceRule": null })).await;
        let changed = json!({ "sourceId": source, "enabled": true, "acceptanceRuleText": "Score is more than 80" });
        assert_eq!(next().await, changed, "the step, the description and the name were none of its business");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": false })).await;
        assert_eq!(next().await["enabled"], false);
        let remove = "mutation($id: ID!) { removeSource(id: $id) { flow { version } userErrors { code } } }";
        app.data(&a.token, remove, json!({ "id": source })).await;
        assert_eq!(next().await, Value::Null, "closed");
        app.change(&a, "terminate", &connection).await;
        assert!(docs(&app, &b, None).await.is_empty());
    }
);

both!(
    /// A source that waited for the answer is opened by it, and its sender told so.
    an_acceptance_tells_the_sender_what_it_opens,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, flow()).await;
        let invitation = app.invite(&a, &b, "RECEIVE_LEADS").await;
        let source = app.source(&a, &flow, json!({ "invitationId": invitation })).await;
        let mut stream = app.subscribe(&b.token, FOLLOW, json!({})).await;
        app.accept(&b, &invitation).await;
        loop {
            let event = stream.event().await["network"].take();
            if event["kind"] == "SUBMISSION_DOCS_CHANGED" {
                assert_eq!((&event["submissionDocs"]["sourceId"], &event["submissionDocs"]["enabled"]), (&json!(source), &json!(true)));
                break;
            }
        }
    }
);

async fn page(app: &TestApp, token: Option<&str>, source: &str, accept: &str) -> reqwest::Response {
    let client = client();
    let mut request = client
        .get(format!("http://{}/docs/{source}", app.address))
        .header("accept", accept);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

both!(
    /// `GET /docs/{source}`: Markdown or a page, for whom it is open to; unknown and forbidden are one.
    the_docs_are_a_page_for_whoever_they_are_open_to,
    |app| {
        let (a, b, c) = (app.account("Acme").await, app.account("Bolt").await, app.account("Cork").await);
        let (_, connection, source) = opened(&app, &a, &b).await;
        let markdown = page(&app, Some(&b.key), &source, "*/*").await;
        assert_eq!(markdown.headers()["content-type"], "text/markdown; charset=utf-8");
        assert_eq!(markdown.headers()["cache-control"], "no-store");
        let markdown = markdown.text().await.unwrap();
        assert!(markdown.starts_with("# Submitting leads to Acme: Solar") && !markdown.contains("Slow payer"));
        assert!(markdown.contains(&format!("GET http://leadmesh.test/docs/{source}")));
        let html = page(&app, Some(&b.token), &source, "text/html,*/*;q=0.8").await;
        assert_eq!(html.headers()["content-type"], "text/html; charset=utf-8");
        let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(html.text().await.unwrap().contains("<td><code>E-Mail</code></td>"));
        assert_eq!(page(&app, Some(&a.key), &source, "").await.status(), 200, "the owner reads them, too");

        let nowhere = "src_01h2xcejqtf2nbrexx3vqjhp41";
        for (token, wanted) in [(Some(c.key.as_str()), 404), (None, 401), (Some("lmk_nobody"), 401)] {
            let (known, unknown) = (page(&app, token, &source, "").await, page(&app, token, nowhere, "").await);
            assert_eq!((known.status().as_u16(), unknown.status().as_u16()), (wanted, wanted));
            assert_eq!(known.text().await.unwrap(), unknown.text().await.unwrap());
        }
        assert_eq!(page(&app, Some(&b.key), "nonsense", "").await.status(), 404);
        app.change(&b, "suspend", &connection).await;
        assert_eq!(page(&app, Some(&b.key), &source, "").await.status(), 404);
    }
);

both!(
    /// The owner sees how often the docs were read by the sender, and when; its own reading is none.
    the_owner_sees_who_read_the_docs_and_when,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let (flow, _, source) = opened(&app, &a, &b).await;
        let never = json!({ "readCount": 0, "firstReadAt": null, "lastReadAt": null });
        assert_eq!(app.account_source(&a, &flow).await["docsReads"], never);
        docs(&app, &b, None).await;
        let first = app.clock.now();
        app.advance(chrono::TimeDelta::minutes(5));
        page(&app, Some(&b.key), &source, "").await;
        page(&app, Some(&a.key), &source, "").await;
        let read = async || app.account_source(&a, &flow).await["docsReads"].take();
        let reads = eventually(read, |reads| reads["readCount"] == 2).await;
        let at = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        assert_eq!((at(&reads["firstReadAt"]), at(&reads["lastReadAt"])), (first, app.clock.now()));
        let lead = json!({ "flowId": flow.id, "fields": { "E-Mail": "ana@example.com", "state": "CA", "score": 81 } });
        assert_eq!(app.done(&b.key, SUBMIT, lead).await["receipt"]["outcome"], "ACCEPTED");
    }
);
