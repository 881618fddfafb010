//! Partners: recipients that an account keeps a record of.

pub mod inputs;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::PartnerId;
use entity::partner::{self, Column};

use super::assignment::Assignment;
use super::cap::Cap;
use super::context::app_and_caller;
use super::delivery_counts::{DeliveryCounts, stats};
use super::delivery_settings::DeliverySettings;
use super::destination_health::DestinationHealth;
use super::field_mapping::each;
use super::loaders::{AssignmentsOf, list};
use super::payload::{UserError, outcome};
use super::portal_user::PortalAccess;
use super::relay::{PageArgs, connection, page};
use super::scalars::{EmailAddress, TimeZone};
use super::time_range::TimeRangeInput;
use inputs::{CreatePartnerInput, SetPartnerDeliveryInput, UpdatePartnerInput};
use leadmesh_core::error::Result;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::counts::Subject;
use leadmesh_delivery::resume;
use leadmesh_distribution::partners::{self, Filter};
use leadmesh_distribution::settings::PartnerResult;
use leadmesh_distribution::{secrets, settings};

/// A recipient of leads that an account keeps a record of. It needs no account of its own.
#[derive(Clone)]
pub struct Partner(pub partner::Model);

impl From<partner::Model> for Partner {
    fn from(row: partner::Model) -> Self {
        Self(row)
    }
}

/// A recipient of leads on an account's record. Needs no account of its own. An API key with only `LEADS_READ` reads
/// `id`, `name` and `stats`; all other fields require `NETWORK_READ` or MANAGE, on every path.
#[Object]
impl Partner {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Contact address. Leads go where `delivery` says.
    async fn email(&self) -> EmailAddress {
        self.0.email.clone().into()
    }

    /// Contact phone number, in free form.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// The account's notes. The partner never sees them.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// Free labels.
    async fn tags(&self) -> &[String] {
        &self.0.tags.0
    }

    /// Whether the partner gets leads.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Time zone of the partner's caps, unless they have their own.
    async fn timezone(&self) -> TimeZone {
        self.0.timezone.clone().into()
    }

    /// Delivery settings, unless an assignment has its own. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<DeliverySettings> {
        let (_, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadSetup)?;
        DeliverySettings::load(ctx, &self.0, self.0.settings_id).await
    }

    /// Caps on leads routed to the partner through all profiles together.
    async fn caps(&self) -> Vec<Cap> {
        each(self.0.caps.0.clone())
    }

    /// Portal access of the partner.
    async fn portal_access(&self) -> Option<PortalAccess> {
        Some(PortalAccess(self.0.clone()))
    }

    /// Assignments to distribution profiles, best rank first. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn assignments(&self, ctx: &Context<'_>) -> Result<Vec<Assignment>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, AssignmentsOf(account, self.0.id)).await?))
    }

    /// Health of the partner's destination.
    async fn health(&self, ctx: &Context<'_>) -> Result<DestinationHealth> {
        DestinationHealth::of(ctx, self.0.account_id, self.0.id).await
    }

    /// Results of the deliveries that were routed to the partner in a range. Requires a user of the account, or an API
    /// key with `LEADS_READ` or MANAGE.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of routing times.")] range: TimeRangeInput,
    ) -> Result<DeliveryCounts> {
        stats(ctx, Subject::Partner(self.0.id), range).await
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

connection!(PartnerConnection, PartnerEdge, Partner, partner::Model, "partners");

/// Result of a change to a partner.
#[derive(SimpleObject)]
pub struct PartnerPayload {
    /// The updated partner; null if nothing changed.
    pub partner: Option<Partner>,
    /// A new signing secret, shown only once. Give it to the partner, whose server verifies signatures with it. Null if
    /// none was created.
    pub signing_secret: Option<String>,
    /// Business rules that the input broke.
    pub user_errors: Vec<UserError>,
}

impl PartnerPayload {
    /// After a change that makes no secret.
    pub fn new(partner: Option<partner::Model>, user_errors: Vec<UserError>) -> Self {
        Self {
            partner: partner.map(Partner),
            signing_secret: None,
            user_errors,
        }
    }

    fn changed(changed: Option<PartnerResult>, user_errors: Vec<UserError>) -> Self {
        let (partner, secret) = changed.map(|changed| (changed.partner, changed.signing_secret)).unzip();
        Self {
            signing_secret: secret.flatten(),
            ..Self::new(partner, user_errors)
        }
    }
}

/// Result of a rotation of the signing secret.
#[derive(SimpleObject)]
pub struct SigningSecretPayload {
    /// The updated partner; null if nothing changed.
    partner: Option<Partner>,
    /// The new secret, shown only once.
    secret: Option<String>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Looking at partners.
#[derive(Default)]
pub struct PartnerQuery;

#[Object]
impl PartnerQuery {
    /// A partner of the caller's account; null if there is none with this identifier. Requires a user of the account,
    /// or an API key with `NETWORK_READ` or MANAGE.
    async fn partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner.")] id: PartnerId,
    ) -> Result<Option<Partner>> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(partners::find(app, caller, id).await?.map(Partner))
    }

    /// Partners of the caller's account, newest first. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn partners(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Partners that get leads (true) or do not (false).")] active: Option<bool>,
        #[graphql(desc = "Partners with exactly this tag.")] tag: Option<String>,
        #[graphql(desc = "Partners with this text in their name or email address, in any case.")] search: Option<
            String,
        >,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<PartnerConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = partners::list(app, caller, &Filter { active, tag, search })?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), found, Column::Id, |row| row.id.0, args).await?;
        Ok(page.into())
    }
}

/// Changing partners.
#[derive(Default)]
pub struct PartnerMutation;

#[Object]
impl PartnerMutation {
    /// Creates a partner. It is active and its portal is disabled; it gets leads once it is assigned to a profile.
    /// Requires MEMBER or above, or an API key with MANAGE.
    async fn create_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner.")] input: CreatePartnerInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (changed, user_errors) = outcome(partners::create(app, caller, input.into()).await)?;
        Ok(PartnerPayload::changed(changed, user_errors))
    }

    /// Changes a partner; omitted fields stay unchanged. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner and the changes.")] input: UpdatePartnerInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (partner, user_errors) = outcome(partners::update(app, caller, input.into()).await)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Activates or deactivates a partner. Deliveries in progress continue. Requires MEMBER or above, or an API key
    /// with MANAGE.
    async fn set_partner_active(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner.")] id: PartnerId,
        #[graphql(desc = "Whether the partner gets leads.")] active: bool,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = partners::set_active(app, caller, id, active).await;
        let (partner, user_errors) = outcome(result)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Sets the delivery settings of a partner, in general or for one of its assignments. Existing deliveries keep
    /// their settings, and nothing is sent again. Requires MEMBER or above, or an API key with MANAGE.
    async fn set_partner_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner and its settings.")] input: SetPartnerDeliveryInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (changed, user_errors) = outcome(settings::set(app, caller, input.into()).await)?;
        Ok(PartnerPayload::changed(changed, user_errors))
    }

    /// Resumes a partner's destination immediately, also after repeated failures or a 410: waiting deliveries go on and
    /// failures are counted from zero. Does nothing if nothing is paused. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn resume_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner.")] partner_id: PartnerId,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (partner, user_errors) = outcome(resume::resume(app, caller, partner_id).await)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Replaces a partner's signing secret, or creates the first one. For 24 hours requests are signed with the
    /// previous secret too, so that the partner can switch at any time. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn rotate_signing_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner.")] partner_id: PartnerId,
    ) -> Result<SigningSecretPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (rotated, user_errors) = outcome(secrets::rotate(app, caller, partner_id).await)?;
        let (partner, secret) = rotated.unzip();
        Ok(SigningSecretPayload {
            partner: partner.map(Partner),
            secret,
            user_errors,
        })
    }
}
