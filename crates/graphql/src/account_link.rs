//! Connections between accounts. (Relay keeps type names that end in Connection for pages.)

pub mod inputs;
mod mutations;
mod usage;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::audit_event;
use entity::connection::{self, Column, ConnectionStatus};
use entity::connection_side;
use entity::ids::{AccountId, ConnectionId};
use entity::relationship::RelationshipType;
use sea_orm::{ColumnTrait, QueryFilter};

use super::account::AccountProfile;
use super::audit_event::AuditEventConnection;
use super::context::{ContextExt, app_and_caller};
use super::flow::Flow;
use super::loaders::{self, FlowRow, LastActivity, LinkOf, SideOf, SourcesOver, StepsOver};
use super::payload::{UserError, outcome};
use super::relay::{self, Page, PageArgs, connection};
use super::scalars::EmailAddress;
use super::source::AccountSource;
use super::step::BuyerStep;
use super::submission_docs::SubmissionDocs;
use super::time_range::TimeRangeInput;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::policy::Action;
use leadmesh_network::connections::{self, ConnectionView, Filter};
use leadmesh_network::review::{self, Facts};
use leadmesh_network::usage::TimeBucket;
pub use mutations::AccountLinkMutation;
pub use usage::{ConnectionCapacity, ConnectionUsage, UsageBucket};

/// A connection as one of its sides sees it.
#[derive(Clone, Debug)]
pub struct AccountLink(pub ConnectionView);

impl From<ConnectionView> for AccountLink {
    fn from(link: ConnectionView) -> Self {
        Self(link)
    }
}

impl AccountLink {
    /// A connection as that account sees it; none if it is not one of its own.
    pub async fn load(ctx: &Context<'_>, viewer: AccountId, id: ConnectionId) -> Result<Option<Self>> {
        // It hangs on leads and deliveries as well, whose readers may lack the right to read the account's setup.
        let (_, caller) = app_and_caller(ctx).await?;
        if !caller.may(Action::ReadSetup) {
            return Ok(None);
        }
        Ok(loaders::load(ctx, LinkOf(viewer, id)).await?.map(Self))
    }

    async fn side(&self, ctx: &Context<'_>) -> Result<connection_side::Model> {
        let side = loaders::load(ctx, SideOf(self.0.viewer, self.0.row.id)).await?;
        side.ok_or_else(|| Error::Internal(anyhow::anyhow!("a side of {} is gone", self.0.row.id)))
    }

    async fn last_lead(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        loaders::load(ctx, LastActivity(self.0.viewer, self.0.row.id)).await
    }
}

/// A connection: a relationship between two accounts to which both agreed, as the caller's side sees it. Leads go over
/// it only if a flow's owner added the partner as a source or by a buyer step.
#[Object]
impl AccountLink {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.row.id.to_string().into()
    }

    /// Status of the connection. SUSPENDED while either side suspends it.
    async fn status(&self) -> ConnectionStatus {
        self.0.row.status
    }

    /// The other account.
    async fn partner(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.partner()).await
    }

    /// The agreed relationship, from the caller's point of view: `RECEIVE_LEADS` means "I receive leads from them".
    async fn relationship_type(&self) -> RelationshipType {
        self.0.relationship()
    }

    /// A wider relationship that one side has requested and the other has not answered, from the caller's point of
    /// view.
    async fn requested_type(&self) -> Option<RelationshipType> {
        self.0.row.requested_for(self.0.viewer)
    }

    /// Whether the caller's side made the request in `requestedType`; null if there is none.
    async fn requested_by_me(&self) -> Option<bool> {
        self.0.row.requested_by.map(|by| by == self.0.viewer)
    }

    /// Whether the caller's side suspends the connection. Only that side can resume it.
    async fn suspended_by_me(&self) -> bool {
        self.0.row.suspended_by(self.0.viewer)
    }

    /// What the connection is for. Visible to the caller's side only.
    async fn purpose(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.purpose)
    }

    /// The contact person at the partner. Visible to the caller's side only.
    async fn contact_name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.contact_name)
    }

    /// The contact's email address. Visible to the caller's side only.
    async fn contact_email(&self, ctx: &Context<'_>) -> Result<Option<EmailAddress>> {
        Ok(self.side(ctx).await?.contact_email.map(EmailAddress))
    }

    /// Notes. Visible to the caller's side only.
    async fn notes(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.notes)
    }

    /// Leads per day, both directions together, that the caller's side expects.
    async fn expected_daily_volume(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.side(ctx).await?.expected_daily_volume)
    }

    /// The caller's flow that receives the leads of the partner's buyer steps: the chosen one, otherwise the inbox.
    /// Always the inbox on the FREE plan. Null if the relationship does not bring leads to the caller.
    async fn receiving_flow(&self, ctx: &Context<'_>) -> Result<Option<Flow>> {
        if !self.0.relationship().receives() {
            return Ok(None);
        }
        let id = connections::receiving_flow(ctx.app()?, &self.0).await?;
        let Some(id) = id else { return Ok(None) };
        Ok(loaders::load(ctx, FlowRow(self.0.viewer, id)).await?.map(Flow))
    }

    /// Sources of the caller's flows through which the partner submits.
    async fn sources(&self, ctx: &Context<'_>) -> Result<Vec<AccountSource>> {
        let rows = loaders::list(ctx, SourcesOver(self.0.viewer, self.0.row.id)).await?;
        Ok(rows.into_iter().map(AccountSource).collect())
    }

    /// Steps of the caller's flows that deliver to the partner over this connection.
    async fn buyer_steps(&self, ctx: &Context<'_>) -> Result<Vec<BuyerStep>> {
        let rows = loaders::list(ctx, StepsOver(self.0.viewer, self.0.row.id)).await?;
        Ok(rows.into_iter().filter_map(BuyerStep::of).collect())
    }

    /// Submission docs of the sources that the partner opened to the caller. Empty while leads may not go in that
    /// direction.
    async fn submission_docs(&self, ctx: &Context<'_>) -> Result<Vec<SubmissionDocs>> {
        SubmissionDocs::over(ctx, self.0.viewer, self.0.row.id).await
    }

    /// Leads that went over the connection in a range, without test leads. Buckets follow the calendar of the account's
    /// time zone; the first and the last are cut to the range. At most 1,000 buckets. Refused attempts are counted by
    /// whole hours.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of submission times.")] range: TimeRangeInput,
        #[graphql(
            desc = "Length of each bucket. Defaults to DAY.",
            default_with = "Some(TimeBucket::Day)"
        )]
        bucket: Option<TimeBucket>,
    ) -> Result<ConnectionUsage> {
        ConnectionUsage::of(ctx, &self.0, range, bucket.unwrap_or(TimeBucket::Day)).await
    }

    /// Current traffic compared with the expected volume.
    async fn capacity(&self, ctx: &Context<'_>) -> Result<ConnectionCapacity> {
        ConnectionCapacity::of(ctx, &self.0).await
    }

    /// When the last lead went over the connection, in either direction. Test leads do not count.
    async fn last_activity_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        self.last_lead(ctx).await
    }

    /// When a user of the caller's side last marked the connection as reviewed.
    async fn last_reviewed_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.side(ctx).await?.last_reviewed_at)
    }

    /// Whether the connection needs a review: none for 90 days (the operator can change this number), or no lead for 30
    /// days. Always false after the connection has ended.
    async fn review_due(&self, ctx: &Context<'_>) -> Result<bool> {
        let app = ctx.app()?;
        let facts = Facts {
            status: self.0.row.status,
            connected_at: self.0.row.connected_at,
            reviewed_at: self.side(ctx).await?.last_reviewed_at,
            last_lead_at: self.last_lead(ctx).await?,
        };
        Ok(review::is_due(&facts, app.clock.now(), app.config.settings.review_days))
    }

    /// Audit log entries about the connection and its invitation, newest first. Requires OWNER or ADMIN.
    async fn audit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<AuditEventConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadAudit)?;
        let row = &self.0.row;
        let subjects = [Some(row.id.to_string()), row.invitation_id.map(|id| id.to_string())];
        let entries = audit_event::Entity::in_account(account)
            .filter(audit_event::Column::SubjectId.is_in(subjects.into_iter().flatten()));
        let entries = audit_event::Entity::without_changes(entries);
        let args = PageArgs::new(first, after, last, before);
        let page = relay::page(app.db.read(), entries, audit_event::Column::Id, |row| row.id.0, args);
        Ok(page.await?.into())
    }

    /// When both accounts agreed to the connection.
    async fn connected_at(&self) -> DateTime<Utc> {
        self.0.row.connected_at
    }

    /// When the connection ended; null until then.
    async fn terminated_at(&self) -> Option<DateTime<Utc>> {
        self.0.row.terminated_at
    }

    /// Reason given by the side that ended the connection.
    async fn termination_reason(&self) -> Option<&str> {
        self.0.row.termination_reason.as_deref()
    }
}

connection!(
    AccountLinkConnection,
    AccountLinkEdge,
    AccountLink,
    ConnectionView,
    "connections"
);

fn seen_by(viewer: AccountId, page: Page<connection::Model>) -> Page<ConnectionView> {
    let seen = |(cursor, row)| (cursor, ConnectionView::new(row, viewer));
    Page {
        entries: page.entries.into_iter().map(seen).collect(),
        info: page.info,
    }
}

/// Result of a change to a connection.
#[derive(SimpleObject)]
pub struct ConnectionPayload {
    /// The updated connection; null if nothing changed.
    connection: Option<AccountLink>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

impl ConnectionPayload {
    /// What a change came to.
    pub fn of(result: Result<ConnectionView>) -> Result<Self> {
        let (link, user_errors) = outcome(result)?;
        Ok(Self {
            connection: link.map(AccountLink),
            user_errors,
        })
    }
}

/// Looking at connections.
#[derive(Default)]
pub struct AccountLinkQuery;

#[Object]
impl AccountLinkQuery {
    /// A connection of the caller's account, also after it has ended; null if there is none with this identifier.
    /// Requires a user of the account, or an API key with `NETWORK_READ` or MANAGE.
    async fn connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the connection.")] id: ConnectionId,
    ) -> Result<Option<AccountLink>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = connections::find(app, caller, id).await?;
        Ok(found.map(AccountLink))
    }

    /// Connections of the caller's account, including ended ones, newest first. Requires a user of the account, or an
    /// API key with `NETWORK_READ` or MANAGE.
    async fn connections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "With one of these statuses.")] status: Option<Vec<ConnectionStatus>>,
        #[graphql(desc = "Connections that are due for a review (true) or are not (false).")] review_due: Option<bool>,
        #[graphql(desc = "Connections with this text in the partner's name, in any case.")] search: Option<String>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<AccountLinkConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let filter = Filter {
            status,
            review_due,
            search,
        };
        let (viewer, found) = connections::list(app, caller, &filter)?;
        let args = PageArgs::new(first, after, last, before);
        let page = relay::page(app.db.read(), found, Column::Id, |row| row.id.0, args).await?;
        Ok(seen_by(viewer, page).into())
    }
}
