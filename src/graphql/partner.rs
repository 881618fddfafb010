//! Partners: recipients that an account keeps a record of.

pub mod inputs;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::partner::{self, Column};

use super::assignment::Assignment;
use super::cap::Cap;
use super::context::app_and_caller;
use super::delivery_counts::{DeliveryCounts, stats};
use super::delivery_settings::DeliverySettings;
use super::destination_health::DestinationHealth;
use super::field_mapping::each;
use super::ids::id_or_unknown;
use super::loaders::distribution::PlacesOf;
use super::loaders::list;
use super::payload::{UserError, outcome};
use super::portal_user::PortalAccess;
use super::relay::{PageArgs, connection, page};
use super::scalars::{EmailAddress, TimeZone};
use super::time_range::TimeRangeInput;
use crate::delivery::counts::Subject;
use crate::delivery::resume;
use crate::distribution::partners::{self, Filter};
use crate::distribution::settings::PartnerResult;
use crate::distribution::{secrets, settings};
use crate::error::Result;
use crate::identity::policy::Action;
use inputs::{CreatePartnerInput, SetPartnerDeliveryInput, UpdatePartnerInput};

/// A recipient of leads that an account keeps a record of. It needs no account of its own.
#[derive(Clone)]
pub struct Partner(pub partner::Model);

impl From<partner::Model> for Partner {
    fn from(row: partner::Model) -> Self {
        Self(row)
    }
}

/// A recipient of leads that an account keeps a record of. It needs no account of its own. A key with `LEADS_READ` alone reads `id`,
/// `name` and `stats`; the rest takes `NETWORK_READ` or MANAGE, wherever it is reached from.
#[Object]
impl Partner {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Contact; leads go where `delivery` says.
    async fn email(&self) -> EmailAddress {
        self.0.email.clone().into()
    }

    /// Contact, as people write it.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// The account's own notes; the partner never sees them.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// Free labels, to find it by.
    async fn tags(&self) -> &[String] {
        &self.0.tags.0
    }

    /// Whether it gets leads.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// The zone of its caps, unless they name another.
    async fn timezone(&self) -> TimeZone {
        self.0.timezone.clone().into()
    }

    /// How it gets its leads, wherever an assignment has no settings of its own. Takes a person of the account, or a key with
    /// `NETWORK_READ` or MANAGE.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<DeliverySettings> {
        let (_, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadSetup)?;
        DeliverySettings::load(ctx, &self.0, self.0.settings_id).await
    }

    /// Limits of leads routed to it, through all profiles together.
    async fn caps(&self) -> Vec<Cap> {
        each(self.0.caps.0.clone())
    }

    /// Whether and as whom its people may come into the portal.
    async fn portal_access(&self) -> Option<PortalAccess> {
        Some(PortalAccess(self.0.clone()))
    }

    /// Its places in distribution profiles, best rank first. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    async fn assignments(&self, ctx: &Context<'_>) -> Result<Vec<Assignment>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        Ok(each(list(ctx, PlacesOf(account, self.0.id)).await?))
    }

    /// How its destination is doing.
    async fn health(&self, ctx: &Context<'_>) -> Result<DestinationHealth> {
        DestinationHealth::of(ctx, self.0.account_id, self.0.id).await
    }

    /// What became of the deliveries that were routed to it in a span of time. Takes a person of the account, or a key with `LEADS_READ`
    /// or MANAGE.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When they were routed.")] range: TimeRangeInput,
    ) -> Result<DeliveryCounts> {
        stats(ctx, Subject::Partner(self.0.id), range).await
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

connection!(PartnerConnection, PartnerEdge, Partner, partner::Model, "partners");

/// A partner after a change.
#[derive(SimpleObject)]
pub struct PartnerPayload {
    /// As it is now; null when nothing was changed.
    pub partner: Option<Partner>,
    /// A new signing secret, shown this once: hand it to the partner, whose server checks signatures with it. Null when none was made.
    pub signing_secret: Option<String>,
    /// Rules that the input broke.
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

/// A partner with a new signing secret.
#[derive(SimpleObject)]
pub struct SigningSecretPayload {
    /// As it is now; null when nothing was changed.
    partner: Option<Partner>,
    /// The new secret, shown this once.
    secret: Option<String>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Looking at partners.
#[derive(Default)]
pub struct PartnerQuery;

#[Object]
impl PartnerQuery {
    /// A partner of the caller's account; null if it has none by this identifier. Takes a person of the account, or a key with
    /// `NETWORK_READ` or MANAGE.
    async fn partner(&self, ctx: &Context<'_>, #[graphql(desc = "Which partner.")] id: ID) -> Result<Option<Partner>> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(partners::find(app, caller, id_or_unknown(&id)).await?.map(Partner))
    }

    /// The partners of the caller's account, newest first. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    #[expect(clippy::too_many_arguments, reason = "filters and the four arguments of a page")]
    async fn partners(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that get leads (true) or do not (false).")] active: Option<bool>,
        #[graphql(desc = "Only those with exactly this tag.")] tag: Option<String>,
        #[graphql(desc = "Only those with this in their name or email address, in any case.")] search: Option<String>,
        #[graphql(desc = "The first so many entries, 1 to 100; 20 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many entries, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor.")] before: Option<String>,
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
    /// Makes a partner. It is active, and its portal is closed; it gets leads once a profile has it. Takes an OWNER, ADMIN or MEMBER, or
    /// a key with MANAGE.
    async fn create_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is called and how it gets its leads.")] input: CreatePartnerInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (changed, user_errors) = outcome(partners::create(app, caller, input.into()).await)?;
        Ok(PartnerPayload::changed(changed, user_errors))
    }

    /// Changes a partner; what is left out stays. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn update_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partner, and what changes.")] input: UpdatePartnerInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (partner, user_errors) = outcome(partners::update(app, caller, input.into()).await)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Lets a partner get leads, or no more. Deliveries under way go on. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn set_partner_active(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partner.")] id: ID,
        #[graphql(desc = "Whether it gets leads from now on.")] active: bool,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = partners::set_active(app, caller, id_or_unknown(&id), active).await;
        let (partner, user_errors) = outcome(result)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Sets how a partner gets its leads, everywhere or from one of its places. Deliveries that exist keep the settings they were made
    /// with, and nothing is sent again. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn set_partner_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partner, and its settings from now on.")] input: SetPartnerDeliveryInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (changed, user_errors) = outcome(settings::set(app, caller, input.into()).await)?;
        Ok(PartnerPayload::changed(changed, user_errors))
    }

    /// Sends to a partner's destination again at once, though it is paused or has answered 410: what waits goes on, and failures are
    /// counted anew. Does nothing when nothing is paused. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn resume_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose destination.")] partner_id: ID,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (partner, user_errors) = outcome(resume::resume(app, caller, id_or_unknown(&partner_id)).await)?;
        Ok(PartnerPayload::new(partner, user_errors))
    }

    /// Replaces a partner's signing secret, or makes the first one. The one before signs too for 24 hours, so that the partner may
    /// switch at any moment. Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn rotate_signing_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partner.")] partner_id: ID,
    ) -> Result<SigningSecretPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (rotated, user_errors) = outcome(secrets::rotate(app, caller, id_or_unknown(&partner_id)).await)?;
        let (partner, secret) = rotated.unzip();
        Ok(SigningSecretPayload {
            partner: partner.map(Partner),
            secret,
            user_errors,
        })
    }
}
