//! How a destination is doing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::delivery::{self, Column, DeliveryStatus};
use entity::destination;
use entity::ids::{AccountId, PartnerId};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

/// How far back successes are looked for, in deliveries.
pub const LOOKED_AT: u64 = 10_000;
/// Successes among which the last one is; they are read in the order of routing, and a retry may have overtaken others.
const OVERTAKEN: u64 = 50;
/// Destinations in one query: `SQLite` takes 500 parts of a union.
const TOGETHER: usize = 100;

/// How a destination is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "HealthState")]
pub enum State {
    /// The last attempt succeeded, or there was none yet.
    Healthy,
    /// The last attempts failed; deliveries go on.
    Degraded,
    /// It failed so often that deliveries wait until `openUntil`, without spending their attempts.
    Paused,
}

/// The state that follows from what is kept of a destination's failures.
pub fn state(kept: Option<&destination::Model>, now: DateTime<Utc>) -> State {
    match kept {
        Some(row) if row.open_until.is_some_and(|until| now < until) => State::Paused,
        Some(row) if row.consecutive_failures > 0 => State::Degraded,
        _ => State::Healthy,
    }
}

/// When each partner last took a delivery, tests included. Only its newest [`LOOKED_AT`] deliveries are looked at.
pub async fn last_successes(
    db: &impl ConnectionTrait,
    account: AccountId,
    partners: &[PartnerId],
) -> Result<HashMap<PartnerId, DateTime<Utc>>, DbErr> {
    let mut found = HashMap::new();
    for partners in partners.chunks(TOGETHER) {
        let mut parts = partners.iter().map(|partner| last_success(account, *partner));
        let Some(mut query) = parts.next() else { continue };
        for part in parts {
            query.union(UnionType::All, part);
        }
        for row in db.query_all(&query).await? {
            let (partner, at): (Uuid, DateTime<Utc>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let last = found.entry(PartnerId(partner)).or_insert(at);
            *last = Ord::max(at, *last);
        }
    }
    Ok(found)
}

/// A partner's newest successes, as a part of a union.
fn last_success(account: AccountId, partner: PartnerId) -> SelectStatement {
    let columns = [Column::PartnerId, Column::SettledAt, Column::Status, Column::Id];
    let newest = delivery::Entity::in_account(account)
        .filter(Column::PartnerId.eq(partner))
        .select_only()
        .columns(columns)
        .order_by_desc(Column::Id)
        .limit(LOOKED_AT)
        .into_query();
    let succeeded = Query::select()
        .columns([Column::PartnerId, Column::SettledAt])
        .from_subquery(newest, "newest")
        .and_where(Expr::col(Column::Status).eq(DeliveryStatus::Delivered))
        .and_where(Expr::col(Column::SettledAt).is_not_null())
        .order_by(Column::Id, Order::Desc)
        .limit(OVERTAKEN)
        .to_owned();
    Query::select()
        .columns([Column::PartnerId, Column::SettledAt])
        .from_subquery(succeeded, "succeeded")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_destination_is_paused_until_its_time_has_come() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let row = |failures, pause: Option<i64>| destination::Model {
            partner_id: Uuid::nil().into(),
            account_id: Uuid::nil().into(),
            consecutive_failures: failures,
            open_until: pause.map(|seconds| now + TimeDelta::seconds(seconds)),
            last_failure_at: now,
            last_error: "no answer".into(),
        };
        assert_eq!(state(None, now), State::Healthy);
        assert_eq!(state(Some(&row(0, None)), now), State::Healthy);
        assert_eq!(state(Some(&row(3, None)), now), State::Degraded);
        assert_eq!(state(Some(&row(3, Some(1))), now), State::Paused);
        assert_eq!(state(Some(&row(3, Some(0))), now), State::Degraded);
    }
}
