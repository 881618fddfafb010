//! How broad a flow is: the places of partners that a lead may be looked at for, over all of its DISTRIBUTE steps. Steps and the places
//! of a profile are bounded each, and so is their product, which is what deciding one lead costs. Flows that were broader before
//! there was a bound go on as they are, and may become narrower.

use std::collections::HashMap;

use entity::ids::{AccountId, FlowId, ProfileId};
use entity::{assignment, flow, step};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QuerySelect, QueryTrait};

use super::edit::Edit;
use leadmesh_core::error::{Error, Result, UserErrorCode};

/// Places that the DISTRIBUTE steps of one flow lead to at most; a profile counts once for each step that uses it.
pub const MAX_PLACES: u64 = 5_000;

/// Refuses a flow that becomes broader than it may be by the change; `path` is where the profile is named in the input.
pub(super) async fn check(edit: &mut Edit<'_>, path: &str) -> Result<()> {
    let after: Vec<ProfileId> = edit.after.steps.iter().filter_map(|step| step.profile_id).collect();
    let before = edit.profiles_before();
    let both: Vec<ProfileId> = after.iter().chain(&before).copied().collect();
    let places = places(&edit.tx, edit.account.id, &both).await?;
    let (after, before) = (sum(&after, &places), sum(&before, &places));
    if after > MAX_PLACES && after > before {
        let text = format!(
            "the DISTRIBUTE steps of a flow lead to at most {MAX_PLACES} places of partners in all, counting a profile for each step \
             that uses it, and these would lead to {after}: use fewer steps, or profiles with fewer partners"
        );
        edit.check.broken(UserErrorCode::LimitReached, path, text);
    }
    Ok(())
}

/// Refuses one more place in a profile where a flow that uses it would become broader than it may be. The account is held locked.
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
    let places = places(tx, account, &profiles).await?;
    let mut flows: HashMap<FlowId, u64> = HashMap::new();
    for (flow, of_step) in steps {
        let more = u64::from(of_step == profile);
        *flows.entry(flow).or_default() += places.get(&of_step).copied().unwrap_or(0) + more;
    }
    let broadest = flows.values().copied().max().unwrap_or(0);
    if broadest > MAX_PLACES {
        let text = format!(
            "the DISTRIBUTE steps of a flow lead to at most {MAX_PLACES} places of partners in all, counting a profile for each step \
             that uses it, and with one more partner in this profile those of a flow would lead to {broadest}: use the profile in \
             fewer steps, or another one"
        );
        return Err(Error::broken(UserErrorCode::LimitReached, "input.profileId", text));
    }
    Ok(())
}

fn sum(profiles: &[ProfileId], places: &HashMap<ProfileId, u64>) -> u64 {
    profiles.iter().filter_map(|profile| places.get(profile)).sum()
}

/// How many places each of some profiles has.
async fn places(
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
        .column_as(assignment::Column::Id.count(), "places")
        .group_by(assignment::Column::ProfileId);
    // By rank, which a count has not.
    QuerySelect::query(&mut counted).clear_order_by();
    let counted: Vec<(ProfileId, i64)> = counted.into_tuple().all(tx).await?;
    let counted = counted.into_iter();
    Ok(counted
        .map(|(profile, places)| (profile, u64::try_from(places).unwrap_or(0)))
        .collect())
}
