//! Connected accounts that get leads.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, ConnectionId, InvitationId};
use entity::{invitation, step};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{LinkOf, Loaded, Many, Rows, by_account, many, shared};
use leadmesh_core::error::Error;
use leadmesh_network::buyer_steps;
use leadmesh_network::connections::Link;

/// Whether the account at the other end of a seller's connection can take its leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CanReceiveOver(pub AccountId, pub ConnectionId);

impl Loader<CanReceiveOver> for Rows {
    type Value = bool;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CanReceiveOver]) -> Loaded<CanReceiveOver, bool> {
        let links: Vec<LinkOf> = keys.iter().map(|key| LinkOf(key.0, key.1)).collect();
        let links: HashMap<LinkOf, Link> = self.load(&links).await?;
        let mut found = HashMap::with_capacity(keys.len());
        for (LinkOf(seller, id), link) in links {
            let receives = buyer_steps::receiving(self.db.read(), &link.row, seller).await;
            found.insert(CanReceiveOver(seller, id), receives.map_err(shared)?);
        }
        Ok(found)
    }
}

/// An invitation that an account has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvitationSent(pub AccountId, pub InvitationId);

impl Loader<InvitationSent> for Rows {
    type Value = invitation::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[InvitationSent]) -> Loaded<InvitationSent, invitation::Model> {
        let mut found = HashMap::with_capacity(keys.len());
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = invitation::Entity::sent_by(account).filter(invitation::Column::Id.is_in(ids));
            let rows = self.all(rows).await?.into_iter();
            found.extend(rows.map(|row| (InvitationSent(account, row.id), row)));
        }
        Ok(found)
    }
}

/// The BUYER step that an account has added with an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepInvitedBy(pub AccountId, pub InvitationId);

impl Loader<StepInvitedBy> for Rows {
    type Value = step::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[StepInvitedBy]) -> Loaded<StepInvitedBy, step::Model> {
        let mut found = HashMap::with_capacity(keys.len());
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = step::Entity::in_account(account).filter(step::Column::InvitationId.is_in(ids));
            for row in self.all_large(rows, step::Entity::LARGE).await? {
                if let Some(id) = row.invitation_id {
                    found.insert(StepInvitedBy(account, id), row);
                }
            }
        }
        Ok(found)
    }
}

/// The BUYER steps of an account that deliver over a connection, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepsOver(pub AccountId, pub ConnectionId);

impl Loader<StepsOver> for Rows {
    type Value = Many<step::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[StepsOver]) -> Loaded<StepsOver, Many<step::Model>> {
        let mut found: HashMap<StepsOver, Vec<step::Model>> = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = step::Entity::in_account(account).filter(step::Column::ConnectionId.is_in(ids));
            let rows = rows.order_by_asc(step::Column::Id);
            for row in self.all_large(rows, step::Entity::LARGE).await? {
                if let Some(id) = row.connection_id {
                    found.entry(StepsOver(account, id)).or_default().push(row);
                }
            }
        }
        Ok(many(found))
    }
}
