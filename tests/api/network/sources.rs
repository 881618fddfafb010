//! N3, N10 to N12, N17, N20: connected accounts as sources.

use chrono::TimeDelta;
use entity::account::Plan;
use leadmesh_core::identity::accounts;
use serde_json::{Value, json};

use super::UPDATE_SOURCE;
use crate::support::app::both;
use crate::support::make::{SUBMIT, ana, merge, text};
use crate::support::network::ADD_SOURCE;

const LEAD: &str = "query($id: ID!) { lead(id: $id) { outcome fields rawFields partner { id name } source { id name } price { amount currency } } }";

fn score(operator: &str, value: u32) -> Value {
    json!({ "condition": { "field": "score", "operator": operator, "value": value } })
}

both!(
    /// N12: ACCEPTED with the partner's own key; the lead names it, with normalised and raw values.
    a_partner_submits_with_its_own_key_by_flow_and_by_source,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let connection = app.connect(&a, &b, "RECEIVE_LEADS").await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "NOT_FOUND", "connected is not opened");
        let source = app
            .source(
                &a,
                &flow,
                json!({ "connectionId": connection, "mapping": [{ "from": "Given", "to": "first_name" }],
                    "price": { "amount": "2.5", "currency": "USD" }, "acceptanceRule": score("GREATER_THAN", 3) }),
            )
            .await;
        let seen = app.account_source(&a, &flow).await;
        assert_eq!((&seen["name"], &seen["enabled"]), (&json!("Bolt"), &json!(true)), "named after the partner");
        assert_eq!(seen["partner"], json!({ "id": b.id, "name": "Bolt" }));
        assert_eq!(seen["connection"], json!({ "id": connection, "status": "ACTIVE" }));

        let fields = json!({ "Given": "Ana", "phone": "(415) 555-0132", "score": 7 });
        let receipt = app.submit(&b, &flow, fields.clone()).await;
        assert_eq!((&receipt["outcome"], &receipt["price"]["amount"]), (&json!("ACCEPTED"), &json!("2.5")));
        let by_source = app.submit_with(&b, &flow, fields, json!({ "sourceId": source })).await;
        assert_eq!(by_source["outcome"], "ACCEPTED");
        let lead = app.data(&a.token, LEAD, json!({ "id": receipt["id"] })).await["lead"].take();
        assert_eq!(lead["partner"], json!({ "id": b.id, "name": "Bolt" }));
        assert_eq!(lead["source"], json!({ "id": source, "name": "Bolt" }));
        assert_eq!(lead["fields"]["first_name"], "Ana");
        assert_eq!((&lead["fields"]["phone"], &lead["rawFields"]["phone"]), (&json!("+14155550132"), &json!("(415) 555-0132")));
        let own = app.submit(&a, &flow, json!({ "first_name": "Own" })).await;
        let lead = app.data(&a.token, LEAD, json!({ "id": own["id"] })).await["lead"].take();
        assert_eq!(lead["partner"], Value::Null, "an own source is no partner's");
    }
);

both!(
    /// N14: REJECTED by the source's rule, with field, code and message; no cap is used; in both sides' usage.
    a_lead_that_the_sources_rule_refuses_is_rejected_and_uses_no_cap,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let connection = app.connect(&a, &b, "RECEIVE_LEADS").await;
        let caps = json!([{ "period": "DAY", "limit": 1 }]);
        app.source(&a, &flow, json!({ "connectionId": connection, "acceptanceRule": score("GREATER_THAN", 10), "caps": caps })).await;
        for _ in 0..3 {
            let receipt = app.submit(&b, &flow, json!({ "score": 5 })).await;
            assert_eq!(receipt["outcome"], "REJECTED");
            let reason = &receipt["reasons"][0];
            assert_eq!(reason["code"], "NOT_ACCEPTED");
            assert!(reason["message"].as_str().is_some_and(|text| !text.is_empty()), "{reason}");
        }
        assert_eq!(app.told(Some(&b.key), &flow.id, json!({ "score": 11 })).await, "ACCEPTED");
        assert_eq!(app.told(Some(&b.key), &flow.id, json!({ "score": 11 })).await, "CAP_REACHED");
        let now = app.clock.now();
        let range = json!({ "from": now - TimeDelta::hours(1), "to": now + TimeDelta::hours(1) });
        for (side, way) in [(&a, "received"), (&b, "sent")] {
            let query = format!("query($id: ID!, $range: TimeRangeInput!) {{ connection(id: $id) {{ usage(range: $range) {{ {way} {{ accepted rejected }} }} }} }}");
            let usage = app.data(&side.token, &query, json!({ "id": connection, "range": range })).await;
            assert_eq!(usage["connection"]["usage"][way], json!({ "accepted": 1, "rejected": 4 }), "{way}");
        }
    }
);

both!(
    /// N11: a source that waits for an invitation submits nothing; acceptance activates it as it was asked for, rules kept.
    a_pending_source_comes_to_life_with_the_acceptance,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let invitation = app.invite(&a, &b, "RECEIVE_LEADS").await;
        let input = json!({ "invitationId": invitation, "acceptanceRule": score("GREATER_THAN", 3) });
        let source = app.source(&a, &flow, input).await;
        let waiting = app.account_source(&a, &flow).await;
        assert_eq!((&waiting["enabled"], &waiting["switchedOn"]), (&json!(false), &json!(true)));
        assert_eq!((&waiting["name"], &waiting["connection"]), (&json!("Bolt"), &Value::Null));
        assert_eq!(app.told(Some(&b.key), &flow.id, json!({ "score": 5 })).await, "NOT_FOUND");
        let enable = json!({ "id": source, "enabled": true });
        let refused = app.refused(&a.token, UPDATE_SOURCE, enable).await;
        assert_eq!(refused, [("NOT_CONNECTED".into(), "input.enabled".into())]);
        let again = json!({ "flowId": flow.id, "invitationId": invitation });
        assert_eq!(app.refused(&a.token, ADD_SOURCE, again).await, [("TAKEN".into(), "input.invitationId".into())]);

        app.accept(&b, &invitation).await;
        let alive = app.account_source(&a, &flow).await;
        assert_eq!((&alive["id"], &alive["enabled"]), (&json!(source), &json!(true)));
        assert_eq!(app.told(Some(&b.key), &flow.id, json!({ "score": 5 })).await, "ACCEPTED");
        assert_eq!(app.told(Some(&b.key), &flow.id, json!({ "score": 1 })).await, "NOT_ACCEPTED", "its rule is kept");
    }
);

both!(
    /// N11, of somebody who is known by an address only, and with a source that is asked for as disabled.
    a_source_for_an_invited_address_knows_its_sender_from_the_answer,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let invitation = app.invite_address(&a, &b.email, "RECEIVE_LEADS").await;
        app.source(&a, &flow, json!({ "invitationId": invitation, "enabled": false })).await;
        let waiting = app.account_source(&a, &flow).await;
        assert_eq!(waiting["partner"]["name"], json!(b.email));
        assert_ne!(waiting["partner"]["id"], json!(b.id), "that there is an account is not told");
        app.accept(&b, &invitation).await;
        let known = app.account_source(&a, &flow).await;
        assert_eq!((&known["partner"]["id"], &known["enabled"]), (&json!(b.id), &json!(false)));
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "SOURCE_DISABLED");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": known["id"], "enabled": true })).await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
    }
);

both!(
    /// N3: after a decline the source stays as a disabled draft; another invitation, accepted, revives it.
    a_declined_source_stays_a_draft_until_a_later_yes,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        for by_address in [false, true] {
            let invite = async || match by_address {
                true => app.invite_address(&a, &b.email, "RECEIVE_LEADS").await,
                false => app.invite(&a, &b, "RECEIVE_LEADS").await,
            };
            let flow = if by_address { app.flow(&a, json!({ "name": "Wind" })).await } else { flow.clone() };
            let invitation = invite().await;
            let source = app.source(&a, &flow, json!({ "invitationId": invitation, "name": "Draft" })).await;
            app.decline(&b, &invitation).await;
            let draft = app.account_source(&a, &flow).await;
            assert_eq!((&draft["id"], &draft["enabled"]), (&json!(source), &json!(false)));
            let refused = app.refused(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": true })).await;
            assert_eq!(refused[0].0, "NOT_CONNECTED");
            let again = invite().await;
            let connection = app.accept(&b, &again).await;
            let alive = app.account_source(&a, &flow).await;
            assert_eq!((&alive["name"], &alive["enabled"]), (&json!("Draft"), &json!(true)));
            assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
            app.change(&a, "terminate", &connection).await;
        }
    }
);

both!(
    only_a_live_connection_in_the_right_direction_makes_a_source_and_once_a_flow,
    |app| {
        let (a, b, c) = (
            app.account("Acme").await,
            app.account("Bolt").await,
            app.account("Cork").await,
        );
        let flow = app.flow(&a, json!({})).await;
        let refused = async |more: Value| {
            let mut input = json!({ "flowId": flow.id });
            merge(&mut input, more);
            app.refused(&a.key, ADD_SOURCE, input).await.remove(0)
        };
        let strange = app.connect(&b, &c, "BOTH").await;
        let at = |code: &str, path: &str| (code.to_owned(), format!("input.{path}"));
        assert_eq!(
            refused(json!({ "connectionId": strange })).await,
            at("NOT_CONNECTED", "connectionId")
        );
        assert_eq!(
            refused(json!({ "connectionId": flow.id })).await,
            at("NOT_CONNECTED", "connectionId")
        );
        let foreign = app.invite(&c, &a, "BOTH").await;
        assert_eq!(
            refused(json!({ "invitationId": foreign })).await,
            at("NOT_FOUND", "invitationId"),
            "received, not sent"
        );
        let both = json!({ "connectionId": strange, "invitationId": foreign });
        assert_eq!(refused(both).await, at("INVALID", "invitationId"));

        let sending = app.invite(&a, &b, "SEND_LEADS").await;
        assert_eq!(
            refused(json!({ "invitationId": sending })).await,
            at("DIRECTION_NOT_AGREED", "invitationId")
        );
        let connection = app.accept(&b, &sending).await;
        assert_eq!(
            refused(json!({ "connectionId": connection })).await,
            at("DIRECTION_NOT_AGREED", "connectionId")
        );
        assert_eq!(
            refused(json!({ "invitationId": sending })).await,
            at("INVITATION_CLOSED", "invitationId")
        );

        let wide = app.accept(&a, &foreign).await;
        app.source(&a, &flow, json!({ "connectionId": wide })).await;
        assert_eq!(
            refused(json!({ "connectionId": wide })).await,
            at("TAKEN", "connectionId")
        );
        let late = app.account("Dune").await;
        let invitation = app.invite(&a, &late, "BOTH").await;
        app.advance(TimeDelta::days(15));
        assert_eq!(
            refused(json!({ "invitationId": invitation })).await,
            at("EXPIRED", "invitationId")
        );
    }
);

both!(
    /// N20, one caller at a time: each transition holds for the very next submission, and reviving restores the source.
    suspending_narrowing_and_ending_hold_for_the_very_next_lead,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let (connection, source) = app.open(&a, &flow, &b).await;
        let told = async || app.told(Some(&b.key), &flow.id, ana()).await;
        assert_eq!(told().await, "ACCEPTED");
        app.change(&b, "suspend", &connection).await;
        assert_eq!(told().await, "NOT_CONNECTED", "suspended, and told so");
        assert_eq!(app.account_source(&a, &flow).await["enabled"], false);
        app.change(&b, "resume", &connection).await;
        assert_eq!(told().await, "ACCEPTED");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": false })).await;
        assert_eq!(told().await, "SOURCE_DISABLED");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": true })).await;

        app.want(&a, &connection, "SEND_LEADS").await;
        assert_eq!(told().await, "NOT_FOUND", "narrowed");
        let enable = json!({ "id": source, "enabled": true });
        let refused = app.refused(&a.token, UPDATE_SOURCE, enable.clone()).await;
        assert_eq!(refused, [("DIRECTION_NOT_AGREED".into(), "input.enabled".into())]);
        app.change(&a, "terminate", &connection).await;
        assert_eq!(told().await, "NOT_FOUND", "ended");
        assert_eq!(app.refused(&a.token, UPDATE_SOURCE, enable).await[0].0, "NOT_CONNECTED");

        app.connect(&b, &a, "BOTH").await;
        assert_eq!(told().await, "SOURCE_DISABLED", "connected again, and waiting for its owner");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": true })).await;
        assert_eq!(told().await, "ACCEPTED");
    }
);

both!(
    /// A revert brings back no source as enabled whose connection is gone, and gives it the connection that there is.
    reverting_takes_no_connection_back_in_time,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let (connection, source) = app.open(&a, &flow, &b).await;
        let remove = "mutation($id: ID!) { removeSource(id: $id) { flow { version } userErrors { code message path } } }";
        let revert = "mutation($id: ID!) { revertFlow(id: $id, version: 2) { flow { version } userErrors { code message path } } }";
        app.data(&a.token, remove, json!({ "id": source })).await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "NOT_FOUND", "removed");
        app.change(&b, "terminate", &connection).await;
        app.data(&a.token, revert, json!({ "id": flow.id })).await;
        let back = app.account_source(&a, &flow).await;
        assert_eq!((&back["id"], &back["enabled"]), (&json!(source), &json!(false)));
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "NOT_FOUND");

        app.data(&a.token, remove, json!({ "id": source })).await;
        let new = app.connect(&a, &b, "BOTH").await;
        app.data(&a.token, revert, json!({ "id": flow.id })).await;
        let back = app.account_source(&a, &flow).await;
        assert_eq!((&back["connection"]["id"], &back["enabled"]), (&json!(new), &json!(true)));
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
    }
);

both!(
    /// N17: a FREE account may have a partner as a source of its inbox, without rules and caps.
    the_free_plan_has_account_sources_without_rules_and_caps,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        accounts::set_plan(&app.app, a.id.parse().unwrap(), Plan::Free).await.unwrap();
        let inbox = app.data(&a.token, "{ account { inbox { id } } }", json!({})).await;
        let inbox = text(&inbox["account"]["inbox"]["id"]);
        let connection = app.connect(&a, &b, "RECEIVE_LEADS").await;
        let input = json!({ "flowId": inbox, "connectionId": connection });
        for part in [
            json!({ "acceptanceRule": { "condition": { "field": "email", "operator": "IS_NOT_EMPTY" } } }),
            json!({ "caps": [{ "period": "DAY", "limit": 1 }] }),
        ] {
            let mut input = input.clone();
            merge(&mut input, part);
            assert_eq!(app.refused(&a.token, ADD_SOURCE, input).await[0].0, "PLAN_REQUIRED");
        }
        app.done(&a.token, ADD_SOURCE, input).await;
        let payload = app.done(&b.key, SUBMIT, json!({ "flowId": inbox, "fields": { "email": "ana@example.com" } })).await;
        assert_eq!(payload["receipt"]["outcome"], "ACCEPTED");
    }
);
