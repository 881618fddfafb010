//! FIRST_MATCH and SEND_TO_ALL.

use serde_json::json;

use super::of;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text, webhook_with};

const UPDATE_PARTNER: &str = "mutation($input: UpdatePartnerInput!) { updatePartner(input: $input) { partner { id } userErrors { code message path } } }";

both!(
    /// D19: rank 1 first, until its cap is used up.
    first_match_goes_by_rank_and_past_caps,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "FIRST_MATCH" })).await;
        let cap = |limit: i32| json!([{ "period": "DAY", "limit": limit, "timezone": "UTC" }]);
        app.place(&owner, &mut routed, "P", json!({ "rank": 3 })).await;
        app.place(&owner, &mut routed, "Q", json!({ "rank": 1, "caps": cap(2) })).await;
        app.place(&owner, &mut routed, "R", json!({ "rank": 2, "caps": cap(1) })).await;
        for expected in ["Q", "Q", "R", "P", "P"] {
            let lead = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
            let deliveries = app.deliveries(&owner, &lead).await;
            assert_eq!((deliveries.len(), &deliveries[0]["partner"]["name"]), (1, &json!(expected)));
        }
        assert_eq!(app.got(&routed).await, [2, 2, 1]);
    }
);

both!(
    /// D19: that one of them fails changes nothing for the others.
    send_to_all_goes_to_all_though_one_fails,
    |app| {
        let (good, bad) = (HttpReceiver::start().await, HttpReceiver::start().await);
        bad.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "SEND_TO_ALL" })).await;
        let gives_up = json!({ "retry": { "giveUpOn": [422] } });
        app.place_with(&owner, &mut routed, ("P", webhook_with(&bad.url("/"), gives_up)), json!({})).await;
        app.place_with(&owner, &mut routed, ("Q", webhook_with(&good.url("/"), json!({}))), json!({})).await;
        app.place(&owner, &mut routed, "R", json!({})).await;
        let lead = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
        let deliveries = app.deliveries_at(&owner, &lead, &["FAILED", "DELIVERED"]).await;
        let mut told: Vec<_> = deliveries.iter().map(|one| (text(&one["partner"]["name"]), text(&one["status"]))).collect();
        told.sort();
        let expected = [("P", "FAILED"), ("Q", "DELIVERED"), ("R", "DELIVERED")];
        assert_eq!(told, expected.map(|(name, status)| (name.to_owned(), status.to_owned())));
    }
);

both!(
    /// D19, D20: the best ranks of those that match and have room, up to the limit; the others are told that enough have it, and a
    /// simulation tells the same.
    max_recipients_takes_the_best_ranks_that_match,
    |app| {
        let owner = app.account("Acme").await;
        let profile = json!({ "strategy": "SEND_TO_ALL", "maxRecipients": 2 });
        let mut routed = app.routed(&owner, profile).await;
        let texas = json!({ "condition": { "field": "state", "operator": "EQUALS", "value": "TX" } });
        app.place(&owner, &mut routed, "P", json!({ "rank": 4 })).await;
        app.place(&owner, &mut routed, "Q", json!({ "rank": 1, "rule": texas })).await;
        app.place(&owner, &mut routed, "R", json!({ "rank": 2 })).await;
        app.place(&owner, &mut routed, "S", json!({ "rank": 3 })).await;
        app.place(&owner, &mut routed, "T", json!({ "rank": 2 })).await;
        let caps = json!([{ "period": "LIFETIME", "limit": 1 }]);
        app.done(&owner.token, UPDATE_PARTNER, json!({ "id": routed.places["T"].0, "caps": caps })).await;

        let enough = [("strategy", false, "matches, but enough partners have it already")];
        let chosen = [("chosen", true, "gets the lead")];
        for (taken, passed_over) in [(["R", "T"], &["P", "S"][..]), (["R", "S"], &["P"][..])] {
            let (mut names, simulated) = app.simulated(&owner, &routed.flow, ana()).await;
            let lead = app.submit(&owner, &routed.flow, ana()).await;
            let trace = app.trace(&owner, &lead["id"]).await;
            names.sort();
            assert_eq!((names, &simulated), (taken.map(str::to_owned).to_vec(), &trace));
            for name in taken {
                assert_eq!(of(&trace, name), chosen, "{name}");
            }
            for name in passed_over {
                assert_eq!(of(&trace, name), enough, "{name}");
            }
            assert_eq!(of(&trace, "Q")[0].0, "rule");
            if !taken.contains(&"T") {
                let [("caps", false, why)] = of(&trace, "T")[..] else { panic!("{trace:#?}") };
                assert!(why.contains("the cap of 1 leads per lifetime"), "{why}");
            }
        }
        assert_eq!(app.got(&routed).await, [0, 0, 2, 1, 1]);
    }
);
