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
use super::ids::id_or_unknown;
use super::loaders::{self, FlowRow, LastActivity, LinkOf, SideOf, SourcesOver, StepsOver};
use super::payload::{UserError, outcome};
use super::relay::{self, Page, PageArgs, connection};
use super::scalars::EmailAddress;
use super::source::AccountSource;
use super::step::BuyerStep;
use super::submission_docs::SubmissionDocs;
use super::time_range::TimeRangeInput;
use crate::error::{Error, Result};
use crate::identity::policy::Action;
use crate::network::connections::{self, ConnectionView, Filter};
use crate::network::review::{self, Facts};
use crate::network::usage::TimeBucket;
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

/// A connection: a relationship between two accounts that both agreed to, as the caller's side sees it. Leads go only where a flow's
/// owner added the partner as a source or by a buyer step.
#[Object]
impl AccountLink {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.row.id.to_string().into()
    }

    /// Where it stands. SUSPENDED while either side holds it up.
    async fn status(&self) -> ConnectionStatus {
        self.0.row.status
    }

    /// The other side.
    async fn partner(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.partner()).await
    }

    /// What was agreed, in the caller's own words: `RECEIVE_LEADS` means "I receive leads from them".
    async fn relationship_type(&self) -> RelationshipType {
        self.0.relationship()
    }

    /// A wider relationship that one side has asked for and the other has not answered yet, in the caller's own words.
    async fn requested_type(&self) -> Option<RelationshipType> {
        self.0.row.requested_for(self.0.viewer)
    }

    /// Whether the caller's side has asked for it; null when nothing is asked for.
    async fn requested_by_me(&self) -> Option<bool> {
        self.0.row.requested_by.map(|by| by == self.0.viewer)
    }

    /// Whether the caller's side holds it up, which only that side can undo.
    async fn suspended_by_me(&self) -> bool {
        self.0.row.suspended_by(self.0.viewer)
    }

    /// What it is for; the caller's side's own, the partner never sees it.
    async fn purpose(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.purpose)
    }

    /// Whom to ask at the partner; the caller's side's own.
    async fn contact_name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.contact_name)
    }

    /// Their address; the caller's side's own.
    async fn contact_email(&self, ctx: &Context<'_>) -> Result<Option<EmailAddress>> {
        Ok(self.side(ctx).await?.contact_email.map(EmailAddress))
    }

    /// Anything else; the caller's side's own.
    async fn notes(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.side(ctx).await?.notes)
    }

    /// Leads a day, both directions together, that the caller's side expects.
    async fn expected_daily_volume(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.side(ctx).await?.expected_daily_volume)
    }

    /// Which of the caller's flows the partner's buyer steps deliver into: the chosen one, else the inbox; the inbox always on the
    /// FREE plan. Null when the relationship brings no leads.
    async fn receiving_flow(&self, ctx: &Context<'_>) -> Result<Option<Flow>> {
        if !self.0.relationship().receives() {
            return Ok(None);
        }
        let id = connections::receiving_flow(ctx.app()?, &self.0).await?;
        let Some(id) = id else { return Ok(None) };
        Ok(loaders::load(ctx, FlowRow(self.0.viewer, id)).await?.map(Flow))
    }

    /// The sources of the caller's flows through which the partner submits.
    async fn sources(&self, ctx: &Context<'_>) -> Result<Vec<AccountSource>> {
        let rows = loaders::list(ctx, SourcesOver(self.0.viewer, self.0.row.id)).await?;
        Ok(rows.into_iter().map(AccountSource).collect())
    }

    /// The steps of the caller's flows that deliver to the partner over it.
    async fn buyer_steps(&self, ctx: &Context<'_>) -> Result<Vec<BuyerStep>> {
        let rows = loaders::list(ctx, StepsOver(self.0.viewer, self.0.row.id)).await?;
        Ok(rows.into_iter().filter_map(BuyerStep::of).collect())
    }

    /// What the caller's account has to know to submit to the sources that the partner has opened to it; empty while nothing may
    /// go that way.
    async fn submission_docs(&self, ctx: &Context<'_>) -> Result<Vec<SubmissionDocs>> {
        SubmissionDocs::over(ctx, self.0.viewer, self.0.row.id).await
    }

    /// What went over it in a span of time, while it was there; tests left out. Spans are of the calendar of the account's zone, the
    /// first and the last only as far as they lie in the range; at most 1,000 of them. Refused attempts count by whole hours.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When the leads were submitted.")] range: TimeRangeInput,
        #[graphql(
            desc = "How long each span is; a day when null.",
            default_with = "Some(TimeBucket::Day)"
        )]
        bucket: Option<TimeBucket>,
    ) -> Result<ConnectionUsage> {
        ConnectionUsage::of(ctx, &self.0, range, bucket.unwrap_or(TimeBucket::Day)).await
    }

    /// What goes now against what was agreed.
    async fn capacity(&self, ctx: &Context<'_>) -> Result<ConnectionCapacity> {
        ConnectionCapacity::of(ctx, &self.0).await
    }

    /// When the last lead went over it, in either direction, tests left out.
    async fn last_activity_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        self.last_lead(ctx).await
    }

    /// When somebody of the caller's side last marked it as reviewed.
    async fn last_reviewed_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.side(ctx).await?.last_reviewed_at)
    }

    /// Whether it should be looked through: not reviewed for 90 days (unless the operator set another number), or without a lead for
    /// 30 days. Ended ones are never due.
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

    /// What the caller's audit trail tells of it and of its invitation, newest first. Takes an OWNER or ADMIN.
    #[expect(clippy::too_many_arguments, reason = "the four arguments of a page")]
    async fn audit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many entries, 1 to 100; 20 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many entries, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor.")] before: Option<String>,
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

    /// When it was agreed.
    async fn connected_at(&self) -> DateTime<Utc> {
        self.0.row.connected_at
    }

    /// When it ended; null until then.
    async fn terminated_at(&self) -> Option<DateTime<Utc>> {
        self.0.row.terminated_at
    }

    /// Why it ended, in the words of the side that ended it.
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

/// A connection after a change.
#[derive(SimpleObject)]
pub struct ConnectionPayload {
    /// As it is now; null when nothing was changed.
    connection: Option<AccountLink>,
    /// Rules that the input broke.
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
    /// A connection of the caller's account, also one that has ended; null if it has none by this identifier. Takes a person of the
    /// account, or a key with `NETWORK_READ` or MANAGE.
    async fn connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] id: ID,
    ) -> Result<Option<AccountLink>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let found = connections::find(app, caller, id_or_unknown(&id)).await?;
        Ok(found.map(AccountLink))
    }

    /// The connections of the caller's account, ended ones included, newest first. Takes a person of the account, or a key with
    /// `NETWORK_READ` or MANAGE.
    #[expect(clippy::too_many_arguments, reason = "filters and the four arguments of a page")]
    async fn connections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that stand at one of these.")] status: Option<Vec<ConnectionStatus>>,
        #[graphql(desc = "Only those that are due for a review (true) or are not (false).")] review_due: Option<bool>,
        #[graphql(desc = "Only those with this in the partner's name, in any case.")] search: Option<String>,
        #[graphql(desc = "The first so many entries, 1 to 100; 20 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many entries, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor.")] before: Option<String>,
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
