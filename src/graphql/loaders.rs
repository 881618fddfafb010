//! Rows that fields of many objects ask for one by one, read together: a key for each kind of row, one statement for all keys of
//! an account that are asked for at once. Each request has a loader of its own. Keys name the account, and rows are looked for
//! within it alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use entity::ids::{AccountId, PartnerId};
use entity::portal_user;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use crate::app::App;
use crate::database::Db;
use crate::error::{Error, Result};

/// Reads rows for the fields of one request.
pub struct Rows {
    db: Db,
}

impl Rows {
    /// Rows of that app's database.
    pub fn new(app: &App) -> Self {
        Self { db: app.db.clone() }
    }
}

/// What a key stands for, if it is there.
pub async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<Rows as Loader<K>>::Value>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Rows: Loader<K, Error = Arc<Error>>,
{
    let loader = ctx
        .data::<DataLoader<Rows>>()
        .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))?;
    loader.load_one(key).await.map_err(|shared| of_one(&shared))
}

/// The error of a batch as that of one of its keys.
fn of_one(shared: &Error) -> Error {
    match shared {
        Error::Unavailable(text) => Error::Unavailable(text),
        other => Error::Internal(anyhow::anyhow!("{other:?}")),
    }
}

type Loaded<K, V> = std::result::Result<HashMap<K, V>, Arc<Error>>;

/// The identifiers that are asked for, account by account.
fn by_account<I>(keys: impl Iterator<Item = (AccountId, I)>) -> HashMap<AccountId, Vec<I>> {
    let mut accounts: HashMap<AccountId, Vec<I>> = HashMap::new();
    for (account, id) in keys {
        accounts.entry(account).or_default().push(id);
    }
    accounts
}

fn shared(error: impl Into<Error>) -> Arc<Error> {
    Arc::new(error.into())
}

/// The portal users of a partner of an account, in the order in which they were invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortalUsersOf(pub AccountId, pub PartnerId);

impl Loader<PortalUsersOf> for Rows {
    type Value = Vec<portal_user::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[PortalUsersOf]) -> Loaded<PortalUsersOf, Vec<portal_user::Model>> {
        let mut found: HashMap<PortalUsersOf, Vec<portal_user::Model>> = HashMap::new();
        for (account, partners) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = portal_user::Entity::in_account(account).filter(portal_user::Column::PartnerId.is_in(partners));
            let rows = rows.order_by_asc(portal_user::Column::Id);
            for row in rows.all(self.db.read()).await.map_err(shared)? {
                found
                    .entry(PortalUsersOf(account, row.partner_id))
                    .or_default()
                    .push(row);
            }
        }
        Ok(found)
    }
}
