//! Assignments: places of partners in distribution profiles.

pub mod inputs;

use async_graphql::{Context, ID, Json, Object};
use entity::assignment;
use serde_json::Value;

use super::cap::Cap;
use super::context::app_and_caller;
use super::delivery_settings::DeliverySettings;
use super::field_mapping::each;
use super::ids::id_or_unknown;
use super::loaders::distribution::FieldsOf;
use super::loaders::{PartnerRow, ProfileRow, load};
use super::money::Money;
use super::partner::Partner;
use super::payload::outcome;
use super::profile::{DistributionProfile, ProfilePayload};
use super::rule;
use super::schedule::Schedule;
use crate::distribution::assignments;
use crate::error::{Error, Result};
use crate::identity::policy::Action;
use inputs::{AssignPartnerInput, UpdateAssignmentInput};

/// A partner's place in a distribution profile.
#[derive(Clone)]
pub struct Assignment(pub assignment::Model);

impl From<assignment::Model> for Assignment {
    fn from(row: assignment::Model) -> Self {
        Self(row)
    }
}

/// A partner's place in a distribution profile.
#[Object]
impl Assignment {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The profile.
    async fn profile(&self, ctx: &Context<'_>) -> Result<DistributionProfile> {
        let found = load(ctx, ProfileRow(self.0.account_id, self.0.profile_id)).await?;
        found.map(DistributionProfile::from).ok_or_else(|| self.gone("profile"))
    }

    /// The partner.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Partner> {
        let found = load(ctx, PartnerRow(self.0.account_id, self.0.partner_id)).await?;
        found.map(Partner::from).ok_or_else(|| self.gone("partner"))
    }

    /// Whether it counts.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// 1 comes first; of equal ranks the older place does.
    async fn rank(&self) -> i32 {
        self.0.rank
    }

    /// Share among the others in a WEIGHTED profile; 0 gets nothing.
    async fn weight(&self) -> i32 {
        self.0.weight
    }

    /// Which of the profile's leads it gets, in the form of a `RuleInput`; null means all.
    async fn rule(&self) -> Option<Json<Value>> {
        self.0.rule.clone().map(Json)
    }

    /// The same in words.
    async fn rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        rule_text(ctx, self.0.account_id, self.0.rule.as_ref()).await
    }

    /// What the partner pays for a lead from here; null means the profile's price.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// Limits of leads routed here; the partner's own count too.
    async fn caps(&self) -> Vec<Cap> {
        each(self.0.caps.0.clone())
    }

    /// When it gets leads; null means always.
    async fn schedule(&self) -> Option<Schedule> {
        self.0.schedule.clone().map(Schedule::from)
    }

    /// How leads from here are delivered; null means as the partner gets all others.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<Option<DeliverySettings>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        let Some(settings) = self.0.settings_id else {
            return Ok(None);
        };
        let partner = load(ctx, PartnerRow(account, self.0.partner_id)).await?;
        let partner = partner.ok_or_else(|| self.gone("partner"))?;
        DeliverySettings::load(ctx, &partner, settings).await.map(Some)
    }
}

impl Assignment {
    fn gone(&self, what: &str) -> Error {
        Error::Internal(anyhow::anyhow!("the assignment {} is without its {what}", self.0.id))
    }
}

/// A rule of a profile or an assignment in words.
pub(super) async fn rule_text(
    ctx: &Context<'_>,
    account: entity::ids::AccountId,
    rule: Option<&Value>,
) -> Result<Option<String>> {
    let Some(rule) = rule else { return Ok(None) };
    let fields = load(ctx, FieldsOf(account)).await?.unwrap_or_default();
    rule::text(rule, &fields).map(Some)
}

/// Changing places of partners in profiles.
#[derive(Default)]
pub struct AssignmentMutation;

#[Object]
impl AssignmentMutation {
    /// Puts a partner into a profile in which it has no place yet. An account on the FREE plan has one place in all. Takes an OWNER,
    /// ADMIN or MEMBER, or a key with MANAGE.
    async fn assign_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, where and for which leads.")] input: AssignPartnerInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (assigned, user_errors) = outcome(assignments::assign(app, caller, input.into()).await)?;
        Ok(ProfilePayload::assigned(assigned, user_errors))
    }

    /// Changes a partner's place in a profile; what is left out stays. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn update_assignment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which place, and what changes.")] input: UpdateAssignmentInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (assigned, user_errors) = outcome(assignments::update(app, caller, input.into()).await)?;
        Ok(ProfilePayload::assigned(assigned, user_errors))
    }

    /// Takes a partner out of a profile. Deliveries under way go on. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn remove_assignment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which place.")] id: ID,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(assignments::remove(app, caller, id_or_unknown(&id)).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }
}
