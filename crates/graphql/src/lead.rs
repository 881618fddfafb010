//! Leads as their account sees them.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::erasure_notice;
use entity::ids::{AccountId, FlowId, LeadId, PartnerId, SourceId};
use entity::lead::{self, LeadOutcome, Part};
use entity::lead_event::{self, LeadEventKind};
use sea_orm::QueryOrder;
use serde_json::Value;

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::delivery::Delivery;
use super::erasure::ErasureNotice;
use super::flow::Flow;
use super::loaders::{AttemptsOf, DeliveriesOf, FlowRow, HasEncryptedValues, LeadPart, SourceRow, list, load};
use super::money::Money;
use super::outcome::{LeadReason, TraceEntry};
use super::relay::{PageArgs, connection, page_as};
use super::source::FlowSource;
use super::time_range::TimeRangeInput;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::policy::Action;
use leadmesh_leads::outcome::{Reason, read_trace};
use leadmesh_leads::read::{self, LeadFilter as Wanted};
use leadmesh_leads::receipts::reasons;
use leadmesh_leads::redaction;
use leadmesh_leads::timeline::{Entry, Sources, timeline};

/// A lead as the account that took it sees it. What may be large of it is loaded where it is asked for, unless it came with it.
#[derive(Clone)]
pub struct Lead {
    row: lead::Head,
    whole: Option<Arc<lead::Model>>,
}

impl From<lead::Head> for Lead {
    fn from(row: lead::Head) -> Self {
        Self { row, whole: None }
    }
}

impl From<lead::Model> for Lead {
    fn from(whole: lead::Model) -> Self {
        Self {
            row: lead::Head::from(&whole),
            whole: Some(Arc::new(whole)),
        }
    }
}

/// A part of a lead, which is not copied.
enum Stored {
    OfWhole(Arc<lead::Model>, Part),
    Loaded(Arc<Value>),
}

impl Stored {
    fn get(&self) -> &Value {
        match self {
            Self::OfWhole(whole, part) => part.of(whole),
            Self::Loaded(value) => value,
        }
    }
}

impl Lead {
    async fn part(&self, ctx: &Context<'_>, part: Part) -> Result<Stored> {
        if let Some(whole) = &self.whole {
            return Ok(Stored::OfWhole(whole.clone(), part));
        }
        let found = load(ctx, LeadPart(self.row.account_id, self.row.id, part)).await?;
        let found = found.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead that is there no more")))?;
        Ok(Stored::Loaded(found))
    }

    async fn reasons_of(&self, ctx: &Context<'_>, part: Part) -> Result<Vec<Reason>> {
        Ok(reasons(self.part(ctx, part).await?.get()))
    }
}

/// A lead, as the account that took it sees it.
#[Object]
impl Lead {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// The flow that took the lead, also if it was deleted since.
    async fn flow(&self, ctx: &Context<'_>) -> Result<Flow> {
        let found = load(ctx, FlowRow(self.row.account_id, self.row.flow_id)).await?;
        found
            .map(Flow::from)
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without its flow")))
    }

    /// The source that submitted the lead; null if it was removed.
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<FlowSource>> {
        Ok(load(ctx, SourceRow(self.row.account_id, self.row.source_id))
            .await?
            .map(FlowSource::from))
    }

    /// The connected account that submitted the lead; null for one of the account's own sources.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
        if self.row.sender_account_id == self.row.account_id {
            return Ok(None);
        }
        AccountProfile::load(ctx, self.row.sender_account_id).await.map(Some)
    }

    /// Whether it is a test, which no count includes.
    async fn test(&self) -> bool {
        self.row.test
    }

    /// Normalised values by field name. Encrypted values are masked unless `reveal` is true, which requires MEMBER or
    /// above and is recorded in the audit log and the timeline.
    async fn fields(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether to show encrypted values.", default_with = "Some(false)")] reveal: Option<bool>,
    ) -> Result<Json<Value>> {
        let stored = self.part(ctx, Part::Fields).await?;
        if !reveal.unwrap_or_default() {
            return Ok(Json(Value::Object(read::masked(stored.get()))));
        }
        let (app, caller) = app_and_caller(ctx).await?;
        let opened = read::reveal(app, caller, &self.row, stored.get()).await?;
        Ok(Json(Value::Object(opened)))
    }

    /// Values as sent, where normalising changed them. Encrypted values are masked.
    async fn raw_fields(&self, ctx: &Context<'_>) -> Result<Json<Value>> {
        let stored = self.part(ctx, Part::Raw).await?;
        Ok(Json(Value::Object(read::masked(stored.get()))))
    }

    /// Outcome of the submission.
    async fn outcome(&self) -> LeadOutcome {
        self.row.outcome
    }

    /// All reasons why the lead was not accepted; empty if it was.
    async fn reasons(&self, ctx: &Context<'_>) -> Result<Vec<LeadReason>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let reasons = redaction::redact_reasons(caller, self.reasons_of(ctx, Part::Reasons).await?);
        Ok(reasons.into_iter().map(LeadReason::from).collect())
    }

    /// Warnings given to the sender.
    async fn warnings(&self, ctx: &Context<'_>) -> Result<Vec<LeadReason>> {
        let warnings = self.reasons_of(ctx, Part::Warnings).await?;
        Ok(warnings.into_iter().map(LeadReason::from).collect())
    }

    /// Price paid to the source.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.row.price_e4, self.row.price_currency.clone())
    }

    /// Events of the lead, oldest first.
    async fn timeline(&self, ctx: &Context<'_>) -> Result<Vec<LeadEvent>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let lead = &self.row;
        let (trace, reasons) = tokio::try_join!(self.part(ctx, Part::Trace), self.reasons_of(ctx, Part::Reasons))?;
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
            trace: redaction::redact_trace(caller, read_trace(trace.get())),
            reasons: redaction::redact_reasons(caller, reasons),
            responses_visible: sees_responses(ctx, lead.account_id, lead.id).await?,
        };
        Ok(timeline(&sources).into_iter().map(LeadEvent::from).collect())
    }

    /// Deliveries of the lead, oldest first.
    async fn deliveries(&self, ctx: &Context<'_>) -> Result<Vec<Delivery>> {
        let found = list(ctx, DeliveriesOf(self.row.account_id, self.row.id)).await?;
        Ok(found.into_iter().map(Delivery::from).collect())
    }

    /// The decision step by step: every rule, cap and partner checked, with the verdict. At most 500 entries and 64
    /// KiB; entries with `check` `more` say how many were left out. Only callers who may read settings see what
    /// decided, and only callers who may reveal encrypted fields see verdicts on them.
    async fn trace(&self, ctx: &Context<'_>) -> Result<Vec<TraceEntry>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let stored = self.part(ctx, Part::Trace).await?;
        let looks = redaction::redact_trace(caller, read_trace(stored.get()));
        Ok(looks.into_iter().map(TraceEntry::from).collect())
    }

    /// When the values were erased; null before.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.row.erased_at
    }

    /// Recipients that had the lead when it was erased, and whether they were notified. Empty before erasure.
    async fn erasure_notices(&self, ctx: &Context<'_>) -> Result<Vec<ErasureNotice>> {
        if self.row.erased_at.is_none() {
            return Ok(Vec::new());
        }
        let (app, _) = app_and_caller(ctx).await?;
        let notices = erasure_notice::Entity::of_lead(self.row.account_id, self.row.id)
            .order_by_asc(erasure_notice::Column::Id)
            .all(app.db.read())
            .await?;
        Ok(notices.into_iter().map(ErasureNotice::from).collect())
    }

    /// When it was submitted.
    async fn submitted_at(&self) -> DateTime<Utc> {
        self.row.submitted_at
    }

    /// Milliseconds from arrival to decision.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a decision are far below 2^52"
    )]
    async fn processing_ms(&self) -> f64 {
        self.row.processing_us as f64 / 1000.0
    }
}

/// Whether the caller may see the words of recipients about a lead: they may repeat an encrypted value, however spelled.
pub(super) async fn sees_responses(ctx: &Context<'_>, account: AccountId, id: LeadId) -> Result<bool> {
    let (_, caller) = app_and_caller(ctx).await?;
    Ok(caller.may_reveal() || load(ctx, HasEncryptedValues(account, id)).await?.is_none())
}

connection!(LeadConnection, LeadEdge, Lead, lead::Head, "leads");

/// An event of a lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct LeadEvent {
    /// When it happened.
    at: DateTime<Utc>,
    /// Kind of the event. New kinds may be added, so have a default branch.
    kind: LeadEventKind,
    /// The event in words, without values of the lead.
    message: String,
    /// Details for programs, such as the identifier of the delivery.
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

/// Selects leads. All conditions must hold.
#[derive(Default, InputObject)]
pub struct LeadFilter {
    /// In this flow.
    flow_id: Option<FlowId>,
    /// From this source.
    source_id: Option<SourceId>,
    /// Routed to this partner.
    partner_id: Option<PartnerId>,
    /// With one of these outcomes.
    outcome: Option<Vec<LeadOutcome>>,
    /// Submitted in this range.
    submitted_in: Option<TimeRangeInput>,
    /// With this whole email address or phone number, or with a name that starts with this text. At most 200
    /// characters. Encrypted values match only as a whole, and only for callers who may reveal them.
    search: Option<String>,
    /// Whether to include tests.
    #[graphql(default_with = "Some(false)")]
    include_tests: Option<bool>,
}

impl LeadFilter {
    /// An identifier that cannot be one finds nothing.
    fn wanted(self) -> Result<Wanted> {
        Ok(Wanted {
            flow: self.flow_id,
            source: self.source_id,
            partner: self.partner_id,
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
    /// A lead of the caller's account; null if there is none with this identifier.
    async fn lead(&self, ctx: &Context<'_>, #[graphql(desc = "Identifier.")] id: LeadId) -> Result<Option<Lead>> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadLeads)?;
        Ok(read::find(app, caller, id).await?.map(Lead::from))
    }

    /// Leads of the caller's account, newest first.
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the leads. Defaults to all but tests.")] filter: Option<LeadFilter>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<LeadConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let select = read::list(app, caller, filter.unwrap_or_default().wanted()?).await?;
        let args = PageArgs::new(first, after, last, before);
        let select = lead::Entity::heads(select);
        let of = |row: &lead::Head| row.id.0;
        Ok(page_as(app.db.read(), select, lead::Column::Id, of, args).await?.into())
    }
}
