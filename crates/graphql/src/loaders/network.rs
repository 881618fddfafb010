//! Connections, their traffic and the emails of invitations.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ConnectionId, MailId};
use entity::{connection, mail};
use sea_orm::{ColumnTrait, QueryFilter};

use super::{Loaded, Rows, by_account, shared};
use leadmesh_core::error::Error;
use leadmesh_network::buyer_steps;
use leadmesh_network::connections::ConnectionView;
use leadmesh_network::traffic;

/// A connection of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkOf(pub AccountId, pub ConnectionId);

impl Loader<LinkOf> for Rows {
    type Value = ConnectionView;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LinkOf]) -> Loaded<LinkOf, ConnectionView> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(ids));
            let rows = self.all(rows).await?;
            found.extend(
                rows.into_iter()
                    .map(|row| (LinkOf(account, row.id), ConnectionView::new(row, account))),
            );
        }
        Ok(found)
    }
}

/// When the last lead went over a connection of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastActivity(pub AccountId, pub ConnectionId);

impl Loader<LastActivity> for Rows {
    type Value = DateTime<Utc>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LastActivity]) -> Loaded<LastActivity, DateTime<Utc>> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let times = traffic::last_activity(self.db.read(), account, ids);
            let times = times.await.map_err(shared)?;
            found.extend(times.into_iter().map(|(id, at)| (LastActivity(account, id), at)));
        }
        Ok(found)
    }
}

/// The email of an invitation. Emails belong to the instance, so take the key from an invitation that the account sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvitationMailRow(pub MailId);

impl Loader<InvitationMailRow> for Rows {
    type Value = mail::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[InvitationMailRow]) -> Loaded<InvitationMailRow, mail::Model> {
        let rows = mail::Entity::by_ids(keys.iter().map(|key| key.0));
        let rows = self.all(rows).await?;
        Ok(rows.into_iter().map(|row| (InvitationMailRow(row.id), row)).collect())
    }
}

/// Whether the buyer at the other end of a connection can take leads now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CanReceiveOver(pub AccountId, pub ConnectionId);

impl Loader<CanReceiveOver> for Rows {
    type Value = bool;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CanReceiveOver]) -> Loaded<CanReceiveOver, bool> {
        let links: Vec<LinkOf> = keys.iter().map(|key| LinkOf(key.0, key.1)).collect();
        let links: HashMap<LinkOf, ConnectionView> = self.load(&links).await?;
        let mut found = HashMap::with_capacity(keys.len());
        for (LinkOf(seller, id), link) in links {
            let receives = buyer_steps::receiving(self.db.read(), &link.row, seller).await;
            found.insert(CanReceiveOver(seller, id), receives.map_err(shared)?);
        }
        Ok(found)
    }
}
