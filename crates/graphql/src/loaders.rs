//! Data loaders: one statement for all rows of a kind and account that the fields of many objects need. A loader lives
//! for one operation, so it never mixes what different callers may see; keys name the account, and rows are read
//! within it only.

mod deliveries;
mod distribution;
mod flows;
mod history;
mod leads;
mod network;
mod rows;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{Timer, TokioSpawner};
use entity::ids::AccountId;
use futures::future::BoxFuture;
use sea_orm::{EntityTrait, FromQueryResult, QuerySelect, Select};

use crate::limits::budget::Budget;
use leadmesh_core::app::App;
use leadmesh_core::database::Db;
use leadmesh_core::error::{Error, Result};

pub use deliveries::{AttemptsOf, DeliveriesOf, ExcerptOf, HasEncryptedValues, LeadRow, RecipientsOf};
pub use distribution::{
    CountsOf, EncryptedFieldsOf, FieldsOf, FlowsThrough, LastSuccess, MailServerOf, OpenCircuitsOf,
};
pub use flows::{AccountRow, CapUsed, LastLead};
pub use history::{ChangesOf, SnapshotOf};
pub use leads::LeadPart;
pub use network::{CanReceiveOver, InvitationMailRow, LastActivity, LinkOf};
pub use rows::{
    AssignmentsIn, AssignmentsOf, DocsReadersOf, FailuresOf, FlowRow, InvitationSent, OpenSourcesOver, PartnerRow,
    PortalUsersOf, ProfileRow, SettingsRow, SideOf, SourceRow, SourcesOf, SourcesOver, StepInvitedBy, StepsOf,
    StepsOver,
};

/// Keys of one statement at most.
const BATCH: usize = 500;

/// The rows of one list. Shared by resolvers, and copied only after drawing for them.
pub type Many<T> = Arc<Vec<T>>;

/// Reads rows within the budget of one operation.
pub struct Rows {
    db: Db,
    budget: Arc<Budget>,
}

/// A loader for one operation with a whole budget.
pub fn loader(app: &App) -> DataLoader<Rows> {
    loader_within(app, Arc::default())
}

/// A loader for one operation, within its budget. Collects keys until every ready resolver has run once, without a
/// timer.
pub fn loader_within(app: &App, budget: Arc<Budget>) -> DataLoader<Rows> {
    let rows = Rows {
        db: app.db.clone(),
        budget,
    };
    DataLoader::new(rows, TokioSpawner::current(), NextTick).max_batch_size(BATCH)
}

impl Rows {
    /// The rows of a statement. If they are more than the operation may still read, reads one row more and fails.
    async fn all<E: EntityTrait>(&self, select: Select<E>) -> std::result::Result<Vec<E::Model>, Arc<Error>> {
        self.all_as(select).await
    }

    /// Like [`Self::all`], for a selection of some columns.
    async fn all_as<M, E>(&self, select: Select<E>) -> std::result::Result<Vec<M>, Arc<Error>>
    where
        M: FromQueryResult,
        E: EntityTrait,
    {
        let left = self.budget.rows_left();
        let rows = select.limit(left.saturating_add(1)).into_model::<M>();
        let rows = rows.all(self.db.read()).await;
        let rows = rows.map_err(shared)?;
        if rows.len() as u64 > left {
            return Err(Arc::new(self.budget.end()));
        }
        Ok(rows)
    }

    /// The rows of a table with large columns. Draws for their bytes before reading them.
    async fn all_large<E: EntityTrait>(
        &self,
        select: Select<E>,
        large: &[E::Column],
    ) -> std::result::Result<Vec<E::Model>, Arc<Error>> {
        let looked_at = select.clone().limit(self.budget.rows_left().saturating_add(1));
        self.draw_for(looked_at, large).await?;
        self.all(select).await
    }

    /// Draws for the bytes of columns before they are read.
    async fn draw_for<E: EntityTrait>(
        &self,
        rows: Select<E>,
        columns: &[E::Column],
    ) -> std::result::Result<(), Arc<Error>> {
        let bytes = entity::large::bytes(self.db.read(), rows, columns).await;
        self.budget.draw_read(bytes.map_err(shared)?).map_err(Arc::new)
    }
}

fn many<K: Eq + Hash, T>(found: HashMap<K, Vec<T>>) -> HashMap<K, Many<T>> {
    found.into_iter().map(|(key, rows)| (key, Arc::new(rows))).collect()
}

/// Waits for one tick of the scheduler, in which every ready resolver asks.
struct NextTick;

impl Timer for NextTick {
    fn delay(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// The value of a key, if it exists.
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

/// The rows of a key; empty if it has none. Draws on the budget before copying them.
pub async fn list<K, T>(ctx: &Context<'_>, key: K) -> Result<Vec<T>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    Rows: Loader<K, Value = Many<T>, Error = Arc<Error>>,
{
    let Some(rows) = load(ctx, key).await? else {
        return Ok(Vec::new());
    };
    let loader = ctx
        .data::<DataLoader<Rows>>()
        .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))?;
    loader.loader().budget.draw_rows(rows.len())?;
    Ok(Arc::try_unwrap(rows).unwrap_or_else(|shared| shared.as_ref().clone()))
}

/// A copy of a batch's error for one of its keys.
fn of_one(shared: &Error) -> Error {
    match shared {
        Error::Unavailable(text) => Error::Unavailable(text),
        Error::CostExceeded(text) => Error::CostExceeded(text.clone()),
        Error::AnswerTooLarge(text) => Error::AnswerTooLarge(text.clone()),
        Error::Outage(outage) => Error::Outage(*outage),
        Error::RateLimited { retry_after } => Error::RateLimited {
            retry_after: *retry_after,
        },
        other => Error::Internal(anyhow::anyhow!("{other:?}")),
    }
}

type Loaded<K, V> = std::result::Result<HashMap<K, V>, Arc<Error>>;

/// Groups identifiers by account.
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
