//! Destinations that fail: they are paused, tried, and go on, and nobody else notices (scenario D15, faults 11, 13, 14, 15 and 22).

mod advice;
mod answers;
mod backlogs;
mod fairness;
mod growth;
mod limits;
mod mail;
mod pausing;
mod probes;
mod storm;

use chrono::{DateTime, TimeDelta, Utc};
use entity::audit_event;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, ana, text, webhook_with};
use crate::support::wait::eventually;

const HEALTH: &str = "query($id: ID!) { partner(id: $id) { health {
    state pausedSince openUntil pausedBecause waiting consecutiveFailures lastError } } }";
const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    accepted userErrors { code message path } } }";
const RESUME: &str =
    "mutation($id: ID!) { resumeDestination(partnerId: $id) { partner { id } userErrors { code message path } } }";

/// A flow that sends every lead to all partners of a profile.
struct All {
    flow: Flow,
    profile: String,
}

impl TestApp {
    async fn to_all(&self, owner: &Account) -> All {
        let flow = self.flow(owner, json!({})).await;
        let profile = self.profile(owner, json!({})).await;
        let step = json!({ "distribute": { "profileId": profile } });
        self.step(owner, &flow, "Distribute", step, Value::Null).await;
        All { flow, profile }
    }

    /// A partner behind that receiver.
    async fn behind(&self, owner: &Account, all: &All, name: &str, receiver: &HttpReceiver) -> String {
        let settings = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 3 } }));
        let (partner, _) = self.partner(owner, name, settings, json!({})).await;
        self.assign(owner, &all.profile, &partner, json!({})).await;
        partner
    }

    async fn health(&self, owner: &Account, partner: &str) -> Value {
        let mut data = self.data(&owner.key, HEALTH, json!({ "id": partner })).await;
        data["partner"]["health"].take()
    }

    /// Reads until the health is as it should be, at most 20 s.
    async fn health_until(&self, owner: &Account, partner: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(async || self.health(owner, partner).await, good).await
    }

    /// Waits until a destination is paused into the future: the last probe is over.
    async fn paused(&self, owner: &Account, partner: &str) -> Value {
        let now = self.clock.now();
        let ahead =
            |health: &Value| health["state"] == "PAUSED" && time(&health["openUntil"]).is_none_or(|until| until > now);
        self.health_until(owner, partner, ahead).await
    }

    /// Waits until so many attempts have failed in a row, and answers until when the destination is paused now.
    async fn paused_after(&self, owner: &Account, partner: &str, failures: usize) -> DateTime<Utc> {
        let health = self
            .health_until(owner, partner, |health| health["consecutiveFailures"] == failures)
            .await;
        assert_eq!(health["state"], "PAUSED", "{health:#}");
        time(&health["openUntil"]).unwrap()
    }

    /// Submits leads, a tenth of a second after each other, and answers their identifiers.
    async fn leads(&self, owner: &Account, all: &All, count: usize) -> Vec<String> {
        let mut leads = Vec::new();
        for _ in 0..count {
            self.advance(TimeDelta::milliseconds(100));
            leads.push(text(&self.submit(owner, &all.flow, ana()).await["id"]));
        }
        leads
    }

    /// What became of a lead at one partner: status and attempts.
    async fn at(&self, owner: &Account, lead: &str, partner: &str) -> (String, i64) {
        let deliveries = self.deliveries(owner, lead).await;
        let theirs = deliveries.iter().find(|one| one["partner"]["id"] == partner).unwrap();
        (text(&theirs["status"]), theirs["attemptCount"].as_i64().unwrap())
    }

    /// Makes a destination fail as often as it takes to be paused.
    async fn fail_until_paused(&self, owner: &Account, all: &All, partner: &str) -> Vec<String> {
        let leads = self.leads(owner, all, 10).await;
        self.paused(owner, partner).await;
        leads
    }

    /// What the audit trail of all accounts tells about destinations, the oldest first.
    #[expect(clippy::disallowed_methods, reason = "reads a whole table")]
    async fn told_of_destinations(&self) -> Vec<String> {
        let rows = audit_event::Entity::find().order_by_asc(audit_event::Column::Id);
        let rows = rows.all(self.app.db.read()).await.unwrap();
        let actions = rows.into_iter().map(|row| row.action);
        actions.filter(|action| action.starts_with("destination.")).collect()
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().map(|text| text.parse().unwrap())
}
