//! Shared parts of changes of partners, profiles and assignments: the begin, locked rows and audit entries.

use entity::ids::{AssignmentId, PartnerId, ProfileId};
use entity::{assignment, partner, profile};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};

use leadmesh_core::app::App;
use leadmesh_core::audit::Entry;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::identity::policy::Action;

pub(super) async fn begin<'a>(app: &'a App, caller: &Caller) -> Result<Change<'a>> {
    let account = caller.require(Action::ManagePartners)?;
    Change::begin(app, caller, account).await?.metered().await
}

/// `path` is where the identifier stands in the input.
pub(super) async fn lock_partner(change: &Change<'_>, id: PartnerId, path: &str) -> Result<partner::Model> {
    let found = partner::Entity::in_account(change.account.id).filter(partner::Column::Id.eq(id));
    let found = found.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "there is no such partner: give the id of one of your partners";
        Error::user(UserErrorCode::NotFound, path, message)
    })
}

pub(super) async fn lock_profile(change: &Change<'_>, id: ProfileId, path: &str) -> Result<profile::Model> {
    let found = profile::Entity::in_account(change.account.id).filter(profile::Column::Id.eq(id));
    let found = found.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "there is no such profile: give the id of one of your distribution profiles";
        Error::user(UserErrorCode::NotFound, path, message)
    })
}

pub(super) async fn lock_assignment(change: &Change<'_>, id: AssignmentId, path: &str) -> Result<assignment::Model> {
    let found = assignment::Entity::in_account(change.account.id).filter(assignment::Column::Id.eq(id));
    let found = found.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "there is no such assignment: give the id of one of your profiles' assignments";
        Error::user(UserErrorCode::NotFound, path, message)
    })
}

pub(super) fn partner_entry<'a>(action: &'static str, partner: &'a partner::Model) -> Entry<'a> {
    Entry::new(action, "Partner", partner.id, &partner.name)
}

pub(super) fn profile_entry<'a>(action: &'static str, profile: &'a profile::Model) -> Entry<'a> {
    Entry::new(action, "DistributionProfile", profile.id, &profile.name)
}

/// An assignment goes by the name of its partner.
pub(super) fn assignment_entry<'a>(
    action: &'static str,
    assignment: &assignment::Model,
    partner: &'a partner::Model,
) -> Entry<'a> {
    Entry::new(action, "Assignment", assignment.id, &partner.name)
}
