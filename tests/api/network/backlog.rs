//! A connection ends while thousands of deliveries wait to go over it.

use chrono::TimeDelta;
use entity::bulk;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, Model};
use entity::ids::{AccountId, ConnectionId};
use leadmesh::server::Role;
use leadmesh_network::disconnecting;
use sea_orm::{ActiveModelTrait, ColumnTrait, IntoActiveModel, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::support::app::{TestApp, both};
use crate::support::make::ana;

const WAITING: u64 = 1_100;
/// Cancelled before the end is answered.
const AT_ONCE: u64 = 1_000;

/// As many copies of a delivery, changed.
async fn copies(app: &TestApp, of: &Model, count: u64, change: impl Fn(&mut Model)) {
    let copy = |_| {
        let mut row = of.clone();
        (row.id, row.lead_id) = (app.app.clock.id(), app.app.clock.id());
        change(&mut row);
        row.into_active_model().reset_all()
    };
    let rows = (0..count).map(copy).collect();
    bulk::insert::<delivery::Entity>(app.app.db.write(), rows)
        .await
        .unwrap();
}

async fn count(app: &TestApp, seller: AccountId, status: DeliveryStatus, code: Option<DeliveryErrorCode>) -> u64 {
    let mut found = delivery::Entity::in_account(seller).filter(delivery::Column::Status.eq(status));
    if let Some(code) = code {
        found = found.filter(delivery::Column::FailureCode.eq(code));
    }
    found.count(app.app.db.read()).await.unwrap()
}

both!(
    /// What is waited for is bounded, nothing is lost on the way, and who dies in between leaves the rest to housekeeping.
    a_long_queue_is_cancelled_in_steps,
    |app| {
        let mut app = app;
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let connection = app.connect(&a, &b, "BOTH").await;
        let target = app.flow(&b, json!({})).await;
        app.receive_in(&b, &connection, &target).await;
        let selling = app.flow(&a, json!({})).await;
        let cap = json!({ "caps": [{ "period": "DAY", "limit": 5_000 }] });
        app.buyer_step(&a, &selling, &connection, cap).await;
        app.submit(&a, &selling, ana()).await;
        app.stop().await;
        let api = app.another(Role::Api).await.1;
        app.address = api.address();

        let seller: AccountId = a.id.parse().unwrap();
        let sent = delivery::Entity::in_account(seller);
        let sent = sea_orm::QuerySelect::limit(sent, 1).one(app.app.db.read()).await.unwrap().unwrap();
        assert_eq!((sent.status, sent.reservations.0.len()), (DeliveryStatus::Delivered, 1));
        let now = app.clock.now();
        copies(&app, &sent, WAITING, |row| {
            (row.status, row.settled_at) = (DeliveryStatus::Queued, None);
            row.due_at = Some(now + TimeDelta::hours(1));
        })
        .await;
        for days in [0, 2] {
            copies(&app, &sent, 3, |row| {
                row.status = DeliveryStatus::Failed;
                row.failure_code = Some(DeliveryErrorCode::BuyerNotReady);
                row.created_at = now - TimeDelta::days(days);
            })
            .await;
        }
        // The counter as if all of them had been routed.
        let place = &sent.reservations.0[0];
        let place = (place.cap, place.window);
        let more = i32::try_from(WAITING).unwrap();
        entity::cap_usage::Entity::count_again(app.app.db.write(), place, more).await.unwrap();

        app.change(&a, "terminate", &connection).await;
        let disconnected = Some(DeliveryErrorCode::Disconnected);
        assert_eq!(count(&app, seller, DeliveryStatus::Cancelled, disconnected).await, AT_ONCE);
        assert_eq!(count(&app, seller, DeliveryStatus::Queued, None).await, WAITING - AT_ONCE);

        assert_eq!(disconnecting::finish(&app.app).await.unwrap(), 1);
        assert_eq!(count(&app, seller, DeliveryStatus::Queued, None).await, 0);
        assert_eq!(count(&app, seller, DeliveryStatus::Cancelled, disconnected).await, WAITING + 3);
        assert_eq!(count(&app, seller, DeliveryStatus::Failed, None).await, 3, "what failed long ago stays");
        assert_eq!(app.counted(&a, &selling).await.1, 1, "their places on the cap are free");
        assert_eq!(disconnecting::finish(&app.app).await.unwrap(), 0, "and that is all");
        let id: ConnectionId = connection.parse().unwrap();
        let left = delivery::Entity::open_over(id, 1).count(app.app.db.read()).await.unwrap();
        assert_eq!(left, 0);
        api.stop().await;
    }
);
