//! Leads as their account sees them.

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::erasure_notice;
use entity::ids::{AccountId, LeadId};
use entity::lead::{self, LeadOutcome};
use entity::lead_event::{self, LeadEventKind};
use sea_orm::QueryOrder;
use serde_json::Value;

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::delivery::Delivery;
use super::erasure::ErasureNotice;
use super::flow::Flow;
use super::ids::id_or_unknown;
use super::loaders::{AttemptsOf, DeliveriesOf, FlowRow, Sealed, SourceRow, list, load};
use super::money::Money;
use super::outcome::{LeadReason, TraceEntry};
use super::relay::{PageArgs, connection, page};
use super::source::FlowSource;
use super::time_range::TimeRangeInput;
use crate::error::{Error, Result};
use crate::identity::policy::Action;
use crate::leads::discretion;
use crate::leads::outcome;
use crate::leads::read::{self, LeadFilter as Wanted};
use crate::leads::receipts::reasons;
use crate::leads::timeline::{Entry, Sources, timeline};

/// A lead as the account that took it sees it.
#[derive(Clone)]
pub struct Lead(pub lead::Model);

impl From<lead::Model> for Lead {
    fn from(lead: lead::Model) -> Self {
        Self(lead)
    }
}

/// A lead as the account that took it sees it.
#[Object]
impl Lead {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The flow that took it, also when it was deleted since.
    async fn flow(&self, ctx: &Context<'_>) -> Result<Flow> {
        let found = load(ctx, FlowRow(self.0.account_id, self.0.flow_id)).await?;
        found
            .map(Flow::from)
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without its flow")))
    }

    /// The source through which it came; null when it was removed since.
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<FlowSource>> {
        Ok(load(ctx, SourceRow(self.0.account_id, self.0.source_id))
            .await?
            .map(FlowSource::from))
    }

    /// The connected account that submitted it; null when it came through one of the account's own sources.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
        if self.0.sender_account_id == self.0.account_id {
            return Ok(None);
        }
        AccountProfile::load(ctx, self.0.sender_account_id).await.map(Some)
    }

    /// Whether it was a test, which counts nowhere.
    async fn test(&self) -> bool {
        self.0.test
    }

    /// Normalised values by field name. Encrypted ones come masked unless `reveal` is true, which takes a MEMBER or above and is
    /// told by the audit trail and the timeline.
    async fn fields(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Show encrypted values too.", default_with = "Some(false)")] reveal: Option<bool>,
    ) -> Result<Json<Value>> {
        if !reveal.unwrap_or_default() {
            return Ok(Json(Value::Object(read::masked(&self.0.fields))));
        }
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(Json(Value::Object(read::reveal(app, caller, &self.0).await?)))
    }

    /// Values as they were sent, where normalising changed them; encrypted ones masked.
    async fn raw_fields(&self) -> Json<Value> {
        Json(Value::Object(read::masked(&self.0.raw)))
    }

    /// What became of it.
    async fn outcome(&self) -> LeadOutcome {
        self.0.outcome
    }

    /// Every reason for which it was not accepted; empty when it was.
    async fn reasons(&self, ctx: &Context<'_>) -> Result<Vec<LeadReason>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let reasons = discretion::discreet(caller, reasons(self.0.reasons.clone()));
        Ok(reasons.into_iter().map(LeadReason::from).collect())
    }

    /// What the sender was told besides.
    async fn warnings(&self) -> Vec<LeadReason> {
        reasons(self.0.warnings.clone())
            .into_iter()
            .map(LeadReason::from)
            .collect()
    }

    /// What the source is paid.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// What happened to it, oldest first.
    async fn timeline(&self, ctx: &Context<'_>) -> Result<Vec<LeadEvent>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let lead = &self.0;
        let deliveries = list(ctx, DeliveriesOf(lead.account_id, lead.id)).await?;
        let mut attempts = Vec::new();
        for delivery in &deliveries {
            attempts.extend(list(ctx, AttemptsOf(delivery.id)).await?);
        }
        let events = lead_event::Entity::of_lead(lead.account_id, lead.id)
            .all(app.db.read())
            .await?;
        let sources = Sources {
            lead,
            deliveries: &deliveries,
            attempts: &attempts,
            events: &events,
            trace: discretion::discreet_trace(caller, looks(lead)),
            reasons: discretion::discreet(caller, reasons(lead.reasons.clone())),
            hears: hears(ctx, lead.account_id, lead.id).await?,
        };
        Ok(timeline(&sources).into_iter().map(LeadEvent::from).collect())
    }

    /// Where it goes, oldest first.
    async fn deliveries(&self, ctx: &Context<'_>) -> Result<Vec<Delivery>> {
        let found = list(ctx, DeliveriesOf(self.0.account_id, self.0.id)).await?;
        Ok(found.into_iter().map(Delivery::from).collect())
    }

    /// The decision, step by step: every rule, cap and partner that was looked at, and its verdict. What decided is told to those who
    /// may read the setup, and verdicts on encrypted fields to those who may reveal them.
    async fn trace(&self, ctx: &Context<'_>) -> Result<Vec<TraceEntry>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let looks = discretion::discreet_trace(caller, looks(&self.0));
        Ok(looks.into_iter().map(TraceEntry::from).collect())
    }

    /// When its values were removed; null while they are there.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.0.erased_at
    }

    /// Who had it when its values were removed, and whether they were told; empty before.
    async fn erasure_notices(&self, ctx: &Context<'_>) -> Result<Vec<ErasureNotice>> {
        if self.0.erased_at.is_none() {
            return Ok(Vec::new());
        }
        let (app, _) = app_and_caller(ctx).await?;
        let notices = erasure_notice::Entity::of_lead(self.0.account_id, self.0.id)
            .order_by_asc(erasure_notice::Column::Id)
            .all(app.db.read())
            .await?;
        Ok(notices.into_iter().map(ErasureNotice::from).collect())
    }

    /// When it came.
    async fn submitted_at(&self) -> DateTime<Utc> {
        self.0.submitted_at
    }

    /// Milliseconds from its arrival to the decision.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a decision are far below 2^52"
    )]
    async fn processing_ms(&self) -> f64 {
        self.0.processing_us as f64 / 1000.0
    }
}

fn looks(lead: &lead::Model) -> Vec<outcome::TraceEntry> {
    serde_json::from_value(lead.trace.clone()).unwrap_or_default()
}

/// Whether the caller may see the words of recipients about a lead: they may repeat an encrypted value, however spelled.
pub(super) async fn hears(ctx: &Context<'_>, account: AccountId, id: LeadId) -> Result<bool> {
    let (_, caller) = app_and_caller(ctx).await?;
    Ok(caller.may_reveal() || load(ctx, Sealed(account, id)).await?.is_none())
}

connection!(LeadConnection, LeadEdge, Lead, lead::Model, "leads");

/// Something that happened to a lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct LeadEvent {
    /// When.
    at: DateTime<Utc>,
    /// What; new kinds may be added, so have a default branch.
    kind: LeadEventKind,
    /// In words, without values of the lead.
    message: String,
    /// For programs, such as the identifier of the delivery.
    data: Option<Json<Value>>,
}

impl From<Entry> for LeadEvent {
    fn from(entry: Entry) -> Self {
        Self {
            at: entry.at,
            kind: entry.kind,
            message: entry.message,
            data: entry.data.map(Json),
        }
    }
}

/// Which leads.
#[derive(Default, InputObject)]
pub struct LeadFilter {
    /// Of this flow.
    flow_id: Option<ID>,
    /// Of this source.
    source_id: Option<ID>,
    /// That went to this partner.
    partner_id: Option<ID>,
    /// With one of these outcomes.
    outcome: Option<Vec<LeadOutcome>>,
    /// That came in this time.
    submitted_in: Option<TimeRangeInput>,
    /// Whole email, whole phone, or the beginning of the name; encrypted values are found only whole, and only by those who may reveal
    /// them. At most 200 characters.
    search: Option<String>,
    /// Tests too.
    #[graphql(default_with = "Some(false)")]
    include_tests: Option<bool>,
}

impl LeadFilter {
    /// An identifier that cannot be one finds nothing.
    fn wanted(self) -> Result<Wanted> {
        Ok(Wanted {
            flow: self.flow_id.as_ref().map(id_or_unknown),
            source: self.source_id.as_ref().map(id_or_unknown),
            partner: self.partner_id.as_ref().map(id_or_unknown),
            outcomes: self.outcome,
            during: self.submitted_in.map(TimeRangeInput::checked).transpose()?,
            search: self.search,
            include_tests: self.include_tests.unwrap_or_default(),
        })
    }
}

/// The leads' part of queries.
#[derive(Default)]
pub struct LeadQuery;

#[Object]
impl LeadQuery {
    /// A lead of the caller's account; null when there is none with this identifier.
    async fn lead(&self, ctx: &Context<'_>, #[graphql(desc = "Its identifier.")] id: ID) -> Result<Option<Lead>> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadLeads)?;
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(read::find(app, caller, id).await?.map(Lead))
    }

    /// Leads of the caller's account, newest first.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filter")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads; all but tests by default.")] filter: Option<LeadFilter>,
        #[graphql(desc = "The first so many, 1 to 100; 20 by default.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<LeadConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let select = read::list(app, caller, filter.unwrap_or_default().wanted()?).await?;
        let args = PageArgs::new(first, after, last, before);
        Ok(page(app.db.read(), select, lead::Column::Id, |row| row.id.0, args)
            .await?
            .into())
    }
}
