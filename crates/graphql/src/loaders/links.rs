//! What is open to an account over its connections, and who reads the docs of its sources.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, ConnectionId, SourceId};
use entity::{docs_read, source};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{Loaded, Many, Rows, by_account, many};
use leadmesh_core::error::Error;

/// The sources of the other side that an account may submit through over a connection now, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenSourcesOver(pub AccountId, pub ConnectionId);

impl Loader<OpenSourcesOver> for Rows {
    type Value = Many<source::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[OpenSourcesOver]) -> Loaded<OpenSourcesOver, Many<source::Model>> {
        let mut found: HashMap<OpenSourcesOver, Vec<source::Model>> = HashMap::new();
        for (account, links) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = source::Entity::opened_to(account).filter(source::Column::ConnectionId.is_in(links));
            let rows = rows.order_by_asc(source::Column::Id);
            for row in self.all(rows).await? {
                if let Some(link) = row.connection_id {
                    found.entry(OpenSourcesOver(account, link)).or_default().push(row);
                }
            }
        }
        Ok(many(found))
    }
}

/// Who has read the docs of a source of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocsReadersOf(pub AccountId, pub SourceId);

impl Loader<DocsReadersOf> for Rows {
    type Value = Many<docs_read::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[DocsReadersOf]) -> Loaded<DocsReadersOf, Many<docs_read::Model>> {
        let mut found: HashMap<DocsReadersOf, Vec<docs_read::Model>> = HashMap::new();
        for (account, sources) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = docs_read::Entity::in_account(account).filter(docs_read::Column::SourceId.is_in(sources));
            for row in self.all(rows).await? {
                found
                    .entry(DocsReadersOf(account, row.source_id))
                    .or_default()
                    .push(row);
            }
        }
        Ok(many(found))
    }
}
