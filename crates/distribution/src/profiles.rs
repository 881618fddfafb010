//! Distribution profiles: each picks partners for the leads that a step of a flow hands to it.

use async_graphql::MaybeUndefined;
use entity::ids::ProfileId;
use entity::profile::{ActiveModel, Column, Entity, Model, OnFailure, Strategy};
use entity::{assignment, flow, step};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, NotSet, PaginatorTrait, QueryFilter, QuerySelect, Select, Set,
    Unchanged,
};
use serde_json::{Value, json};

use super::change::{Change, Subject, differences};
use super::check::{self, MAX_NOTES};
use super::partners::{containing, matches};
use super::rule_check::{Of, RuleCheck};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_flows::PriceInput;
use leadmesh_flows::price::Price;
use leadmesh_forms::rules::Rule;

/// How many profiles an account may have.
pub const MAX_PROFILES: u64 = 1_000;
/// The largest `maxRecipients`.
pub const MAX_RECIPIENTS: i32 = 100;

/// A profile to be made.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// As shown, at most 120 characters.
    pub name: String,
    /// For people; at most 10,000 characters.
    pub description: Option<String>,
    /// How it picks.
    pub strategy: Strategy,
    /// What follows a final failure.
    pub on_failure: OnFailure,
    /// At most so many partners per lead, 1 to 100; none means no limit.
    pub max_recipients: Option<i32>,
    /// Which leads it takes; none means all.
    pub rule: Option<Rule>,
    /// What partners pay, where their place has no price of its own.
    pub base_price: Option<PriceInput>,
    /// Whether it routes.
    pub enabled: bool,
}

/// Changes of a profile; what is absent stays.
#[derive(Clone, Debug)]
pub struct ProfileChanges {
    /// Which.
    pub id: ProfileId,
    /// As shown.
    pub name: Option<String>,
    /// For people.
    pub description: MaybeUndefined<String>,
    /// How it picks.
    pub strategy: Option<Strategy>,
    /// What follows a final failure.
    pub on_failure: Option<OnFailure>,
    /// At most so many partners per lead.
    pub max_recipients: MaybeUndefined<i32>,
    /// Which leads it takes.
    pub rule: MaybeUndefined<Rule>,
    /// What partners pay.
    pub base_price: MaybeUndefined<PriceInput>,
}

/// Which profiles are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that route, or that do not.
    pub enabled: Option<bool>,
    /// Only those with this in their name, in any case (on `SQLite`, of ASCII letters only).
    pub search: Option<String>,
}

/// Makes a profile; partners are assigned to it afterwards.
pub async fn create(app: &App, caller: &Caller, input: NewProfile) -> Result<Model> {
    let rules = RuleCheck::read(app, caller, Of::NewProfile, input.rule.as_ref()).await?;
    let change = Change::begin(app, caller).await?;
    let count = Entity::in_account(change.account.id).count(&change.tx).await?;
    if count >= MAX_PROFILES {
        let message = "an account has 1,000 profiles at most: delete one that is not used";
        return Err(Error::broken(UserErrorCode::LimitReached, "input", message));
    }
    let description = input.description.map_or(Ok(None), |text| checked_description(&text))?;
    let max_recipients = input.max_recipients.map(checked_max).transpose()?;
    let rule = rules.column(&change, Some(input.rule).into())?;
    let (base_price_e4, base_price_currency) = price_columns(Some(input.base_price).into(), "input.basePrice")?;
    let row = ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(change.account.id),
        name: Set(texts::name(&input.name, "input.name")?),
        description: Set(description),
        enabled: Set(input.enabled),
        strategy: Set(input.strategy),
        on_failure: Set(input.on_failure),
        max_recipients: Set(max_recipients),
        rule,
        base_price_e4,
        base_price_currency,
        created_at: Set(app.clock.now()),
        updated_at: Set(app.clock.now()),
        deleted_at: Set(None),
    };
    let profile = row.insert(&change.tx).await?;
    let told = json!({"strategy": profile.strategy, "enabled": profile.enabled});
    change.record("profile.created", subject(&profile), Some(told)).await?;
    change.commit().await?;
    Ok(profile)
}

/// Changes a profile. Deliveries that it has made keep their prices.
pub async fn update(app: &App, caller: &Caller, input: ProfileChanges) -> Result<Model> {
    let rules = RuleCheck::read(app, caller, Of::Profile(input.id), input.rule.value()).await?;
    let change = Change::begin(app, caller).await?;
    let before = hold(&change, input.id, "input.id").await?;
    let (base_price_e4, base_price_currency) = price_columns(input.base_price, "input.basePrice")?;
    let row = ActiveModel {
        id: Unchanged(before.id),
        name: check::given(input.name, |text| Ok(texts::name(&text, "input.name")?))?,
        description: check::cleared_or_given(input.description, |text| checked_description(&text))?,
        strategy: check::given(input.strategy, Ok)?,
        on_failure: check::given(input.on_failure, Ok)?,
        max_recipients: check::cleared_or_given(input.max_recipients, |max| checked_max(max).map(Some))?,
        rule: rules.column(&change, input.rule)?,
        base_price_e4,
        base_price_currency,
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let changes = differences(&view(&before), &view(&after));
    change.record("profile.updated", subject(&after), changes).await?;
    change.commit().await?;
    Ok(after)
}

/// Lets a profile route, or no more. Deliveries under way go on.
pub async fn set_enabled(app: &App, caller: &Caller, id: ProfileId, enabled: bool) -> Result<Model> {
    let change = Change::begin(app, caller).await?;
    let before = hold(&change, id, "id").await?;
    if before.enabled == enabled {
        return Ok(before);
    }
    let row = ActiveModel {
        id: Unchanged(id),
        enabled: Set(enabled),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let action = if enabled { "profile.enabled" } else { "profile.disabled" };
    change.record(action, subject(&after), None).await?;
    change.commit().await?;
    Ok(after)
}

/// Deletes a profile and its places. What it has delivered stays.
pub async fn delete(app: &App, caller: &Caller, id: ProfileId) -> Result<ProfileId> {
    let change = Change::begin(app, caller).await?;
    let profile = hold(&change, id, "id").await?;
    if let Some(flow) = user_of(&change, id).await? {
        let message = format!(
            "the flow \"{}\" distributes through this profile: remove its step first",
            flow.name
        );
        return Err(Error::broken(UserErrorCode::InUse, "id", message));
    }
    let now = app.clock.now();
    assignment::Entity::remove_all(change.account.id, id, now)
        .exec(&change.tx)
        .await?;
    let row = ActiveModel {
        id: Unchanged(id),
        deleted_at: Set(Some(now)),
        ..Default::default()
    };
    row.update(&change.tx).await?;
    change.record("profile.deleted", subject(&profile), None).await?;
    change.commit().await?;
    Ok(id)
}

/// A profile of the caller's account.
pub async fn find(app: &App, caller: &Caller, id: ProfileId) -> Result<Option<Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let found = Entity::in_account(account).filter(Column::Id.eq(id));
    Ok(found.one(app.db.read()).await?)
}

/// The profiles of the caller's account that fit, in no order yet.
pub fn list(caller: &Caller, filter: &Filter) -> Result<Select<Entity>> {
    let mut found = Entity::in_account(caller.require(Action::ReadSetup)?);
    if let Some(enabled) = filter.enabled {
        found = found.filter(Column::Enabled.eq(enabled));
    }
    if let Some(text) = &filter.search {
        found = found.filter(matches(Column::Name, containing(text)));
    }
    Ok(found)
}

/// A profile of the account in which a change is under way; `path` is where its identifier stands in the input.
pub(super) async fn hold(change: &Change<'_>, id: ProfileId, path: &str) -> Result<Model> {
    let held = Entity::in_account(change.account.id).filter(Column::Id.eq(id));
    let found = held.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "there is no such profile: give the id of one of your distribution profiles";
        Error::broken(UserErrorCode::NotFound, path, message)
    })
}

/// The two columns of a price.
type PriceColumns = (ActiveValue<Option<i64>>, ActiveValue<Option<String>>);

/// The two columns of a price, absent if it stays.
pub(super) fn price_columns(price: MaybeUndefined<PriceInput>, path: &str) -> Result<PriceColumns> {
    let price = match price {
        MaybeUndefined::Undefined => return Ok((NotSet, NotSet)),
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(price) => Some(Price::check(price.amount.0, &price.currency, path)?),
    };
    let (e4, currency) = Price::columns(price);
    Ok((Set(e4), Set(currency)))
}

fn checked_description(text: &str) -> Result<Option<String>> {
    Ok(check::optional_text(text, MAX_NOTES, "input.description")?)
}

fn checked_max(max: i32) -> Result<i32> {
    Ok(check::number(max, 1..=MAX_RECIPIENTS, "input.maxRecipients")?)
}

/// A flow with a step that distributes through the profile.
async fn user_of(change: &Change<'_>, profile: ProfileId) -> Result<Option<flow::Model>> {
    let account = change.account.id;
    let steps = step::Entity::in_account(account).filter(step::Column::ProfileId.eq(profile));
    let flows = steps.all(&change.tx).await?.into_iter().map(|step| step.flow_id);
    let live = flow::Entity::in_account(account).filter(flow::Column::Id.is_in(flows));
    Ok(live.one(&change.tx).await?)
}

fn subject(profile: &Model) -> Subject<'_> {
    Subject {
        kind: "DistributionProfile",
        id: profile.id.to_string(),
        label: &profile.name,
    }
}

/// What the trail compares.
fn view(profile: &Model) -> Value {
    json!({
        "name": profile.name,
        "description": profile.description,
        "strategy": profile.strategy,
        "onFailure": profile.on_failure,
        "maxRecipients": profile.max_recipients,
        "rule": profile.rule,
        "basePrice": told_price(profile.base_price_e4, profile.base_price_currency.as_deref()),
    })
}

/// A price as the trail tells it.
pub(super) fn told_price(e4: Option<i64>, currency: Option<&str>) -> Option<String> {
    let price = Price::from_columns(e4, currency.map(str::to_owned))?;
    Some(format!("{} {}", price.amount(), price.currency))
}
