//! Flows and what belongs to them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, FlowId, ProfileId, SourceId};
use entity::{account, cap_usage, flow, lead, profile, source, step};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{Loaded, Many, Rows, by_account, many, shared};
use leadmesh_core::error::Error;
use leadmesh_leads::allocate::Counter;

/// An account, by its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountRow(pub AccountId);

impl Loader<AccountRow> for Rows {
    type Value = account::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[AccountRow]) -> Loaded<AccountRow, account::Model> {
        let rows = account::Entity::by_ids(keys.iter().map(|key| key.0));
        let rows = self.all(rows).await?;
        Ok(rows.into_iter().map(|row| (AccountRow(row.id), row)).collect())
    }
}

/// A flow of an account, also one that was deleted: leads keep pointing to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowRow(pub AccountId, pub FlowId);

impl Loader<FlowRow> for Rows {
    type Value = flow::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[FlowRow]) -> Loaded<FlowRow, flow::Model> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = flow::Entity::ever_in_account(account).filter(flow::Column::Id.is_in(ids));
            let rows = self.all_large(rows, flow::Entity::LARGE).await?;
            found.extend(rows.into_iter().map(|row| (FlowRow(account, row.id), row)));
        }
        Ok(found)
    }
}

/// The sources of a flow of an account, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourcesOf(pub AccountId, pub FlowId);

impl Loader<SourcesOf> for Rows {
    type Value = Many<source::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SourcesOf]) -> Loaded<SourcesOf, Many<source::Model>> {
        let mut found: HashMap<SourcesOf, Vec<source::Model>> = HashMap::new();
        for (account, flows) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = source::Entity::in_account(account).filter(source::Column::FlowId.is_in(flows));
            let rows = rows
                .order_by_asc(source::Column::Position)
                .order_by_asc(source::Column::Id);
            for row in self.all_large(rows, source::Entity::LARGE).await? {
                found.entry(SourcesOf(account, row.flow_id)).or_default().push(row);
            }
        }
        Ok(many(found))
    }
}

/// The steps of a flow of an account, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepsOf(pub AccountId, pub FlowId);

impl Loader<StepsOf> for Rows {
    type Value = Many<step::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[StepsOf]) -> Loaded<StepsOf, Many<step::Model>> {
        let mut found: HashMap<StepsOf, Vec<step::Model>> = HashMap::new();
        for (account, flows) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = step::Entity::in_account(account).filter(step::Column::FlowId.is_in(flows));
            let rows = rows.order_by_asc(step::Column::Position);
            for row in self.all_large(rows, step::Entity::LARGE).await? {
                found.entry(StepsOf(account, row.flow_id)).or_default().push(row);
            }
        }
        Ok(many(found))
    }
}

/// When a source of an account last submitted; tests left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastLead(pub AccountId, pub SourceId);

impl Loader<LastLead> for Rows {
    type Value = DateTime<Utc>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LastLead]) -> Loaded<LastLead, DateTime<Utc>> {
        let mut found = HashMap::new();
        for (account, sources) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = lead::Entity::last_of_sources(self.db.read(), account, sources).await;
            let rows = rows.map_err(shared)?.into_iter();
            found.extend(rows.map(|(source, at)| (LastLead(account, source), at)));
        }
        Ok(found)
    }
}

/// How much of a cap is used in one of its windows. Counters name no account: take the cap from a row of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CapUsed(pub Counter);

impl Loader<CapUsed> for Rows {
    type Value = i32;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CapUsed]) -> Loaded<CapUsed, i32> {
        let (caps, windows): (Vec<_>, Vec<_>) = keys.iter().map(|CapUsed(counter)| *counter).unzip();
        let rows = cap_usage::Entity::of_caps(caps).filter(cap_usage::Column::WindowStart.is_in(windows));
        let rows = self.all(rows).await?;
        let used = |row: cap_usage::Model| (CapUsed((row.cap_id, row.window_start)), row.used);
        Ok(rows.into_iter().map(used).collect())
    }
}

/// A distribution profile of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileRow(pub AccountId, pub ProfileId);

impl Loader<ProfileRow> for Rows {
    type Value = profile::Model;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[ProfileRow]) -> Loaded<ProfileRow, profile::Model> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = profile::Entity::in_account(account).filter(profile::Column::Id.is_in(ids));
            let rows = self.all_large(rows, profile::Entity::LARGE).await?;
            found.extend(rows.into_iter().map(|row| (ProfileRow(account, row.id), row)));
        }
        Ok(found)
    }
}
