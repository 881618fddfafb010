//! Loading what many entries of a list refer to in one statement. A loader lives for one operation, so it never mixes what
//! different callers may see, and its keys carry the account, so it never leaves it.

pub mod distribution;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::runtime::{Timer, TokioSpawner};
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId, SourceId};
use entity::{cap_usage, delivery, delivery_attempt, flow, lead, partner, profile, source};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder};

use crate::app::App;
use crate::error::{Error, Result};
use crate::leads::allocate::Counter;

/// Loads rows for one operation.
pub struct Rows(App);

/// The loader of one operation.
pub type RowLoader = DataLoader<Rows, HashMapCache>;

/// A loader for one operation. It gathers keys until every resolver that is ready has run once, without a timer.
pub fn loader(app: &App) -> RowLoader {
    DataLoader::with_cache(
        Rows(app.clone()),
        TokioSpawner::current(),
        Yield,
        HashMapCache::default(),
    )
    .max_batch_size(500)
}

/// Waits for one turn of the scheduler, which is what resolvers that are ready need to ask.
struct Yield;

impl Timer for Yield {
    fn delay(&self, _duration: std::time::Duration) -> futures::future::BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// A row that the caller may see, by its key.
pub async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<Rows as Loader<K>>::Value>>
where
    K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
    Rows: Loader<K, Error = Arc<DbErr>>,
{
    let loader = ctx
        .data::<RowLoader>()
        .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))?;
    loader
        .load_one(key)
        .await
        .map_err(|error| Error::Internal(anyhow::anyhow!(error)))
}

/// A key by which one row of an account is loaded by its identifier.
macro_rules! by_id {
    ($($(#[$doc:meta])* $key:ident($id:ty) => $table:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub struct $key(pub AccountId, pub $id);

            impl Loader<$key> for Rows {
                type Value = $table::Model;
                type Error = Arc<DbErr>;

                async fn load(&self, keys: &[$key]) -> std::result::Result<HashMap<$key, $table::Model>, Arc<DbErr>> {
                    let mut found = HashMap::with_capacity(keys.len());
                    for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
                        let rows = $table::Entity::in_account(account).filter($table::Column::Id.is_in(ids)).all(self.0.db.read());
                        found.extend(rows.await.map_err(Arc::new)?.into_iter().map(|row| ($key(account, row.id), row)));
                    }
                    Ok(found)
                }
            }
        )+
    };
}

by_id! {
    /// A lead.
    LeadRow(LeadId) => lead;
    /// A delivery.
    DeliveryRow(DeliveryId) => delivery;
    /// A partner.
    PartnerRow(PartnerId) => partner;
    /// A profile, unless it was deleted.
    ProfileRow(ProfileId) => profile;
    /// A flow, unless it was deleted.
    FlowRow(FlowId) => flow;
    /// A source, unless it was removed.
    SourceRow(SourceId) => source;
}

fn by_account<T>(keys: impl Iterator<Item = (AccountId, T)>) -> HashMap<AccountId, Vec<T>> {
    let mut accounts: HashMap<AccountId, Vec<T>> = HashMap::new();
    for (account, id) in keys {
        accounts.entry(account).or_default().push(id);
    }
    accounts
}

/// The deliveries of a lead, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveriesOf(pub AccountId, pub LeadId);

impl Loader<DeliveriesOf> for Rows {
    type Value = Vec<delivery::Model>;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        keys: &[DeliveriesOf],
    ) -> std::result::Result<HashMap<DeliveriesOf, Vec<delivery::Model>>, Arc<DbErr>> {
        let mut found: HashMap<DeliveriesOf, Vec<delivery::Model>> = HashMap::new();
        for (account, leads) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = delivery::Entity::in_account(account)
                .filter(delivery::Column::LeadId.is_in(leads))
                .order_by_asc(delivery::Column::Id);
            for row in rows.all(self.0.db.read()).await.map_err(Arc::new)? {
                found.entry(DeliveriesOf(account, row.lead_id)).or_default().push(row);
            }
        }
        Ok(found)
    }
}

/// The attempts of a delivery that the caller has been given, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptsOf(pub DeliveryId);

impl Loader<AttemptsOf> for Rows {
    type Value = Vec<delivery_attempt::Model>;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        keys: &[AttemptsOf],
    ) -> std::result::Result<HashMap<AttemptsOf, Vec<delivery_attempt::Model>>, Arc<DbErr>> {
        let rows = delivery_attempt::Entity::of_deliveries(keys.iter().map(|key| key.0))
            .order_by_asc(delivery_attempt::Column::Number);
        let mut found: HashMap<AttemptsOf, Vec<delivery_attempt::Model>> = HashMap::new();
        for row in rows.all(self.0.db.read()).await.map_err(Arc::new)? {
            found.entry(AttemptsOf(row.delivery_id)).or_default().push(row);
        }
        Ok(found)
    }
}

/// How much of a cap is used in one of its windows. Counters name no account: take the cap from a row of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CapUsed(pub Counter);

impl Loader<CapUsed> for Rows {
    type Value = i32;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CapUsed]) -> std::result::Result<HashMap<CapUsed, i32>, Arc<DbErr>> {
        let (caps, windows): (Vec<_>, Vec<_>) = keys.iter().map(|CapUsed(counter)| *counter).unzip();
        let rows = cap_usage::Entity::of_caps(caps).filter(cap_usage::Column::WindowStart.is_in(windows));
        let rows = rows.all(self.0.db.read()).await.map_err(Arc::new)?;
        let used = |row: cap_usage::Model| (CapUsed((row.cap_id, row.window_start)), row.used);
        Ok(rows.into_iter().map(used).collect())
    }
}
