//! Connected accounts that get leads.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::connection;
use entity::ids::{AccountId, ConnectionId};
use sea_orm::{ColumnTrait, QueryFilter};

use super::{Loaded, Rows, by_account, shared};
use crate::error::Error;
use crate::network::buyer_steps;

/// A connection of an account, ended or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkRow(pub AccountId, pub ConnectionId);

impl Loader<LinkRow> for Rows {
    type Value = connection::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LinkRow]) -> Loaded<LinkRow, connection::Model> {
        let mut found = HashMap::with_capacity(keys.len());
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(ids));
            let rows = rows.all(self.db.read()).await.map_err(shared)?.into_iter();
            found.extend(rows.map(|row| (LinkRow(account, row.id), row)));
        }
        Ok(found)
    }
}

/// Whether the account at the other end of a seller's connection can take its leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceivesOver(pub AccountId, pub ConnectionId);

impl Loader<ReceivesOver> for Rows {
    type Value = bool;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[ReceivesOver]) -> Loaded<ReceivesOver, bool> {
        let links: Vec<LinkRow> = keys.iter().map(|key| LinkRow(key.0, key.1)).collect();
        let links: HashMap<LinkRow, connection::Model> = self.load(&links).await?;
        let mut found = HashMap::with_capacity(keys.len());
        for (LinkRow(seller, id), link) in links {
            let receives = buyer_steps::receiving(self.db.read(), &link, seller).await;
            found.insert(ReceivesOver(seller, id), receives.map_err(shared)?);
        }
        Ok(found)
    }
}
