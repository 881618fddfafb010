//! The partner portal.

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::delivery;
use entity::delivery_config::Channel;

use super::context::{ContextExt, app_and_caller};
use super::field_mapping::each;
use super::flow_field::FlowField;
use super::portal_lead::{PortalLead, PortalLeadConnection, PortalLeadFilter};
use super::portal_user::PortalUser;
use super::relay::{self, PageArgs};
use super::scalars::{EmailAddress, UrlText};
use super::time_range::TimeRangeInput;
use crate::delivery::portal_feed::{self, Filter};
use crate::distribution::settings::{self, Destination};
use crate::error::Result;

/// A portal.
pub struct Portal(pub portal_feed::Portal);

/// What a partner's people see: the leads that were delivered to their company through the portal, and nothing else.
#[Object]
impl Portal {
    /// The partner's name, as the account keeps it.
    async fn partner_name(&self) -> &str {
        &self.0.partner_name
    }

    /// The name of the account that shares the leads.
    async fn account_name(&self) -> &str {
        &self.0.account_name
    }

    /// Who is asking.
    async fn user(&self) -> PortalUser {
        PortalUser(self.0.user.clone())
    }

    /// The partner's leads, newest first. Takes `VIEW_LEADS`.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filter")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads; all when left out.")] filter: Option<PortalLeadFilter>,
        #[graphql(desc = "The first so many, 1 to 100; 20 when neither `first` nor `last` is given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
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

    /// One of the partner's leads; null if there is none with that identifier. Takes `VIEW_LEADS`.
    async fn lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the lead in the portal.")] id: ID,
    ) -> Result<Option<PortalLead>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(portal_feed::find(app, caller, id).await?.map(PortalLead))
    }

    /// Counts of the leads that came in a span; tests left out. Takes `VIEW_LEADS`.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When the leads came.")] range: TimeRangeInput,
    ) -> Result<PortalStats> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(portal_feed::stats(app, caller, range.checked()?).await?.into())
    }

    /// Where the feed stands now. Read this, then the leads, then subscribe to `portalLeads` with `after` this: nothing that comes
    /// meanwhile is missed. Takes `VIEW_LEADS`.
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let (app, caller) = app_and_caller(ctx).await?;
        portal_feed::cursor(app, caller).await
    }

    /// Where the leads can be had as CSV, newest first: by GET with the portal session's token in `Authorization`, in UTF-8 by RFC
    /// 4180. The columns are the labels of `columns`, and then Lead, Delivered at, Status, Review reason, Price, Currency and Test.
    /// Cells that begin like a formula of a spreadsheet get an apostrophe in front. Each export is in the account's audit trail, and
    /// takes `VIEW_LEADS` and EXPORT.
    async fn csv_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads; all when left out.")] filter: Option<PortalLeadFilter>,
    ) -> Result<UrlText> {
        let query = filter.as_ref().map(PortalLeadFilter::to_query).unwrap_or_default();
        let mark = if query.is_empty() { "" } else { "?" };
        let address = format!("{}/portal/leads.csv{mark}{query}", ctx.app()?.config.public_url);
        Ok(UrlText(address))
    }

    /// How the partner gets its leads from now on, unless the account has set something else for some of them.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<PortalDelivery> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(settings::in_portal(app, caller).await?.into())
    }

    /// The fields that the partner's leads show, each once. Takes `VIEW_LEADS`.
    async fn columns(&self, ctx: &Context<'_>) -> Result<Vec<FlowField>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let columns = portal_feed::columns(app, caller).await?;
        Ok(columns.into_iter().map(FlowField::from).collect())
    }
}

/// How a partner gets its leads. `updatePortalDelivery` changes it.
#[derive(SimpleObject)]
pub struct PortalDelivery {
    /// By mail, by webhook, into the portal, or into an account of the partner's own.
    channel: Channel,
    /// The addresses to which mails go; null on other ways, and for those without `EDIT_DELIVERY`.
    recipients: Option<Vec<EmailAddress>>,
    /// Where requests go; null on other ways, and for those without `EDIT_DELIVERY`.
    url: Option<UrlText>,
}

impl From<settings::InPortal> for PortalDelivery {
    fn from(seen: settings::InPortal) -> Self {
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

/// What became of a partner's leads; tests left out.
#[derive(SimpleObject)]
pub struct PortalStats {
    /// All that came. Those whose return was asked for and not answered yet are counted here alone.
    total: i32,
    /// Those that nobody has reviewed.
    pending: i32,
    /// Those that the partner takes.
    accepted: i32,
    /// Those that the partner does not take.
    rejected: i32,
    /// Those that were given back.
    returned: i32,
    /// Minutes from arrival to acceptance or rejection, the median; null if nothing was reviewed.
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
    /// The portal that the caller is in. Takes a portal session: any other token is FORBIDDEN.
    async fn portal(&self, ctx: &Context<'_>) -> Result<Portal> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(Portal(portal_feed::portal(app, caller).await?))
    }
}
