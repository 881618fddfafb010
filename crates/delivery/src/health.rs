//! How a destination is doing.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::delivery::{self, Column, DeliveryStatus};
use entity::destination;
use entity::endpoint::{self, OpenReason};
use entity::ids::{AccountId, PartnerId, SettingsId};
use entity::{assignment, delivery_settings, partner};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::response;

/// How many of the newest deliveries are searched for the last success.
pub const SCAN_LIMIT: u64 = 10_000;
/// Successes among which the last one is; they are read in the order of routing, and a retry may have overtaken others.
const NEWEST_SUCCESSES: u64 = 50;
/// Destinations in one query: `SQLite` takes 500 parts of a union.
const MAX_UNION_PARTS: usize = 100;

/// State of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "HealthState")]
pub enum State {
    /// The last attempt succeeded, or there was none yet.
    Healthy,
    /// The last attempts failed, or the destination asked for fewer requests (429, `Retry-After`). Deliveries go on,
    /// after `openUntil` if that is set.
    Degraded,
    /// The destination failed so often that its deliveries wait, without using up attempts. At `openUntil` one of them
    /// tries it; if that succeeds, all go on. After a 410 they wait until `resumeDestination`.
    Paused,
}

/// The state that follows from a destination's failures and open circuits.
pub fn state(failures: Option<&destination::Model>, held: &[OpenCircuit]) -> State {
    let paused = |held: &OpenCircuit| matches!(held.endpoint.open_reason, Some(OpenReason::Failing | OpenReason::Gone));
    match failures {
        _ if held.iter().any(paused) => State::Paused,
        Some(row) if row.consecutive_failures > 0 => State::Degraded,
        _ if !held.is_empty() => State::Degraded,
        _ => State::Healthy,
    }
}

/// An endpoint of a partner to which nothing is sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCircuit {
    pub endpoint: endpoint::Model,
    /// Deliveries to the partner that wait for it, counted up to [`SCAN_LIMIT`].
    pub waiting: u64,
}

/// The open circuits of partners' endpoints: of the current settings, and of older ones with suspended deliveries. The longest pause
/// comes first.
pub async fn open_circuits(
    db: &impl ConnectionTrait,
    account: AccountId,
    partners: &[PartnerId],
    now: DateTime<Utc>,
) -> Result<HashMap<PartnerId, Vec<OpenCircuit>>, DbErr> {
    let closed = endpoint::Entity::open_in([account], now).all(db).await?;
    let mut found: HashMap<PartnerId, Vec<OpenCircuit>> = HashMap::new();
    if closed.is_empty() {
        return Ok(found);
    }
    for partner in partners {
        let own = endpoints_of(db, account, *partner).await?;
        let theirs = closed
            .iter()
            .filter(|row| own.contains(&row.id) || row.partner_id == Some(*partner));
        for endpoint in theirs {
            let waiting = delivery::Entity::count_suspended(db, endpoint.id, *partner, SCAN_LIMIT).await?;
            if waiting > 0 || own.contains(&endpoint.id) {
                let endpoint = endpoint.clone();
                found
                    .entry(*partner)
                    .or_default()
                    .push(OpenCircuit { endpoint, waiting });
            }
        }
    }
    // 410 has no end, and is the longest.
    let longest = |held: &OpenCircuit| std::cmp::Reverse(held.endpoint.open_until.unwrap_or(DateTime::<Utc>::MAX_UTC));
    for held in found.values_mut() {
        held.sort_by_key(longest);
    }
    Ok(found)
}

/// The last error of a destination as the caller may see it. Mail servers know the leads that were sent, so their replies are only for
/// callers who may reveal encrypted values.
pub fn visible_error(why: &str, may_reveal: bool) -> &str {
    if !may_reveal && response::repeats_a_reply(why) {
        return "the mail server refused a mail: what it replied takes the right to reveal encrypted values";
    }
    why
}

/// The endpoints of a partner, everywhere and in its places, by its settings as they are now.
pub async fn endpoints_of(
    db: &impl ConnectionTrait,
    account: AccountId,
    partner: PartnerId,
) -> Result<HashSet<Uuid>, DbErr> {
    let general = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
    let places = assignment::Entity::in_account(account).filter(assignment::Column::PartnerId.eq(partner));
    let places = places.all(db).await?.into_iter().filter_map(|place| place.settings_id);
    let general = general.one(db).await?.map(|row| row.settings_id);
    let settings: Vec<SettingsId> = places.chain(general).collect();
    let rows = delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
    let rows = rows.all(db).await?.into_iter();
    Ok(rows
        .filter_map(|row| delivery::endpoint(row.config.channel(), account, row.id))
        .collect())
}

/// When each partner last took a delivery, tests included. Only its newest [`SCAN_LIMIT`] deliveries are looked at.
pub async fn last_successes(
    db: &impl ConnectionTrait,
    account: AccountId,
    partners: &[PartnerId],
) -> Result<HashMap<PartnerId, DateTime<Utc>>, DbErr> {
    let mut found = HashMap::new();
    for partners in partners.chunks(MAX_UNION_PARTS) {
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
        .limit(SCAN_LIMIT)
        .into_query();
    let succeeded = Query::select()
        .columns([Column::PartnerId, Column::SettledAt])
        .from_subquery(newest, "newest")
        .and_where(Expr::col(Column::Status).eq(DeliveryStatus::Delivered))
        .and_where(Expr::col(Column::SettledAt).is_not_null())
        .order_by(Column::Id, Order::Desc)
        .limit(NEWEST_SUCCESSES)
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
    fn a_destination_is_paused_while_it_is_held_for_more_than_a_while() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let failures = |failures| destination::Model {
            partner_id: Uuid::nil().into(),
            account_id: Uuid::nil().into(),
            consecutive_failures: failures,
            last_failure_at: now,
            last_error: "no answer".into(),
        };
        let held = |hold| OpenCircuit {
            endpoint: endpoint::Model {
                id: Uuid::nil(),
                account_id: Uuid::nil().into(),
                partner_id: None,
                failures: 10,
                open_reason: Some(hold),
                opened_at: Some(now),
                open_until: Some(now),
                pauses: 1,
                probe_id: None,
                last_error: "no answer".into(),
                notified: false,
            },
            waiting: 3,
        };
        assert_eq!(state(None, &[]), State::Healthy);
        assert_eq!(state(Some(&failures(0)), &[]), State::Healthy);
        assert_eq!(state(Some(&failures(3)), &[]), State::Degraded);
        assert_eq!(state(None, &[held(OpenReason::Throttled)]), State::Degraded);
        assert_eq!(
            state(None, &[held(OpenReason::Throttled), held(OpenReason::Gone)]),
            State::Paused
        );
        assert_eq!(state(Some(&failures(0)), &[held(OpenReason::Failing)]), State::Paused);
    }
}
