//! Changing and ending connections (N21, parts of N20 and N22).

use serde_json::{Value, json};

use super::{accept, by_id, by_input, pick, send};
use crate::support::app::both;
use crate::support::make::text;

both!(
    /// N21: narrowing holds at once; widening waits for a yes, and a no leaves things as they were.
    a_relationship_is_narrowed_alone_and_widened_by_both, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let id = app.connected(&a, &b, "BOTH").await;
        let request = by_input("requestRelationshipType", "RelationshipTypeInput");
        let answer = by_input("answerRelationshipType", "AnswerRelationshipTypeInput");
        let wanted = |kind: &str| json!({ "connectionId": id, "relationshipType": kind });

        let narrowed = app.done(&a.token, &request, wanted("RECEIVE_LEADS")).await["connection"].take();
        assert_eq!(narrowed["relationshipType"], "RECEIVE_LEADS");
        assert_eq!(app.link(&b, &id).await["relationshipType"], "SEND_LEADS");

        let fields = ["relationshipType", "requestedType", "requestedByMe"];
        let asked = app.done(&b.token, &request, wanted("BOTH")).await["connection"].take();
        assert_eq!(pick(&asked, &fields), json!({ "relationshipType": "SEND_LEADS", "requestedType": "BOTH", "requestedByMe": true }));
        let seen = app.link(&a, &id).await;
        assert_eq!(pick(&seen, &fields), json!({ "relationshipType": "RECEIVE_LEADS", "requestedType": "BOTH", "requestedByMe": false }));
        let yes = json!({ "connectionId": id, "accept": true });
        assert_eq!(app.refused(&b.token, &answer, yes.clone()).await, [("CONFLICT".into(), "input.connectionId".into())]);

        let refused = app.done(&a.token, &answer, json!({ "connectionId": id, "accept": false })).await["connection"].take();
        assert_eq!(pick(&refused, &fields), json!({ "relationshipType": "RECEIVE_LEADS", "requestedType": null, "requestedByMe": null }));
        assert_eq!(app.refused(&a.token, &answer, yes.clone()).await, [("NOT_FOUND".into(), "input.connectionId".into())]);
        app.done(&b.token, &request, wanted("BOTH")).await;
        app.done(&a.token, &answer, yes).await;
        assert_eq!(app.link(&b, &id).await["relationshipType"], "BOTH");
        let actions: Vec<_> = app.trail(&a).await.into_iter().map(|(action, ..)| action).filter(|action| action.starts_with("connection.")).collect();
        assert_eq!(actions, ["connection.established", "connection.type_narrowed", "connection.type_requested", "connection.type_refused", "connection.type_requested", "connection.type_agreed"]);
    }
);

both!(each_side_holds_a_connection_up_by_itself, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    let id = app.connected(&a, &b, "BOTH").await;
    let (suspend, resume) = (
        by_id("suspendConnection", "connection"),
        by_id("resumeConnection", "connection"),
    );
    let key = json!(id);
    let fields = ["status", "suspendedByMe"];
    let held = app.done_to(&a.token, &suspend, &key).await["connection"].take();
    assert_eq!(
        pick(&held, &fields),
        json!({ "status": "SUSPENDED", "suspendedByMe": true })
    );
    assert_eq!(
        pick(&app.link(&b, &id).await, &fields),
        json!({ "status": "SUSPENDED", "suspendedByMe": false })
    );
    assert_eq!(app.codes(&b.token, &resume, json!({ "id": key })).await, ["CONFLICT"]);
    app.done_to(&b.token, &suspend, &key).await;
    assert_eq!(
        app.done_to(&a.token, &resume, &key).await["connection"]["status"],
        "SUSPENDED"
    );
    assert_eq!(
        app.done_to(&b.token, &resume, &key).await["connection"]["status"],
        "ACTIVE"
    );
    let count = "{ account { activeConnectionCount } }";
    assert_eq!(
        app.data(&a.token, count, json!({})).await["account"]["activeConnectionCount"],
        1
    );
});

both!(
    /// The end is for good and of either side; a new invitation makes a new connection.
    either_side_ends_a_connection_and_what_is_open_between_the_two, |app| {
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let id = app.connected(&a, &b, "SEND_LEADS").await;
        let version = |account: &str| {
            let (app, account) = (&app, account.parse().unwrap());
            async move { entity::account::Entity::versions(app.app.db.read(), [account]).await.unwrap()[0].1 }
        };
        let before = (version(&a.id).await, version(&b.id).await);
        let request = by_input("requestRelationshipType", "RelationshipTypeInput");
        app.done(&a.token, &request, json!({ "connectionId": id, "relationshipType": "BOTH" })).await;
        let terminate = "mutation($id: ID!, $why: String) { terminateConnection(id: $id, reason: $why) { connection { status requestedType terminationReason terminatedAt } userErrors { code message path } } }";
        assert_eq!(app.codes(&c.token, terminate, json!({ "id": id })).await, ["NOT_FOUND"]);
        let ended = app.data(&b.token, terminate, json!({ "id": id, "why": "the season is over" })).await["terminateConnection"]["connection"].take();
        let fields = ["status", "requestedType", "terminationReason"];
        assert_eq!(pick(&ended, &fields), json!({ "status": "TERMINATED", "requestedType": null, "terminationReason": "the season is over" }));
        assert_eq!(app.link(&a, &id).await["terminationReason"], "the season is over");
        let after = (version(&a.id).await, version(&b.id).await);
        assert!(after.0 > before.0 && after.1 > before.1, "what was compiled is outdated on every node");

        for name in ["suspendConnection", "resumeConnection", "terminateConnection"] {
            assert_eq!(app.codes(&a.token, &by_id(name, "connection"), json!({ "id": id })).await, ["NOT_CONNECTED"], "{name}");
        }
        let wider = json!({ "connectionId": id, "relationshipType": "BOTH" });
        assert_eq!(app.refused(&a.token, &request, wider).await, [("NOT_CONNECTED".into(), "input.connectionId".into())]);
        let again = app.connected(&b, &a, "BOTH").await;
        assert_ne!(again, id);
        assert_eq!(app.links(&a, json!({})).await.len(), 2);
        let active = app.links(&a, json!({ "status": ["ACTIVE", "SUSPENDED"], "search": "bEt" })).await;
        assert_eq!(active.len(), 1);
        assert_eq!(app.links(&a, json!({ "search": "alpha" })).await, Vec::<Value>::new(), "its own name is not the partner's");
        assert_eq!(app.links(&a, json!({ "search": "%" })).await, Vec::<Value>::new());
    }
);

both!(what_a_side_keeps_of_a_connection_is_its_own, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    let id = app.connected(&a, &b, "BOTH").await;
    let update = by_input("updateConnection", "UpdateConnectionInput");
    let kept = json!({ "purpose": "Solar leads", "contactName": "Bea", "contactEmail": "bea@beta.test", "notes": "Pays late.\nAsk twice.", "expectedDailyVolume": 40 });
    let mut input = kept.clone();
    input["id"] = json!(id);
    let fields = ["purpose", "contactName", "contactEmail", "notes", "expectedDailyVolume"];
    let updated = app.done(&a.token, &update, input).await["connection"].take();
    assert_eq!(pick(&updated, &fields), kept);
    let blank = json!({ "purpose": null, "contactName": null, "contactEmail": null, "notes": null, "expectedDailyVolume": null });
    assert_eq!(pick(&app.link(&b, &id).await, &fields), blank);
    app.done(&a.token, &update, json!({ "id": id, "notes": null, "purpose": " " }))
        .await;
    let left = pick(&app.link(&a, &id).await, &fields);
    assert_eq!(
        (&left["notes"], &left["purpose"], &left["contactName"]),
        (&Value::Null, &Value::Null, &json!("Bea"))
    );
    for (member, value, code) in [
        ("purpose", json!("x".repeat(501)), "TOO_LONG"),
        ("contactName", json!("a\nb"), "INVALID"),
        ("contactEmail", json!("nobody"), "INVALID"),
        ("notes", json!("x".repeat(5_001)), "TOO_LONG"),
        ("expectedDailyVolume", json!(-1), "INVALID"),
    ] {
        let input = json!({ "id": id, member: value });
        assert_eq!(
            app.refused(&a.token, &update, input).await,
            [(code.to_owned(), format!("input.{member}"))]
        );
    }
    assert!(
        !app.trail(&b)
            .await
            .iter()
            .any(|(action, ..)| action == "connection.updated")
    );
});

both!(
    a_receiving_flow_takes_a_paid_plan_and_the_direction,
    ["--invited-plan", "PAID", "--default-plan", "PAID"],
    |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let id = app.connected(&a, &b, "RECEIVE_LEADS").await;
        let set = by_input("setReceivingFlow", "ReceivingFlowInput");
        assert_eq!(app.link(&a, &id).await["receivingFlow"]["isInbox"], true);
        assert_eq!(app.link(&b, &id).await["receivingFlow"], Value::Null);
        let (mine, theirs) = (app.flow(&a, json!({})).await, app.flow(&b, json!({})).await);
        let to = |flow: &str| json!({ "connectionId": id, "flowId": flow });
        let chosen = app.done(&a.token, &set, to(&mine.id)).await;
        assert_eq!(
            chosen["connection"]["receivingFlow"],
            json!({ "id": mine.id, "isInbox": false })
        );
        assert_eq!(
            app.refused(&a.token, &set, to(&theirs.id)).await,
            [("NOT_FOUND".into(), "input.flowId".into())]
        );
        assert_eq!(
            app.refused(&b.token, &set, to(&theirs.id)).await,
            [("DIRECTION_NOT_AGREED".into(), "input.connectionId".into())]
        );
        leadmesh_core::identity::accounts::set_plan(&app.app, a.id.parse().unwrap(), entity::account::Plan::Free)
            .await
            .unwrap();
        assert_eq!(
            app.refused(&a.token, &set, to(&mine.id)).await,
            [("PLAN_REQUIRED".into(), "input.flowId".into())]
        );
    }
);

both!(
    /// Whoever had a relationship with the account keeps seeing its profile, and strangers see none.
    a_profile_is_a_node_for_partners_alone, |app| {
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let id = app.connected(&a, &b, "BOTH").await;
        let node = "query($id: ID!) { node(id: $id) { __typename ... on AccountProfile { name } ... on AccountLink { partner { name } } } }";
        let seen = app.data(&a.token, node, json!({ "id": b.id })).await["node"].take();
        assert_eq!(seen, json!({ "__typename": "AccountProfile", "name": "Beta" }));
        let link = app.data(&b.token, node, json!({ "id": id })).await["node"].take();
        assert_eq!(link, json!({ "__typename": "AccountLink", "partner": { "name": "Alpha" } }));
        for unseen in [&b.id, &id] {
            assert_eq!(app.data(&c.token, node, json!({ "id": unseen })).await["node"], Value::Null);
        }
        assert_eq!(app.link(&c, &id).await, Value::Null);
        let sent = app.done(&c.token, &send(), json!({ "accountId": a.id, "relationshipType": "BOTH" })).await;
        app.done(&a.token, &accept(), json!({ "id": sent["invitation"]["id"] })).await;
        assert_eq!(text(&app.links(&c, json!({})).await[0]["partner"]["name"]), "Alpha");
    }
);
