//! When a connection is due for review: not reviewed for long, or idle.

use chrono::{DateTime, TimeDelta, Utc};
use entity::connection::{self, ConnectionStatus};
use entity::ids::AccountId;
use entity::{connection_side, lead};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SimpleExpr};

use super::traffic::first_id;

/// Days without a lead after which a connection is idle.
pub const IDLE_DAYS: i64 = 30;

/// What decides, for one account.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub status: ConnectionStatus,
    /// When it was agreed.
    pub connected_at: DateTime<Utc>,
    pub reviewed_at: Option<DateTime<Utc>>,
    /// In either direction.
    pub last_lead_at: Option<DateTime<Utc>>,
}

pub fn is_due(facts: &Facts, now: DateTime<Utc>, review_days: u32) -> bool {
    let since = facts.reviewed_at.unwrap_or(facts.connected_at);
    let used = facts.last_lead_at.map_or(since, |at| Ord::max(at, since));
    facts.status != ConnectionStatus::Terminated
        && (since <= now - TimeDelta::days(review_days.into()) || used <= now - TimeDelta::days(IDLE_DAYS))
}

/// The same as a condition on connections.
pub fn due(viewer: AccountId, now: DateTime<Utc>, review_days: u32) -> SimpleExpr {
    let reviewed = Query::select()
        .column((connection_side::Entity, connection_side::Column::LastReviewedAt))
        .from(connection_side::Entity)
        .and_where(
            Expr::col((connection_side::Entity, connection_side::Column::ConnectionId))
                .equals((connection::Entity, connection::Column::Id)),
        )
        .and_where(Expr::col((connection_side::Entity, connection_side::Column::AccountId)).eq(viewer))
        .take();
    let since = || {
        let reviewed = Expr::SubQuery(None, Box::new(reviewed.clone().into()));
        let connected = Expr::col((connection::Entity, connection::Column::ConnectedAt));
        Expr::expr(Func::coalesce([reviewed, connected]))
    };
    let idle = now - TimeDelta::days(IDLE_DAYS);
    let (low, high) = (connection::Column::LowAccountId, connection::Column::HighAccountId);
    let used = Expr::exists(leads_since(idle, low, high)).or(Expr::exists(leads_since(idle, high, low)));
    let overdue = since().lte(now - TimeDelta::days(review_days.into()));
    connection::Column::Status
        .ne(ConnectionStatus::Terminated)
        .and(overdue.or(since().lte(idle).and(used.not())))
}

fn leads_since(
    time: DateTime<Utc>,
    to: connection::Column,
    from: connection::Column,
) -> sea_orm::sea_query::SelectStatement {
    let of = |column| Expr::col((lead::Entity, column));
    Query::select()
        .expr(Expr::value(1))
        .from(lead::Entity)
        .and_where(of(lead::Column::AccountId).equals((connection::Entity, to)))
        .and_where(of(lead::Column::SenderAccountId).equals((connection::Entity, from)))
        .and_where(of(lead::Column::AccountId).ne(of(lead::Column::SenderAccountId)))
        .and_where(of(lead::Column::Id).gte(first_id(time)))
        .and_where(of(lead::Column::SubmittedAt).gt(time))
        .and_where(of(lead::Column::Test).eq(false))
        .take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_when_not_reviewed_for_long_or_idle() {
        let at = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);
        let due = |now, reviewed: Option<i64>, lead: Option<i64>| {
            let facts = Facts {
                status: ConnectionStatus::Active,
                connected_at: at(0),
                reviewed_at: reviewed.map(at),
                last_lead_at: lead.map(at),
            };
            is_due(&facts, at(now), 90)
        };
        assert!(!due(29, None, None) && due(30, None, None), "idle from the beginning");
        assert!(!due(89, None, Some(80)) && due(90, None, Some(89)), "never reviewed");
        assert!(
            !due(95, Some(89), Some(1)),
            "a review is a look at an idle connection, too"
        );
        assert!(due(119, Some(89), Some(1)));
        let ended = Facts {
            status: ConnectionStatus::Terminated,
            connected_at: at(0),
            reviewed_at: None,
            last_lead_at: None,
        };
        assert!(!is_due(&ended, at(1_000), 90));
    }
}
