//! Distribution profiles: each chooses partners for the leads of a flow's step.

use async_graphql::MaybeUndefined;
use entity::ids::ProfileId;
use entity::profile::{ActiveModel, Column, Entity, Model, OnFailure, Strategy};
use entity::{assignment, flow, step};
use sea_orm::{ActiveModelTrait, ColumnTrait, PaginatorTrait, QueryFilter, Select, Set, Unchanged};
use serde_json::{Value, json};

use super::check::{self, MAX_NOTES};
use super::rows::{begin, lock_profile, profile_entry};
use super::rule_check::{RuleCheck, RuleTarget};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::{Change, differences};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{search, texts};
use leadmesh_flows::PriceInput;
use leadmesh_forms::rules::Rule;

pub const MAX_PROFILES: u64 = 1_000;
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
    let rules = RuleCheck::read(app, caller, RuleTarget::NewProfile, input.rule.as_ref()).await?;
    let change = begin(app, caller).await?;
    let count = Entity::in_account(change.account.id).count(&change.tx).await?;
    if count >= MAX_PROFILES {
        let message = "an account has 1,000 profiles at most: delete one that is not used";
        return Err(Error::user(UserErrorCode::LimitReached, "input", message));
    }
    let description = input.description.map_or(Ok(None), |text| checked_description(&text))?;
    let max_recipients = input.max_recipients.map(checked_max).transpose()?;
    let rule = rules.column(&change, Some(input.rule).into())?;
    let price = check::price_columns(Some(input.base_price).into(), "input.basePrice")?;
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
        base_price_e4: price.e4,
        base_price_currency: price.currency,
        created_at: Set(app.clock.now()),
        updated_at: Set(app.clock.now()),
        deleted_at: Set(None),
    };
    let profile = row.insert(&change.tx).await?;
    let changes = json!({"strategy": profile.strategy, "enabled": profile.enabled});
    change
        .commit_with(profile_entry("profile.created", &profile).with(changes))
        .await?;
    Ok(profile)
}

/// Changes a profile. Deliveries that it has made keep their prices.
pub async fn update(app: &App, caller: &Caller, input: ProfileChanges) -> Result<Model> {
    let rules = RuleCheck::read(app, caller, RuleTarget::Profile(input.id), input.rule.value()).await?;
    let change = begin(app, caller).await?;
    let before = lock_profile(&change, input.id, "input.id").await?;
    let price = check::price_columns(input.base_price, "input.basePrice")?;
    let row = ActiveModel {
        id: Unchanged(before.id),
        name: check::given(input.name, |text| Ok(texts::name(&text, "input.name")?))?,
        description: check::cleared_or_given(input.description, |text| checked_description(&text))?,
        strategy: check::given(input.strategy, Ok)?,
        on_failure: check::given(input.on_failure, Ok)?,
        max_recipients: check::cleared_or_given(input.max_recipients, |max| checked_max(max).map(Some))?,
        rule: rules.column(&change, input.rule)?,
        base_price_e4: price.e4,
        base_price_currency: price.currency,
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let mut entry = profile_entry("profile.updated", &after);
    entry.changes = differences(&audit_view(&before), &audit_view(&after));
    change.commit_with(entry).await?;
    Ok(after)
}

/// Switches routing by a profile on or off. Deliveries under way go on.
pub async fn set_enabled(app: &App, caller: &Caller, id: ProfileId, enabled: bool) -> Result<Model> {
    let change = begin(app, caller).await?;
    let before = lock_profile(&change, id, "id").await?;
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
    change.commit_with(profile_entry(action, &after)).await?;
    Ok(after)
}

/// Deletes a profile and its assignments. Its deliveries stay.
pub async fn delete(app: &App, caller: &Caller, id: ProfileId) -> Result<ProfileId> {
    let change = begin(app, caller).await?;
    let profile = lock_profile(&change, id, "id").await?;
    if let Some(flow) = user_of(&change, id).await? {
        let message = format!(
            "the flow \"{}\" distributes through this profile: remove its step first",
            flow.name
        );
        return Err(Error::user(UserErrorCode::InUse, "id", message));
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
    change.commit_with(profile_entry("profile.deleted", &profile)).await?;
    Ok(id)
}

pub async fn find(app: &App, caller: &Caller, id: ProfileId) -> Result<Option<Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let found = Entity::in_account(account).filter(Column::Id.eq(id));
    Ok(found.one(app.db.read()).await?)
}

/// For paging; unordered.
pub fn list(caller: &Caller, filter: &Filter) -> Result<Select<Entity>> {
    let mut found = Entity::in_account(caller.require(Action::ReadSetup)?);
    if let Some(enabled) = filter.enabled {
        found = found.filter(Column::Enabled.eq(enabled));
    }
    if let Some(text) = &filter.search {
        found = found.filter(search::contains(Column::Name, text));
    }
    Ok(found)
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

fn audit_view(profile: &Model) -> Value {
    json!({
        "name": profile.name,
        "description": profile.description,
        "strategy": profile.strategy,
        "onFailure": profile.on_failure,
        "maxRecipients": profile.max_recipients,
        "rule": profile.rule,
        "basePrice": check::price_audit_view(profile.base_price_e4, profile.base_price_currency.as_deref()),
    })
}
