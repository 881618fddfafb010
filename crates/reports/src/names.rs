//! The names of partners, profiles, flows and buyers.

use std::collections::HashMap;

use entity::ids::AccountId;
use entity::{flow, partner, profile};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::deliveries::dimension::Dimension;
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;

/// By identifier; without deleted objects, and empty for dimensions without names.
pub(crate) async fn load(
    db: &impl ConnectionTrait,
    account: AccountId,
    dimension: Dimension,
    mut ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    ids.sort_unstable();
    ids.dedup();
    let named: Vec<(Uuid, String)> = match dimension {
        Dimension::Partner => {
            let mine = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([partner::Column::Id, partner::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Profile => {
            let mine = profile::Entity::in_account(account).filter(profile::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([profile::Column::Id, profile::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Flow => {
            let mine = flow::Entity::ever_in_account(account).filter(flow::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([flow::Column::Id, flow::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Buyer => {
            let accounts = accounts::profiles(db, ids.into_iter().map(AccountId).collect()).await?;
            let named = accounts.into_iter().map(|account| (account.id.0, account.name));
            named.collect()
        }
        _ => Vec::new(),
    };
    Ok(named.into_iter().collect())
}
