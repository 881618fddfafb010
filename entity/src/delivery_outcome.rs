//! Recording what became of attempts: many at once, and only where the worker still holds the delivery.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, Expr, Value};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use crate::bulk::nullable;
use crate::delivery::{Column, DeliveryErrorCode, DeliveryStatus, Entity};
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

const RECORD: &str = "
UPDATE delivery SET status = o.status, due_at = o.due_at, settled_at = o.settled_at, lease_owner = NULL,
    failure_code = o.failure_code, failure_message = o.failure_message, external_id = coalesce(o.external_id, delivery.external_id)
FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text::timestamptz[], $6::text::timestamptz[],
    $7::text::text[], $8::text::text[], $9::text::text[])
    AS o (id, owner, attempt, status, due_at, settled_at, failure_code, failure_message, external_id)
WHERE delivery.id = o.id AND delivery.status = 'SENDING' AND delivery.lease_owner = o.owner AND delivery.attempt_count = o.attempt
RETURNING delivery.id";

/// Records outcomes; answers which deliveries were still held. The others belong to somebody else by now.
pub async fn record(db: &impl ConnectionTrait, outcomes: &[Outcome]) -> Result<HashSet<DeliveryId>, DbErr> {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let rows = db
            .query_all_raw(Statement::from_sql_and_values(
                DatabaseBackend::Postgres,
                RECORD,
                arrays(outcomes),
            ))
            .await?;
        return rows
            .iter()
            .map(|row| row.try_get::<Uuid>("", "id").map(DeliveryId))
            .collect();
    }
    let mut held = HashSet::new();
    for outcome in outcomes {
        if record_one(db, outcome).await? {
            held.insert(outcome.id);
        }
    }
    Ok(held)
}

async fn record_one(db: &impl ConnectionTrait, outcome: &Outcome) -> Result<bool, DbErr> {
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
    let updated = update
        .filter(Column::Id.eq(outcome.id))
        .filter(Column::Status.eq(DeliveryStatus::Sending))
        .filter(Column::LeaseOwner.eq(outcome.owner))
        .filter(Column::AttemptCount.eq(outcome.attempt))
        .exec(db)
        .await?;
    Ok(updated.rows_affected == 1)
}

fn arrays(outcomes: &[Outcome]) -> [Value; 9] {
    let column = |kind: ArrayType, of: &dyn Fn(&Outcome) -> Value| {
        Value::Array(kind, Some(Box::new(outcomes.iter().map(of).collect())))
    };
    let nullable = |of: &dyn Fn(&Outcome) -> Option<String>| nullable(outcomes.iter().map(of));
    [
        column(ArrayType::Uuid, &|outcome| outcome.id.0.into()),
        column(ArrayType::Uuid, &|outcome| outcome.owner.into()),
        column(ArrayType::Int, &|outcome| outcome.attempt.into()),
        column(ArrayType::String, &|outcome| outcome.status.to_value().into()),
        nullable(&|outcome| outcome.due_at.map(|time| time.to_rfc3339())),
        nullable(&|outcome| outcome.settled_at.map(|time| time.to_rfc3339())),
        nullable(&|outcome| outcome.failure.as_ref().map(|(code, _)| code.to_value())),
        nullable(&|outcome| outcome.failure.as_ref().map(|(_, message)| message.clone())),
        nullable(&|outcome| outcome.external_id.clone()),
    ]
}
