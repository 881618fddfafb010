//! The compiled flows by which the leads of failed deliveries are re-routed. They are compiled before the transaction that ends the
//! deliveries, since that takes long; within it their versions are compared with those of the accounts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::ids::{AccountId, FlowId};
use entity::{account, delivery};
use sea_orm::DatabaseTransaction;

use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::Result;
use leadmesh_leads::compile::Snapshots;
use leadmesh_leads::snapshot::{Snapshot, Versions};

/// How often a transaction is begun anew because an account has changed its setup meanwhile. After that the setup counts as it was
/// compiled, some milliseconds before: an account that keeps changing it must not delay what is recorded with it.
const ROUNDS: usize = 3;

/// Compiled flows, by their identifiers. Empty where nothing is to be routed further.
#[derive(Debug, Default)]
pub(super) struct Routes {
    flows: HashMap<FlowId, Arc<Snapshot>>,
    rounds: usize,
}

impl Routes {
    /// Compiles the flows of those of the deliveries that a profile has made.
    pub(super) async fn of(
        app: &App,
        snapshots: &Snapshots,
        deliveries: impl IntoIterator<Item = &delivery::Model>,
    ) -> Result<Self> {
        let mut routes = Self::default();
        routes.load(app, snapshots, deliveries).await?;
        Ok(routes)
    }

    /// The same, with a transaction in which they are current.
    pub(super) async fn begin<'a, I>(app: &App, snapshots: &Snapshots, deliveries: I) -> Result<(Transaction, Self)>
    where
        I: IntoIterator<Item = &'a delivery::Model> + Clone,
    {
        let mut routes = Self::default();
        loop {
            routes.load(app, snapshots, deliveries.clone()).await?;
            let tx = app.db.begin().await?;
            if routes.are_current(&tx).await? {
                return Ok((tx, routes));
            }
        }
    }

    /// Compiles anew what has changed.
    async fn load(
        &mut self,
        app: &App,
        snapshots: &Snapshots,
        deliveries: impl IntoIterator<Item = &delivery::Model>,
    ) -> Result<()> {
        let db = app.db.read();
        let routed = deliveries.into_iter().filter(|row| row.profile_id.is_some());
        let flows: BTreeSet<(AccountId, FlowId)> = routed.map(|row| (row.account_id, row.flow_id)).collect();
        if flows.is_empty() {
            return Ok(());
        }
        let accounts: BTreeSet<AccountId> = flows.iter().map(|(account, _)| *account).collect();
        let newest: Versions = account::Entity::versions(db, accounts).await?.into_iter().collect();
        for (_, flow) in flows {
            match snapshots.get_newest(db, flow, &newest).await? {
                Some(snapshot) => drop(self.flows.insert(flow, snapshot)),
                None => drop(self.flows.remove(&flow)),
            }
        }
        self.rounds += 1;
        Ok(())
    }

    /// Whether they may be used in this transaction: the setups that they were compiled from are those of now.
    pub(super) async fn are_current(&self, tx: &DatabaseTransaction) -> Result<bool> {
        if self.flows.is_empty() || self.rounds >= ROUNDS {
            return Ok(true);
        }
        let accounts: BTreeSet<AccountId> = self.flows.values().map(|flow| flow.account).collect();
        let newest: Versions = account::Entity::versions(tx, accounts).await?.into_iter().collect();
        let is_newest = |flow: &Arc<Snapshot>| newest.get(&flow.account) == Some(&flow.config_version);
        Ok(self.flows.values().all(is_newest))
    }

    /// A flow; none if there is none any more.
    pub(super) fn flow(&self, id: FlowId) -> Option<&Arc<Snapshot>> {
        self.flows.get(&id)
    }
}
