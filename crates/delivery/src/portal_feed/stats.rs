//! Counts of a portal's leads. Test leads count nowhere.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::delivery::{Column, Entity, ReviewStatus};
use entity::portal_user::PortalPermission;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::delivered_during;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;

/// What became of the leads of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// All of them. Leads with a requested return, and leads erased before their review, are counted only here.
    pub total: i64,
    /// Not reviewed yet, without erased leads.
    pub pending: i64,
    pub accepted: i64,
    pub rejected: i64,
    pub returned: i64,
    /// Minutes from delivery to acceptance or rejection, the middle one of all.
    pub median_review_minutes: Option<f64>,
}

/// Counts the leads that were delivered to the caller's portal from then (included) to then (not included).
pub async fn stats(app: &App, caller: &Caller, during: Range<DateTime<Utc>>) -> Result<Stats> {
    let (account, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    let leads = Entity::in_portal(account, partner)
        .filter(Column::Test.eq(false))
        .filter(delivered_during(&during));
    let counts: Vec<(Option<ReviewStatus>, i64, i64)> = leads
        .clone()
        .select_only()
        .column(Column::Review)
        .column_as(Column::Id.count(), "leads")
        .column_as(Column::ErasedAt.count(), "erased")
        .group_by(Column::Review)
        .into_tuple()
        .all(app.db.read())
        .await?;
    let mut stats = Stats::default();
    for (review, leads, erased) in counts {
        stats.total += leads;
        match review.unwrap_or(ReviewStatus::PendingReview) {
            ReviewStatus::PendingReview => stats.pending += leads - erased,
            ReviewStatus::Accepted => stats.accepted += leads,
            ReviewStatus::Rejected => stats.rejected += leads,
            ReviewStatus::Returned => stats.returned += leads,
            ReviewStatus::ReturnRequested => {}
        }
    }
    stats.median_review_minutes = median(app, leads).await?;
    Ok(stats)
}

/// Only the one or two in the middle leave the database.
async fn median(app: &App, leads: Select<Entity>) -> Result<Option<f64>> {
    let reviewed = leads
        .filter(Column::Review.is_in([ReviewStatus::Accepted, ReviewStatus::Rejected]))
        .filter(Column::ReviewAt.is_not_null());
    let count = reviewed.clone().count(app.db.read()).await?;
    if count == 0 {
        return Ok(None);
    }
    let took = if app.db.is_postgres() {
        "review_at - settled_at"
    } else {
        "julianday(review_at) - julianday(settled_at)"
    };
    let middle: Vec<(DateTime<Utc>, DateTime<Utc>)> = reviewed
        .select_only()
        .columns([Column::SettledAt, Column::ReviewAt])
        .order_by(Expr::cust(took), Order::Asc)
        .offset((count - 1) / 2)
        .limit(2 - count % 2)
        .into_tuple()
        .all(app.db.read())
        .await?;
    Ok(mean(
        middle.into_iter().map(|(from, to)| (to - from).as_seconds_f64() / 60.0),
    ))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_the_middle_is_there_if_anything_is() {
        assert_eq!(mean([2.0, 5.0].into_iter()), Some(3.5));
        assert_eq!(mean([2.0].into_iter()), Some(2.0));
        assert_eq!(mean(std::iter::empty()), None);
    }
}
