//! A partner: a recipient that an account keeps a record of.

use crate::cap_usage::Caps;
use crate::flow::Names;
use crate::ids::{AccountId, PartnerId, SettingsId};
use crate::portal_permission::Permissions;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{QuerySelect, QueryTrait};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "partner")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerId,
    /// Whose.
    pub account_id: AccountId,
    /// As shown.
    pub name: String,
    /// Contact.
    pub email: String,
    /// Contact.
    pub phone: Option<String>,
    /// Never shared.
    pub notes: Option<String>,
    /// Free labels.
    pub tags: Names,
    /// Whether it gets leads.
    pub active: bool,
    /// IANA name; of its caps and schedules.
    pub timezone: String,
    /// Limits of leads routed to it.
    pub caps: Caps,
    /// The delivery settings for the next delivery.
    pub settings_id: SettingsId,
    /// Whether its portal users may come in.
    pub portal_enabled: bool,
    /// Default of new portal users.
    pub portal_permissions: Permissions,
    /// Signing secret, sealed with the account's key.
    pub sealed_secret: Option<String>,
    /// Its last four characters.
    pub secret_hint: Option<String>,
    /// When it was made.
    pub secret_rotated_at: Option<DateTime<Utc>>,
    /// The secret before, which signs too for a while.
    pub sealed_previous_secret: Option<String>,
    /// For how long.
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Whether a partner has exactly this tag.
    pub fn tagged(postgres: bool, tag: &str) -> Expr {
        let list = if postgres {
            "json_array_elements_text(tags) AS tag (value)"
        } else {
            "json_each(tags) AS tag"
        };
        let mark = if postgres { "$1" } else { "?" };
        let sql = format!("EXISTS (SELECT 1 FROM {list} WHERE tag.value = {mark})");
        Expr::cust_with_values(sql, [tag])
    }

    /// The identifiers of those that have their portal on, as part of a statement.
    pub fn with_portal() -> SelectStatement {
        let on = Self::find().filter(Column::PortalEnabled.eq(true));
        on.select_only().column(Column::Id).into_query()
    }

    /// Partners by id for the delivery worker, which acts for every account.
    pub fn for_worker(ids: impl IntoIterator<Item = PartnerId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }
}
