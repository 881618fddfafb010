//! A partner's signing secret: made when it is first needed, shown once, replaced without a break.

use chrono::Duration;
use entity::ids::PartnerId;
use entity::partner;
use sea_orm::{ActiveModelTrait, Set, Unchanged};

use super::change::{Change, Subject};
use super::partners;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_delivery::{seal_context, signing};

/// How long the secret before still signs after it was replaced, in hours.
pub const PREVIOUS_SECRET_HOURS: i64 = 24;

/// A signing secret that was just made.
pub(super) struct NewSecret {
    /// For storing.
    pub(super) sealed: String,
    /// Its last four characters.
    pub(super) hint: String,
    /// For showing it once.
    pub(super) revealed: String,
}

/// A new secret for a partner, not yet stored.
pub(super) fn make(change: &Change<'_>, partner: PartnerId) -> Result<NewSecret> {
    let revealed = signing::Secret::from_random(rand::random()).reveal();
    let from_end = revealed.char_indices().rev().nth(3);
    let hint = from_end
        .and_then(|(start, _)| revealed.get(start..))
        .unwrap_or_default();
    Ok(NewSecret {
        sealed: change
            .keys
            .seal(&seal_context::signing_secret(partner), revealed.as_bytes())?,
        hint: hint.to_owned(),
        revealed,
    })
}

/// Replaces a partner's signing secret, or makes the first one, and answers it: the only time that it is shown. The one
/// before signs too for [`PREVIOUS_SECRET_HOURS`]; of still older ones nothing is kept.
pub async fn rotate(app: &App, caller: &Caller, id: PartnerId) -> Result<(partner::Model, String)> {
    let change = Change::begin(app, caller).await?;
    let before = partners::hold(&change, id, "partnerId").await?;
    let secret = make(&change, id)?;
    let now = app.clock.now();
    let until = before
        .sealed_secret
        .is_some()
        .then(|| now + Duration::hours(PREVIOUS_SECRET_HOURS));
    let row = partner::ActiveModel {
        id: Unchanged(id),
        sealed_secret: Set(Some(secret.sealed)),
        secret_hint: Set(Some(secret.hint)),
        secret_rotated_at: Set(Some(now)),
        sealed_previous_secret: Set(before.sealed_secret),
        previous_secret_until: Set(until),
        updated_at: Set(now),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let subject = Subject {
        kind: "Partner",
        id: id.to_string(),
        label: &after.name,
    };
    change.record("partner.secret_rotated", subject, None).await?;
    change.commit().await?;
    Ok((after, secret.revealed))
}
