//! The history of a flow: every change is a revision with the whole flow in it, and reverting is one more.

use entity::connection::ConnectionStatus;
use entity::flow_revision::{self, ActiveModel, Entity};
use entity::ids::{AccountId, FlowId, ProfileId};
use entity::{connection, profile, source, step};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, Select, Set};

use super::breadth;
use super::contents::Contents;
use super::edit::{Change, Changed, Edit};
use super::snapshot::Snapshot;
use super::steps::{check_free_destination, profile_of, settle_reverted};
use super::usage;
use leadmesh_core::app::App;
use leadmesh_core::audit::Who;
use leadmesh_core::clock::Clock;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// The revisions of a flow, for paging; unordered. None for a flow of somebody else.
pub fn history(caller: &Caller, flow: FlowId) -> Result<Select<Entity>> {
    let account = caller.require(Action::ReadSetup)?;
    Ok(of_flow(account, flow))
}

fn of_flow(account: AccountId, flow: FlowId) -> Select<Entity> {
    Entity::in_account(account).filter(flow_revision::Column::FlowId.eq(flow))
}

/// Brings a flow back to what it was at a version, as a new revision: name, fields, rules, caps, prices, whether it is
/// enabled, and its sources and steps under the identifiers that they had.
///
/// A connected account's source comes back with the connection that there is now, if any: without one it stays a draft, however
/// it was switched then.
///
/// Refused where the account may not have that any more: by its plan, or because a distribution profile is gone.
pub async fn revert(app: &App, caller: &Caller, id: FlowId, version: i32) -> Result<Changed> {
    let mut edit = Edit::of_flow(app, caller, id, "id").await?;
    let past = of_flow(edit.account.id, id).filter(flow_revision::Column::Version.eq(version));
    let Some(past) = past.one(&edit.tx).await? else {
        let text = format!("the flow has no version {version}: choose one of its history");
        return Err(Error::broken(UserErrorCode::NotFound, "version", text));
    };
    let snapshot: Snapshot = serde_json::from_value(past.snapshot)?;
    // Only those of that version: a flow may have had any number.
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
    settle_reverted(&mut edit).await?;
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

/// Gives connected accounts' sources the live connections with their senders.
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

/// Adds the flow as it is now to its history.
pub(super) async fn record(
    clock: &Clock,
    tx: &DatabaseTransaction,
    contents: &Contents,
    who: &Who,
    summary: String,
) -> Result<()> {
    let row = ActiveModel {
        id: Set(clock.id()),
        account_id: Set(contents.flow.account_id),
        flow_id: Set(contents.flow.id),
        version: Set(contents.flow.version),
        at: Set(contents.flow.updated_at),
        actor_kind: Set(who.kind),
        actor_id: Set(who.id.clone()),
        actor_name: Set(who.name.clone()),
        summary: Set(summary),
        snapshot: Set(serde_json::to_value(Snapshot::of(contents))?),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// The Inbox comes with the account and without history: before its first change it is recorded as it came, so that one
/// can revert to that.
pub(super) async fn record_first(app: &App, tx: &DatabaseTransaction, contents: &Contents) -> Result<()> {
    let flow = &contents.flow;
    let recorded = of_flow(flow.account_id, flow.id).filter(flow_revision::Column::Version.eq(flow.version));
    if recorded.count(tx).await? > 0 {
        return Ok(());
    }
    record(&app.clock, tx, contents, &Who::system(), format!("Made {}", flow.name)).await
}

/// Revisions that a flow keeps, the newest ones.
const KEPT: i32 = 1_000;
/// The same for a deleted flow, and where the account's settings are near their limit.
const LEAST_KEPT: i32 = 20;

/// How many revisions of a flow are kept: few where there is no room for more.
pub(super) fn kept(few: bool) -> i32 {
    if few { LEAST_KEPT } else { KEPT }
}

/// Forgets the revisions of a flow before the newest ones.
pub(super) async fn forget_old(tx: &DatabaseTransaction, flow: &entity::flow::Model, kept: i32) -> Result<()> {
    let old = Entity::before(flow.account_id, flow.id, flow.version.saturating_sub(kept));
    old.exec(tx).await?;
    Ok(())
}
