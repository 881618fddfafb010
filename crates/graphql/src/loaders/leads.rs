//! Large parts of leads: read only when selected, within the budget of bytes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, LeadId};
use entity::lead::{self, Part};
use serde_json::Value;

use super::{Loaded, Rows, by_account, shared};
use leadmesh_core::error::Error;

/// A part of a lead of an account, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeadPart(pub AccountId, pub LeadId, pub Part);

impl Loader<LeadPart> for Rows {
    type Value = Arc<Value>;
    type Error = Arc<Error>;

    /// Draws for the bytes before reading them.
    async fn load(&self, keys: &[LeadPart]) -> Loaded<LeadPart, Arc<Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        let db = self.db.read();
        for (account, asked) in by_account(keys.iter().map(|key| (key.0, (key.1, key.2)))) {
            let (ids, parts): (BTreeSet<LeadId>, BTreeSet<Part>) = asked.into_iter().unzip();
            let (ids, parts) = (Vec::from_iter(ids), Vec::from_iter(parts));
            let bytes = lead::Entity::bytes_of(db, account, &ids, &parts).await;
            self.budget.draw_read(bytes.map_err(shared)?).map_err(Arc::new)?;
            for part in parts {
                let rows = lead::Entity::part(db, account, &ids, part).await.map_err(shared)?;
                let rows = rows.into_iter();
                found.extend(rows.map(|(id, value)| (LeadPart(account, id, part), Arc::new(value))));
            }
        }
        Ok(found)
    }
}
