//! A partner's signing secret: made when first needed, shown once, rotated without a break.

use chrono::Duration;
use entity::ids::PartnerId;
use entity::partner;
use sea_orm::{ActiveModelTrait, Set, Unchanged};

use super::rows::{begin, lock_partner, partner_entry};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_delivery::{seal_context, signing};

/// How long the replaced secret still signs.
pub const PREVIOUS_SECRET_HOURS: i64 = 24;

pub(super) struct NewSecret {
    pub(super) sealed: String,
    /// The last four characters.
    pub(super) hint: String,
    /// Shown once.
    pub(super) revealed: String,
}

/// A new secret for a partner, not yet stored.
pub(super) async fn make(change: &Change<'_>, partner: PartnerId) -> Result<NewSecret> {
    let revealed = signing::Secret::from_random(rand::random()).reveal();
    let from_end = revealed.char_indices().rev().nth(3);
    let hint = from_end
        .and_then(|(start, _)| revealed.get(start..))
        .unwrap_or_default();
    let keys = change.keys().await?;
    Ok(NewSecret {
        sealed: keys.seal(&seal_context::signing_secret(partner), revealed.as_bytes())?,
        hint: hint.to_owned(),
        revealed,
    })
}

/// Replaces a partner's signing secret, or makes the first one, and answers it: the only time that it is shown. The replaced
/// one signs too for [`PREVIOUS_SECRET_HOURS`]; older ones are not kept.
pub async fn rotate(app: &App, caller: &Caller, id: PartnerId) -> Result<(partner::Model, String)> {
    let change = begin(app, caller).await?;
    let before = lock_partner(&change, id, "partnerId").await?;
    let secret = make(&change, id).await?;
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
    change
        .commit_with(partner_entry("partner.secret_rotated", &after))
        .await?;
    Ok((after, secret.revealed))
}
