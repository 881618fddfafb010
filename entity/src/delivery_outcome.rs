//! Recording what became of attempts: many at once, and only where the worker still holds the delivery.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, Expr, ExprTrait, Value};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use crate::delivery::{Column, DeliveryErrorCode, DeliveryStatus, Entity, Model};
use crate::ids::DeliveryId;

/// What an attempt made of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which delivery.
    pub id: DeliveryId,
    /// The lease under which it was attempted.
    pub owner: Uuid,
    /// The attempt's number. With the owner it tells a late finisher, whose delivery somebody else has taken over.
    pub attempt: i32,
    /// Whether the attempt counts against its budget.
    pub spends: bool,
    /// Where it stands now.
    pub status: DeliveryStatus,
    /// When to attempt next; none when settled.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why it is not delivered.
    pub failure: Option<(DeliveryErrorCode, String)>,
    /// The recipient's own name for the lead.
    pub external_id: Option<String>,
}

impl Outcome {
    /// A delivery has ended with its present attempt.
    pub fn ended(delivery: &Model, status: DeliveryStatus, now: DateTime<Utc>) -> Self {
        Self {
            id: delivery.id,
            owner: delivery.lease_owner.unwrap_or_default(),
            attempt: delivery.attempt_count,
            spends: true,
            status,
            due_at: None,
            settled_at: Some(now),
            failure: None,
            external_id: None,
        }
    }
}

const RECORD: &str = "
UPDATE delivery SET status = o.status, due_at = NULLIF(o.due_at, to_timestamp(0)), settled_at = NULLIF(o.settled_at, to_timestamp(0)),
    lease_owner = NULL, failure_code = NULLIF(o.failure_code, ''), failure_message = NULLIF(o.failure_message, ''),
    external_id = coalesce(NULLIF(o.external_id, ''), delivery.external_id), attempts_before = delivery.attempts_before + o.unspent
FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::text[],
    $10::integer[])
    AS o (id, owner, attempt, status, due_at, settled_at, failure_code, failure_message, external_id, unspent)
WHERE delivery.id = o.id AND delivery.status = 'SENDING' AND delivery.lease_owner = o.owner AND delivery.attempt_count = o.attempt
RETURNING delivery.id, delivery.erased_at";

/// The deliveries whose outcome was recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorded(HashMap<DeliveryId, bool>);

impl Recorded {
    /// Whether the worker still held this one.
    pub fn contains(&self, id: DeliveryId) -> bool {
        self.0.contains_key(&id)
    }

    /// Whether its lead was erased while it was attempted.
    pub fn is_erased(&self, id: DeliveryId) -> bool {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

/// Records outcomes, and returns for which deliveries: another worker has taken over the others.
pub async fn record(db: &impl ConnectionTrait, outcomes: &[Outcome]) -> Result<Recorded, DbErr> {
    let mut recorded = HashMap::new();
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let record = Statement::from_sql_and_values(DatabaseBackend::Postgres, RECORD, arrays(outcomes));
        for row in db.query_all_raw(record).await? {
            let erased_at: Option<DateTime<Utc>> = row.try_get("", "erased_at")?;
            recorded.insert(DeliveryId(row.try_get("", "id")?), erased_at.is_some());
        }
    } else {
        for outcome in outcomes {
            let row = record_one(db, outcome).await?;
            recorded.extend(row.map(|row| (row.id, row.erased_at.is_some())));
        }
    }
    Ok(Recorded(recorded))
}

async fn record_one(db: &impl ConnectionTrait, outcome: &Outcome) -> Result<Option<Model>, DbErr> {
    let (code, message) = outcome.failure.clone().unzip();
    let mut update = Entity::update_many()
        .col_expr(Column::Status, Expr::value(outcome.status.to_value()))
        .col_expr(Column::DueAt, Expr::value(outcome.due_at))
        .col_expr(Column::SettledAt, Expr::value(outcome.settled_at))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::FailureCode, Expr::value(code.map(|code| code.to_value())))
        .col_expr(Column::FailureMessage, Expr::value(message));
    if let Some(external_id) = &outcome.external_id {
        update = update.col_expr(Column::ExternalId, Expr::value(external_id.clone()));
    }
    if !outcome.spends {
        update = update.col_expr(Column::AttemptsBefore, Expr::col(Column::AttemptsBefore).add(1));
    }
    let updated = update
        .filter(Column::Id.eq(outcome.id))
        .filter(Column::Status.eq(DeliveryStatus::Sending))
        .filter(Column::LeaseOwner.eq(outcome.owner))
        .filter(Column::AttemptCount.eq(outcome.attempt))
        .exec_with_returning(db)
        .await?;
    Ok(updated.into_iter().next())
}

/// The library takes no nulls in an array: empty texts and 1970 stand for them, and the statement turns them back.
fn arrays(outcomes: &[Outcome]) -> [Value; 10] {
    let column = |kind: ArrayType, of: &dyn Fn(&Outcome) -> Value| {
        Value::Array(kind, Some(Box::new(outcomes.iter().map(of).collect())))
    };
    let texts = |of: &dyn Fn(&Outcome) -> Option<String>| {
        column(ArrayType::String, &|outcome| of(outcome).unwrap_or_default().into())
    };
    let times = |of: &dyn Fn(&Outcome) -> Option<DateTime<Utc>>| {
        column(ArrayType::ChronoDateTimeUtc, &|outcome| {
            of(outcome).unwrap_or(DateTime::UNIX_EPOCH).into()
        })
    };
    [
        column(ArrayType::Uuid, &|outcome| outcome.id.0.into()),
        column(ArrayType::Uuid, &|outcome| outcome.owner.into()),
        column(ArrayType::Int, &|outcome| outcome.attempt.into()),
        texts(&|outcome| Some(outcome.status.to_value())),
        times(&|outcome| outcome.due_at),
        times(&|outcome| outcome.settled_at),
        texts(&|outcome| outcome.failure.as_ref().map(|(code, _)| code.to_value())),
        texts(&|outcome| outcome.failure.as_ref().map(|(_, message)| message.clone())),
        texts(&|outcome| outcome.external_id.clone()),
        column(ArrayType::Int, &|outcome| i32::from(!outcome.spends).into()),
    ]
}
