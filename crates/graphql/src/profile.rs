//! Distribution profiles: each picks partners for leads.

pub mod inputs;

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::ProfileId;
use entity::profile::{self, Column, Entity, OnFailure, Strategy};
use serde_json::Value;

use super::assignment::{Assignment, rule_text};
use super::context::app_and_caller;
use super::delivery_counts::{DeliveryCounts, stats};
use super::field_mapping::each;
use super::flow::Flow;
use super::loaders::{AssignmentsIn, FlowsThrough, list};
use super::money::Money;
use super::payload::{DeletePayload, UserError, outcome};
use super::relay::{PageArgs, check_page, connection, page};
use super::time_range::TimeRangeInput;
use inputs::{CreateProfileInput, UpdateProfileInput};
use leadmesh_core::error::Result;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::counts::Subject;
use leadmesh_distribution::assignments::AssignmentResult;
use leadmesh_distribution::profiles::{self, Filter};

/// Picks partners for the leads that a step of a flow hands to it.
#[derive(Clone)]
pub struct DistributionProfile(pub profile::Model);

impl From<profile::Model> for DistributionProfile {
    fn from(row: profile::Model) -> Self {
        Self(row)
    }
}

/// Chooses partners for the leads of a flow's step: of the matching ones, in the order of their ranks, by the strategy.
/// An API key with only `LEADS_READ` reads `id`, `name` and `stats`; all other fields require `NETWORK_READ` or MANAGE,
/// on every path.
#[Object]
impl DistributionProfile {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Description for people.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Whether the profile routes leads.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// How the profile chooses among matching partners.
    async fn strategy(&self) -> Strategy {
        self.0.strategy
    }

    /// What happens when a delivery finally fails or is refused.
    async fn on_failure(&self) -> OnFailure {
        self.0.on_failure
    }

    /// The most partners per lead in a `SEND_TO_ALL` profile. Null means no limit. Other strategies choose one.
    async fn max_recipients(&self) -> Option<i32> {
        self.0.max_recipients
    }

    /// Which leads the profile takes, in the form of `RuleInput`. Null means all.
    async fn rule(&self) -> Option<Json<Value>> {
        self.0.rule.clone().map(Json)
    }

    /// The rule in words.
    async fn rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        rule_text(ctx, self.0.account_id, self.0.rule.as_ref()).await
    }

    /// Price that a partner pays for a lead, unless its assignment has its own.
    async fn base_price(&self) -> Option<Money> {
        Money::from_columns(self.0.base_price_e4, self.0.base_price_currency.clone())
    }

    /// Assignments, best rank first. Requires a user of the account, or an API key with `NETWORK_READ` or MANAGE.
    async fn assignments(&self, ctx: &Context<'_>) -> Result<Vec<Assignment>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, AssignmentsIn(account, self.0.id)).await?))
    }

    /// Flows with a step that routes through the profile, oldest first. Requires a user of the account, or an API key
    /// with `NETWORK_READ` or MANAGE.
    async fn flows(&self, ctx: &Context<'_>) -> Result<Vec<Flow>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, FlowsThrough(account, self.0.id)).await?))
    }

    /// Results of the deliveries that the profile routed in a range. Requires a user of the account, or an API key with
    /// `LEADS_READ` or MANAGE.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of routing times.")] range: TimeRangeInput,
    ) -> Result<DeliveryCounts> {
        stats(ctx, Subject::Profile(self.0.id), range).await
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

connection!(
    DistributionProfileConnection,
    DistributionProfileEdge,
    DistributionProfile,
    profile::Model,
    "distribution profiles"
);

/// Result of a change to a profile or its assignments.
#[derive(SimpleObject)]
pub struct ProfilePayload {
    /// The updated profile; null if nothing changed.
    profile: Option<DistributionProfile>,
    /// The created or changed assignment; null if there is none.
    assignment: Option<Assignment>,
    /// A new signing secret of the assignment's partner, shown only once; null if none was created.
    signing_secret: Option<String>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

impl ProfilePayload {
    pub(super) fn new(profile: Option<profile::Model>, user_errors: Vec<UserError>) -> Self {
        Self {
            profile: profile.map(DistributionProfile),
            assignment: None,
            signing_secret: None,
            user_errors,
        }
    }

    pub(super) fn assigned(assigned: Option<AssignmentResult>, user_errors: Vec<UserError>) -> Self {
        let Some(assigned) = assigned else {
            return Self::new(None, user_errors);
        };
        Self {
            assignment: Some(Assignment(assigned.assignment)),
            signing_secret: assigned.signing_secret,
            ..Self::new(Some(assigned.profile), user_errors)
        }
    }
}

/// Looking at distribution profiles.
#[derive(Default)]
pub struct ProfileQuery;

#[Object]
impl ProfileQuery {
    /// A distribution profile of the caller's account; null if there is none with this identifier. Requires a user of
    /// the account, or an API key with `NETWORK_READ` or MANAGE.
    async fn distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the profile.")] id: ProfileId,
    ) -> Result<Option<DistributionProfile>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = profiles::find(app, caller, id).await?;
        Ok(found.map(DistributionProfile))
    }

    /// Distribution profiles of the caller's account, newest first. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn distribution_profiles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Profiles that route leads (true) or do not (false).")] enabled: Option<bool>,
        #[graphql(desc = "Profiles with this text in their name, in any case.")] search: Option<String>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<DistributionProfileConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = profiles::list(caller, &Filter { enabled, search })?;
        let args = PageArgs::new(first, after, last, before);
        check_page(app.db.read(), &found, Column::Id, &args, Entity::LARGE).await?;
        let page = page(app.db.read(), found, Column::Id, |row| row.id.0, args).await?;
        Ok(page.into())
    }
}

/// Changing distribution profiles.
#[derive(Default)]
pub struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Creates a distribution profile. Assign partners to it afterwards. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn create_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The profile.")] input: CreateProfileInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(profiles::create(app, caller, input.into()).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Changes a distribution profile; omitted fields stay unchanged. Existing deliveries keep their prices. Requires
    /// MEMBER or above, or an API key with MANAGE.
    async fn update_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The profile and the changes.")] input: UpdateProfileInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(profiles::update(app, caller, input.into()).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Enables or disables a profile. Deliveries in progress continue. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn set_distribution_profile_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the profile.")] id: ProfileId,
        #[graphql(desc = "Whether the profile routes leads.")] enabled: bool,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = profiles::set_enabled(app, caller, id, enabled).await;
        let (profile, user_errors) = outcome(result)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Deletes a profile and its assignments. `IN_USE` while a step of a flow distributes through it. Requires MEMBER
    /// or above, or an API key with MANAGE.
    async fn delete_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the profile.")] id: ProfileId,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeletePayload::of(profiles::delete(app, caller, id).await)
    }
}
