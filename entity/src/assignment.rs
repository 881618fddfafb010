//! A partner's place in a profile.

use crate::cap_usage::Caps;
use crate::ids::{AccountId, AssignmentId, PartnerId, ProfileId, SettingsId};
use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// When leads are routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// IANA name of the zone whose clock counts.
    pub timezone: String,
    /// Any of these.
    pub windows: Vec<Window>,
}

/// Hours on certain days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "ScheduleWindow", input_name = "ScheduleWindowInput")]
pub struct Window {
    /// Days on which the window opens, at least one.
    pub days: Vec<Weekday>,
    /// Opening time, `HH:MM`, inclusive.
    pub from: String,
    /// Closing time, `HH:MM`, exclusive. If not after `from`, it is on the next day; `24:00` is midnight.
    pub to: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "assignment")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssignmentId,
    /// Whose.
    pub account_id: AccountId,
    /// Which profile.
    pub profile_id: ProfileId,
    /// Which partner.
    pub partner_id: PartnerId,
    /// Whether it counts.
    pub enabled: bool,
    /// 1 comes first.
    pub rank: i32,
    /// Share among the others.
    pub weight: i32,
    /// Canonical rule tree over field names.
    pub rule: Option<Json>,
    /// Overrides the profile's price; in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// Limits of leads routed here.
    pub caps: Caps,
    /// When it gets leads; none means always.
    pub schedule: Option<Schedule>,
    /// Overrides the partner's delivery settings.
    pub settings_id: Option<SettingsId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Set when removed.
    pub deleted_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::Rule];

    /// Assignments of one account, removed ones left out, best rank first.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeletedAt.is_null())
            .order_by_asc(Column::Rank)
            .order_by_asc(Column::Id)
    }

    /// Removes the places of a profile that is deleted.
    pub fn remove_all(account: AccountId, profile: ProfileId, at: DateTime<Utc>) -> sea_orm::UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::DeletedAt, Expr::value(at))
            .filter(Column::AccountId.eq(account))
            .filter(Column::ProfileId.eq(profile))
            .filter(Column::DeletedAt.is_null())
    }
}
