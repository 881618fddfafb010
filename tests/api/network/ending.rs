//! N20: what a termination ends, raced with those who still submit, on two nodes where there can be two.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{join, join_all};
use leadmesh::server::Role;
use serde_json::json;

use crate::support::app::{Mode, ask, both};
use crate::support::make::{SUBMIT, ana};

const CALLERS: usize = 8;
const EACH: usize = 25;

both!(
    /// No lead is stored that was submitted after the end; what came before stays.
    no_lead_gets_in_that_is_submitted_after_the_end,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let (connection, _) = app.open(&a, &flow, &b).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let addresses = [app.address, second.as_ref().map_or(app.address, |server| server.address())];
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let submit = async |place: usize| {
            let input = json!({ "input": { "flowId": flow.id, "fields": ana() } });
            let answer = ask(&client, addresses[place % 2], Some(&b.key), SUBMIT, input).await;
            let payload = &answer["data"]["submitLead"];
            match payload["receipt"]["outcome"].as_str() {
                Some(outcome) => outcome.to_owned(),
                None => payload["userErrors"][0]["code"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(),
            }
        };
        // 0 until the end was answered, so that a caller knows whether it began afterwards.
        let (taken, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (progress, mut progressed) = tokio::sync::watch::channel(0);
        let caller = async |caller: usize| {
            for _ in 0..EACH {
                let late = ended.load(Ordering::SeqCst) == 1;
                let outcome = submit(caller).await;
                assert!(outcome == "NOT_FOUND" || (outcome == "ACCEPTED" && !late), "{outcome}, late: {late}");
                if outcome == "ACCEPTED" {
                    progress.send_replace(taken.fetch_add(1, Ordering::SeqCst) + 1);
                }
            }
        };
        let end = async {
            progressed.wait_for(|taken| *taken >= CALLERS * 2).await.unwrap();
            app.change(&a, "terminate", &connection).await;
            ended.store(1, Ordering::SeqCst);
        };
        join(join_all((0..CALLERS).map(caller)), end).await;
        assert_eq!([submit(0).await, submit(1).await], ["NOT_FOUND", "NOT_FOUND"], "on both nodes");
        let stored = "query($flow: ID!) { leads(filter: { flowId: $flow }, first: 100) { nodes { id } pageInfo { endCursor hasNextPage } } }";
        let first = app.data(&a.token, stored, json!({ "flow": flow.id })).await;
        let stored = first["leads"]["nodes"].as_array().unwrap().len();
        assert_eq!(stored, taken.load(Ordering::SeqCst).min(100), "what was acknowledged is there, and no more");
        if let Some(server) = second {
            server.stop().await;
        }
    }
);
