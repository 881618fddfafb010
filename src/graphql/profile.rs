//! Distribution profiles: each picks partners for leads.

pub mod inputs;

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::profile::{self, Column, Entity, OnFailure, Strategy};
use serde_json::Value;

use super::assignment::{Assignment, rule_text};
use super::context::app_and_caller;
use super::delivery_counts::{DeliveryCounts, stats};
use super::field_mapping::each;
use super::flow::Flow;
use super::ids::id_or_unknown;
use super::loaders::distribution::{FlowsThrough, PlacesIn};
use super::loaders::list;
use super::money::Money;
use super::payload::{DeletePayload, UserError, outcome};
use super::relay::{PageArgs, check_page, connection, page};
use super::time_range::TimeRangeInput;
use crate::delivery::counts::Subject;
use crate::distribution::assignments::AssignmentResult;
use crate::distribution::profiles::{self, Filter};
use crate::error::Result;
use crate::identity::policy::Action;
use inputs::{CreateProfileInput, UpdateProfileInput};

/// Picks partners for the leads that a step of a flow hands to it.
#[derive(Clone)]
pub struct DistributionProfile(pub profile::Model);

impl From<profile::Model> for DistributionProfile {
    fn from(row: profile::Model) -> Self {
        Self(row)
    }
}

/// Picks partners for the leads that a step of a flow hands to it: of those that fit, in the order of their ranks, as the strategy
/// says. A key with `LEADS_READ` alone reads `id`, `name` and `stats`; the rest takes `NETWORK_READ` or MANAGE, wherever it is
/// reached from.
#[Object]
impl DistributionProfile {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// For people.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Whether it routes.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// How it picks among the partners that fit.
    async fn strategy(&self) -> Strategy {
        self.0.strategy
    }

    /// What follows when a delivery finally fails or is refused.
    async fn on_failure(&self) -> OnFailure {
        self.0.on_failure
    }

    /// At most so many partners per lead in a `SEND_TO_ALL` profile; null means no limit. The other strategies take one.
    async fn max_recipients(&self) -> Option<i32> {
        self.0.max_recipients
    }

    /// Which leads it takes, in the form of a `RuleInput`; null means all.
    async fn rule(&self) -> Option<Json<Value>> {
        self.0.rule.clone().map(Json)
    }

    /// The same in words.
    async fn rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        rule_text(ctx, self.0.account_id, self.0.rule.as_ref()).await
    }

    /// What a partner pays for a lead, where its assignment has no price of its own.
    async fn base_price(&self) -> Option<Money> {
        Money::from_columns(self.0.base_price_e4, self.0.base_price_currency.clone())
    }

    /// Its partners, best rank first. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    async fn assignments(&self, ctx: &Context<'_>) -> Result<Vec<Assignment>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, PlacesIn(account, self.0.id)).await?))
    }

    /// Flows with a step that routes through it, oldest first. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    async fn flows(&self, ctx: &Context<'_>) -> Result<Vec<Flow>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, FlowsThrough(account, self.0.id)).await?))
    }

    /// What became of the deliveries that it routed in a span of time. Takes a person of the account, or a key with `LEADS_READ` or
    /// MANAGE.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When they were routed.")] range: TimeRangeInput,
    ) -> Result<DeliveryCounts> {
        stats(ctx, Subject::Profile(self.0.id), range).await
    }

    /// When it was made.
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

/// A profile after a change of it or its assignments.
#[derive(SimpleObject)]
pub struct ProfilePayload {
    /// As it is now; null when nothing was changed.
    profile: Option<DistributionProfile>,
    /// The assignment that was made or changed; null when there is none.
    assignment: Option<Assignment>,
    /// A new signing secret of the assignment's partner, shown this once. Null when none was made.
    signing_secret: Option<String>,
    /// Rules that the input broke.
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
    /// A distribution profile of the caller's account; null if it has none by this identifier. Takes a person of the account, or a key
    /// with `NETWORK_READ` or MANAGE.
    async fn distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which profile.")] id: ID,
    ) -> Result<Option<DistributionProfile>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = profiles::find(app, caller, id_or_unknown(&id)).await?;
        Ok(found.map(DistributionProfile))
    }

    /// The distribution profiles of the caller's account, newest first. Takes a person of the account, or a key with `NETWORK_READ` or
    /// MANAGE.
    #[expect(clippy::too_many_arguments, reason = "filters and the four arguments of a page")]
    async fn distribution_profiles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that route (true) or do not (false).")] enabled: Option<bool>,
        #[graphql(desc = "Only those with this in their name, in any case.")] search: Option<String>,
        #[graphql(desc = "The first so many entries, 1 to 100; 20 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many entries, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor.")] before: Option<String>,
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
    /// Makes a distribution profile; partners are assigned to it afterwards. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn create_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is called and how it picks.")] input: CreateProfileInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(profiles::create(app, caller, input.into()).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Changes a distribution profile; what is left out stays. Deliveries that it has made keep their prices. Takes an OWNER, ADMIN or
    /// MEMBER, or a key with MANAGE.
    async fn update_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which profile, and what changes.")] input: UpdateProfileInput,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (profile, user_errors) = outcome(profiles::update(app, caller, input.into()).await)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Lets a profile route, or no more. Deliveries under way go on. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn set_distribution_profile_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which profile.")] id: ID,
        #[graphql(desc = "Whether it routes from now on.")] enabled: bool,
    ) -> Result<ProfilePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = profiles::set_enabled(app, caller, id_or_unknown(&id), enabled).await;
        let (profile, user_errors) = outcome(result)?;
        Ok(ProfilePayload::new(profile, user_errors))
    }

    /// Deletes a profile and its assignments; `IN_USE` as long as a step of a flow distributes through it. Takes an OWNER, ADMIN or MEMBER,
    /// or a key with MANAGE.
    async fn delete_distribution_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which profile.")] id: ID,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (deleted, user_errors) = outcome(profiles::delete(app, caller, id_or_unknown(&id)).await)?;
        Ok(DeletePayload {
            deleted_id: deleted.map(|id| id.to_string().into()),
            user_errors,
        })
    }
}
