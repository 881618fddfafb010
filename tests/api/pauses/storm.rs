//! Fault 13, scaled down: half of the destinations answer 500 for ten minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{SUBMIT_MANY, time};
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text, webhook_with};
use crate::support::wait::until;

/// Requests that those which recover answer at first, together.
const RECOVERING: usize = 20;
/// Leads whose retries are to be spread.
const SPREAD: usize = 500;
const NEXT: &str = "query($after: String) { deliveries(first: 100, after: $after) {
    nodes { nextAttemptAt } pageInfo { hasNextPage endCursor } } }";

both!(
    /// The healthy ones get everything at once, the others everything within the longest pause after they have recovered.
    a_storm_of_500_leaves_healthy_destinations_alone_and_loses_nothing,
    ["--concurrency", "32", "--destination-concurrency", "8"],
    |app| {
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let mut bad = Vec::new();
        let mut good = Vec::new();
        for number in 0..6 {
            let receiver = HttpReceiver::start().await;
            let partner = app.behind(&owner, &all, &format!("P{number}"), &receiver).await;
            if number % 2 == 0 {
                receiver.answer(Answer::status(500));
                bad.push((partner, receiver));
            } else {
                good.push(receiver);
            }
        }
        let mut leads = Vec::new();
        let began = app.clock.now();
        let mut batches = 0;
        while app.clock.now() - began < TimeDelta::minutes(10) {
            let receipts = join_all((0..10).map(|_| app.submit(&owner, &all.flow, ana()))).await;
            leads.extend(receipts.iter().map(|receipt| text(&receipt["id"])));
            batches += 1;
            for receiver in &good {
                receiver.wait_for(batches * 10).await;
            }
            for (partner, _) in &bad {
                app.paused(&owner, partner).await;
            }
            app.advance(TimeDelta::seconds(60));
        }
        let permits = Arc::new(Semaphore::new(RECOVERING));
        // The first failures, and then a probe after each pause: nothing like 100 leads and their retries.
        for (_, receiver) in &bad {
            assert!((10..=40).contains(&receiver.count()), "{}", receiver.count());
            receiver.answer(Answer::status(200).hold(permits.clone()));
        }
        let mut due = BTreeSet::new();
        let first: Vec<_> = app.deliveries(&owner, &leads[0]).await;
        due.extend(first.iter().filter_map(|one| time(&one["nextAttemptAt"])));
        let retrying = first.iter().filter(|one| one["status"] == "RETRYING").count();
        assert_eq!(due.len(), retrying, "retries are jittered: {first:#?}");

        // They work again, slowly, and all that has waited for them is due. Meanwhile new leads reach the others at once.
        let before: Vec<usize> = bad.iter().map(|(_, receiver)| receiver.count()).collect();
        app.advance(TimeDelta::minutes(6));
        for ((_, receiver), before) in bad.iter().zip(before) {
            receiver.wait_for(before + 1).await;
        }
        let fresh = join_all((0..10).map(|_| app.submit(&owner, &all.flow, ana()))).await;
        leads.extend(fresh.iter().map(|receipt| text(&receipt["id"])));
        for receiver in &good {
            receiver.wait_for(batches * 10 + 10).await;
        }
        permits.add_permits(10_000);
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
        }
        for (partner, _) in &bad {
            assert_eq!(app.health(&owner, partner).await["state"], "HEALTHY");
        }
    }
);

both!(
    /// Leads that came and failed in one moment; with 422 the destination is not paused, so each has its own time.
    retries_of_what_failed_at_once_are_spread_over_the_jitter,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account_by_key("Acme").await;
        let retry = json!({ "retry": { "attempts": 3, "initialDelayMs": 60_000 } });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), retry)).await;
        // One alone, so that the others find the flow compiled.
        app.submit(&owner, &flow, ana()).await;
        let leads: Vec<Value> = (1..SPREAD).map(|_| json!({ "fields": ana() })).collect();
        let bulk = json!({ "flowId": flow.id, "leads": leads });
        assert_eq!(app.done(&owner.key, SUBMIT_MANY, bulk).await["accepted"], SPREAD - 1);
        receiver.wait_for(SPREAD).await;
        until("no slot is used", async || app.app.queue.slots.used() == 0).await;

        let (now, mut seconds, mut after) = (app.clock.now(), BTreeMap::<i64, usize>::new(), Value::Null);
        loop {
            let mut data = app.data(&owner.token, NEXT, json!({ "after": after })).await;
            let page = data["deliveries"].take();
            for node in page["nodes"].as_array().unwrap() {
                let pause = time(&node["nextAttemptAt"]).unwrap() - now;
                *seconds.entry(pause.num_seconds()).or_default() += 1;
            }
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        // A fifth of a minute is added at random.
        assert_eq!(seconds.values().sum::<usize>(), SPREAD);
        assert!(seconds.keys().all(|second| (60..=72).contains(second)), "{seconds:?}");
        assert!(seconds.values().all(|count| *count <= 3 * SPREAD / 12), "{seconds:?}");
    }
);
