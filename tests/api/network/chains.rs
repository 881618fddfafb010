//! Leads that go through several accounts, both ways at once, and while a connection ends (N18, N19, N20).

use std::sync::Arc;

use leadmesh::server::Role;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::selling::statuses;
use crate::support::app::{Mode, TestApp, ask, both, client};
use crate::support::make::{Account, Flow, SUBMIT, ana, text};

/// How many leads go each way.
const LEADS: usize = 200;

/// A flow that sells everything on over a connection, and takes what comes over another one.
async fn link(app: &TestApp, account: &Account, next: Option<&Account>, from: Option<&str>) -> (Flow, Option<String>) {
    let flow = app.flow(account, json!({})).await;
    if let Some(connection) = from {
        app.receive_in(account, connection, &flow).await;
    }
    let Some(next) = next else { return (flow, None) };
    let connection = app.connect(account, next, "SEND_LEADS").await;
    app.buyer_step(account, &flow, &connection, json!({})).await;
    (flow, Some(connection))
}

/// Accounts each of which sells to the next; the flow of the first.
async fn chain(app: &TestApp, names: &[&str]) -> (Vec<Account>, Flow) {
    let mut accounts = Vec::new();
    for name in names {
        accounts.push(app.account(name).await);
    }
    let (mut first, mut from) = (None, None);
    for (place, account) in accounts.iter().enumerate() {
        let (flow, to) = link(app, account, accounts.get(place + 1), from.as_deref()).await;
        first.get_or_insert(flow);
        from = to;
    }
    (accounts, first.unwrap())
}

both!(
    /// N18: A to B to C arrives; a chain of six accounts stops at the fifth, which says so.
    a_chain_carries_a_lead_through_five_accounts,
    |app| {
        let (accounts, flow) = chain(&app, &["Aa", "Bb", "Cc", "Dd", "Ee", "Ff"]).await;

        let receipt = app.submit(&accounts[0], &flow, ana()).await;

        assert_eq!(receipt["outcome"], "ACCEPTED");
        for account in &accounts[..5] {
            let got = app.leads_of(account, None).await;
            assert_eq!((got.len(), &got[0]["fields"]["email"]), (1, &json!("ana@example.com")));
        }
        assert_eq!(app.leads_of(&accounts[5], None).await, Vec::<Value>::new());
        let last = app.leads_of(&accounts[4], None).await;
        let last = app.sold(&accounts[4], &last[0]["id"]).await;
        let failure = &last["deliveries"][0]["failure"];
        assert_eq!((statuses(&last), &failure["code"]), (vec!["REFUSED".to_owned()], &json!("BUYER_REJECTED")));
        assert!(text(&failure["message"]).starts_with("LOOP: "), "{failure}");
        assert!(last["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "LOOP"), "{last:#}");
    }
);

both!(
    /// N18: A to B to A: B has the lead, A gets no second one, and retrying changes nothing.
    a_lead_that_would_come_back_stops,
    |app| {
        let (a, b) = (app.account("Aa").await, app.account("Bb").await);
        let connection = app.connect(&a, &b, "BOTH").await;
        let (ours, theirs) = (app.flow(&a, json!({})).await, app.flow(&b, json!({})).await);
        for (account, flow) in [(&a, &ours), (&b, &theirs)] {
            app.receive_in(account, &connection, flow).await;
            app.buyer_step(account, flow, &connection, json!({})).await;
        }

        let receipt = app.submit(&a, &ours, ana()).await;

        assert_eq!(statuses(&app.sold(&a, &receipt["id"]).await), ["DELIVERED"]);
        let got = app.leads_of(&b, None).await;
        let got = app.sold(&b, &got[0]["id"]).await;
        assert_eq!(statuses(&got), ["REFUSED"]);
        assert!(text(&got["deliveries"][0]["failure"]["message"]).starts_with("LOOP: "), "{got:#}");
        assert_eq!((app.leads_of(&a, None).await.len(), app.leads_of(&b, None).await.len()), (1, 1));
        let retry = "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id } userErrors { code } } }";
        let retried = app.data(&b.token, retry, json!({ "id": got["deliveries"][0]["id"] })).await;
        assert_eq!(retried["retryDelivery"]["userErrors"][0]["code"], "CONFLICT");
    }
);

/// Submits so many leads at once; how many were accepted.
async fn flood(app: &Arc<TestApp>, owner: &Account, flow: &Flow, tag: &str) -> usize {
    let mut tasks = JoinSet::new();
    for number in 0..LEADS {
        let (app, owner, flow) = (app.clone(), owner.clone(), flow.clone());
        let email = format!("{tag}{number}@example.com");
        tasks.spawn(async move { app.submit(&owner, &flow, json!({ "email": email })).await });
    }
    let receipts = tasks.join_all().await;
    receipts
        .iter()
        .filter(|receipt| receipt["outcome"] == "ACCEPTED")
        .count()
}

both!(
    /// N19: both directions at once, with caps and duplicate keys on both sides: all arrive, the counters are exact, and nobody
    /// waits for ever.
    leads_go_both_ways_at_once,
    |app| {
        let app = Arc::new(app);
        let (a, b) = (app.account("Aa").await, app.account("Bb").await);
        let connection = app.connect(&a, &b, "BOTH").await;
        let caps = json!([{ "period": "LIFETIME", "limit": 1000 }]);
        let input = json!({ "caps": caps, "duplicateKeys": ["email"], "duplicateWindowDays": 1 });
        let (into_a, into_b) = (app.flow(&a, input.clone()).await, app.flow(&b, input).await);
        let (from_a, from_b) = (app.flow(&a, json!({ "caps": caps })).await, app.flow(&b, json!({ "caps": caps })).await);
        for (account, into, from) in [(&a, &into_a, &from_a), (&b, &into_b, &from_b)] {
            app.receive_in(account, &connection, into).await;
            app.buyer_step(account, from, &connection, json!({ "caps": caps })).await;
        }

        let there = { let (app, a, from) = (app.clone(), a.clone(), from_a.clone()); tokio::spawn(async move { flood(&app, &a, &from, "a").await }) };
        let back = flood(&app, &b, &from_b, "b").await;

        assert_eq!((there.await.unwrap(), back), (LEADS, LEADS));
        let all = json!(LEADS);
        for (account, into, from) in [(&a, &into_a, &from_a), (&b, &into_b, &from_b)] {
            assert_eq!(app.counted(account, into).await.0, all);
            assert_eq!(app.counted(account, from).await, (all.clone(), all.clone()));
        }
    }
);

/// Submits one lead to a server: the moment it began, and the receipt, if it was stored.
async fn submitted_to(address: std::net::SocketAddr, seller: Account, flow: Flow, number: usize) -> Option<String> {
    let client = client();
    let input = json!({ "flowId": flow.id, "fields": { "email": format!("n{number}@example.com") } });
    let answer = ask(&client, address, Some(&seller.key), SUBMIT, json!({ "input": input })).await;
    answer["data"]["submitLead"]["receipt"]["id"]
        .as_str()
        .map(str::to_owned)
}

both!(
    /// N20: the connection ends while leads go over it, on two servers where there can be two. What was submitted before may have
    /// arrived; what is submitted afterwards does not, and what waited is cancelled.
    nothing_goes_over_a_connection_that_has_ended,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, connection) = app.selling(&seller, &buyer, json!({ "caps": [{ "period": "DAY", "limit": 900 }] })).await;
        let off = "mutation($id: ID!, $on: Boolean!) { setFlowEnabled(id: $id, enabled: $on) { userErrors { code } } }";
        app.ask(Some(&buyer.token), off, json!({ "id": target.id, "on": false })).await;
        let waiting = app.submit(&seller, &flow, ana()).await;
        app.ask(Some(&buyer.token), off, json!({ "id": target.id, "on": true })).await;
        assert_eq!(statuses(&app.sold(&seller, &waiting["id"]).await), ["FAILED"]);
        let other = match app.mode {
            Mode::Server => Some(app.another(Role::Both).await),
            Mode::Embedded => None,
        };
        let addresses = [app.address, other.as_ref().map_or(app.address, |(_, server)| server.address())];
        let mut tasks = JoinSet::new();
        for number in 0..LEADS {
            tasks.spawn(submitted_to(addresses[number % 2], seller.clone(), flow.clone(), number));
        }

        app.change(&buyer, "terminate", &connection).await;
        let arrived = app.leads_of(&buyer, Some(&target)).await.len();
        let ids: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
        let late = [submitted_to(addresses[0], seller.clone(), flow.clone(), 900).await, submitted_to(addresses[1], seller.clone(), flow.clone(), 901).await];

        assert_eq!(ids.len(), LEADS, "the seller's own flow goes on");
        for id in late.iter().flatten() {
            let sold = app.sold(&seller, &json!(id)).await;
            assert_eq!(sold["deliveries"], json!([]), "{sold:#}");
            let looks = sold["trace"].as_array().unwrap();
            assert!(looks.iter().any(|look| text(&look["detail"]).starts_with("disconnected: ")), "{sold:#}");
        }
        let cancelled = app.sold(&seller, &waiting["id"]).await;
        assert_eq!((statuses(&cancelled), &cancelled["deliveries"][0]["failure"]["code"]), (vec!["CANCELLED".to_owned()], &json!("DISCONNECTED")));
        let mut delivered = 0;
        for id in &ids {
            delivered += usize::from(statuses(&app.sold(&seller, &json!(id)).await) == ["DELIVERED"]);
        }
        assert!(delivered >= arrived.min(100), "what had arrived stays: {delivered} of {arrived}");
        assert_eq!(app.counted(&buyer, &target).await.0, json!(delivered));
        assert_eq!(app.step_state(&seller, &flow).await["state"], "DISCONNECTED");

        app.connect(&seller, &buyer, "SEND_LEADS").await;
        let ready = app.step_state(&seller, &flow).await;
        assert_eq!((&ready["state"], &ready["enabled"]), (&json!("READY"), &json!(false)), "nothing goes over it by itself");
        if let Some((_, server)) = other {
            server.stop().await;
        }
    }
);
