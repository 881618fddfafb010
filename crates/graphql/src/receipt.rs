//! Submitting leads, and their receipts.

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::lead::{self, LeadOutcome};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};

use super::context::{ContextExt, app_and_caller};
use super::money::Money;
use super::outcome::LeadReason;
use super::payload::{UserError, outcome};
use super::relay::{PageArgs, connection, page_as};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::policy::Action;
use leadmesh_leads::intake::{Intake, MAX_BULK, Submission};
use leadmesh_leads::receipts::Receipt;

/// The receipt of a lead.
pub struct SubmissionReceipt(pub Receipt);

impl From<lead::Receipt> for SubmissionReceipt {
    fn from(lead: lead::Receipt) -> Self {
        Self(Receipt::of(lead))
    }
}

/// What the sender sees of a submitted lead. The receipt proves that the lead is stored, with every resulting delivery.
#[Object]
impl SubmissionReceipt {
    /// Identifier of the lead. `submission` returns the receipt again.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Outcome of the submission.
    async fn outcome(&self) -> LeadOutcome {
        self.0.outcome
    }

    /// All reasons why the lead was not accepted; empty if it was.
    async fn reasons(&self) -> Vec<LeadReason> {
        self.0.reasons.iter().cloned().map(LeadReason::from).collect()
    }

    /// Warnings about an accepted lead, such as dropped fields.
    async fn warnings(&self) -> Vec<LeadReason> {
        self.0.warnings.iter().cloned().map(LeadReason::from).collect()
    }

    /// Price paid to the sender: the source's, otherwise the flow's. Null if none was agreed or the lead was not
    /// accepted.
    async fn price(&self) -> Option<Money> {
        self.0.price.clone().map(Money::from)
    }

    /// Whether it is a test, which no count includes.
    async fn test(&self) -> bool {
        self.0.test
    }

    /// The idempotency key of the submission.
    async fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// Whether the same idempotency key and fields were submitted before, and this is that receipt again.
    async fn replayed(&self) -> bool {
        self.0.replayed
    }

    /// When it was submitted.
    async fn submitted_at(&self) -> DateTime<Utc> {
        self.0.submitted_at
    }

    /// Identifier of the flow.
    async fn flow_id(&self) -> ID {
        self.0.flow.to_string().into()
    }
}

connection!(
    SubmissionReceiptConnection,
    SubmissionReceiptEdge,
    SubmissionReceipt,
    lead::Receipt,
    "receipts"
);

/// A lead to submit.
#[derive(InputObject)]
pub struct SubmitLeadInput {
    /// Identifier of the flow.
    flow_id: ID,
    /// Identifier of the source. Null means the caller's first enabled source of the flow.
    source_id: Option<ID>,
    /// Values by field name, as a JSON object. Fields unknown to the flow are dropped with a warning.
    fields: Json<Value>,
    /// Idempotency key, at most 255 characters. The same key with the same fields returns the first receipt, for at
    /// least 7 days, also concurrently; with other fields it is a CONFLICT. Send one whenever you might have to repeat
    /// the request.
    idempotency_key: Option<String>,
    /// Whether it is a test. A test runs the whole path and is marked everywhere. It uses no cap, price, report or
    /// duplicate memory, and reaches recipients only as a test delivery.
    #[graphql(default_with = "Some(false)")]
    test: Option<bool>,
}

/// Leads to submit to one flow.
#[derive(InputObject)]
pub struct SubmitLeadsInput {
    /// Identifier of the flow.
    flow_id: ID,
    /// Identifier of the source. Null means the caller's first enabled source of the flow.
    source_id: Option<ID>,
    /// 1 to 500 leads.
    leads: Vec<BulkLeadInput>,
    /// Whether all leads are tests.
    #[graphql(default_with = "Some(false)")]
    test: Option<bool>,
}

/// One lead of a bulk submission.
#[derive(InputObject)]
pub struct BulkLeadInput {
    /// Values by field name, as a JSON object.
    fields: Json<Value>,
    /// Idempotency key; see `SubmitLeadInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// Result of a submission.
#[derive(SimpleObject)]
pub struct SubmitLeadPayload {
    /// The receipt; null if the input broke a business rule and nothing was stored.
    receipt: Option<SubmissionReceipt>,
    /// Business rules that the input broke. A rejected lead is not one: its receipt says REJECTED and why.
    user_errors: Vec<UserError>,
}

/// Result of a bulk submission.
#[derive(SimpleObject)]
pub struct SubmitLeadsPayload {
    /// Receipts of the stored leads, in order. A lead that broke a rule or could not be stored has none; an entry of
    /// `userErrors` has its index in the path.
    receipts: Vec<SubmissionReceipt>,
    /// Number of ACCEPTED receipts.
    accepted: i32,
    /// Number of REJECTED receipts.
    rejected: i32,
    /// Number of FAILED receipts and of leads without a receipt.
    failed: i32,
    /// Business rules that the input broke, with the lead's index in the path: `["input", "leads", "3", "fields"]`.
    /// UNAVAILABLE and INTERNAL mean that the lead could not be stored, although others may have been: submit it again.
    /// `OUTCOME_UNKNOWN` means that it may have been stored: submit it again with its idempotency key.
    user_errors: Vec<UserError>,
}

/// The receipts' part of queries.
#[derive(Default)]
pub struct ReceiptQuery;

#[Object]
impl ReceiptQuery {
    /// The receipt of one of the caller's own submissions; null if there is none with this identifier.
    async fn submission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier from the receipt.")] id: ID,
    ) -> Result<Option<SubmissionReceipt>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::SubmitLeads)?;
        let Ok(id) = id.parse::<entity::ids::LeadId>() else {
            return Ok(None);
        };
        let found = lead::Entity::sent_by(account).filter(lead::Column::Id.eq(id));
        let found: Option<lead::Receipt> = lead::Entity::receipts(found).into_model().one(app.db.read()).await?;
        Ok(found.map(SubmissionReceipt::from))
    }

    /// Receipts of the caller's submissions, newest first.
    async fn submissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To this flow.")] flow_id: Option<ID>,
        #[graphql(desc = "With one of these outcomes.")] outcome: Option<Vec<LeadOutcome>>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<SubmissionReceiptConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let mut select = lead::Entity::sent_by(caller.require(Action::SubmitLeads)?);
        if let Some(id) = flow_id {
            let known = id
                .parse::<entity::ids::FlowId>()
                .ok()
                .map(|id| id.0)
                .unwrap_or_default();
            select = select.filter(lead::Column::FlowId.eq(known));
        }
        if let Some(outcomes) = outcome {
            select = select.filter(lead::Column::Outcome.is_in(distinct(outcomes)));
        }
        let args = PageArgs::new(first, after, last, before);
        let select = lead::Entity::receipts(select);
        let of = |row: &lead::Receipt| row.id.0;
        Ok(page_as(app.db.read(), select, lead::Column::Id, of, args).await?.into())
    }
}

/// The receipts' part of mutations.
#[derive(Default)]
pub struct ReceiptMutation;

#[Object]
impl ReceiptMutation {
    /// Submits a lead to a flow, with the credentials of a source's account: an API key with LEADS_SUBMIT or MANAGE, or
    /// a user above VIEWER. When the receipt arrives, the lead and all resulting deliveries are stored.
    async fn submit_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead.")] input: SubmitLeadInput,
    ) -> Result<SubmitLeadPayload> {
        let app = ctx.app()?;
        let caller = ctx.auth()?.caller_for_submission(app).await?;
        let submitted = async {
            let target = Target::new(&input.flow_id, input.source_id.as_ref())?;
            let submission =
                target.submission(input.fields.0, input.idempotency_key, input.test.unwrap_or_default())?;
            intake(ctx)?.submit(app, caller, submission).await
        };
        let (receipt, user_errors) = outcome(submitted.await)?;
        Ok(SubmitLeadPayload {
            receipt: receipt.map(SubmissionReceipt),
            user_errors,
        })
    }

    /// Submits up to 500 leads to one flow. Each is decided and stored separately and has its own receipt, in order.
    async fn submit_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The leads.")] input: SubmitLeadsInput,
    ) -> Result<SubmitLeadsPayload> {
        let app = ctx.app()?;
        let caller = ctx.auth()?.caller_for_submission(app).await?;
        let prepared = Target::new(&input.flow_id, input.source_id.as_ref())
            .and_then(|target| checked_bulk(&input).map(|()| target));
        let (target, mut user_errors) = outcome(prepared)?;
        let Some(target) = target else {
            return Ok(SubmitLeadsPayload::refused(user_errors));
        };
        let intake = intake(ctx)?;
        let test = input.test.unwrap_or_default();
        let submissions = input.leads.into_iter().map(|lead| {
            let submission = target.submission(lead.fields.0, lead.idempotency_key, test);
            async move { intake.submit(app, caller, submission?).await }
        });
        let mut results = futures::future::join_all(submissions).await;
        // If certainly no lead was stored, the error is one of the whole call; a temporary error takes precedence.
        if !results.iter().any(is_of_lead) {
            let temporary = results
                .iter()
                .position(|result| result.as_ref().is_err_and(Error::is_temporary));
            results.swap_remove(temporary.unwrap_or_default())?;
        }
        let mut payload = SubmitLeadsPayload::refused(Vec::new());
        for (place, result) in results.into_iter().enumerate() {
            let (receipt, broken) = outcome(result.map_err(|error| placed(error, place)))?;
            user_errors.extend(broken);
            payload.count(receipt);
        }
        payload.user_errors = user_errors;
        Ok(payload)
    }
}

fn intake<'a>(ctx: &Context<'a>) -> Result<&'a Intake> {
    ctx.data::<Intake>()
        .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))
}

fn checked_bulk(input: &SubmitLeadsInput) -> Result<()> {
    if input.leads.is_empty() || input.leads.len() > MAX_BULK {
        let advice = match input.leads.len() {
            0 => format!("A call takes 1 to {MAX_BULK} leads, and this one has none. Give at least one."),
            many => format!("A call takes 1 to {MAX_BULK} leads, and this one has {many}. Split it."),
        };
        return Err(Error::user(UserErrorCode::LimitReached, "input.leads", advice));
    }
    Ok(())
}

/// Whether a result concerns its lead rather than the caller or the server: the lead was stored, may be stored, or
/// broke a rule.
fn is_of_lead(result: &Result<Receipt>) -> bool {
    match result {
        Ok(_) | Err(Error::User(_)) => true,
        Err(error) => error.is_uncertain(),
    }
}

/// The user error of a lead without a receipt in a call that has receipts.
fn user_error_of_one(error: &Error) -> (UserErrorCode, &'static str) {
    match error {
        _ if error.is_uncertain() => (
            UserErrorCode::OutcomeUnknown,
            "It is not known whether this lead was stored. Submit it again with the same idempotency key, or search for it.",
        ),
        _ if error.is_temporary() => (
            UserErrorCode::Unavailable,
            "This lead was not stored: the server could not store it now. Submit it again.",
        ),
        // The right to submit ended while the call ran.
        Error::Unauthenticated(_) | Error::Forbidden(_) | Error::NotFound(_) => (
            UserErrorCode::NotFound,
            "This lead was not stored: the credentials or the right to submit have ended.",
        ),
        _ => (
            UserErrorCode::Internal,
            "This lead was not stored: internal error. The operator of the server finds the cause in its log.",
        ),
    }
}

/// Adds the index of the lead to an error. The receipts of other leads must be returned, so this lead's error becomes
/// a user error.
fn placed(error: Error, place: usize) -> Error {
    let broken = match error {
        Error::User(broken) => broken,
        other => {
            tracing::warn!(place, error = ?other, "a lead of several could not be stored");
            let (code, text) = user_error_of_one(&other);
            return Error::user(code, &format!("input.leads.{place}"), text);
        }
    };
    let moved = broken.into_iter().map(|mut rule| {
        let inner = rule
            .path
            .strip_prefix(&["input".to_owned()])
            .map(<[String]>::to_vec)
            .unwrap_or_default();
        if !inner.first().is_some_and(|part| part == "flowId" || part == "sourceId") {
            rule.path = ["input".to_owned(), "leads".to_owned(), place.to_string()]
                .into_iter()
                .chain(inner)
                .collect();
        }
        rule
    });
    Error::User(moved.collect())
}

/// Where leads go.
struct Target {
    flow: entity::ids::FlowId,
    source: Option<entity::ids::SourceId>,
}

impl Target {
    fn new(flow: &ID, source: Option<&ID>) -> Result<Self> {
        let flow = flow.parse().map_err(|_invalid| {
            Error::user(
                UserErrorCode::NotFound,
                "input.flowId",
                "no such flow, or it is not open to you",
            )
        })?;
        let source = source
            .map(|id| {
                id.parse().map_err(|_invalid| {
                    Error::user(
                        UserErrorCode::NotFound,
                        "input.sourceId",
                        "the flow has no such source of yours",
                    )
                })
            })
            .transpose()?;
        Ok(Self { flow, source })
    }

    fn submission(&self, fields: Value, idempotency_key: Option<String>, test: bool) -> Result<Submission> {
        let fields: Map<String, Value> = match fields {
            Value::Object(fields) => fields,
            _ => {
                return Err(Error::user(
                    UserErrorCode::Invalid,
                    "input.fields",
                    "Give `fields` as a JSON object of values by field name.",
                ));
            }
        };
        Ok(Submission {
            flow: self.flow,
            source: self.source,
            fields,
            idempotency_key,
            test,
        })
    }
}

impl SubmitLeadsPayload {
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            receipts: Vec::new(),
            accepted: 0,
            rejected: 0,
            failed: 0,
            user_errors,
        }
    }

    fn count(&mut self, receipt: Option<Receipt>) {
        match receipt.as_ref().map(|receipt| receipt.outcome) {
            Some(LeadOutcome::Accepted) => self.accepted += 1,
            Some(LeadOutcome::Rejected) => self.rejected += 1,
            Some(LeadOutcome::Failed) | None => self.failed += 1,
        }
        self.receipts.extend(receipt.map(SubmissionReceipt));
    }
}
