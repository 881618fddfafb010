//! ROUND_ROBIN and WEIGHTED: exact, whoever submits how.

use chrono::TimeDelta;
use futures::future::join_all;
use leadmesh::server::Role;
use serde_json::{Value, json};

use crate::support::app::{Mode, ask, both, client};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{SUBMIT, ana, text, webhook_with};

const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    accepted userErrors { code message path } } }";
const UPDATE_PROFILE: &str = "mutation($input: UpdateProfileInput!) { updateDistributionProfile(input: $input) {
    profile { strategy } userErrors { code message path } } }";

both!(
    /// D19: many at once and one by one, on two nodes where there can be two.
    weights_of_70_20_and_10_get_700_200_and_100_of_1000_concurrent_leads,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "WEIGHTED" })).await;
        for (name, weight) in [("P", 70), ("Q", 20), ("R", 10)] {
            app.place(&owner, &mut routed, name, json!({ "weight": weight })).await;
        }
        let peer = match app.mode {
            Mode::Server => Some(app.another(Role::Both).await),
            Mode::Embedded => None,
        };
        let addresses = [app.address, peer.as_ref().map_or(app.address, |(_, server)| server.address())];
        let client = client();

        // Alone, so that what follows finds the flow compiled.
        app.flood(&owner, &routed.flow, 1).await;
        let leads: Vec<Value> = (0..250).map(|_| json!({ "fields": ana() })).collect();
        let many = json!({ "input": { "flowId": routed.flow.id, "leads": leads } });
        let bulk = addresses.map(|address| ask(&client, address, Some(&owner.key), SUBMIT_MANY, many.clone()));
        let one = json!({ "input": { "flowId": routed.flow.id, "fields": ana() } });
        let singles = async {
            for count in [99, 100, 100, 100, 100] {
                let hundred = (0..count).map(|place| ask(&client, addresses[place % 2], Some(&owner.key), SUBMIT, one.clone()));
                for answer in join_all(hundred).await {
                    assert_eq!(answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED", "{answer:#}");
                }
            }
        };
        let (bulk, ()) = tokio::join!(join_all(bulk), singles);

        for answer in bulk {
            assert_eq!(answer["data"]["submitLeads"]["accepted"], 250, "{answer:#}");
        }
        assert_eq!(app.got(&routed).await, [700, 200, 100]);
        if let Some((_, server)) = peer {
            server.stop().await;
        }
    }
);

both!(
    /// D19: what P cannot take goes to Q and R by their shares, and P does not catch up later.
    the_share_of_a_partner_that_is_capped_goes_to_the_others,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "WEIGHTED" })).await;
        let cap = json!([{ "period": "DAY", "limit": 10, "timezone": "UTC" }]);
        app.place(&owner, &mut routed, "P", json!({ "weight": 50, "caps": cap })).await;
        app.place(&owner, &mut routed, "Q", json!({ "weight": 30 })).await;
        app.place(&owner, &mut routed, "R", json!({ "weight": 20 })).await;

        for _ in 0..2 {
            app.flood(&owner, &routed.flow, 50).await;
        }
        let got = app.got(&routed).await;
        assert_eq!((got[0], got.iter().sum::<usize>()), (10, 100));
        assert!((53..=55).contains(&got[1]), "{got:?}");

        app.change_place(&owner, &routed, "P", json!({ "caps": [] })).await;
        for _ in 0..2 {
            app.flood(&owner, &routed.flow, 50).await;
        }
        let after = app.got(&routed).await;
        assert!((49..=51).contains(&(after[0] - got[0])), "{after:?}");
    }
);

both!(
    /// D19: in the order of ranks, fair to one lead, and without a flood for who was away.
    round_robin_is_fair_to_one_lead,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "ROUND_ROBIN" })).await;
        for name in ["P", "Q", "R"] {
            // Weights are not asked.
            app.place(&owner, &mut routed, name, json!({ "weight": 0 })).await;
        }
        for name in ["P", "Q", "R", "P"] {
            let lead = app.submit(&owner, &routed.flow, ana()).await;
            let deliveries = app.deliveries(&owner, &text(&lead["id"])).await;
            let names: Vec<_> = deliveries.iter().map(|delivery| &delivery["partner"]["name"]).collect();
            assert_eq!(names, [name]);
        }
        app.flood(&owner, &routed.flow, 46).await;
        assert_eq!(app.got(&routed).await, [17, 17, 16]);

        app.change_place(&owner, &routed, "R", json!({ "enabled": false })).await;
        app.flood(&owner, &routed.flow, 20).await;
        app.change_place(&owner, &routed, "R", json!({ "enabled": true })).await;
        let before = app.got(&routed).await;
        assert_eq!((before[2], before[0].abs_diff(before[1]) <= 1), (16, true), "{before:?}");
        app.flood(&owner, &routed.flow, 30).await;
        let after = app.got(&routed).await;
        assert!(after.iter().zip(&before).all(|(after, before)| (9..=11).contains(&(after - before))), "{after:?}");
    }
);

both!(
    /// The turn passes with the lead that was routed, and with nothing else.
    a_test_or_a_simulation_takes_no_turn,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "ROUND_ROBIN" })).await;
        for name in ["P", "Q"] {
            app.place(&owner, &mut routed, name, json!({})).await;
        }
        for expected in ["P", "Q", "P"] {
            for _ in 0..3 {
                let (names, trace) = app.simulated(&owner, &routed.flow, ana()).await;
                assert_eq!(names, [expected], "{trace:?}");
                let test = app.submit_with(&owner, &routed.flow, ana(), json!({ "test": true })).await;
                let deliveries = app.deliveries(&owner, &text(&test["id"])).await;
                assert_eq!((deliveries.len(), &deliveries[0]["partner"]["name"]), (1, &json!(expected)));
            }
            let (_, simulated) = app.simulated(&owner, &routed.flow, ana()).await;
            let lead = app.submit(&owner, &routed.flow, ana()).await;
            assert_eq!(app.trace(&owner, &lead["id"]).await, simulated);
            let deliveries = app.deliveries(&owner, &text(&lead["id"])).await;
            assert_eq!(deliveries[0]["partner"]["name"], expected);
        }
    }
);

both!(
    /// New weights hold from the next lead on; a partner that comes in later gets its share from then on.
    weights_and_partners_may_change_while_leads_flow,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "WEIGHTED" })).await;
        app.place(&owner, &mut routed, "P", json!({ "weight": 1_000_000 })).await;
        app.place(&owner, &mut routed, "Q", json!({ "weight": 1 })).await;
        app.flood(&owner, &routed.flow, 30).await;
        assert_eq!(app.got(&routed).await, [30, 0]);

        app.change_place(&owner, &routed, "P", json!({ "weight": 1 })).await;
        app.flood(&owner, &routed.flow, 20).await;
        assert_eq!(app.got(&routed).await, [40, 10]);

        app.place(&owner, &mut routed, "R", json!({ "weight": 2 })).await;
        app.flood(&owner, &routed.flow, 40).await;
        let got = app.got(&routed).await;
        assert!(got[2].abs_diff(20) <= 1 && got[0].abs_diff(50) <= 1, "{got:?}");

        let input = json!({ "id": routed.profile, "strategy": "ROUND_ROBIN" });
        app.done(&owner.token, UPDATE_PROFILE, input).await;
        app.flood(&owner, &routed.flow, 30).await;
        let after = app.got(&routed).await;
        assert!(after.iter().zip(&got).all(|(after, before)| (after - before).abs_diff(10) <= 1), "{after:?}");
    }
);

both!(
    /// The turn was P's; when P refuses, the next one is found by the turns of the others.
    what_is_refused_goes_to_whose_turn_is_next,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::json(&json!({ "status": "rejected" })));
        let rule = json!({ "responseRule": { "pointer": "/status", "acceptedValues": ["accepted"] } });
        let owner = app.account("Acme").await;
        let profile = json!({ "strategy": "ROUND_ROBIN", "onFailure": "NEXT_PARTNER" });
        let mut routed = app.routed(&owner, profile).await;
        app.place_with(&owner, &mut routed, ("P", webhook_with(&p.url("/"), rule)), json!({})).await;
        app.place_with(&owner, &mut routed, ("Q", webhook_with(&q.url("/"), json!({}))), json!({})).await;
        app.place(&owner, &mut routed, "R", json!({})).await;

        let lead = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
        q.next().await;
        let deliveries = app.deliveries_at(&owner, &lead, &["REFUSED", "DELIVERED"]).await;
        let told: Vec<_> = deliveries.iter().map(|one| (text(&one["partner"]["name"]), text(&one["status"]))).collect();
        assert_eq!(told, [("P".to_owned(), "REFUSED".to_owned()), ("Q".to_owned(), "DELIVERED".to_owned())]);
        assert_eq!(p.count(), 1);

        app.advance(TimeDelta::seconds(1));
        let second = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
        let deliveries = app.deliveries_at(&owner, &second, &["DELIVERED"]).await;
        assert_eq!((deliveries.len(), &deliveries[0]["partner"]["name"]), (1, &json!("R")), "Q and P had their turns");
    }
);
