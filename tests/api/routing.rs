//! Which partners a lead goes to, and how that is told (scenarios D19 and D20).

mod chains;
mod placing;
mod rejudging;
mod strategies;
mod told;
mod turns;

use std::collections::BTreeMap;

use entity::delivery;
use futures::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, Flow, ana};

const UPDATE_PLACE: &str = "mutation($input: UpdateAssignmentInput!) { updateAssignment(input: $input) {
    assignment { id } userErrors { code message path } } }";
const TRACE: &str = "query($id: ID!) { lead(id: $id) { trace { subject check passed detail } } }";
const SIMULATE: &str = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) {
    wouldDeliverTo { name } trace { subject check passed detail } } }";

/// A flow through one profile.
struct Routed {
    flow: Flow,
    profile: String,
    /// Partners and their places, by name.
    places: BTreeMap<String, (String, String)>,
}

impl TestApp {
    /// A flow that sends its leads through a profile of that strategy.
    async fn routed(&self, owner: &Account, profile: Value) -> Routed {
        let flow = self.flow(owner, json!({})).await;
        let profile = self.profile(owner, profile).await;
        let step = json!({ "distribute": { "profileId": profile } });
        self.step(owner, &flow, "Distribute", step, Value::Null).await;
        Routed {
            flow,
            profile,
            places: BTreeMap::new(),
        }
    }

    /// Submits leads: one, which has the flow compiled, and then the others at once.
    async fn flood(&self, owner: &Account, flow: &Flow, leads: usize) {
        self.submit(owner, flow, ana()).await;
        join_all((1..leads).map(|_| self.submit(owner, flow, ana()))).await;
    }

    /// A partner with a portal in the profile.
    async fn place(&self, owner: &Account, routed: &mut Routed, name: &str, place: Value) {
        self.place_with(owner, routed, (name, json!({ "portal": {} })), place)
            .await;
    }

    /// A partner that gets its leads so in the profile.
    async fn place_with(&self, owner: &Account, routed: &mut Routed, partner: (&str, Value), place: Value) {
        let (id, _) = self.partner(owner, partner.0, partner.1, json!({})).await;
        let place = self.assign(owner, &routed.profile, &id, place).await;
        routed.places.insert(partner.0.to_owned(), (id, place));
    }

    /// Changes a partner's place.
    async fn change_place(&self, owner: &Account, routed: &Routed, name: &str, mut change: Value) {
        change["id"] = json!(routed.places[name].1);
        self.done(&owner.token, UPDATE_PLACE, change).await;
    }

    /// How many deliveries each partner got, in the order of names.
    #[expect(clippy::disallowed_methods, reason = "counts a whole table")]
    async fn got(&self, routed: &Routed) -> Vec<usize> {
        let rows = delivery::Entity::find().all(self.app.db.read()).await.unwrap();
        let partners = routed.places.values().map(|(partner, _)| partner);
        let count = |partner: &String| {
            let theirs = rows
                .iter()
                .filter(|row| row.partner_id.is_some_and(|id| id.to_string() == *partner));
            theirs.count()
        };
        partners.map(count).collect()
    }

    /// What was looked at for a lead: subject, check, whether it passed, and why.
    async fn trace(&self, owner: &Account, lead: &Value) -> Vec<(String, String, bool, String)> {
        let data = self.data(&owner.key, TRACE, json!({ "id": lead })).await;
        looks(&data["lead"]["trace"])
    }

    /// Who would get a lead, and what would be looked at.
    async fn simulated(&self, owner: &Account, flow: &Flow, fields: Value) -> (Vec<String>, Vec<Look>) {
        let variables = json!({ "flow": flow.id, "fields": fields });
        let data = self.data(&owner.key, SIMULATE, variables).await;
        let simulated = &data["simulateSubmission"];
        let partners = simulated["wouldDeliverTo"].as_array().unwrap();
        let names = partners
            .iter()
            .map(|partner| partner["name"].as_str().unwrap().to_owned());
        (names.collect(), looks(&simulated["trace"]))
    }
}

/// Subject, check, whether it passed, and why.
type Look = (String, String, bool, String);

fn looks(trace: &Value) -> Vec<Look> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let look = |look: &Value| {
        let passed = look["passed"].as_bool().unwrap();
        (
            text(&look["subject"]),
            text(&look["check"]),
            passed,
            text(&look["detail"]),
        )
    };
    trace.as_array().unwrap().iter().map(look).collect()
}

/// What a trace says of one subject.
fn of<'a>(trace: &'a [Look], subject: &str) -> Vec<(&'a str, bool, &'a str)> {
    let mine = trace.iter().filter(|look| look.0 == subject);
    mine.map(|look| (look.1.as_str(), look.2, look.3.as_str())).collect()
}
