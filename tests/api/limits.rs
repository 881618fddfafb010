//! What one request may cost, by its arguments, its lists, its bytes and its rate: refused or stopped, in little time.

use std::time::{Duration, Instant};

use entity::{assignment, partner};
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both, client};
use crate::support::make::Account;
use crate::support::stream::Stream;

/// The code and message of the first error of an answer.
fn error(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    (
        error["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {answer:.300}")),
        error["message"].as_str().unwrap(),
    )
}

both!(lists_of_a_caller_are_sets_and_bounded, |app| {
    let owner = app.account("Acme").await;
    let lists = [
        (
            "query($s: [InvitationStatus!]) { invitations(status: $s) { nodes { id } } }",
            "status",
            "PENDING",
        ),
        (
            "query($s: [ConnectionStatus!]) { connections(status: $s) { nodes { id } } }",
            "status",
            "ACTIVE",
        ),
        (
            "query($s: [LeadOutcome!]) { submissions(outcome: $s) { nodes { id } } }",
            "outcome",
            "ACCEPTED",
        ),
        (
            "query($s: [LeadOutcome!]) { leads(filter: {outcome: $s}) { nodes { id } } }",
            "filter",
            "ACCEPTED",
        ),
        (
            "query($s: [DeliveryStatus!]) { deliveries(filter: {status: $s}) { nodes { id } } }",
            "filter",
            "FAILED",
        ),
        (
            "query($s: [DeliveryChannel!]) { deliveries(filter: {channel: $s}) { nodes { id } } }",
            "filter",
            "EMAIL",
        ),
        (
            "mutation($s: [DeliveryStatus!]) { retryDeliveries(filter: {status: $s}) { requeued } }",
            "filter",
            "FAILED",
        ),
    ];
    for (query, argument, value) in lists {
        let answer = app
            .ask(Some(&owner.token), query, json!({ "s": vec![value; 100] }))
            .await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        for many in [101, 1_000, 50_000] {
            let answer = app
                .ask(Some(&owner.token), query, json!({ "s": vec![value; many] }))
                .await;
            let (code, message) = error(&answer);
            assert_eq!(code, "BAD_USER_INPUT", "{query}");
            assert!(
                message.contains(argument) && message.contains("at most 100"),
                "{message}"
            );
        }
    }
});

both!(expired_and_pending_invitations_are_told_apart, |app| {
    let owner = app.account("Acme").await;
    let send = "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) { invitation { id } userErrors { code message path } } }";
    app.done(
        &owner.token,
        send,
        json!({ "email": "a@b.test", "relationshipType": "RECEIVE_LEADS" }),
    )
    .await;
    let list = "query($s: [InvitationStatus!]) { invitations(status: $s) { nodes { status } } }";
    for (after, stands) in [(0, "PENDING"), (400, "EXPIRED")] {
        app.clock.advance(chrono::TimeDelta::days(after));
        for asked in ["PENDING", "EXPIRED", "DECLINED"] {
            let data = app
                .data(&owner.key, list, json!({ "s": [asked, "DECLINED", asked] }))
                .await;
            let found = data["invitations"]["nodes"].as_array().unwrap();
            assert_eq!(
                found.len(),
                usize::from(asked == stands),
                "{asked} after {after} days: {data}"
            );
        }
    }
});

/// A profile with that many places, each for a partner of its own.
pub(crate) async fn crowded(app: &TestApp, owner: &Account, places: usize) -> String {
    let settings = json!({ "portal": {} });
    let (partner, _) = app.partner(owner, "P", settings, json!({})).await;
    let profile = app.profile(owner, json!({})).await;
    app.assign(owner, &profile, &partner, json!({})).await;
    let account = owner.id.parse().unwrap();
    let db = app.app.db.write();
    let partner = partner::Entity::in_account(account)
        .one(app.app.db.read())
        .await
        .unwrap()
        .unwrap();
    let place = assignment::Entity::in_account(account)
        .one(app.app.db.read())
        .await
        .unwrap()
        .unwrap();
    let (mut partners, mut rows) = (Vec::new(), Vec::new());
    for number in 1..places {
        let mut other = partner.clone().into_active_model().reset_all();
        let id: uuid::Uuid = app.clock.id();
        other.id = Set(id.into());
        other.name = Set(format!("P {number}"));
        partners.push(other);
        let mut row = place.clone().into_active_model().reset_all();
        row.id = Set(app.clock.id());
        row.partner_id = Set(id.into());
        rows.push(row);
    }
    entity::bulk::insert::<partner::Entity>(db, partners).await.unwrap();
    entity::bulk::insert::<assignment::Entity>(db, rows).await.unwrap();
    profile
}

both!(
    lists_that_lead_back_to_themselves_are_stopped_while_they_are_made,
    |app| {
        let owner = app.account("Acme").await;
        let profile = crowded(&app, &owner, 1_000).await;
        let ask = async |query: &str| {
            let begun = Instant::now();
            let answer = app.ask(Some(&owner.token), query, json!({ "id": profile })).await;
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
            answer
        };
        let one = "query($id: ID!) { distributionProfile(id: $id) { assignments { id partner { name } } } }";
        let places = ask(one).await;
        assert_eq!(
            places["data"]["distributionProfile"]["assignments"]
                .as_array()
                .unwrap()
                .len(),
            1_000
        );
        // The estimate takes a list for short, so these pass it.
        for inner in ["id partner { name email }", "id"] {
            let query = format!(
                "query($id: ID!) {{ distributionProfile(id: $id) {{ assignments {{ partner {{ assignments {{ profile {{ assignments {{ {inner} }} }} }} }} }} }} }}"
            );
            let answer = ask(&query).await;
            let (code, message) = error(&answer);
            assert_eq!(code, "COST_EXCEEDED", "{message}");
            assert!(
                message.contains("smaller pages") && answer["data"].is_null(),
                "{answer}"
            );
        }
    }
);

both!(a_large_answer_is_stopped_and_says_what_to_do, |app| {
    let owner = app.account("Acme").await;
    let names = ["a", "b", "c", "d"];
    let fields: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "type": "JSON" }))
        .collect();
    let flow = app.flow(&owner, json!({ "fields": fields })).await;
    let blob = json!({ "text": vec!["x".repeat(9_000); 6] });
    let lead: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), blob.clone())).collect();
    for _ in 0..4 {
        app.submit(&owner, &flow, Value::Object(lead.clone())).await;
    }
    let aliases: Vec<String> = (0..50).map(|n| format!("a{n}: fields")).collect();
    let query = format!("{{ leads(first: 20) {{ nodes {{ {} }} }} }}", aliases.join(" "));
    let answer = app.ask(Some(&owner.token), &query, json!({})).await;
    let (code, message) = error(&answer);
    assert_eq!(code, "ANSWER_TOO_LARGE", "{message}");
    assert!(
        message.contains("8388608 bytes") && message.contains("fewer fields"),
        "{message}"
    );
    let few = "{ leads(first: 20) { nodes { fields } } }";
    let data = app.data(&owner.token, few, json!({})).await;
    assert_eq!(data["leads"]["nodes"].as_array().unwrap().len(), 4);
    // Each event of a subscription has the same bound.
    let query = format!(
        "subscription {{ leads(after: \"0\") {{ lead {{ {} }} }} }}",
        aliases.join(" ")
    );
    let mut stream = Stream::open(app.address, &owner.token, &query, json!({})).await;
    let event = stream.message().await.unwrap();
    assert_eq!(error(&event["payload"]).0, "ANSWER_TOO_LARGE");
});

both!(
    a_rate_is_used_up_and_told_in_headers,
    ["--rate-principal", "1", "--rate-account", "2", "--rate-address", "100"],
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let client = client();
        let ask = async |token: &str| {
            let body = json!({ "query": "{ leads(first: 20) { nodes { id } } }" });
            let request = client.post(format!("http://{}/graphql", app.address)).json(&body);
            request.bearer_auth(token).send().await.unwrap()
        };
        let header = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let first = ask(&owner.key).await;
        assert_eq!(first.status(), 200);
        assert_eq!(header(&first, "ratelimit-limit"), "60");
        let left: u64 = header(&first, "ratelimit-remaining").parse().unwrap();
        assert!((30..60).contains(&left), "{left}");
        assert!(header(&first, "ratelimit-policy").starts_with("\"principal\";q=60;w=60, \"account\";q=120"));
        assert!(header(&first, "ratelimit").contains("\"account\";r="));
        let refused = loop {
            let answer = ask(&owner.key).await;
            if answer.status() != 200 {
                break answer;
            }
        };
        assert_eq!(refused.status(), 429);
        let wait: u64 = header(&refused, "retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(error(&body).0, "RATE_LIMITED");
        assert_eq!(body["errors"][0]["extensions"]["retryAfterSeconds"], wait);
        // Leads are taken in all the same: each costs a tenth of a point.
        assert_eq!(
            app.submit(&owner, &flow, json!({ "email": "a@b.test" })).await["outcome"],
            "ACCEPTED"
        );
    }
);

both!(whoever_shows_no_token_beats_once_a_second, |app| {
    let beat = |interval: i32| format!("subscription {{ heartbeat(count: 2, intervalMs: {interval}) {{ sequence }} }}");
    let client = client();
    let follow = async |interval: i32, token: Option<&str>| {
        let mut request = client
            .post(format!("http://{}/graphql", app.address))
            .header("accept", "text/event-stream")
            .json(&json!({ "query": beat(interval) }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap()
    };
    let refused = follow(10, None).await.text().await.unwrap();
    assert!(refused.contains("without a token at least 1000"), "{refused}");
    let owner = app.account("Acme").await;
    let beats = follow(10, Some(&owner.token)).await.text().await.unwrap();
    assert!(beats.contains("\"sequence\":2"), "{beats}");
    let mut held = Vec::new();
    for _ in 0..20 {
        let answer = follow(60_000, None).await;
        assert_eq!(answer.status(), 200);
        held.push(answer);
    }
    assert_eq!(follow(60_000, None).await.status(), 429);
});
