//! Partners, profiles and assignments over GraphQL.

mod figures;
mod preview;
mod set_up;

use chrono::{DateTime, TimeDelta, Utc};
use leadmesh_core::clock::Clock;
use serde_json::{Value, json};

use crate::support::app::{Mode, TestApp, both};
use crate::support::make::{Account, text};

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// Nothing is delivered: deliveries are rows of the test.
async fn api(mode: Mode) -> TestApp {
    TestApp::start_api(Clock::standing_at(start()), mode, &[]).await
}

/// Makes a partner; its identifier.
async fn new_partner(app: &TestApp, owner: &Account, input: Value) -> String {
    let document = "mutation ($input: CreatePartnerInput!) {
        createPartner(input: $input) { partner { id } userErrors { code message path } }
    }";
    text(&app.done(&owner.token, document, input).await["partner"]["id"])
}

/// Makes a profile; its identifier.
async fn new_profile(app: &TestApp, owner: &Account, input: Value) -> String {
    let document = "mutation ($input: CreateProfileInput!) {
        createDistributionProfile(input: $input) { profile { id } userErrors { code message path } }
    }";
    text(&app.done(&owner.token, document, input).await["profile"]["id"])
}
