//! Deliveries that may be tried again by hand. They are found among a long history by the indexes `delivery_retryable` and
//! `delivery_retryable_partner`, a state at a time and in pages, so that no statement reads more than it answers.

use crate::delivery::{Column, DeliveryStatus, Entity};
use crate::ids::DeliveryId;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveEnum, Condition, QueryOrder, QuerySelect};

/// The condition of the partial indexes, as they have it.
fn ended_or_retrying() -> Expr {
    Expr::cust("status IN ('RETRYING', 'FAILED', 'REFUSED', 'CANCELLED')")
}

/// A state in which a delivery may be tried again, and what has to hold besides. What is due already is left to the worker; what a
/// partner has refused, and what would come back to an account that it has passed, no retry changes.
fn may_be_retried(stands_so: Expr, status: DeliveryStatus, now: DateTime<Utc>) -> Condition {
    let stands = Condition::all().add(stands_so).add(Column::ErasedAt.is_null());
    match status {
        DeliveryStatus::Failed | DeliveryStatus::Cancelled => stands,
        DeliveryStatus::Retrying => stands.add(Column::DueAt.gt(now)),
        DeliveryStatus::Refused => stands
            .add(Column::BuyerAccountId.is_not_null())
            .add(Column::FailureMessage.not_like("LOOP%")),
        DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Delivered => {
            stands.add(Column::Id.is_null())
        }
    }
}

/// One page of a search for what may be tried again.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// In this state.
    pub status: DeliveryStatus,
    /// After this delivery.
    pub after: Option<DeliveryId>,
    /// At most so many.
    pub most: u64,
}

impl Entity {
    /// Those of `among` that may be tried again now, the oldest first, whether their lead has gone on or not: see `chain`. `few` says that what
    /// they are chosen from are a few rows that are found otherwise.
    pub fn retryable(among: Select<Self>, page: Page, few: bool, now: DateTime<Utc>) -> Select<Self> {
        let by_index = Condition::all()
            .add_option((!few).then(ended_or_retrying))
            .add_option(page.after.map(|last| Column::Id.gt(last)));
        among
            .filter(by_index)
            .filter(may_be_retried(Column::Status.eq(page.status), page.status, now))
            .order_by_asc(Column::Id)
            .limit(page.most)
    }

    /// Those of some deliveries that may still be tried again in one of these states. Locked in one order.
    pub fn still_retryable(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = DeliveryId>,
        states: &[DeliveryStatus],
        now: DateTime<Utc>,
    ) -> Select<Self> {
        // The state offers no index: `PostgreSQL` would rather read all that has failed of all accounts than these few rows.
        let stands_so = |status: DeliveryStatus| Expr::cust(format!("delivery.status || '' = '{}'", status.to_value()));
        let any = states.iter().fold(Condition::any(), |any, status| {
            any.add(may_be_retried(stands_so(*status), *status, now))
        });
        Self::find()
            .filter(crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0)))
            .filter(any)
            .order_by_asc(Column::Id)
            .lock_exclusive()
    }
}
