//! Assignments: the places of partners in profiles.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::assignment::{ActiveModel, Column, Entity, Model, Schedule};
use entity::cap_usage::Caps;
use entity::ids::{AssignmentId, PartnerId, ProfileId};
use entity::{partner, profile};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, QueryFilter, QuerySelect, Set, Unchanged};
use serde_json::{Value, json};

use super::change::{Change, Subject, differences};
use super::check;
use super::partners::{self, list_or_none};
use super::profiles;
use super::rule_check::{Of, RuleCheck};
use super::settings::{self, Asked, DeliveryInput};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_flows::caps::CapInput;
use leadmesh_flows::{PriceInput, breadth, schedule};
use leadmesh_forms::rules::Rule;

/// How many partners a profile may have.
pub const MAX_ASSIGNMENTS: usize = 1_000;
/// Ranks and weights go up to this.
pub const MAX_NUMBER: i32 = 1_000_000;
const DEFAULT_WEIGHT: i32 = 1;

/// A partner's place in a profile, to be made.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Which profile.
    pub profile: ProfileId,
    /// Which partner.
    pub partner: PartnerId,
    /// 1 comes first; of equal ranks the older place does. None means after all others.
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

/// Changes of a place; what is absent stays.
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

/// A profile after a change of its places.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// The profile.
    pub profile: profile::Model,
    /// The place that was made or changed.
    pub assignment: Model,
    /// A signing secret that the change made for the partner; never shown again.
    pub signing_secret: Option<String>,
}

/// Puts a partner into a profile, where it has no place yet.
pub async fn assign(app: &App, caller: &Caller, input: NewAssignment) -> Result<Assigned> {
    let rules = RuleCheck::read(app, caller, Of::NewAssignment(input.profile), input.rule.as_ref()).await?;
    let delivery = asked(app, caller, input.delivery.clone()).await?;
    let change = Change::begin(app, caller).await?;
    let profile = profiles::hold(&change, input.profile, "input.profileId").await?;
    let partner = partners::hold(&change, input.partner, "input.partnerId").await?;
    let others = room(&change, &profile, &partner).await?;
    let rule = rules.column(&change, Some(input.rule.clone()).into())?;
    let row = new_row(&change, (&partner, &others), rule, input)?;
    let place = row.insert(&change.tx).await?;
    let told = json!({"profile": profile.name, "rank": place.rank, "weight": place.weight});
    change
        .record("assignment.created", subject(&place, &partner), Some(told))
        .await?;
    let signing_secret = match delivery {
        Some(asked) => {
            settings::override_in(&change, &place, partner, asked)
                .await?
                .signing_secret
        }
        None => None,
    };
    finish(change, profile, place.id, signing_secret).await
}

/// Changes a place.
pub async fn update(app: &App, caller: &Caller, input: AssignmentChanges) -> Result<Assigned> {
    let rules = RuleCheck::read(app, caller, Of::Assignment(input.id), input.rule.value()).await?;
    let delivery = asked(app, caller, input.delivery.value().cloned()).await?;
    let change = Change::begin(app, caller).await?;
    let before = hold(&change, input.id, "input.id").await?;
    let profile = profiles::hold(&change, before.profile_id, "input.id").await?;
    let partner = partners::hold(&change, before.partner_id, "input.id").await?;
    let rule = rules.column(&change, input.rule.clone())?;
    let after = changed_row(&change, (&before, &partner), rule, input)?
        .update(&change.tx)
        .await?;
    if let Some(changes) = differences(&view(&before), &view(&after)) {
        let subject = subject(&after, &partner);
        change.record("assignment.updated", subject, Some(changes)).await?;
    }
    let signing_secret = match delivery {
        Some(asked) => {
            settings::override_in(&change, &after, partner, asked)
                .await?
                .signing_secret
        }
        None => None,
    };
    finish(change, profile, after.id, signing_secret).await
}

/// Takes a partner out of a profile. Deliveries under way go on.
pub async fn remove(app: &App, caller: &Caller, id: AssignmentId) -> Result<profile::Model> {
    let change = Change::begin(app, caller).await?;
    let place = hold(&change, id, "id").await?;
    let profile = profiles::hold(&change, place.profile_id, "id").await?;
    let partner = partners::hold(&change, place.partner_id, "id").await?;
    let row = ActiveModel {
        id: Unchanged(id),
        deleted_at: Set(Some(app.clock.now())),
        ..Default::default()
    };
    row.update(&change.tx).await?;
    let told = json!({"profile": profile.name});
    change
        .record("assignment.removed", subject(&place, &partner), Some(told))
        .await?;
    change.commit().await?;
    Ok(profile)
}

/// A place in the account in which a change is under way; `path` is where its identifier stands in the input.
pub(super) async fn hold(change: &Change<'_>, id: AssignmentId, path: &str) -> Result<Model> {
    let held = Entity::in_account(change.account.id).filter(Column::Id.eq(id));
    let found = held.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "there is no such assignment: give the id of one of your profiles' assignments";
        Error::broken(UserErrorCode::NotFound, path, message)
    })
}

/// A place as the subject of an entry in the trail; it goes by its partner's name.
pub(super) fn subject<'a>(place: &Model, partner: &'a partner::Model) -> Subject<'a> {
    Subject {
        kind: "Assignment",
        id: place.id.to_string(),
        label: &partner.name,
    }
}

/// The places that a profile has, if there is room for this partner among them.
async fn room(change: &Change<'_>, profile: &profile::Model, partner: &partner::Model) -> Result<Vec<Model>> {
    let all = Entity::in_account(change.account.id);
    if change.account.plan == Plan::Free && all.one(&change.tx).await?.is_some() {
        change.require_paid("input.partnerId", "a second destination")?;
    }
    let all = Entity::in_account(change.account.id);
    let places = all.filter(Column::ProfileId.eq(profile.id)).all(&change.tx).await?;
    if places.iter().any(|place| place.partner_id == partner.id) {
        let message = "the partner is in this profile already: update its assignment instead";
        return Err(Error::broken(UserErrorCode::Conflict, "input.partnerId", message));
    }
    if places.len() >= MAX_ASSIGNMENTS {
        let message = "a profile has 1,000 partners at most: use another one";
        return Err(Error::broken(UserErrorCode::LimitReached, "input.profileId", message));
    }
    breadth::check_profile(&change.tx, change.account.id, profile.id).await?;
    Ok(places)
}

/// Settings of a place's own, checked before its change begins.
async fn asked(app: &App, caller: &Caller, delivery: Option<DeliveryInput>) -> Result<Option<Asked<'static>>> {
    let account = caller.require(Action::ManagePartners)?;
    match delivery {
        Some(delivery) => Ok(Some(Asked::check(app, account, delivery, "input.delivery").await?)),
        None => Ok(None),
    }
}

fn new_row(
    change: &Change<'_>,
    (partner, others): (&partner::Model, &[Model]),
    rule: ActiveValue<Option<Value>>,
    input: NewAssignment,
) -> Result<ActiveModel> {
    let clock = &change.app.clock;
    let last = others.iter().map(|place| place.rank).max().unwrap_or(0);
    let rank = input.rank.unwrap_or(last.saturating_add(1).min(MAX_NUMBER));
    let (price_e4, price_currency) = profiles::price_columns(Some(input.price).into(), "input.price")?;
    Ok(ActiveModel {
        id: Set(clock.id()),
        account_id: Set(change.account.id),
        profile_id: Set(input.profile),
        partner_id: Set(partner.id),
        enabled: Set(input.enabled),
        rank: Set(checked_rank(rank)?),
        weight: Set(checked_weight(input.weight.unwrap_or(DEFAULT_WEIGHT))?),
        rule,
        price_e4,
        price_currency,
        caps: Set(partners::checked_caps(
            change,
            &input.caps,
            &Caps::default(),
            &partner.timezone,
        )?),
        schedule: Set(input.schedule.map(checked_schedule).transpose()?),
        settings_id: Set(None),
        created_at: Set(clock.now()),
        deleted_at: Set(None),
    })
}

fn changed_row(
    change: &Change<'_>,
    (before, partner): (&Model, &partner::Model),
    rule: ActiveValue<Option<Value>>,
    input: AssignmentChanges,
) -> Result<ActiveModel> {
    let (price_e4, price_currency) = profiles::price_columns(input.price, "input.price")?;
    let mut row = ActiveModel {
        id: Unchanged(before.id),
        enabled: check::given(input.enabled, Ok)?,
        rank: check::given(input.rank, checked_rank)?,
        weight: check::given(input.weight, checked_weight)?,
        rule,
        price_e4,
        price_currency,
        caps: list_or_none(input.caps, |caps| {
            partners::checked_caps(change, &caps, &before.caps, &partner.timezone)
        })?,
        schedule: check::cleared_or_given(input.schedule, |schedule| checked_schedule(schedule).map(Some))?,
        ..Default::default()
    };
    if input.delivery.is_null() {
        row.settings_id = Set(None);
    }
    Ok(row)
}

/// Commits, and reads the place as it is now.
async fn finish(
    change: Change<'_>,
    profile: profile::Model,
    place: AssignmentId,
    signing_secret: Option<String>,
) -> Result<Assigned> {
    let assignment = hold(&change, place, "input").await?;
    change.commit().await?;
    Ok(Assigned {
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

/// What the trail compares.
fn view(place: &Model) -> Value {
    json!({
        "enabled": place.enabled,
        "rank": place.rank,
        "weight": place.weight,
        "rule": place.rule,
        "price": profiles::told_price(place.price_e4, place.price_currency.as_deref()),
        "caps": place.caps,
        "schedule": place.schedule,
        "ownDelivery": place.settings_id.is_some(),
    })
}
