//! D15: a destination is paused, tried, and goes on by itself.

use chrono::TimeDelta;
use leadmesh::housekeeping;
use serde_json::{Value, json};

use super::{RESUME, time};
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::webhook_with;

both!(
    /// Q has every lead before P is tried again; P has every lead in the end; waiting and trying spend nothing.
    a_destination_that_keeps_failing_is_paused_and_recovers_by_itself,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::status(500));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let bad = app.behind(&owner, &all, "P", &p).await;
        let good = app.behind(&owner, &all, "Q", &q).await;

        let mut leads = app.fail_until_paused(&owner, &all, &bad).await;
        let health = app.health(&owner, &bad).await;
        let pause = time(&health["openUntil"]).unwrap() - time(&health["pausedSince"]).unwrap();
        assert!(pause >= TimeDelta::seconds(10) && pause <= TimeDelta::seconds(12), "{pause}");
        assert_eq!((&health["pausedBecause"], &health["consecutiveFailures"]), (&json!("FAILING"), &json!(10)));
        assert_eq!(health["lastError"], "the destination answered 500");
        assert_eq!(app.health(&owner, &good).await["state"], "HEALTHY");
        assert_eq!(p.count(), 10);

        let fresh = app.leads(&owner, &all, 5).await;
        q.wait_for(15).await;
        assert_eq!(app.at(&owner, &fresh[4], &bad).await, ("QUEUED".to_owned(), 0));
        app.health_until(&owner, &bad, |health| health["waiting"].as_i64() >= Some(5)).await;
        let metrics = app.get("/metrics").await.text().await.unwrap();
        assert!(metrics.contains("leadmesh_paused_destinations 1.0\n"), "{metrics}");
        let simulate = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) { trace { subject detail } } }";
        let variables = json!({ "flow": all.flow.id, "fields": crate::support::make::ana() });
        let trace = app.data(&owner.key, simulate, variables).await["simulateSubmission"]["trace"].take();
        let of_p = trace.as_array().unwrap().iter().find(|look| look["subject"] == "P").unwrap();
        assert_eq!(of_p["detail"], "gets the lead; its destination is paused, so the delivery waits");
        leads.extend(fresh);

        // Four probes fail, more than any delivery has attempts left.
        for probes in 1..=4 {
            let until = app.paused_after(&owner, &bad, 9 + probes).await;
            app.advance(until - app.clock.now());
            p.wait_for(10 + probes).await;
        }
        let pause = app.paused_after(&owner, &bad, 14).await - app.clock.now();
        assert!(pause >= TimeDelta::seconds(160) && pause <= TimeDelta::seconds(192), "{pause}");
        assert_eq!(p.count(), 14, "one each time");
        for lead in &leads {
            assert!(["QUEUED", "RETRYING"].contains(&app.at(&owner, lead, &bad).await.0.as_str()));
        }

        p.answer(Answer::status(200));
        app.advance(pause);
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["DELIVERED", "RETRYING"]).await;
        }
        app.advance(TimeDelta::minutes(6));
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
        }
        assert_eq!((p.count(), q.count()), (14 + leads.len(), leads.len()));
        let health = app.health(&owner, &bad).await;
        assert_eq!((&health["state"], &health["waiting"], &health["openUntil"]), (&json!("HEALTHY"), &json!(0), &Value::Null));
        assert_eq!(app.told_of_destinations().await, ["destination.paused", "destination.recovered"]);
    }
);

both!(
    /// With one at a time, what waited arrives in the order in which it was routed.
    what_waited_is_sent_in_its_order,
    ["--destination-concurrency", "1"],
    |app| {
        let p = HttpReceiver::start().await;
        p.answer(Answer::status(500));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let bad = app.behind(&owner, &all, "P", &p).await;
        app.fail_until_paused(&owner, &all, &bad).await;
        let waiting = app.leads(&owner, &all, 20).await;
        app.health_until(&owner, &bad, |health| health["waiting"].as_i64() >= Some(20)).await;

        p.answer(Answer::status(200));
        let answer = app.ask(Some(&owner.token), RESUME, json!({ "id": bad })).await;
        assert_eq!(answer["data"]["resumeDestination"]["partner"]["id"], json!(bad), "{answer:#}");
        for lead in &waiting {
            app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
        }
        let order = p.requests().into_iter().map(|request| request.header("leadmesh-lead-id").unwrap().to_owned());
        let first_attempts: Vec<String> = order.skip(10).filter(|lead| waiting.contains(lead)).collect();
        assert_eq!(first_attempts, waiting);
        assert_eq!(app.told_of_destinations().await, ["destination.paused", "destination.resumed"]);
    }
);

both!(
    /// New settings are another destination; what was made with the old ones waits, and is told of, until it is too old.
    a_new_url_is_not_paused_and_what_waits_for_the_old_one_ends_at_its_age,
    |app| {
        let (old, new) = (HttpReceiver::start().await, HttpReceiver::start().await);
        old.answer(Answer::status(503));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let partner = app.behind(&owner, &all, "P", &old).await;
        app.fail_until_paused(&owner, &all, &partner).await;
        let waiting = app.leads(&owner, &all, 1).await;
        app.health_until(&owner, &partner, |health| health["waiting"] != json!(0)).await;

        let set = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) { partner { id } userErrors { code message path } } }";
        let delivery = webhook_with(&new.url("/"), json!({}));
        app.done(&owner.token, set, json!({ "partnerId": partner, "delivery": delivery })).await;
        let next = app.leads(&owner, &all, 1).await;
        app.deliveries_at(&owner, &next[0], &["DELIVERED"]).await;
        assert_eq!((app.health(&owner, &partner).await["state"].clone(), old.count()), (json!("PAUSED"), 10));

        app.advance(TimeDelta::hours(24));
        let failed = app.deliveries_at(&owner, &waiting[0], &["FAILED"]).await;
        assert_eq!((&failed[0]["failure"]["code"], &failed[0]["attemptCount"]), (&json!("PAUSED"), &json!(0)));
        assert_eq!(failed[0]["attempts"], json!([]));
    }
);

both!(
    /// What is against settings is kept as long as somebody uses them.
    settings_that_were_replaced_are_no_longer_held_against_a_partner,
    |app| {
        let (old, new) = (HttpReceiver::start().await, HttpReceiver::start().await);
        old.answer(Answer::status(410));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        let partner = app.behind(&owner, &all, "P", &old).await;
        app.leads(&owner, &all, 1).await;
        app.health_until(&owner, &partner, |health| health["pausedBecause"] == "GONE").await;
        housekeeping::forget(&app.app).await.unwrap();
        assert_eq!(app.health(&owner, &partner).await["state"], "PAUSED");

        let set = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) { partner { id } userErrors { code message path } } }";
        let delivery = webhook_with(&new.url("/"), json!({}));
        app.done(&owner.token, set, json!({ "partnerId": partner, "delivery": delivery })).await;
        housekeeping::forget(&app.app).await.unwrap();
        assert_eq!(app.health(&owner, &partner).await["state"], "DEGRADED", "failed, but not paused");
    }
);
