//! The partner portal.

use async_graphql::{Context, Object, SimpleObject};
use entity::delivery;
use entity::delivery_config::Channel;
use entity::field::FieldDef;
use entity::ids::DeliveryId;

use super::context::{ContextExt, app_and_caller};
use super::field_mapping::each;
use super::portal_lead::{PortalLead, PortalLeadConnection, PortalLeadFilter};
use super::portal_user::PortalUser;
use super::relay::{self, PageArgs};
use super::scalars::{EmailAddress, UrlText};
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_delivery::portal_feed::{self, Filter};
use leadmesh_distribution::settings::{self, Destination};

/// A portal.
pub struct Portal(pub portal_feed::Portal);

/// What a partner's portal users see: the leads delivered to their company through the portal, and nothing else.
#[Object]
impl Portal {
    /// Name of the partner, as recorded by the account.
    async fn partner_name(&self) -> &str {
        &self.0.partner_name
    }

    /// Name of the account that shares the leads.
    async fn account_name(&self) -> &str {
        &self.0.account_name
    }

    /// The caller.
    async fn user(&self) -> PortalUser {
        PortalUser(self.0.user.clone())
    }

    /// The partner's leads, newest first. Requires `VIEW_LEADS`.
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the leads. Defaults to all.")] filter: Option<PortalLeadFilter>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<PortalLeadConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let filter = filter.map(PortalLeadFilter::checked).transpose()?;
        let leads = portal_feed::list(app, caller, filter.unwrap_or_else(Filter::default)).await?;
        let args = PageArgs::new(first, after, last, before);
        let page = relay::page(app.db.read(), leads, delivery::Column::Id, |row| row.id.0, args).await?;
        let rows = page.entries.iter().map(|(_, row)| row.clone()).collect();
        let shown = portal_feed::present_leads(app, caller, rows).await?;
        Ok(PortalLeadConnection::of(page, shown))
    }

    /// One of the partner's leads; null if there is none with this identifier. Requires `VIEW_LEADS`.
    async fn lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the lead in the portal.")] id: DeliveryId,
    ) -> Result<Option<PortalLead>> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(portal_feed::find(app, caller, id).await?.map(PortalLead))
    }

    /// Leads delivered in a range, by review, without test leads. Requires `VIEW_LEADS`.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of delivery times.")] range: TimeRangeInput,
    ) -> Result<PortalStats> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(portal_feed::stats(app, caller, range.checked()?).await?.into())
    }

    /// Current position of the feed. To miss nothing, read this, then the leads, then subscribe to `portalLeads` with
    /// it as `after`. Requires `VIEW_LEADS`.
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let (app, caller) = app_and_caller(ctx).await?;
        portal_feed::cursor(app, caller).await
    }

    /// URL of the leads as CSV, newest first. Send GET with the portal session's token in `Authorization`. UTF-8, RFC
    /// 4180. The columns are the labels of `columns`, followed by Lead, Delivered at, Status, Review reason, Price,
    /// Currency and Test. A cell that starts like a spreadsheet formula is prefixed with an apostrophe. Every export is
    /// recorded in the account's audit log. Requires `VIEW_LEADS` and EXPORT.
    async fn csv_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the leads. Defaults to all.")] filter: Option<PortalLeadFilter>,
    ) -> Result<UrlText> {
        let query = filter.as_ref().map(PortalLeadFilter::to_query).unwrap_or_default();
        let mark = if query.is_empty() { "" } else { "?" };
        let address = format!("{}/portal/leads.csv{mark}{query}", ctx.app()?.config.public_url);
        Ok(UrlText(address))
    }

    /// How the partner receives its leads, unless the account has set something else for some of them.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<PortalDelivery> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(settings::in_portal(app, caller).await?.into())
    }

    /// Fields that the partner's leads show, each once. Requires `VIEW_LEADS`.
    async fn columns(&self, ctx: &Context<'_>) -> Result<Vec<FieldDef>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let columns = portal_feed::columns(app, caller).await?;
        Ok(columns)
    }
}

/// How a partner receives its leads. `updatePortalDelivery` changes it.
#[derive(SimpleObject)]
pub struct PortalDelivery {
    /// By email, by webhook, in the portal, or into an account of the partner.
    channel: Channel,
    /// Recipients of the emails; null on other channels, and for callers without `EDIT_DELIVERY`.
    recipients: Option<Vec<EmailAddress>>,
    /// URL of the webhook; null on other channels, and for callers without `EDIT_DELIVERY`.
    url: Option<UrlText>,
}

impl From<settings::PortalDeliveryView> for PortalDelivery {
    fn from(seen: settings::PortalDeliveryView) -> Self {
        let (recipients, url) = match seen.destination {
            None => (None, None),
            Some(Destination::Email(addresses)) => (Some(each(addresses)), None),
            Some(Destination::Webhook(url)) => (None, Some(url.into())),
        };
        Self {
            channel: seen.channel,
            recipients,
            url,
        }
    }
}

/// Leads of a portal by review, without test leads.
#[derive(SimpleObject)]
pub struct PortalStats {
    /// All delivered leads. Leads with an unanswered return request are counted only here.
    total: i32,
    /// Leads that nobody has reviewed.
    pending: i32,
    /// Accepted leads.
    accepted: i32,
    /// Rejected leads.
    rejected: i32,
    /// Returned leads.
    returned: i32,
    /// Median minutes from delivery to acceptance or rejection; null if none was reviewed.
    median_review_minutes: Option<f64>,
}

impl From<portal_feed::Stats> for PortalStats {
    fn from(stats: portal_feed::Stats) -> Self {
        let int = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        Self {
            total: int(stats.total),
            pending: int(stats.pending),
            accepted: int(stats.accepted),
            rejected: int(stats.rejected),
            returned: int(stats.returned),
            median_review_minutes: stats.median_review_minutes,
        }
    }
}

/// Queries of the partner portal.
#[derive(Default)]
pub struct PortalQuery;

#[Object]
impl PortalQuery {
    /// The caller's portal. Requires a portal session; any other token is FORBIDDEN.
    async fn portal(&self, ctx: &Context<'_>) -> Result<Portal> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(Portal(portal_feed::portal(app, caller).await?))
    }
}
