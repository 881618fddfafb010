//! Assignments: places of partners in distribution profiles.

pub mod inputs;

use async_graphql::{Context, ID, Json, Object};
use entity::assignment;
use entity::ids::AssignmentId;
use serde_json::Value;

use super::cap::Cap;
use super::context::app_and_caller;
use super::delivery_settings::DeliverySettings;
use super::field_mapping::each;
use super::loaders::{FieldsOf, PartnerRow, ProfileRow, load};
use super::money::Money;
use super::partner::Partner;
use super::payload::outcome;
use super::profile::{DistributionProfile, ProfilePayload};
use super::rule;
use super::schedule::Schedule;
use inputs::{AssignPartnerInput, UpdateAssignmentInput};
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::policy::Action;
use leadmesh_distribution::assignments;

/// A partner's place in a distribution profile.
#[derive(Clone)]
pub struct Assignment(pub assignment::Model);

impl From<assignment::Model> for Assignment {
    fn from(row: assignment::Model) -> Self {
        Self(row)
    }
}

/// A partner's assignment to a distribution profile.
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

    /// Whether the assignment takes part.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Rank; 1 comes first. Of equal ranks the older assignment comes first.
    async fn rank(&self) -> i32 {
        self.0.rank
    }

    /// Share in a WEIGHTED profile; 0 gets nothing.
    async fn weight(&self) -> i32 {
        self.0.weight
    }

    /// Which of the profile's leads the partner gets, in the form of `RuleInput`. Null means all.
    async fn rule(&self) -> Option<Json<Value>> {
        self.0.rule.clone().map(Json)
    }

    /// The rule in words.
    async fn rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        rule_text(ctx, self.0.account_id, self.0.rule.as_ref()).await
    }

    /// Price that the partner pays for a lead. Null means the profile's price.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// Caps on leads routed through this assignment, in addition to the partner's.
    async fn caps(&self) -> Vec<Cap> {
        each(self.0.caps.0.clone())
    }

    /// When the partner gets leads. Null means always.
    async fn schedule(&self) -> Option<Schedule> {
        self.0.schedule.clone().map(Schedule::from)
    }

    /// Delivery settings of this assignment. Null means the partner's.
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
    /// Assigns a partner to a profile. A partner has one assignment per profile; an account on the FREE plan has one in
    /// all. Requires MEMBER or above, or an API key with MANAGE.
    async fn assign_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner, the profile and the leads.")] input: AssignPartnerInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (assigned, user_errors) = outcome(assignments::assign(app, caller, input.into()).await)?;
        Ok(ProfilePayload::assigned(assigned, user_errors))
    }

    /// Changes an assignment; omitted fields stay unchanged. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_assignment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The assignment and the changes.")] input: UpdateAssignmentInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (assigned, user_errors) = outcome(assignments::update(app, caller, input.into()).await)?;
        Ok(ProfilePayload::assigned(assigned, user_errors))
    }

    /// Removes a partner from a profile. Deliveries in progress continue. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn remove_assignment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the assignment.")] id: AssignmentId,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(assignments::remove(app, caller, id).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }
}
