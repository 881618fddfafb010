//! How much of a cap is used in one of its windows.

use crate::ids::CapId;
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

/// The calendar window of a cap.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapPeriod {
    /// A clock hour.
    Hour,
    /// Midnight to midnight.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// All time.
    Lifetime,
}

/// A cap as it is stored with what it limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cap {
    /// Identifier; kept when only the limit changes, so that what was used stays counted.
    pub id: CapId,
    /// The calendar window.
    pub period: CapPeriod,
    /// Accepted leads per window.
    pub limit: i32,
    /// IANA name of the zone whose calendar counts.
    pub timezone: String,
}

/// The caps of one flow, source, partner or assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Caps(pub Vec<Cap>);

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cap_usage")]
pub struct Model {
    /// Which cap.
    #[sea_orm(primary_key, auto_increment = false)]
    pub cap_id: CapId,
    /// The start of the window; the epoch for LIFETIME.
    #[sea_orm(primary_key, auto_increment = false)]
    pub window_start: DateTime<Utc>,
    /// Accepted leads so far.
    pub used: i32,
}

crate::no_relations!();

impl Entity {
    /// The counters of some caps in some windows, locked in one order, so that two transactions cannot wait for each other.
    pub fn locked(
        caps: impl IntoIterator<Item = CapId>,
        windows: impl IntoIterator<Item = DateTime<Utc>>,
    ) -> Select<Self> {
        Self::of_caps(caps)
            .filter(Column::WindowStart.is_in(windows))
            .order_by_asc(Column::CapId)
            .order_by_asc(Column::WindowStart)
            .lock_exclusive()
    }

    /// The counters of some caps.
    pub fn of_caps(caps: impl IntoIterator<Item = CapId>) -> Select<Self> {
        Self::find().filter(Column::CapId.is_in(caps))
    }

    /// Counts leads again that were taken back, whatever the limit.
    pub async fn count_again(
        db: &impl ConnectionTrait,
        (cap, window): (CapId, DateTime<Utc>),
        leads: i32,
    ) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::Used, Expr::col(Column::Used).add(leads))
            .filter(Column::CapId.eq(cap))
            .filter(Column::WindowStart.eq(window))
            .exec(db)
            .await?;
        Ok(())
    }

    /// Takes back leads that were counted.
    pub async fn release_many(
        db: &impl ConnectionTrait,
        (cap, window): (CapId, DateTime<Utc>),
        leads: i32,
    ) -> Result<(), DbErr> {
        let left = Expr::case(Expr::col(Column::Used).gt(leads), Expr::col(Column::Used).sub(leads)).finally(0);
        Self::update_many()
            .col_expr(Column::Used, left.into())
            .filter(Column::CapId.eq(cap))
            .filter(Column::WindowStart.eq(window))
            .exec(db)
            .await?;
        Ok(())
    }

    /// Takes back one lead that was counted.
    pub async fn release(db: &impl ConnectionTrait, cap: CapId, window: DateTime<Utc>) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::Used, Expr::col(Column::Used).sub(1))
            .filter(Column::CapId.eq(cap))
            .filter(Column::WindowStart.eq(window))
            .filter(Column::Used.gt(0))
            .exec(db)
            .await?;
        Ok(())
    }
}
