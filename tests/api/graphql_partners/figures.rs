//! Figures about deliveries, and the health of destinations.

use entity::delivery::{self, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::Channel;
use entity::ids::{PartnerId, ProfileId};
use entity::{destination, endpoint};
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use uuid::Uuid;

use super::*;

struct Made<'a> {
    app: &'a TestApp,
    owner: &'a Account,
    partner: PartnerId,
    profile: ProfileId,
}

impl Made<'_> {
    /// A delivery that is routed now and settled after so many milliseconds.
    async fn delivery(&self, status: DeliveryStatus, after: Option<i64>, change: impl FnOnce(&mut delivery::Model)) {
        let now = self.app.clock.now();
        let mut row = delivery::Model {
            id: self.app.clock.id(),
            account_id: self.owner.id.parse().unwrap(),
            lead_id: self.app.clock.id(),
            flow_id: Uuid::nil().into(),
            step_id: None,
            profile_id: Some(self.profile),
            assignment_id: None,
            partner_id: Some(self.partner),
            buyer_account_id: None,
            connection_id: None,
            settings_id: Uuid::nil().into(),
            channel: Channel::Webhook,
            status,
            test: false,
            attempt_count: 0,
            attempts_before: 0,
            budget_since: now,
            due_at: (status == DeliveryStatus::Queued).then_some(now),
            lease_owner: None,
            failure_code: None,
            failure_message: None,
            external_id: None,
            price_e4: Some(25_000),
            price_currency: Some("EUR".into()),
            review: None,
            review_by: None,
            review_at: None,
            review_reason: None,
            reservations: Reservations::default(),
            created_at: now,
            settled_at: after.map(|after| now + TimeDelta::milliseconds(after)),
            suspended_for: None,
            follows: None,
            erased_at: None,
        };
        change(&mut row);
        row.into_active_model().insert(self.app.db.write()).await.unwrap();
    }
}

async fn made<'a>(app: &'a TestApp, owner: &'a Account) -> Made<'a> {
    let partner = new_partner(app, owner, json!({"name": "Bolt", "email": "x@example.com"})).await;
    let profile = new_profile(app, owner, json!({"name": "Solar", "strategy": "FIRST_MATCH"})).await;
    Made {
        app,
        owner,
        partner: partner.parse().unwrap(),
        profile: profile.parse().unwrap(),
    }
}

const STATS: &str = "query ($range: TimeRangeInput!) {
    partners { nodes { stats(range: $range) { ...all } } }
    distributionProfiles { nodes { stats(range: $range) { ...all } } } }
    fragment all on DeliveryCounts { routed queued delivered failed refused returned successRate p50Ms p95Ms
        revenue { amount currency } }";

/// Shorter than an access token lives.
fn now_and_a_little() -> Value {
    json!({"range": {"from": start(), "to": start() + TimeDelta::minutes(5)}})
}

both!(
    figures_tell_what_became_of_what_was_routed_in_the_range,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let made = made(&app, &ann).await;
        for after in 1..=20 {
            made.delivery(DeliveryStatus::Delivered, Some(after * 100), |_| {})
                .await;
        }
        let returned = |row: &mut delivery::Model| row.review = Some(ReviewStatus::Returned);
        made.delivery(DeliveryStatus::Delivered, Some(50), returned).await;
        made.delivery(DeliveryStatus::Delivered, Some(50), |row| {
            row.price_currency = Some("USD".into());
        })
        .await;
        made.delivery(DeliveryStatus::Delivered, Some(9_000), |row| row.test = true)
            .await;
        made.delivery(DeliveryStatus::Failed, Some(1), |_| {}).await;
        made.delivery(DeliveryStatus::Refused, Some(1), |_| {}).await;
        made.delivery(DeliveryStatus::Cancelled, Some(1), |_| {}).await;
        made.delivery(DeliveryStatus::Queued, None, |_| {}).await;
        app.clock.advance(TimeDelta::minutes(5));
        made.delivery(DeliveryStatus::Delivered, Some(1), |_| {}).await;

        let expected = json!({"routed": 26, "queued": 1, "delivered": 22, "failed": 1, "refused": 1, "returned": 1,
        "successRate": 22.0 / 24.0, "p50Ms": 900.0, "p95Ms": 1900.0,
        "revenue": [{"amount": "50", "currency": "EUR"}, {"amount": "2.5", "currency": "USD"}]});
        let answer = app.data(&ann.token, STATS, now_and_a_little()).await;
        assert_eq!(answer["partners"]["nodes"][0]["stats"], expected);
        assert_eq!(answer["distributionProfiles"]["nodes"][0]["stats"], expected);
    }
);

both!(
    without_deliveries_figures_are_zero_and_others_deliveries_are_not_counted,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let bob = app.account("Other").await;
        let made = made(&app, &ann).await;
        // As no honest row is: another account's delivery that names this partner.
        made.delivery(DeliveryStatus::Delivered, Some(1), |row| {
            row.account_id = bob.id.parse().unwrap()
        })
        .await;
        let empty = json!({"routed": 0, "queued": 0, "delivered": 0, "failed": 0, "refused": 0, "returned": 0,
        "successRate": null, "p50Ms": null, "p95Ms": null, "revenue": []});
        let answer = app.data(&ann.token, STATS, now_and_a_little()).await;
        assert_eq!(answer["partners"]["nodes"][0]["stats"], empty);
        let backwards = json!({"range": {"from": start(), "to": start()}});
        assert_eq!(
            app.error_code(Some(&ann.token), STATS, backwards).await,
            "BAD_USER_INPUT"
        );
    }
);

both!(
    health_tells_the_last_success_and_what_has_failed_since,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let made = made(&app, &ann).await;
        made.delivery(DeliveryStatus::Delivered, Some(5_000), |_| {}).await;
        made.delivery(DeliveryStatus::Delivered, Some(1_000), |_| {}).await;
        made.delivery(DeliveryStatus::Failed, Some(9_000), |_| {}).await;
        let now = app.clock.now();
        let failures = destination::Model {
            partner_id: made.partner,
            account_id: ann.id.parse().unwrap(),
            consecutive_failures: 3,
            last_failure_at: now,
            last_error: "no answer".into(),
        };
        failures.into_active_model().insert(app.db.write()).await.unwrap();
        let held = endpoint::Model {
            id: uuid::Uuid::from_u128(1),
            account_id: ann.id.parse().unwrap(),
            partner_id: Some(made.partner),
            failures: 3,
            open_reason: Some(endpoint::OpenReason::Throttled),
            opened_at: Some(now),
            open_until: Some(now + TimeDelta::minutes(1)),
            pauses: 0,
            probe_id: None,
            last_error: "no answer".into(),
            notified: false,
        };
        // Of other settings than those of now, and nothing waits: the present ones are not held.
        held.into_active_model().insert(app.db.write()).await.unwrap();
        let query =
            "{ partners { nodes { health { state consecutiveFailures openUntil waiting lastSuccessAt lastError } } } }";
        let health = |answer: Value| answer["partners"]["nodes"][0]["health"].clone();
        let degraded = health(app.data(&ann.token, query, json!({})).await);
        assert_eq!(
            (&degraded["state"], &degraded["consecutiveFailures"]),
            (&json!("DEGRADED"), &json!(3))
        );
        assert_eq!(
            (&degraded["openUntil"], &degraded["waiting"]),
            (&Value::Null, &json!(0))
        );
        assert_eq!(degraded["lastError"], "no answer");
        let last: chrono::DateTime<chrono::Utc> = serde_json::from_value(degraded["lastSuccessAt"].clone()).unwrap();
        assert_eq!(last, now + TimeDelta::seconds(5));
    }
);
