//! A lead as one account holds it, and its sender's receipt.

use crate::flow::Names;
use crate::ids::{AccountId, DeliveryId, FlowId, LeadId, SourceId};
use crate::large;
use crate::routed::Routed;
use crate::source;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, LockType, Order, Query};
use sea_orm::{FromJsonQueryResult, FromQueryResult, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

/// Outcome of a submission.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LeadOutcome {
    /// Accepted; the steps deliver it.
    Accepted,
    /// Rejected by a rule, a check or a cap; `reasons` says which. A valid result, not an error.
    Rejected,
    /// Could not be processed; `reasons` says why.
    Failed,
}

/// Accounts in the order in which a lead has passed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Path(pub Vec<AccountId>);

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lead")]
pub struct Model {
    /// Identifier, of the receipt too.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LeadId,
    /// Whose flow took it.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Which source.
    pub source_id: SourceId,
    /// Who submitted it: the account itself through its own sources.
    pub sender_account_id: AccountId,
    /// Runs the whole path and counts nowhere.
    pub test: bool,
    /// What became of it.
    pub outcome: LeadOutcome,
    /// Normalised values by name; encrypted ones as `{"$sealed": "…"}`.
    pub fields: Json,
    /// Values as sent, where they differ from the normalised ones.
    pub raw: Json,
    /// Fields whose value is not of their type; none of a lead that an older version stored, which did not note them.
    pub invalid: Option<Names>,
    /// Values by which it was routed and that later steps have changed.
    pub routed_by: Option<Routed>,
    /// Why it was not accepted: code, field, message.
    pub reasons: Json,
    /// What the sender should know.
    pub warnings: Json,
    /// The decision, step by step.
    pub trace: Json,
    /// Price to the source, in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// The sender's.
    pub idempotency_key: Option<String>,
    /// Normalised email for search; a keyed hash if encrypted.
    pub email_key: Option<String>,
    /// Normalised phone for search; a keyed hash if encrypted.
    pub phone_key: Option<String>,
    /// Normalised full name for search; a keyed hash if encrypted.
    pub name_key: Option<String>,
    /// When it came.
    pub submitted_at: DateTime<Utc>,
    /// From submission to decision, in microseconds.
    pub processing_us: i64,
    /// When its values were removed.
    pub erased_at: Option<DateTime<Utc>>,
    /// The delivery of another account by which it came; none when it was submitted.
    pub seller_delivery_id: Option<DeliveryId>,
    /// The accounts that it has passed before.
    pub path: Path,
}

/// A lead without what may be large: its values, what was said of it, and the trace. For lists, which load of those only what is
/// asked for, as [`Part`]s.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Head {
    /// Identifier, of the receipt too.
    pub id: LeadId,
    /// Whose flow took it.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Which source.
    pub source_id: SourceId,
    /// Who submitted it.
    pub sender_account_id: AccountId,
    /// Runs the whole path and counts nowhere.
    pub test: bool,
    /// What became of it.
    pub outcome: LeadOutcome,
    /// Price to the source, in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// When it came.
    pub submitted_at: DateTime<Utc>,
    /// From submission to decision, in microseconds.
    pub processing_us: i64,
    /// When its values were removed.
    pub erased_at: Option<DateTime<Utc>>,
}

impl From<&Model> for Head {
    fn from(row: &Model) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            flow_id: row.flow_id,
            source_id: row.source_id,
            sender_account_id: row.sender_account_id,
            test: row.test,
            outcome: row.outcome,
            price_e4: row.price_e4,
            price_currency: row.price_currency.clone(),
            submitted_at: row.submitted_at,
            processing_us: row.processing_us,
            erased_at: row.erased_at,
        }
    }
}

/// What a sender's receipt tells of a lead: neither its values nor the trace.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Receipt {
    /// Identifier.
    pub id: LeadId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Whether it was a test.
    pub test: bool,
    /// What became of it.
    pub outcome: LeadOutcome,
    /// Why it was not accepted.
    pub reasons: Json,
    /// What the sender should know.
    pub warnings: Json,
    /// Price to the source, in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// The sender's.
    pub idempotency_key: Option<String>,
    /// When it came.
    pub submitted_at: DateTime<Utc>,
}

/// What a delivery takes of a lead: its values, and neither what was sent nor how it was decided.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Content {
    /// Identifier, of the receipt too.
    pub id: LeadId,
    /// Whose flow took it.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Which source.
    pub source_id: SourceId,
    /// Runs the whole path and counts nowhere.
    pub test: bool,
    /// Normalised values by name, as they are stored.
    pub fields: Json,
    /// Fields whose value is not of their type; none of a lead that an older version stored.
    pub invalid: Option<Names>,
    /// By which values it was routed.
    pub routed_by: Option<Routed>,
    /// When its values were removed.
    pub erased_at: Option<DateTime<Utc>>,
}

/// A part of a lead that may be large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Normalised values.
    Fields,
    /// Values as sent.
    Raw,
    /// Why it was not accepted.
    Reasons,
    /// What the sender should know.
    Warnings,
    /// The decision, step by step.
    Trace,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fields, Self::Raw, Self::Reasons, Self::Warnings, Self::Trace];

    /// This part of a whole lead.
    pub fn of(self, row: &Model) -> &Json {
        match self {
            Self::Fields => &row.fields,
            Self::Raw => &row.raw,
            Self::Reasons => &row.reasons,
            Self::Warnings => &row.warnings,
            Self::Trace => &row.trace,
        }
    }

    fn column(self) -> Column {
        match self {
            Self::Fields => Column::Fields,
            Self::Raw => Column::Raw,
            Self::Reasons => Column::Reasons,
            Self::Warnings => Column::Warnings,
            Self::Trace => Column::Trace,
        }
    }
}

crate::no_relations!();

impl Entity {
    /// Leads of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// What one account submitted, to its own flows and to others'. What its buyer steps delivered is not among it: that
    /// is the buyer's own.
    pub fn sent_by(sender: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::SenderAccountId.eq(sender))
            .filter(Column::SellerDeliveryId.is_null())
    }

    /// Leads by id for the delivery worker, which acts for every account.
    pub fn for_worker(ids: impl IntoIterator<Item = LeadId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }

    /// The columns of [`Head`].
    pub fn heads(select: Select<Self>) -> Select<Self> {
        let columns = [
            Column::Id,
            Column::AccountId,
            Column::FlowId,
            Column::SourceId,
            Column::SenderAccountId,
            Column::Test,
            Column::Outcome,
            Column::PriceE4,
            Column::PriceCurrency,
            Column::SubmittedAt,
            Column::ProcessingUs,
            Column::ErasedAt,
        ];
        select.select_only().columns(columns)
    }

    /// The columns of [`Receipt`].
    pub fn receipts(select: Select<Self>) -> Select<Self> {
        let columns = [
            Column::Id,
            Column::FlowId,
            Column::Test,
            Column::Outcome,
            Column::Reasons,
            Column::Warnings,
            Column::PriceE4,
            Column::PriceCurrency,
            Column::IdempotencyKey,
            Column::SubmittedAt,
        ];
        select.select_only().columns(columns)
    }

    /// The columns of [`Content`].
    pub fn contents(select: Select<Self>) -> Select<Self> {
        let columns = [
            Column::Id,
            Column::AccountId,
            Column::FlowId,
            Column::SourceId,
            Column::Test,
            Column::Fields,
            Column::Invalid,
            Column::RoutedBy,
            Column::ErasedAt,
        ];
        select.select_only().columns(columns)
    }

    /// How many bytes some parts of leads of an account have, to be looked at before they are read.
    pub async fn bytes_of(
        db: &impl ConnectionTrait,
        account: AccountId,
        ids: &[LeadId],
        parts: &[Part],
    ) -> Result<u64, DbErr> {
        let columns: Vec<Column> = parts.iter().map(|part| part.column()).collect();
        let rows = Self::in_account(account).filter(Column::Id.is_in(ids.iter().copied()));
        large::bytes(db, rows, &columns).await
    }

    /// One part of leads of an account.
    pub async fn part(
        db: &impl ConnectionTrait,
        account: AccountId,
        ids: &[LeadId],
        part: Part,
    ) -> Result<Vec<(LeadId, Json)>, DbErr> {
        let rows = Self::in_account(account)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .select_only()
            .columns([Column::Id, part.column()]);
        rows.into_tuple().all(db).await
    }

    /// Which of these leads of an account have encrypted values. It may name one too many, whose sender imitates one.
    pub async fn sealed_among(
        db: &impl ConnectionTrait,
        account: AccountId,
        ids: impl IntoIterator<Item = LeadId>,
    ) -> Result<Vec<LeadId>, DbErr> {
        let sealed = |column| Expr::col((Self, column)).cast_as("text").like("%\"$sealed\"%");
        let rows = Self::in_account(account)
            .filter(Column::Id.is_in(ids))
            .filter(sealed(Column::Fields).or(sealed(Column::Raw)))
            .select_only()
            .column(Column::Id);
        rows.into_tuple().all(db).await
    }

    /// Locks leads, in one order, for whoever decides which of their deliveries go on. Readers and new rows that name them do not wait.
    pub async fn lock(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = LeadId>) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        let locked = Self::find().filter(among).order_by_asc(Column::Id);
        let locked = locked.select_only().column(Column::Id).lock(LockType::NoKeyUpdate);
        let locked: Vec<LeadId> = locked.into_tuple().all(db).await?;
        drop(locked);
        Ok(())
    }

    /// When each of some sources of an account last submitted, tests left out. Sources that never did are not among them.
    pub async fn last_of_sources(
        db: &impl ConnectionTrait,
        account: AccountId,
        sources: impl IntoIterator<Item = SourceId>,
    ) -> Result<Vec<(SourceId, DateTime<Utc>)>, DbErr> {
        let last = Query::select()
            .column((Self, Column::SubmittedAt))
            .from(Self)
            .and_where(Expr::col((Self, Column::SourceId)).equals((source::Entity, source::Column::Id)))
            .and_where(Expr::col((Self, Column::Test)).eq(false))
            .order_by((Self, Column::Id), Order::Desc)
            .limit(1)
            .take();
        let rows = source::Entity::in_account(account)
            .filter(source::Column::Id.is_in(sources))
            .select_only()
            .column(source::Column::Id)
            .expr_as(Expr::SubQuery(None, Box::new(last.into())), "last_at");
        let rows: Vec<(SourceId, Option<DateTime<Utc>>)> = rows.into_tuple().all(db).await?;
        Ok(rows.into_iter().filter_map(|(id, at)| Some((id, at?))).collect())
    }
}
