//! Connections, what one side keeps of them, and the letters of invitations.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ConnectionId, MailId};
use entity::{connection, connection_side, mail, source};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{Loaded, Many, Rows, by_account, many, shared};
use leadmesh_core::error::Error;
use leadmesh_network::connections::Link;
use leadmesh_network::traffic;

/// A connection of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkOf(pub AccountId, pub ConnectionId);

impl Loader<LinkOf> for Rows {
    type Value = Link;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LinkOf]) -> Loaded<LinkOf, Link> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(ids));
            let rows = self.all(rows).await?;
            found.extend(
                rows.into_iter()
                    .map(|row| (LinkOf(account, row.id), Link::new(row, account))),
            );
        }
        Ok(found)
    }
}

/// What an account keeps of one of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SideOf(pub AccountId, pub ConnectionId);

impl Loader<SideOf> for Rows {
    type Value = connection_side::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SideOf]) -> Loaded<SideOf, connection_side::Model> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = connection_side::Entity::in_account(account);
            let rows = rows.filter(connection_side::Column::ConnectionId.is_in(ids));
            let rows = self.all(rows).await?;
            found.extend(rows.into_iter().map(|row| (SideOf(account, row.connection_id), row)));
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

/// The sources of an account's flows that a connection opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourcesOver(pub AccountId, pub ConnectionId);

impl Loader<SourcesOver> for Rows {
    type Value = Many<source::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SourcesOver]) -> Loaded<SourcesOver, Many<source::Model>> {
        let mut found: HashMap<SourcesOver, Vec<source::Model>> = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = source::Entity::in_account(account).filter(source::Column::ConnectionId.is_in(ids));
            let rows = rows.order_by_asc(source::Column::Id);
            for row in self.all_large(rows, source::Entity::LARGE).await? {
                if let Some(connection) = row.connection_id {
                    found.entry(SourcesOver(account, connection)).or_default().push(row);
                }
            }
        }
        Ok(many(found))
    }
}

/// The letter of an invitation that the asking account has sent. Mails belong to the instance: whoever asks has to have the
/// invitation that names this one.
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
