//! The history of a flow. Every change adds a revision with the whole flow in it; so does reverting.

use entity::connection::ConnectionStatus;
use entity::flow_revision::{self, Entity};
use entity::ids::{AccountId, FlowId, ProfileId};
use entity::{connection, profile, source, step};
use sea_orm::{ColumnTrait, Condition, QueryFilter, Select};

use super::breadth;
use super::contents::profile_of;
use super::edit::{Change, Edit, SavedFlow};
use super::snapshot::RevisionSnapshot;
use super::steps::{check_free_destination, disable_unconnected};
use super::usage;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// The revisions of a flow, for paging; unordered. None for a flow of another account.
pub fn history(caller: &Caller, flow: FlowId) -> Result<Select<Entity>> {
    let account = caller.require(Action::ReadSetup)?;
    Ok(of_flow(account, flow))
}

fn of_flow(account: AccountId, flow: FlowId) -> Select<Entity> {
    Entity::in_account(account).filter(flow_revision::Column::FlowId.eq(flow))
}

/// Reverts a flow to a version, as a new revision: name, fields, rules, caps, prices, whether it is enabled, and its sources and steps
/// with their identifiers.
///
/// A connected account's source gets the connection that exists now. Without one it is a draft, even if it was enabled.
///
/// Refused if the account's plan does not include the settings any more, or if a distribution profile is gone.
pub async fn revert(app: &App, caller: &Caller, id: FlowId, version: i32) -> Result<SavedFlow> {
    let mut edit = Edit::of_flow(app, caller, id, "id").await?;
    let past = of_flow(edit.account.id, id).filter(flow_revision::Column::Version.eq(version));
    let Some(past) = past.one(&edit.tx).await? else {
        let text = format!("the flow has no version {version}: choose one of its history");
        return Err(Error::user(UserErrorCode::NotFound, "version", text));
    };
    let snapshot: RevisionSnapshot = serde_json::from_value(past.snapshot)?;
    // Only those of that version, because a flow may have had any number.
    let named = snapshot.sources.iter().map(|part| part.id);
    let sources = source::Entity::ever_of_flow(id).filter(source::Column::Id.is_in(named));
    let sources = sources.all(&edit.tx).await?;
    let named = snapshot.steps.iter().map(|part| part.id);
    let steps = step::Entity::ever_of_flow(id).filter(step::Column::Id.is_in(named));
    let steps = steps.all(&edit.tx).await?;
    let before = edit.after.clone();
    edit.after = snapshot.restore(&before.flow, &sources, &steps);
    relink(&mut edit).await?;
    check_plan(&mut edit).await?;
    check_profiles(&mut edit).await?;
    breadth::check(&mut edit, "version").await?;
    disable_unconnected(&mut edit).await?;
    let change = Change::of_flow(
        "flow.reverted",
        &edit.after.flow,
        format!("Reverted to version {version}"),
    );
    let after = edit.after.clone();
    let mut changed = edit.save(change).await?;
    let others = std::mem::take(&mut changed.warnings);
    changed.warnings = usage::warnings(app, before, after).await;
    changed.warnings.extend(others);
    Ok(changed)
}

/// Sets the live connections of connected accounts' sources.
async fn relink(edit: &mut Edit<'_>) -> Result<()> {
    use connection::Column::{HighAccountId, LowAccountId, Status};
    let sources = edit.after.sources.iter();
    let senders: Vec<AccountId> = sources.filter_map(|source| source.sender_account_id).collect();
    if senders.is_empty() {
        return Ok(());
    }
    let account = edit.account.id;
    let partner = Condition::any()
        .add(LowAccountId.is_in(senders.clone()))
        .add(HighAccountId.is_in(senders));
    let live = connection::Entity::of_account(account)
        .filter(Status.ne(ConnectionStatus::Terminated))
        .filter(partner)
        .all(&edit.tx)
        .await?;
    for source in &mut edit.after.sources {
        let with_sender = |link: &&connection::Model| Some(link.partner_of(account)) == source.sender_account_id;
        if let Some(link) = live.iter().find(with_sender) {
            source.connection_id = Some(link.id);
        }
    }
    Ok(())
}

async fn check_plan(edit: &mut Edit<'_>) -> Result<()> {
    for what in edit.after.paid_parts() {
        edit.check.paid("version", what);
    }
    if edit.after.flow.is_inbox && !edit.after.flow.enabled {
        edit.check.paid("version", "refusing what other accounts deliver");
    }
    let profiles: Vec<ProfileId> = edit.after.steps.iter().filter_map(|step| step.profile_id).collect();
    for (index, profile) in profiles.iter().enumerate() {
        check_free_destination(edit, *profile, index, "version").await?;
    }
    Ok(())
}

async fn check_profiles(edit: &mut Edit<'_>) -> Result<()> {
    let wanted: Vec<ProfileId> = edit
        .after
        .steps
        .iter()
        .filter_map(|step| profile_of(&step.config))
        .collect();
    let found = profile::Entity::in_account(edit.account.id)
        .filter(profile::Column::Id.is_in(wanted))
        .all(&edit.tx)
        .await?;
    for step in &edit.after.steps {
        let gone = step
            .profile_id
            .is_some_and(|id| !found.iter().any(|profile| profile.id == id));
        if gone {
            let text = format!(
                "at that version the step \"{}\" distributes by a profile that was deleted since: revert to another version, \
                 or make the change by hand",
                step.name
            );
            edit.check.broken(UserErrorCode::Conflict, "version", text);
        }
    }
    Ok(())
}
