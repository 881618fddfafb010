//! A lead as one account holds it, and its sender's receipt.

use crate::flow::Names;
use crate::ids::{AccountId, DeliveryId, FlowId, LeadId, SourceId};
use crate::source;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, Func, Order, Query};
use sea_orm::{FromJsonQueryResult, FromQueryResult, QuerySelect};
use serde::{Deserialize, Serialize};

/// What became of a lead.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LeadOutcome {
    /// Taken; steps delivered it where it fits.
    Accepted,
    /// Refused by a rule, a check or a cap; the reasons say which. A good answer, not an error.
    Rejected,
    /// Could not be handled; the reasons say why.
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

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

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
        let lengths = parts.iter().map(|part| {
            let column = Expr::col((Self, part.column())).cast_as(Alias::new("text"));
            Expr::from(Func::cust(Alias::new("octet_length")).arg(column))
        });
        let Some(length) = lengths.reduce(ExprTrait::add) else {
            return Ok(0);
        };
        let lengths = Self::in_account(account)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .select_only()
            .expr_as(Func::sum(length).cast_as(Alias::new("bigint")), "bytes");
        let bytes: Option<Option<i64>> = lengths.into_tuple().one(db).await?;
        Ok(bytes.flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
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
