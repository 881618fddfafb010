//! Counts of leads by outcome, without tests.

use std::ops::Range;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::ids::{AccountId, FlowId};
use entity::lead::{Column, Entity, LeadOutcome};
use entity::refused_attempt;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::{Builder, Uuid};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// How far the clock may go back between the time of a lead and its identifier, which is made just after, in milliseconds.
const CLOCK_SLACK_MS: i64 = 60_000;

/// Counts of a time range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: i64,
    pub rejected: i64,
    pub failed: i64,
    /// Median time from submission to decision, in microseconds; none without leads.
    pub p50_us: Option<i64>,
    /// 95th percentile of the same time.
    pub p95_us: Option<i64>,
    /// Refused submissions, which did not become leads. They are counted by whole hours, including the one in which the range starts.
    pub refused: i64,
}

impl Counts {
    /// All leads.
    pub fn submitted(&self) -> i64 {
        self.accepted + self.rejected + self.failed
    }
}

/// Counts of a flow of the caller's account.
pub async fn of_flow(app: &App, caller: &Caller, flow: FlowId, range: Range<DateTime<Utc>>) -> Result<Counts> {
    let account = caller.require(Action::ReadLeads)?;
    let leads = Entity::in_account(account).filter(Column::FlowId.eq(flow));
    let counts = count(app, within(leads, &range)).await?;
    Ok(Counts {
        refused: refused(app, account, flow, range).await?,
        ..counts
    })
}

async fn refused(app: &App, account: AccountId, flow: FlowId, range: Range<DateTime<Utc>>) -> Result<i64> {
    use refused_attempt::Column;
    let first = range.start.duration_trunc(TimeDelta::hours(1)).unwrap_or(range.start);
    let counts: Vec<i64> = refused_attempt::Entity::in_account(account)
        .filter(Column::FlowId.eq(flow))
        .filter(Column::Hour.gte(first))
        .filter(Column::Hour.lt(range.end))
        .select_only()
        .column(Column::Attempts)
        .into_tuple()
        .all(app.db.read())
        .await?;
    Ok(counts.into_iter().sum())
}

/// Leads of a time range. Identifiers are ordered by time, so a bound on them keeps the database from reading older leads.
fn within(leads: Select<Entity>, range: &Range<DateTime<Utc>>) -> Select<Entity> {
    leads
        .filter(Column::Id.gte(first_id(range.start)))
        .filter(Column::SubmittedAt.gte(range.start))
        .filter(Column::SubmittedAt.lt(range.end))
        .filter(Column::Test.eq(false))
}

/// An identifier before all that are made at that time.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = at.timestamp_millis() - CLOCK_SLACK_MS;
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &[0; 10]).into_uuid()
}

async fn count(app: &App, leads: Select<Entity>) -> Result<Counts> {
    let outcomes: Vec<(LeadOutcome, i64)> = leads
        .clone()
        .select_only()
        .column(Column::Outcome)
        .column_as(Column::Id.count(), "leads")
        .group_by(Column::Outcome)
        .into_tuple()
        .all(app.db.read())
        .await?;
    let mut counts = Counts::default();
    for (outcome, leads) in outcomes {
        match outcome {
            LeadOutcome::Accepted => counts.accepted = leads,
            LeadOutcome::Rejected => counts.rejected = leads,
            LeadOutcome::Failed => counts.failed = leads,
        }
    }
    counts.p50_us = percentile(app, &leads, counts.submitted(), 50).await?;
    counts.p95_us = percentile(app, &leads, counts.submitted(), 95).await?;
    Ok(counts)
}

/// The processing time that this percentage of the leads does not exceed. The database sorts, so that no list of times is in memory.
async fn percentile(app: &App, leads: &Select<Entity>, count: i64, percent: u64) -> Result<Option<i64>> {
    let Some(rank) = nearest_rank(u64::try_from(count).unwrap_or_default(), percent) else {
        return Ok(None);
    };
    let time = leads
        .clone()
        .select_only()
        .column(Column::ProcessingUs)
        .order_by_asc(Column::ProcessingUs)
        .offset(rank)
        .limit(1)
        .into_tuple();
    Ok(time.one(app.db.read()).await?)
}

/// The index of a percentile among sorted values, by the nearest-rank method.
fn nearest_rank(count: u64, percent: u64) -> Option<u64> {
    (count * percent).div_ceil(100).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use leadmesh_core::clock::Clock;

    #[test]
    fn a_percentile_is_the_value_of_the_nearest_rank() {
        for (count, median, slow) in [
            (1, 0, 0),
            (2, 0, 1),
            (3, 1, 2),
            (20, 9, 18),
            (100, 49, 94),
            (101, 50, 95),
        ] {
            assert_eq!(
                (nearest_rank(count, 50), nearest_rank(count, 95)),
                (Some(median), Some(slow)),
                "{count}"
            );
        }
        assert_eq!(nearest_rank(0, 50), None);
    }

    #[test]
    fn no_identifier_of_a_time_is_before_its_first() {
        let at = DateTime::UNIX_EPOCH + Duration::days(20_000);
        let clock = Clock::standing_at(at);
        assert!(first_id(at) < clock.id::<uuid::Uuid>());
        assert!(first_id(at + Duration::milliseconds(CLOCK_SLACK_MS + 1)) > clock.id::<uuid::Uuid>());
        assert!(first_id(DateTime::UNIX_EPOCH) < clock.id::<uuid::Uuid>());
    }
}
