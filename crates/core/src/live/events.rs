//! Appending to event logs.
//!
//! Numbers taken from a sequence become visible out of order, so a reader that has seen number 7 could miss a 6 that commits
//! later. Here a log's numbers come from its `topic` row, whose lock is held until the commit, so number 7 is taken
//! only once 6 is visible. Appending is therefore the last act of a transaction, so that the lock is held only for the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::event::{self, EventKind};
use entity::ids::AccountId;
use entity::topic;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, EntityTrait,
    IntoActiveModel, Set, Statement,
};
use uuid::Uuid;

use crate::outcomes::Outcome;

/// Rows per statement on `SQLite`, whose statements take at most 32,766 parameters.
const CHUNK: usize = 1_000;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// An account or a partner.
    pub topic: Uuid,
    pub kind: EventKind,
    /// A lead, delivery, invitation, connection or source.
    pub subject: Uuid,
    /// What subscriptions filter by.
    pub scope: Option<Uuid>,
    /// The status of a delivery.
    pub detail: Option<String>,
    /// What is logged of it after the commit.
    pub outcome: Option<Outcome>,
}

impl NewEvent {
    /// The same, but not logged: the delivery had ended before.
    #[must_use]
    pub fn unlogged(self) -> Self {
        Self { outcome: None, ..self }
    }

    pub fn of_account(account: AccountId, kind: EventKind, subject: Uuid) -> Self {
        Self {
            topic: account.0,
            kind,
            subject,
            scope: None,
            detail: None,
            outcome: None,
        }
    }
}

/// The logs that were appended to, for the hub after the commit.
pub type LogHeads = BTreeMap<Uuid, LogGrowth>;

#[derive(Clone, Debug, Default)]
pub struct LogGrowth {
    /// Number of the last entry.
    pub head: i64,
    /// The entries up to `head` without a gap, where they are at hand: followers on this node need not read them.
    pub entries: Vec<Arc<event::Model>>,
    /// What is logged after the commit.
    pub outcomes: Vec<Outcome>,
}

pub fn count(events: &[NewEvent], kind: EventKind) -> usize {
    events.iter().filter(|event| event.kind == kind).count()
}

/// Appends to the logs; the last act of a transaction.
pub async fn append(tx: &DatabaseTransaction, at: DateTime<Utc>, events: Vec<NewEvent>) -> Result<LogHeads, DbErr> {
    if events.is_empty() {
        return Ok(LogHeads::new());
    }
    let heads = if tx.get_database_backend() == DatabaseBackend::Postgres {
        append_postgres(tx, at, &events).await?
    } else {
        append_sqlite(tx, at, &events).await?
    };
    let mut logs = by_log(&events);
    let grown = |(id, head)| {
        let events = logs.remove(&id).unwrap_or_default();
        let outcomes = events.iter().filter_map(|event| event.outcome.clone()).collect();
        let entries = numbered(head, events).map(|(seq, event)| Arc::new(entry(seq, at, event)));
        let entries = entries.collect();
        let grown = LogGrowth {
            head,
            entries,
            outcomes,
        };
        (id, grown)
    };
    Ok(heads.into_iter().map(grown).collect())
}

fn by_log(events: &[NewEvent]) -> BTreeMap<Uuid, Vec<&NewEvent>> {
    let mut logs: BTreeMap<Uuid, Vec<&NewEvent>> = BTreeMap::new();
    for event in events {
        logs.entry(event.topic).or_default().push(event);
    }
    logs
}

/// Numbers the new entries of one log; the last is the head.
fn numbered(head: i64, events: Vec<&NewEvent>) -> impl Iterator<Item = (i64, &NewEvent)> {
    let before = head - i64::try_from(events.len()).unwrap_or(i64::MAX);
    (before + 1..).zip(events)
}

fn entry(seq: i64, at: DateTime<Utc>, event: &NewEvent) -> event::Model {
    event::Model {
        topic_id: event.topic,
        seq,
        kind: event.kind,
        subject_id: event.subject,
        scope_id: event.scope,
        detail: event.detail.clone(),
        at,
    }
}

/// One statement. The rows of `topic` are locked in the order of their ids, so that two transactions cannot wait for each
/// other.
const APPEND: &str = "
WITH new AS (
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[]) WITH ORDINALITY AS t (topic_id, kind, subject_id, scope_id, detail, place)
), heads AS (
    INSERT INTO topic (id, head) SELECT topic_id, count(*) FROM new GROUP BY topic_id ORDER BY topic_id
    ON CONFLICT (id) DO UPDATE SET head = topic.head + excluded.head
    RETURNING id, head
), written AS (
    INSERT INTO event (topic_id, seq, kind, subject_id, scope_id, detail, at)
    SELECT new.topic_id, heads.head + 1 - row_number() OVER (PARTITION BY new.topic_id ORDER BY place DESC), kind, subject_id, NULLIF(scope_id, '00000000-0000-0000-0000-000000000000'), NULLIF(detail, ''), $6
    FROM new JOIN heads ON heads.id = new.topic_id
)
SELECT id, head FROM heads";

async fn append_postgres(
    tx: &DatabaseTransaction,
    at: DateTime<Utc>,
    events: &[NewEvent],
) -> Result<BTreeMap<Uuid, i64>, DbErr> {
    let column = |of: fn(&NewEvent) -> Uuid| -> Vec<Uuid> { events.iter().map(of).collect() };
    let kinds: Vec<String> = events.iter().map(|event| event.kind.to_value()).collect();
    // The library binds no nulls in an array: the nil UUID and the empty text stand for them.
    let scopes: Vec<Uuid> = events.iter().map(|event| event.scope.unwrap_or_default()).collect();
    let details: Vec<String> = events
        .iter()
        .map(|event| event.detail.clone().unwrap_or_default())
        .collect();
    let values = [
        column(|event| event.topic).into(),
        kinds.into(),
        column(|event| event.subject).into(),
        scopes.into(),
        details.into(),
        at.into(),
    ];
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(
            DatabaseBackend::Postgres,
            APPEND,
            values,
        ))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "head")?)))
        .collect()
}

async fn append_sqlite(
    tx: &DatabaseTransaction,
    at: DateTime<Utc>,
    events: &[NewEvent],
) -> Result<BTreeMap<Uuid, i64>, DbErr> {
    let mut heads = BTreeMap::new();
    for (id, events) in by_log(events) {
        let head = raise(tx, id, i64::try_from(events.len()).unwrap_or(i64::MAX)).await?;
        let entries = numbered(head, events).map(|(seq, event)| entry(seq, at, event).into_active_model());
        let rows: Vec<event::ActiveModel> = entries.map(ActiveModelTrait::reset_all).collect();
        for chunk in rows.chunks(CHUNK) {
            event::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(tx)
                .await?;
        }
        heads.insert(id, head);
    }
    Ok(heads)
}

async fn raise(tx: &DatabaseTransaction, id: Uuid, by: i64) -> Result<i64, DbErr> {
    let raised = Expr::col((topic::Entity, topic::Column::Head)).add(by);
    let row = topic::ActiveModel {
        id: Set(id),
        head: Set(by),
    };
    let on_conflict = OnConflict::column(topic::Column::Id)
        .value(topic::Column::Head, raised)
        .to_owned();
    Ok(topic::Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_with_returning(tx)
        .await?
        .head)
}
