//! Rows that fields of many objects ask for one by one, read together: a key for each kind of row, one statement for all keys of
//! an account that are asked for at once. A loader lives for one operation, so it never mixes what different callers may see;
//! keys name the account, and rows are looked for within it alone.

mod buyers;
mod deliveries;
pub mod distribution;
mod flows;
mod links;
mod network;
mod portal_users;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{Timer, TokioSpawner};
use entity::ids::AccountId;
use futures::future::BoxFuture;

use crate::app::App;
use crate::database::Db;
use crate::error::{Error, Result};

pub use buyers::{InvitationSent, ReceivesOver, StepInvitedBy, StepsOver};
pub use deliveries::{AttemptsOf, DeliveriesOf, LeadRow, PartnerRow, RecipientsOf, SourceRow};
pub use flows::{AccountRow, CapUsed, FlowRow, LastLead, ProfileRow, SourcesOf, StepsOf};
pub use links::{DocsReadersOf, OpenedOver};
pub use network::{LastActivity, LetterRow, LinkOf, SideOf, SourcesOver};
pub use portal_users::PortalUsersOf;

/// Keys of one statement at most.
const BATCH: usize = 500;

/// Reads rows for the fields of one operation.
pub struct Rows {
    db: Db,
}

/// A loader for one operation. It gathers keys until every resolver that is ready has run once, without a timer.
pub fn loader(app: &App) -> DataLoader<Rows> {
    DataLoader::new(Rows { db: app.db.clone() }, TokioSpawner::current(), OneTurn).max_batch_size(BATCH)
}

/// Waits for one turn of the scheduler, which is what resolvers that are ready need to ask.
struct OneTurn;

impl Timer for OneTurn {
    fn delay(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
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
        Error::Outage(outage) => Error::Outage(*outage),
        Error::RateLimited { retry_after } => Error::RateLimited {
            retry_after: *retry_after,
        },
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
