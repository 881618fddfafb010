//! F3: the same key, the same receipt.

use chrono::TimeDelta;
use futures::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::make::{SUBMIT, ana, merge};

/// A receipt but for whether it was told before.
fn lasting(mut receipt: Value) -> Value {
    receipt.as_object_mut().unwrap().remove("replayed");
    receipt
}

both!(a_repeated_key_answers_with_the_first_receipt, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(&owner, json!({ "price": { "amount": "2.50", "currency": "EUR" } }))
        .await;
    let key = json!({ "idempotencyKey": "form-1" });
    let mut lead = ana();
    merge(&mut lead, json!({ "unknown": 1 }));
    let first = app.submit_with(&owner, &flow, lead.clone(), key.clone()).await;
    assert_eq!(
        (&first["outcome"], &first["replayed"], &first["idempotencyKey"]),
        (&json!("ACCEPTED"), &json!(false), &json!("form-1"))
    );
    // A key lives for 7 days at least.
    for later in [
        TimeDelta::zero(),
        TimeDelta::minutes(1),
        TimeDelta::days(7) - TimeDelta::minutes(2),
    ] {
        app.clock.advance(later);
        leadmesh::housekeeping::forget(&app.app).await.unwrap();
        let again = app.submit_with(&owner, &flow, lead.clone(), key.clone()).await;
        assert_eq!(again["replayed"], true);
        assert_eq!(lasting(again), lasting(first.clone()));
    }
    assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
});

both!(the_order_of_fields_does_not_make_another_lead, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let mut ids = Vec::new();
    for fields in [
        r#"{"first_name":"Ana","score":7}"#,
        r#"{ "score" : 7, "first_name" : "Ana" }"#,
    ] {
        let variables = format!(
            r#"{{"input":{{"flowId":"{}","idempotencyKey":"k","fields":{fields}}}}}"#,
            flow.id
        );
        let body = format!(r#"{{"query":{},"variables":{variables}}}"#, json!(SUBMIT));
        let (status, answer) = crate::submission::strange_input::post(&app, &owner.key, body).await;
        assert_eq!(
            (status, &answer["data"]["submitLead"]["userErrors"]),
            (200, &json!([])),
            "{answer:#}"
        );
        ids.push(answer["data"]["submitLead"]["receipt"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
});

both!(a_key_with_other_fields_is_a_conflict, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "k" }))
        .await;
    let other = json!({ "first_name": "Eva" });
    for (fields, test) in [(other, false), (json!({}), false), (ana(), true)] {
        let input = json!({ "flowId": flow.id, "fields": fields, "test": test, "idempotencyKey": "k" });
        let conflict = ("CONFLICT".to_owned(), "input.idempotencyKey".to_owned());
        assert_eq!(app.refused(&owner.key, SUBMIT, input).await, [conflict]);
    }
    assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
});

both!(of_32_at_once_one_is_stored_and_all_are_told_of_it, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let at_once = (0..32).map(|_| app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "k" })));
    let receipts = join_all(at_once).await;
    let firsts = receipts.iter().filter(|receipt| receipt["replayed"] == false).count();
    assert_eq!(firsts, 1);
    let first = lasting(receipts[0].clone());
    assert!(receipts.into_iter().all(|receipt| lasting(receipt) == first));
    assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
});

both!(of_32_different_ones_at_once_with_one_key_31_are_conflicts, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let at_once = (0..32).map(|number| {
        let input = json!({ "flowId": flow.id, "fields": { "score": number }, "idempotencyKey": "k" });
        app.ask(Some(&owner.key), SUBMIT, json!({ "input": input }))
    });
    let answers = join_all(at_once).await;
    let conflicts = answers
        .iter()
        .filter(|answer| answer["data"]["submitLead"]["userErrors"][0]["code"] == "CONFLICT");
    assert_eq!(conflicts.count(), 31);
    assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
});

both!(
    /// What was answered stays answered, also when the flow would decide otherwise by now, and for rejected leads too.
    a_replay_is_not_decided_anew,
    |app| {
        let owner = app.account("Acme").await;
        let rule = json!({ "condition": { "field": "score", "operator": "GREATER_THAN", "value": 10 } });
        let flow = app.flow(&owner, json!({ "acceptanceRule": rule })).await;
        let key = json!({ "idempotencyKey": "k" });
        let first = app.submit_with(&owner, &flow, ana(), key.clone()).await;
        assert_eq!(crate::submission::codes(&first), ["NOT_ACCEPTED"]);
        let update = "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";
        app.done(&owner.token, update, json!({ "id": flow.id, "acceptanceRule": null })).await;
        let again = app.submit_with(&owner, &flow, ana(), key).await;
        assert_eq!((&again["id"], &again["outcome"], &again["replayed"]), (&first["id"], &json!("REJECTED"), &json!(true)));
        assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    }
);

both!(each_source_has_its_own_keys, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let add = "mutation($input: AddSourceInput!) { addSource(input: $input) { flow { sources { id } } userErrors { code message path } } }";
    let added = app
        .done(&owner.token, add, json!({ "flowId": flow.id, "name": "Other form" }))
        .await;
    let mut ids = Vec::new();
    for place in 0..2 {
        let source = &added["flow"]["sources"][place]["id"];
        let more = json!({ "sourceId": source, "idempotencyKey": "k" });
        let receipt = app.submit_with(&owner, &flow, ana(), more).await;
        assert_eq!(receipt["replayed"], false);
        ids.push(receipt["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
});

both!(a_key_that_cannot_be_is_refused, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    for key in ["".to_owned(), "a\u{0}b".to_owned(), "a\nb".to_owned(), "k".repeat(256)] {
        let input = json!({ "flowId": flow.id, "fields": ana(), "idempotencyKey": key });
        let invalid = ("INVALID".to_owned(), "input.idempotencyKey".to_owned());
        assert_eq!(app.refused(&owner.key, SUBMIT, input).await, [invalid]);
    }
    let longest = "ü".repeat(255);
    assert_eq!(
        app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": longest }))
            .await["outcome"],
        "ACCEPTED"
    );
});

both!(
    /// From a fingerprint nobody can try values out: it takes the account's key.
    the_same_lead_has_another_fingerprint_in_another_account, |app| {
        for name in ["Acme", "Bolt"] {
            let owner = app.account(name).await;
            let flow = app.flow(&owner, json!({})).await;
            app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "k" })).await;
        }
        #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
        let rows = entity::idempotency::Entity::find().all(app.app.db.read()).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert_ne!(rows[0].fingerprint, rows[1].fingerprint);
    }
);

both!(
    /// Who names no source means the key alone: a source that was switched off, removed, or put behind another since makes no second
    /// lead of a repetition. A source that is named has keys of its own all the same.
    a_key_without_a_source_is_looked_up_among_all_of_the_senders, |app| {
        const ADD: &str = "mutation($input: AddSourceInput!) { addSource(input: $input) { flow { sources { id } } userErrors { code message path } } }";
        const SWITCH: &str = "mutation($input: UpdateSourceInput!) { updateSource(input: $input) { flow { version } userErrors { code message path } } }";
        const REMOVE: &str = "mutation($id: ID!) { removeSource(id: $id) { flow { version } userErrors { code message path } } }";
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let added = app.done(&owner.token, ADD, json!({ "flowId": flow.id, "name": "Other form" })).await;
        let other = added["flow"]["sources"][1]["id"].clone();
        let key = json!({ "idempotencyKey": "k" });
        let first = app.submit_with(&owner, &flow, ana(), key.clone()).await;
        app.done(&owner.token, SWITCH, json!({ "id": flow.source, "enabled": false })).await;
        let again = app.submit_with(&owner, &flow, ana(), key.clone()).await;
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)), "switched off");
        let new = app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "new" })).await;
        app.done(&owner.token, SWITCH, json!({ "id": flow.source, "enabled": true })).await;
        let again = app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "new" })).await;
        assert_eq!((&again["id"], &again["replayed"]), (&new["id"], &json!(true)), "another comes first");
        let input = json!({ "flowId": flow.id, "fields": { "first_name": "Eva" }, "idempotencyKey": "new" });
        let conflict = ("CONFLICT".to_owned(), "input.idempotencyKey".to_owned());
        assert_eq!(app.refused(&owner.key, SUBMIT, input).await, [conflict]);
        let answer = app.ask(Some(&owner.token), REMOVE, json!({ "id": flow.source })).await;
        crate::support::make::accepted(&answer, "removeSource");
        let again = app.submit_with(&owner, &flow, ana(), key.clone()).await;
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)), "removed");
        let named = app.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "k", "sourceId": other })).await;
        assert_eq!(named["replayed"], false);
        assert_eq!(app.submissions(&owner, &flow).await.len(), 3);
    }
);
