//! What an account stores is counted in bytes, deleted settings are read by nobody, and how long writers are held is measured.

use entity::settings_usage;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, ana, text, webhook_with};

const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) { partner { id } userErrors { code message path } } }";
const UPDATE_FLOW: &str =
    "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";
const DELETE_FLOW: &str = "mutation($id: ID!) { deleteFlow(id: $id) { userErrors { code message path } } }";

async fn counted(app: &TestApp, owner: &Account) -> u64 {
    let id = owner.id.parse().unwrap();
    settings_usage::Entity::of(app.app.db.read(), id).await.unwrap()
}

/// A custom shape of so many bytes.
fn shape(bytes: usize) -> Value {
    webhook_with(
        "https://crm.example.com/",
        json!({ "template": { "mail": "{{ lead.email }}", "text": "x".repeat(bytes) } }),
    )
}

both!(
    /// Counted with every change, in bytes and by account; refused once it is full, for everything that adds to it; while leads, what
    /// makes it less, and other accounts go on.
    settings_beyond_what_an_account_may_store_are_refused,
    ["--account-settings-bytes", "1048576"],
    |app| {
        let (owner, other) = (app.account("Acme").await, app.account("Other").await);
        let flow = app.flow(&owner, json!({})).await;
        let spare = app.flow(&owner, json!({ "name": "Spare", "description": "y".repeat(2_000) })).await;
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        let (before, others) = (counted(&app, &owner).await, counted(&app, &other).await);
        let mut refused = None;
        for round in 0..20 {
            let input = json!({ "partnerId": partner, "delivery": shape(60_000) });
            let answer = app.ask(Some(&owner.token), SET_DELIVERY, json!({ "input": input })).await;
            let errors = answer["data"]["setPartnerDelivery"]["userErrors"].clone();
            if errors != json!([]) {
                refused = Some((round, errors[0].clone()));
                break;
            }
        }
        let (round, error) = refused.expect("it is full at last");
        assert!((14..=17).contains(&round), "{round}");
        assert_eq!(error["code"], "LIMIT_REACHED");
        let message = text(&error["message"]);
        assert!(message.contains("1 MiB together") && message.contains("ask the operator"), "{message}");
        let now = counted(&app, &owner).await;
        assert!(now > before + 60_000 * (round - 1) && now <= 1_048_576, "{before} {now}");
        assert_eq!(counted(&app, &other).await, others);

        app.submit(&owner, &flow, ana()).await;
        app.flow(&other, json!({ "name": "Mine" })).await;
        let smaller = json!({ "id": spare.id, "description": null });
        app.done(&owner.token, UPDATE_FLOW, smaller).await;
        let deleted = app.data(&owner.token, DELETE_FLOW, json!({ "id": spare.id })).await;
        assert_eq!(deleted["deleteFlow"]["userErrors"], json!([]));
    }
);

both!(
    /// A deleted flow is not read where partners are made, however many there are: one that cannot even be read disturbs nobody.
    deleted_flows_are_not_read_for_partners_and_rules,
    |app| {
        let owner = app.account("Acme").await;
        let fields = json!([{ "name": "email", "type": "EMAIL" }, { "name": "ssn", "type": "TEXT" }]);
        let gone = app.flow(&owner, json!({ "name": "Gone", "fields": fields })).await;
        app.flow(&owner, json!({ "fields": [{ "name": "email", "type": "EMAIL" }, { "name": "age", "type": "INTEGER" }] })).await;
        app.data(&owner.token, DELETE_FLOW, json!({ "id": gone.id })).await;
        damage(&app, &gone.id).await;

        let sharing = |name: &str| json!({ "portal": { "fields": { "mode": "EXCEPT", "fields": [name] } } });
        app.partner(&owner, "P", sharing("ssn"), json!({})).await;
        let create = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { partner { id } userErrors { code message path } } }";
        let input = json!({ "name": "Q", "email": "q@partner.test", "delivery": sharing("sssn") });
        let unknown = app.refused(&owner.token, create, input).await;
        assert_eq!(unknown[0].0, "UNKNOWN_FIELD", "{unknown:?}");
        app.profile(&owner, json!({ "rule": { "condition": { "field": "age", "operator": "IS_EMPTY" } } })).await;
    }
);

#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn damage(app: &TestApp, flow: &str) {
    let rows = entity::flow::Entity::find().all(app.app.db.read()).await.unwrap();
    let row = rows.into_iter().find(|row| row.id.to_string() == flow).unwrap();
    let mut change = row.into_active_model();
    change.description = Set(Some("damaged".into()));
    change.update(app.app.db.write()).await.unwrap();
    let damaged = "UPDATE flow SET fields = '{\"no\": 1}' WHERE description = 'damaged'";
    app.app.db.write().execute_unprepared(damaged).await.unwrap();
}

both!(
    how_long_writing_transactions_are_held_is_measured_by_kind_of_work,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        app.submit(&owner, &flow, ana()).await;
        let metrics = app.app.metrics.text(standing());
        for work in ["requests", "intake"] {
            let line = format!("leadmesh_write_transaction_seconds_count{{work=\"{work}\"}} ");
            assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
        }
        assert!(!metrics.contains(&owner.id) && !metrics.contains("Acme"));
    }
);

fn standing() -> leadmesh_core::metrics::Snapshot {
    leadmesh_core::metrics::Snapshot {
        slots_used: 0,
        slots_total: 1,
        backlog: None,
        paused: None,
        writes: 0,
        pools: Vec::new(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}
