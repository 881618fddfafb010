//! Two accounts that connect a second time, and what each of them has left of the first.

use entity::delivery::{self, DeliveryStatus};
use leadmesh::server::Role;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::UPDATE_SOURCE;
use super::buyer_steps::{ENABLE, RETRY, SET_FLOW, UPDATE_FLOW};
use super::selling::statuses;
use crate::support::app::both;
use crate::support::make::{ana, text};

const REVERT: &str = "mutation($id: ID!, $version: Int!) { revertFlow(id: $id, version: $version) {
    flow { version } userErrors { code message path } } }";
const DELETE: &str = "mutation($id: ID!) { deleteFlow(id: $id) { deletedId userErrors { code message path } } }";
const RECEIVING: &str = "query($id: ID!) { connection(id: $id) { receivingFlow { id } } }";

both!(
    /// Nobody submits again by what was agreed once: a former source is off until its owner switches it on.
    a_former_source_comes_back_switched_off,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let (connection, source) = app.open(&a, &flow, &b).await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
        app.change(&a, "terminate", &connection).await;
        app.connect(&b, &a, "BOTH").await;
        let back = app.account_source(&a, &flow).await;
        assert_eq!((&back["id"], &back["switchedOn"]), (&json!(source), &json!(false)));
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "SOURCE_DISABLED");
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": true })).await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
    }
);

both!(
    /// A partner that was prepared for twice, by identifier and by address, is one source of the flow.
    an_account_that_was_invited_twice_becomes_one_source,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        let known = app.invite(&a, &b, "BOTH").await;
        let first = app.source(&a, &flow, json!({ "invitationId": known, "name": "First" })).await;
        let address = app.invite_address(&a, &b.email, "BOTH").await;
        app.source(&a, &flow, json!({ "invitationId": address, "name": "Second" })).await;
        app.accept(&b, &address).await;
        let only = app.account_source(&a, &flow).await;
        assert_eq!((&only["id"], &only["enabled"]), (&json!(first), &json!(true)));
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
    }
);

both!(
    /// A flow that is brought back to what it had for a former connection keeps one source for the seller.
    reverting_to_a_former_sellers_source_replaces_the_newer_one,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, connection) = app.selling(&seller, &buyer, json!({})).await;
        app.done(&buyer.token, UPDATE_FLOW, json!({ "id": target.id, "name": "With the seller" })).await;
        let revert = async |version: i32| app.ask(Some(&buyer.token), REVERT, json!({ "id": target.id, "version": version })).await;
        assert_eq!(revert(1).await["data"]["revertFlow"]["userErrors"], json!([]));
        app.change(&seller, "terminate", &connection).await;
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        app.receive_in(&buyer, &connection, &target).await;

        let reverted = revert(2).await;

        assert_eq!(reverted["data"]["revertFlow"]["userErrors"], json!([]), "{reverted:#}");
        app.data(&seller.token, ENABLE, json!({ "id": app.step_state(&seller, &flow).await["id"], "on": true })).await;
        let receipt = app.submit(&seller, &flow, ana()).await;
        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
    }
);

both!(
    /// A flow into which a partner delivers is not deleted under it; once nobody does, it is.
    a_receiving_flow_is_in_use_until_the_connection_ends,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (_, target, connection) = app.selling(&seller, &buyer, json!({})).await;
        let receiving = async || app.data(&buyer.token, RECEIVING, json!({ "id": connection })).await["connection"]["receivingFlow"].take();
        assert_eq!(receiving().await, json!({ "id": target.id }));
        let delete = async || app.ask(Some(&buyer.token), DELETE, json!({ "id": target.id })).await["data"]["deleteFlow"].take();
        assert_eq!(delete().await["userErrors"][0]["code"], "IN_USE");
        app.change(&seller, "terminate", &connection).await;
        assert_eq!(delete().await["userErrors"], json!([]));
        assert_eq!(receiving().await, Value::Null, "no other flow takes its place");
    }
);

both!(
    /// What was being sent when its connection ended does not go over the next one, unless somebody asks for that.
    a_delivery_goes_over_the_connection_that_it_was_made_for,
    |app| {
        let mut app = app;
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, connection) = app.selling(&seller, &buyer, json!({})).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false })).await;
        let receipt = app.submit(&seller, &flow, ana()).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": true })).await;
        let delivery = json!({ "id": app.sold(&seller, &receipt["id"]).await["deliveries"][0]["id"] });
        app.stop().await;
        let (_, server) = app.another(Role::Api).await;
        app.address = server.address();
        app.data(&seller.token, RETRY, delivery.clone()).await;
        being_sent(&app, &delivery["id"]).await;
        app.change(&seller, "terminate", &connection).await;
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        app.receive_in(&buyer, &connection, &target).await;
        server.stop().await;
        app.restart().await;

        let ended = app.deliveries_at(&seller, &text(&receipt["id"]), &["CANCELLED", "DELIVERED"]).await;
        assert_eq!((&ended[0]["status"], &ended[0]["failure"]["code"]), (&json!("CANCELLED"), &json!("DISCONNECTED")));
        assert_eq!(app.leads_of(&buyer, None).await, Vec::<Value>::new());
        app.data(&seller.token, RETRY, delivery).await;
        app.deliveries_at(&seller, &text(&receipt["id"]), &["DELIVERED"]).await;
    }
);

/// As a worker leaves it that is killed while it sends.
#[expect(clippy::disallowed_methods, reason = "the row is named by its identifier")]
async fn being_sent(app: &crate::support::app::TestApp, id: &Value) {
    let id: entity::ids::DeliveryId = text(id).parse().unwrap();
    delivery::Entity::update_many()
        .col_expr(delivery::Column::Status, Expr::value(DeliveryStatus::Sending))
        .col_expr(delivery::Column::LeaseOwner, Expr::value(uuid::Uuid::max()))
        .col_expr(
            delivery::Column::DueAt,
            Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None),
        )
        .filter(delivery::Column::Id.eq(id))
        .exec(app.app.db.write())
        .await
        .unwrap();
}

both!(
    /// N23, of a flow that sells: the step, what the buyer has set up, and the connection.
    a_diagnosis_says_why_a_buyer_step_does_not_deliver,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, connection) = app.selling(&seller, &buyer, json!({})).await;
        let query = "query($partner: ID!, $flow: ID) { diagnoseConnection(partnerId: $partner, flowId: $flow) { checks { name passed } } }";
        let causes = async || {
            let found = app.data(&seller.token, query, json!({ "partner": buyer.id, "flow": flow.id })).await;
            let checks = found["diagnoseConnection"]["checks"].as_array().unwrap().clone();
            let failed = checks.iter().filter(|check| check["passed"] == false);
            failed.map(|check| text(&check["name"])).collect::<Vec<_>>()
        };
        assert_eq!(causes().await, Vec::<String>::new());
        let step = app.step_state(&seller, &flow).await;
        app.data(&seller.token, ENABLE, json!({ "id": step["id"], "on": false })).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false })).await;
        assert_eq!(causes().await, ["step", "buyer"]);
        app.change(&buyer, "terminate", &connection).await;
        assert_eq!(causes().await, ["connection"]);
    }
);
