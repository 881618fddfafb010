//! Portal users.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, PartnerId};
use entity::portal_user;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{Loaded, Many, Rows, by_account, many};
use leadmesh_core::error::Error;

/// The portal users of a partner of an account, in the order in which they were invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortalUsersOf(pub AccountId, pub PartnerId);

impl Loader<PortalUsersOf> for Rows {
    type Value = Many<portal_user::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[PortalUsersOf]) -> Loaded<PortalUsersOf, Many<portal_user::Model>> {
        let mut found: HashMap<PortalUsersOf, Vec<portal_user::Model>> = HashMap::new();
        for (account, partners) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = portal_user::Entity::in_account(account).filter(portal_user::Column::PartnerId.is_in(partners));
            let rows = rows.order_by_asc(portal_user::Column::Id);
            for row in self.all(rows).await? {
                found
                    .entry(PortalUsersOf(account, row.partner_id))
                    .or_default()
                    .push(row);
            }
        }
        Ok(many(found))
    }
}
