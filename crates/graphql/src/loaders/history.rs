//! Large columns of flow revisions and audit events: read only when selected, within the budget of bytes.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, AuditEventId, RevisionId};
use entity::{audit_event, flow_revision};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::Value;

use super::{Loaded, Rows, by_account, shared};
use leadmesh_core::error::Error;

/// A key by which one column of a row of an account is loaded by the row's identifier.
macro_rules! column {
    ($($(#[$doc:meta])* $key:ident($id:ty) => $table:ident::$column:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub AccountId, pub $id);

        impl Loader<$key> for Rows {
            type Value = Arc<Value>;
            type Error = Arc<Error>;

            async fn load(&self, keys: &[$key]) -> Loaded<$key, Arc<Value>> {
                use $table::{Column, Entity};
                let mut found = HashMap::with_capacity(keys.len());
                for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
                    let rows = Entity::in_account(account).filter(Column::Id.is_in(ids));
                    let rows = rows.filter(Column::$column.is_not_null());
                    self.draw_for(rows.clone(), &[Column::$column]).await?;
                    let rows = rows.select_only().columns([Column::Id, Column::$column]).into_tuple();
                    let rows: Vec<($id, Value)> = rows.all(self.db.read()).await.map_err(shared)?;
                    found.extend(rows.into_iter().map(|(id, value)| ($key(account, id), Arc::new(value))));
                }
                Ok(found)
            }
        }
    )+};
}

column! {
    /// The flow as a revision has it.
    SnapshotOf(RevisionId) => flow_revision::Snapshot;
    /// What changed, by an entry of the audit log.
    ChangesOf(AuditEventId) => audit_event::Changes;
}
