//! Faults 14 and 15: what certain answers make of a destination.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{RESUME, time};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::ana;

/// A 429 with this `Retry-After` holds the whole destination for so long, in seconds, and its delivery for at least so long.
async fn is_left_alone(app: &TestApp, retry_after: &str, seconds: std::ops::RangeInclusive<i64>, own: i64) {
    let p = HttpReceiver::start().await;
    p.answers([
        Answer::status(429).header("retry-after", retry_after),
        Answer::status(200),
    ]);
    let owner = app.account_by_key(&format!("Acme {}", retry_after.len())).await;
    let all = app.to_all(&owner).await;
    let partner = app.behind(&owner, &all, "P", &p).await;
    let first = app.leads(&owner, &all, 1).await;
    let health = app
        .health_until(&owner, &partner, |health| health["pausedBecause"] == "THROTTLED")
        .await;
    assert_eq!(health["state"], "DEGRADED");
    let held = time(&health["openUntil"]).unwrap() - app.clock.now();
    assert!(seconds.contains(&held.num_seconds()), "{retry_after}: {held}");
    let retrying = app.deliveries_at(&owner, &first[0], &["RETRYING"]).await;
    let due = time(&retrying[0]["nextAttemptAt"]).unwrap() - app.clock.now();
    assert!(due >= TimeDelta::seconds(own), "{retry_after}: {due}");

    // A second before the end of it, another lead waits; and then it goes.
    app.advance(held - TimeDelta::milliseconds(1_100));
    let second = app.leads(&owner, &all, 1).await;
    app.health_until(&owner, &partner, |health| health["waiting"] == 1)
        .await;
    assert_eq!(p.count(), 1, "{retry_after}");
    app.advance(TimeDelta::seconds(1));
    app.deliveries_at(&owner, &second[0], &["DELIVERED"]).await;
    app.advance(due);
    app.deliveries_at(&owner, &first[0], &["DELIVERED"]).await;
    assert_eq!(p.count(), 3, "{retry_after}");
}

both!(
    /// Fault 14: in seconds, as a date, as nonsense, and too long.
    retry_after_holds_for_the_whole_destination,
    |app| {
        is_left_alone(&app, "7", 7..=7, 10).await;
        let date = (app.clock.now() + TimeDelta::seconds(8)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        is_left_alone(&app, &date, 6..=7, 10).await;
        is_left_alone(&app, "abc", 5..=5, 10).await;
        is_left_alone(&app, "864000", 3_600..=3_600, 86_000).await;
    }
);

both!(
    /// Fault 14: half as many at once, and after successes all again.
    a_destination_that_is_busy_gets_fewer_at_once,
    ["--destination-concurrency", "8"],
    |app| {
        let p = HttpReceiver::start().await;
        p.answer(Answer::status(429).header("retry-after", "1"));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let partner = app.behind(&owner, &all, "P", &p).await;
        app.leads(&owner, &all, 1).await;
        app.health_until(&owner, &partner, |health| health["pausedBecause"] == "THROTTLED").await;

        let permits = Arc::new(Semaphore::new(0));
        p.answer(Answer::status(200).hold(permits.clone()));
        app.advance(TimeDelta::seconds(2));
        let leads = join_all((0..20).map(|_| app.submit(&owner, &all.flow, ana()))).await;
        p.wait_for(1 + 4).await;
        // What is born now could be sent at once, if there was room.
        app.submit(&owner, &all.flow, ana()).await;
        assert_eq!((p.count(), p.most_active()), (5, 4));
        permits.add_permits(1_000);
        for lead in leads {
            app.deliveries_at(&owner, lead["id"].as_str().unwrap(), &["DELIVERED"]).await;
        }
        assert!(p.most_active() <= 8, "{}", p.most_active());
    }
);

both!(
    /// Fault 15: 410 ends one delivery and holds the others until somebody says so.
    gone_is_gone_until_somebody_resumes_it,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answers([Answer::status(410), Answer::status(200)]);
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let partner = app.behind(&owner, &all, "P", &p).await;
        app.behind(&owner, &all, "Q", &q).await;
        let first = app.leads(&owner, &all, 1).await;
        let failed = app.deliveries_at(&owner, &first[0], &["FAILED", "DELIVERED"]).await;
        let failed = failed.iter().find(|one| one["partner"]["id"] == json!(partner)).unwrap();
        assert_eq!((&failed["status"], &failed["failure"]["code"]), (&json!("FAILED"), &json!("HTTP_STATUS")));
        assert_eq!(failed["failure"]["message"], "the destination answered 410: it is gone for good");
        let health = app.health(&owner, &partner).await;
        assert_eq!((&health["state"], &health["pausedBecause"], &health["openUntil"]), (&json!("PAUSED"), &json!("GONE"), &Value::Null));

        let second = app.leads(&owner, &all, 1).await;
        app.advance(TimeDelta::hours(20));
        let third = app.leads(&owner, &all, 1).await;
        q.wait_for(3).await;
        app.health_until(&owner, &partner, |health| health["waiting"] == 2).await;
        assert_eq!(p.count(), 1);

        // The second is too old after a day, the third is not.
        app.advance(TimeDelta::hours(4));
        let failed = app.deliveries_at(&owner, &second[0], &["FAILED", "DELIVERED"]).await;
        let failed = failed.iter().find(|one| one["partner"]["id"] == json!(partner)).unwrap();
        assert_eq!(failed["failure"]["code"], "PAUSED");
        app.data(&owner.token, RESUME, json!({ "id": partner })).await;
        app.deliveries_at(&owner, &third[0], &["DELIVERED"]).await;
        assert_eq!((p.count(), app.health(&owner, &partner).await["state"].clone()), (2, json!("HEALTHY")));
        assert_eq!(app.told_of_destinations().await, ["destination.gone", "destination.resumed"]);
        let answer = app.ask(Some(&owner.token), RESUME, json!({ "id": "ptnr_00000000000000000000000000" })).await;
        assert_eq!(answer["data"]["resumeDestination"]["userErrors"][0]["code"], "NOT_FOUND", "{answer:#}");
    }
);

both!(
    /// Fault 15: a redirect is a failure, and nobody goes there.
    a_redirect_leads_nowhere,
    |app| {
        let (p, inside) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::status(301).header("location", &inside.url("/admin")));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        app.behind(&owner, &all, "P", &p).await;
        let lead = app.leads(&owner, &all, 1).await;
        let retrying = app.deliveries_at(&owner, &lead[0], &["RETRYING"]).await;
        assert_eq!(retrying[0]["attempts"][0]["errorCode"], "HTTP_STATUS");
        assert_eq!((p.count(), inside.connections()), (1, 0));
    }
);

both!(
    /// What is said of one lead is not held against the destination.
    answers_about_single_leads_pause_nothing,
    |app| {
        let p = HttpReceiver::start().await;
        p.answer(Answer::status(422));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let partner = app.behind(&owner, &all, "P", &p).await;
        let leads = app.leads(&owner, &all, 12).await;
        p.wait_for(12).await;
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["RETRYING"]).await;
        }
        let health = app.health(&owner, &partner).await;
        assert_eq!((&health["state"], &health["pausedBecause"]), (&json!("DEGRADED"), &Value::Null));
    }
);
