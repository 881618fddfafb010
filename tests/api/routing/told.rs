//! D20: the trace and the simulation name for every partner the first check that failed.

use serde_json::{Value, json};

use super::of;
use crate::support::app::both;
use crate::support::make::ana;

const SET_ACTIVE: &str = "mutation($id: ID!) { setPartnerActive(id: $id, active: false) { partner { id } userErrors { code message path } } }";

const SWITCH: &str =
    "mutation($id: ID!) { setFlowEnabled(id: $id, enabled: false) { userErrors { code message path } } }";

both!(
    /// Each partner fails at another check, though later ones would fail, too.
    every_partner_is_named_with_the_first_check_that_failed,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "WEIGHTED" })).await;
        let texas = || json!({ "condition": { "field": "state", "operator": "EQUALS", "value": "TX" } });
        let one = json!([{ "period": "LIFETIME", "limit": 1 }]);
        // Closed on the day of the test, whatever day it is.
        let today = app.clock.now().format("%A").to_string().to_uppercase();
        let all = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
        let others: Vec<_> = all.into_iter().filter(|day| *day != today).collect();
        let closed = || json!({ "timezone": "UTC", "windows": [{ "days": others, "from": "00:00", "to": "24:00" }] });
        app.place(&owner, &mut routed, "Away", json!({ "enabled": false, "rule": texas(), "schedule": closed() })).await;
        app.place(&owner, &mut routed, "Disabled", json!({ "enabled": false, "rule": texas(), "schedule": closed() })).await;
        app.place(&owner, &mut routed, "Elsewhere", json!({ "rule": texas(), "schedule": closed() })).await;
        app.place(&owner, &mut routed, "Closed", json!({ "schedule": closed(), "weight": 0 })).await;
        app.place(&owner, &mut routed, "Weightless", json!({ "weight": 0 })).await;
        app.place(&owner, &mut routed, "Full", json!({ "weight": 100, "caps": one })).await;
        app.place(&owner, &mut routed, "Small", json!({ "weight": 20 })).await;
        app.place(&owner, &mut routed, "Large", json!({ "weight": 70 })).await;
        let id = routed.places["Away"].0.clone();
        app.data(&owner.token, SET_ACTIVE, json!({ "id": id })).await;
        app.submit(&owner, &routed.flow, ana()).await;

        let (names, simulated) = app.simulated(&owner, &routed.flow, ana()).await;
        let lead = app.submit(&owner, &routed.flow, ana()).await;
        let trace = app.trace(&owner, &lead["id"]).await;

        assert_eq!((names, &trace), (vec!["Large".to_owned()], &simulated));
        let failed = |name: &str| {
            let looks = of(&trace, name);
            assert!(looks.len() == 1 && !looks[0].1, "{name}: {looks:?}");
            (looks[0].0.to_owned(), looks[0].2.to_owned())
        };
        for (name, check) in [("Away", "active"), ("Disabled", "enabled"), ("Elsewhere", "rule"), ("Closed", "schedule"), ("Weightless", "weight"), ("Full", "caps"), ("Small", "strategy")] {
            assert_eq!(failed(name).0, check, "{name}");
        }
        assert_eq!(failed("Small").1, "matches, but it is the turn of Large; its own turn comes by a share of 20 in 90 among those that match");
        let large = [("chosen", true, "gets the lead: it is its turn, by a share of 70 in 90 among those that match")];
        assert_eq!(of(&trace, "Large"), large);
        assert!(failed("Full").1.contains("the cap of 1 leads per lifetime"), "{:?}", failed("Full"));
    }
);

both!(
    /// The same for the strategies without shares.
    the_trace_says_whose_turn_it_is_and_who_has_the_lead_already,
    |app| {
        let owner = app.account("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "ROUND_ROBIN" })).await;
        for name in ["P", "Q"] {
            app.place(&owner, &mut routed, name, json!({})).await;
        }
        let lead = app.submit(&owner, &routed.flow, ana()).await;
        let trace = app.trace(&owner, &lead["id"]).await;
        assert_eq!(of(&trace, "P"), [("chosen", true, "gets the lead: it is its turn among 2 that match")]);
        assert_eq!(of(&trace, "Q"), [("strategy", false, "matches, but it is the turn of P")]);

        // A second step through the same profile: P has the lead.
        let step = json!({ "distribute": { "profileId": routed.profile } });
        app.step(&owner, &routed.flow, "Again", step, serde_json::Value::Null).await;
        let lead = app.submit(&owner, &routed.flow, ana()).await;
        let trace = app.trace(&owner, &lead["id"]).await;
        assert_eq!(of(&trace, "Q")[0], ("chosen", true, "gets the lead: it is its turn among 2 that match"));
        assert_eq!(of(&trace, "Q")[1], ("not sent before", false, "the partner has this lead already"));
        assert_eq!(of(&trace, "P")[1], ("chosen", true, "gets the lead: it is its turn among 1 that match"));
    }
);

both!(
    /// What is looked at before and after the partners' own checks: the profile's rule, and whether an account can be reached and
    /// takes leads at all.
    profiles_that_do_not_match_and_accounts_that_cannot_take_are_named,
    |app| {
        let owner = app.account("Acme").await;
        let texas = json!({ "condition": { "field": "state", "operator": "EQUALS", "value": "TX" } });
        let profile = json!({ "name": "Texans", "strategy": "SEND_TO_ALL", "rule": texas });
        let mut routed = app.routed(&owner, profile).await;
        app.place(&owner, &mut routed, "P", json!({})).await;
        let second = app.profile(&owner, json!({ "name": "All" })).await;
        let step = json!({ "distribute": { "profileId": second } });
        app.step(&owner, &routed.flow, "Others", step, Value::Null).await;
        for (name, ends) in [("Unready", false), ("Left", true)] {
            let buyer = app.account(name).await;
            let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
            let target = app.flow(&buyer, json!({})).await;
            app.receive_in(&buyer, &connection, &target).await;
            let into = json!({ "account": { "connectionId": connection } });
            let (partner, _) = app.partner(&owner, name, into, json!({})).await;
            app.assign(&owner, &second, &partner, json!({})).await;
            if ends {
                app.change(&buyer, "suspend", &connection).await;
            } else {
                app.data(&buyer.token, SWITCH, json!({ "id": target.id })).await;
            }
        }

        let (names, simulated) = app.simulated(&owner, &routed.flow, ana()).await;
        let lead = app.submit(&owner, &routed.flow, ana()).await;
        let trace = app.trace(&owner, &lead["id"]).await;
        assert_eq!((names, &simulated), (Vec::new(), &trace));
        let [("profile rule", false, why)] = of(&trace, "Texans")[..] else { panic!("{trace:#?}") };
        assert_eq!(why, "State is not TX");
        assert_eq!(of(&trace, "P"), [], "nobody looks at the partners of a profile that does not match");
        assert_eq!(of(&trace, "Unready"), [("chosen", false, "cannot take leads now: its receiving flow is disabled")]);
        assert_eq!(of(&trace, "Left"), [("connection", false, "disconnected: the connection is suspended")]);

        let mut texan = ana();
        texan["state"] = json!("TX");
        let lead = app.submit(&owner, &routed.flow, texan).await;
        let trace = app.trace(&owner, &lead["id"]).await;
        assert!(of(&trace, "Texans")[0].1 && of(&trace, "P") == [("chosen", true, "gets the lead")], "{trace:#?}");
    }
);
