//! Accounts, and what counts in their flows.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, SourceId};
use entity::{account, cap_usage, lead};
use sea_orm::{ColumnTrait, QueryFilter};

use super::{Loaded, Rows, by_account, shared};
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
