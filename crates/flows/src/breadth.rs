//! How many assignments the DISTRIBUTE steps of a flow reach in all. Deciding one lead may check each of them, so besides the steps
//! of a flow and the assignments of a profile, their product has a limit. Flows that exceeded it before it existed keep working, and
//! may only shrink.

use std::collections::HashMap;

use entity::ids::{AccountId, FlowId, ProfileId};
use entity::{assignment, flow, step};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QuerySelect, QueryTrait};

use super::edit::Edit;
use leadmesh_core::error::{Error, Result, UserErrorCode};

/// Most assignments that the DISTRIBUTE steps of one flow may reach; a profile counts once for each step that uses it.
pub const MAX_ASSIGNMENTS_PER_FLOW: u64 = 5_000;

/// Refuses a change that makes the flow exceed the limit; `path` is where the input names the profile.
pub(super) async fn check(edit: &mut Edit<'_>, path: &str) -> Result<()> {
    let after: Vec<ProfileId> = edit.after.steps.iter().filter_map(|step| step.profile_id).collect();
    let before = edit.profiles_before();
    let both: Vec<ProfileId> = after.iter().chain(&before).copied().collect();
    let counts = count_assignments(&edit.tx, edit.account.id, &both).await?;
    let (after, before) = (sum(&after, &counts), sum(&before, &counts));
    if after > MAX_ASSIGNMENTS_PER_FLOW && after > before {
        let text = format!(
            "the DISTRIBUTE steps of a flow reach at most {MAX_ASSIGNMENTS_PER_FLOW} assignments in all, counting a profile for each step \
             that uses it, and these would reach {after}: use fewer steps, or profiles with fewer partners"
        );
        edit.check.broken(UserErrorCode::LimitReached, path, text);
    }
    Ok(())
}

/// Refuses one more assignment in a profile if a flow that uses it would then exceed the limit. The account must be locked.
pub async fn check_profile(tx: &DatabaseTransaction, account: AccountId, profile: ProfileId) -> Result<()> {
    let live = flow::Entity::in_account(account).select_only().column(flow::Column::Id);
    let using = step::Entity::in_account(account)
        .filter(step::Column::ProfileId.eq(profile))
        .filter(step::Column::FlowId.in_subquery(live.into_query()))
        .select_only()
        .column(step::Column::FlowId);
    let steps = step::Entity::in_account(account)
        .filter(step::Column::FlowId.in_subquery(using.into_query()))
        .filter(step::Column::ProfileId.is_not_null())
        .select_only()
        .columns([step::Column::FlowId, step::Column::ProfileId]);
    let steps: Vec<(FlowId, ProfileId)> = steps.into_tuple().all(tx).await?;
    let profiles: Vec<ProfileId> = steps.iter().map(|(_, profile)| *profile).collect();
    let counts = count_assignments(tx, account, &profiles).await?;
    let mut flows: HashMap<FlowId, u64> = HashMap::new();
    for (flow, of_step) in steps {
        let more = u64::from(of_step == profile);
        *flows.entry(flow).or_default() += counts.get(&of_step).copied().unwrap_or(0) + more;
    }
    let broadest = flows.values().copied().max().unwrap_or(0);
    if broadest > MAX_ASSIGNMENTS_PER_FLOW {
        let text = format!(
            "the DISTRIBUTE steps of a flow reach at most {MAX_ASSIGNMENTS_PER_FLOW} assignments in all, counting a profile for each step \
             that uses it, and with one more partner in this profile those of a flow would reach {broadest}: use the profile in \
             fewer steps, or another one"
        );
        return Err(Error::user(UserErrorCode::LimitReached, "input.profileId", text));
    }
    Ok(())
}

fn sum(profiles: &[ProfileId], counts: &HashMap<ProfileId, u64>) -> u64 {
    profiles.iter().filter_map(|profile| counts.get(profile)).sum()
}

/// Number of assignments of each profile.
async fn count_assignments(
    tx: &impl ConnectionTrait,
    account: AccountId,
    profiles: &[ProfileId],
) -> Result<HashMap<ProfileId, u64>> {
    let mut wanted = profiles.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut counted = assignment::Entity::in_account(account)
        .filter(assignment::Column::ProfileId.is_in(wanted))
        .select_only()
        .column(assignment::Column::ProfileId)
        .column_as(assignment::Column::Id.count(), "assignments")
        .group_by(assignment::Column::ProfileId);
    // Ordered by rank, which a count cannot be.
    QuerySelect::query(&mut counted).clear_order_by();
    let counted: Vec<(ProfileId, i64)> = counted.into_tuple().all(tx).await?;
    let counted = counted.into_iter();
    Ok(counted
        .map(|(profile, count)| (profile, u64::try_from(count).unwrap_or(0)))
        .collect())
}
