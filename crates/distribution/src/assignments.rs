//! Assignments: partners in profiles.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::assignment::{ActiveModel, Column, Entity, Model, Schedule};
use entity::cap_usage::Caps;
use entity::ids::{AssignmentId, PartnerId, ProfileId};
use entity::{partner, profile};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, QueryFilter, Set, Unchanged};
use serde_json::{Value, json};

use super::check;
use super::rows::{assignment_entry, begin, lock_assignment, lock_partner, lock_profile};
use super::rule_check::{RuleCheck, RuleTarget};
use super::settings::{self, CheckedSettings, DeliveryInput};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::{Change, differences};
use leadmesh_core::identity::policy::Action;
use leadmesh_flows::caps::CapInput;
use leadmesh_flows::{PriceInput, breadth, schedule};
use leadmesh_forms::rules::Rule;

pub const MAX_ASSIGNMENTS: usize = 1_000;
/// Largest rank and weight.
pub const MAX_NUMBER: i32 = 1_000_000;
const DEFAULT_WEIGHT: i32 = 1;

/// A partner's assignment to a profile, to be made.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Which profile.
    pub profile: ProfileId,
    /// Which partner.
    pub partner: PartnerId,
    /// 1 comes first; of equal ranks the older assignment does. None means after all others.
    pub rank: Option<i32>,
    /// Share among the others, 0 to 1,000,000; none means 1.
    pub weight: Option<i32>,
    /// Which of the profile's leads it gets; none means all.
    pub rule: Option<Rule>,
    /// What it pays, in place of the profile's price.
    pub price: Option<PriceInput>,
    /// Limits of leads routed here, in the partner's zone unless they name one.
    pub caps: Vec<CapInput>,
    /// When it gets leads; none means always.
    pub schedule: Option<Schedule>,
    /// How it gets them; none means as the partner does everywhere.
    pub delivery: Option<DeliveryInput>,
    /// Whether it counts.
    pub enabled: bool,
}

/// Changes of an assignment; what is absent stays.
#[derive(Clone, Debug)]
pub struct AssignmentChanges {
    /// Which.
    pub id: AssignmentId,
    /// 1 comes first.
    pub rank: Option<i32>,
    /// Share among the others.
    pub weight: Option<i32>,
    /// Which of the profile's leads it gets.
    pub rule: MaybeUndefined<Rule>,
    /// What it pays.
    pub price: MaybeUndefined<PriceInput>,
    /// All limits; null removes them.
    pub caps: MaybeUndefined<Vec<CapInput>>,
    /// When it gets leads.
    pub schedule: MaybeUndefined<Schedule>,
    /// How it gets them; null means again as the partner does everywhere.
    pub delivery: MaybeUndefined<DeliveryInput>,
    /// Whether it counts.
    pub enabled: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct AssignmentResult {
    pub profile: profile::Model,
    pub assignment: Model,
    /// A signing secret that the change made for the partner; never shown again.
    pub signing_secret: Option<String>,
}

/// Assigns a partner to a profile that has no assignment of it yet.
pub async fn assign(app: &App, caller: &Caller, input: NewAssignment) -> Result<AssignmentResult> {
    let target = RuleTarget::NewAssignment(input.profile);
    let rules = RuleCheck::read(app, caller, target, input.rule.as_ref()).await?;
    let delivery = checked(app, caller, input.delivery.clone()).await?;
    let change = begin(app, caller).await?;
    let profile = lock_profile(&change, input.profile, "input.profileId").await?;
    let partner = lock_partner(&change, input.partner, "input.partnerId").await?;
    let last_rank = check_room(&change, &profile, &partner).await?;
    let rule = rules.column(&change, Some(input.rule.clone()).into())?;
    let row = new_row(&change, &partner, last_rank, rule, input)?;
    let assignment = row.insert(&change.tx).await?;
    let changes = json!({"profile": profile.name, "rank": assignment.rank, "weight": assignment.weight});
    let entry = assignment_entry("assignment.created", &assignment, &partner);
    change.record(entry.with(changes)).await?;
    finish(change, profile, assignment, partner, delivery).await
}

/// Changes an assignment.
pub async fn update(app: &App, caller: &Caller, input: AssignmentChanges) -> Result<AssignmentResult> {
    let rules = RuleCheck::read(app, caller, RuleTarget::Assignment(input.id), input.rule.value()).await?;
    let delivery = checked(app, caller, input.delivery.value().cloned()).await?;
    let change = begin(app, caller).await?;
    let before = lock_assignment(&change, input.id, "input.id").await?;
    let profile = lock_profile(&change, before.profile_id, "input.id").await?;
    let partner = lock_partner(&change, before.partner_id, "input.id").await?;
    let rule = rules.column(&change, input.rule.clone())?;
    let row = changed_row(&change, &before, &partner, rule, input)?;
    let after = row.update(&change.tx).await?;
    if let Some(changes) = differences(&audit_view(&before), &audit_view(&after)) {
        let entry = assignment_entry("assignment.updated", &after, &partner);
        change.record(entry.with(changes)).await?;
    }
    finish(change, profile, after, partner, delivery).await
}

/// Takes a partner out of a profile. Deliveries under way go on.
pub async fn remove(app: &App, caller: &Caller, id: AssignmentId) -> Result<profile::Model> {
    let change = begin(app, caller).await?;
    let assignment = lock_assignment(&change, id, "id").await?;
    let profile = lock_profile(&change, assignment.profile_id, "id").await?;
    let partner = lock_partner(&change, assignment.partner_id, "id").await?;
    let row = ActiveModel {
        id: Unchanged(id),
        deleted_at: Set(Some(app.clock.now())),
        ..Default::default()
    };
    row.update(&change.tx).await?;
    let changes = json!({"profile": profile.name});
    let entry = assignment_entry("assignment.removed", &assignment, &partner);
    change.commit_with(entry.with(changes)).await?;
    Ok(profile)
}

/// Refuses an assignment that the plan or the limits do not allow; answers the last rank of the profile.
async fn check_room(change: &Change<'_>, profile: &profile::Model, partner: &partner::Model) -> Result<i32> {
    let all = || Entity::in_account(change.account.id);
    if change.account.plan == Plan::Free && all().one(&change.tx).await?.is_some() {
        change.require_paid("input.partnerId", "a second destination")?;
    }
    let others = all().filter(Column::ProfileId.eq(profile.id)).all(&change.tx).await?;
    if others.iter().any(|other| other.partner_id == partner.id) {
        let message = "the partner is in this profile already: update its assignment instead";
        return Err(Error::user(UserErrorCode::Conflict, "input.partnerId", message));
    }
    if others.len() >= MAX_ASSIGNMENTS {
        let message = "a profile has 1,000 partners at most: use another one";
        return Err(Error::user(UserErrorCode::LimitReached, "input.profileId", message));
    }
    breadth::check_profile(&change.tx, change.account.id, profile.id).await?;
    Ok(others.iter().map(|other| other.rank).max().unwrap_or(0))
}

/// The assignment's own delivery settings, checked before the change begins.
async fn checked(
    app: &App,
    caller: &Caller,
    delivery: Option<DeliveryInput>,
) -> Result<Option<CheckedSettings<'static>>> {
    let account = caller.require(Action::ManagePartners)?;
    match delivery {
        Some(delivery) => Ok(Some(
            CheckedSettings::check(app, account, delivery, "input.delivery").await?,
        )),
        None => Ok(None),
    }
}

fn new_row(
    change: &Change<'_>,
    partner: &partner::Model,
    last_rank: i32,
    rule: ActiveValue<Option<Value>>,
    input: NewAssignment,
) -> Result<ActiveModel> {
    let clock = &change.app.clock;
    let rank = input.rank.unwrap_or(last_rank.saturating_add(1).min(MAX_NUMBER));
    let price = check::price_columns(Some(input.price).into(), "input.price")?;
    Ok(ActiveModel {
        id: Set(clock.id()),
        account_id: Set(change.account.id),
        profile_id: Set(input.profile),
        partner_id: Set(partner.id),
        enabled: Set(input.enabled),
        rank: Set(checked_rank(rank)?),
        weight: Set(checked_weight(input.weight.unwrap_or(DEFAULT_WEIGHT))?),
        rule,
        price_e4: price.e4,
        price_currency: price.currency,
        caps: Set(check::caps(change, &input.caps, &Caps::default(), &partner.timezone)?),
        schedule: Set(input.schedule.map(checked_schedule).transpose()?),
        settings_id: Set(None),
        created_at: Set(clock.now()),
        deleted_at: Set(None),
    })
}

fn changed_row(
    change: &Change<'_>,
    before: &Model,
    partner: &partner::Model,
    rule: ActiveValue<Option<Value>>,
    input: AssignmentChanges,
) -> Result<ActiveModel> {
    let price = check::price_columns(input.price, "input.price")?;
    let mut row = ActiveModel {
        id: Unchanged(before.id),
        enabled: check::given(input.enabled, Ok)?,
        rank: check::given(input.rank, checked_rank)?,
        weight: check::given(input.weight, checked_weight)?,
        rule,
        price_e4: price.e4,
        price_currency: price.currency,
        caps: check::list_or_none(input.caps, |caps| {
            check::caps(change, &caps, &before.caps, &partner.timezone)
        })?,
        schedule: check::cleared_or_given(input.schedule, |schedule| checked_schedule(schedule).map(Some))?,
        ..Default::default()
    };
    if input.delivery.is_null() {
        row.settings_id = Set(None);
    }
    Ok(row)
}

/// Gives the assignment its own delivery settings, if there are any, and commits.
async fn finish(
    change: Change<'_>,
    profile: profile::Model,
    assignment: Model,
    partner: partner::Model,
    delivery: Option<CheckedSettings<'_>>,
) -> Result<AssignmentResult> {
    let signing_secret = match delivery {
        Some(checked) => {
            let changed = settings::override_in(&change, &assignment, partner, checked).await?;
            changed.signing_secret
        }
        None => None,
    };
    let assignment = lock_assignment(&change, assignment.id, "input").await?;
    change.commit().await?;
    Ok(AssignmentResult {
        profile,
        assignment,
        signing_secret,
    })
}

fn checked_rank(rank: i32) -> Result<i32> {
    Ok(check::number(rank, 1..=MAX_NUMBER, "input.rank")?)
}

fn checked_weight(weight: i32) -> Result<i32> {
    Ok(check::number(weight, 0..=MAX_NUMBER, "input.weight")?)
}

fn checked_schedule(schedule: Schedule) -> Result<Schedule> {
    Ok(schedule::check(schedule, "input.schedule")?)
}

fn audit_view(assignment: &Model) -> Value {
    json!({
        "enabled": assignment.enabled,
        "rank": assignment.rank,
        "weight": assignment.weight,
        "rule": assignment.rule,
        "price": check::price_audit_view(assignment.price_e4, assignment.price_currency.as_deref()),
        "caps": assignment.caps,
        "schedule": assignment.schedule,
        "ownDelivery": assignment.settings_id.is_some(),
    })
}
