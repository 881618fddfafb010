//! Resolving the downstream targets of a flow: where the accounts that its leads may reach take them. Targets are cached and may be
//! outdated, like compiled flows: the transaction that stores a decision compares every version that it rests on.

use std::sync::Arc;

use entity::account;
use entity::ids::{AccountId, ConnectionId};

use super::compile::{self, Snapshots};
use super::handoff::{DownstreamTarget, DownstreamTargets, MAX_HANDOFFS, MAX_HOPS, ReceivingFlow, ResolvedTarget};
use super::snapshot::{Snapshot, Source, TargetKey, Versions};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_flows::sellers;

/// What targets are resolved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To store leads: missing sources and keys are made.
    Store,
    /// To simulate: nothing is stored or made.
    Simulate,
}

/// Resolves downstream targets.
pub struct TargetResolver<'a> {
    /// The stores.
    pub app: &'a App,
    /// Compiled flows and cached targets.
    pub snapshots: &'a Snapshots,
    /// The newest versions, where they are known. A cached target of another version is loaded again.
    pub newest: Versions,
    /// What for.
    pub purpose: Purpose,
}

impl TargetResolver<'_> {
    /// Every target that a lead of the flow may reach: breadth first, up to [`MAX_HOPS`] and [`MAX_HANDOFFS`].
    pub async fn resolve_all(&self, from: &Snapshot) -> Result<DownstreamTargets> {
        let mut found = DownstreamTargets::new();
        let mut front = with_seller(from);
        for _ in 1..MAX_HOPS {
            let mut next = Vec::new();
            for (seller, key) in std::mem::take(&mut front) {
                if found.len() >= MAX_HANDOFFS || found.contains_key(&key) {
                    continue;
                }
                let resolved = self.resolve(key, seller).await?;
                if let Ok(receiving) = &resolved.target.receiving_flow {
                    next.extend(with_seller(&receiving.flow));
                }
                found.insert(key, resolved);
            }
            front = next;
        }
        Ok(found)
    }

    /// One target, from the cache or loaded. Makes the source for the seller if there is none.
    pub async fn resolve(&self, key: TargetKey, seller: AccountId) -> Result<ResolvedTarget> {
        let target = match self.cached(key).await {
            Some(cached) => cached,
            None => self.refresh(key, seller).await?,
        };
        let needs_keys = target
            .receiving_flow
            .as_ref()
            .is_ok_and(|receiving| receiving.flow.needs_keys());
        let keys = if needs_keys && self.purpose == Purpose::Store {
            let keys = self
                .app
                .vault
                .keys(self.app.db.write(), &self.app.clock, Some(target.buyer));
            Some(keys.await?)
        } else {
            None
        };
        Ok(ResolvedTarget { target, keys })
    }

    async fn cached(&self, key: TargetKey) -> Option<Arc<DownstreamTarget>> {
        let cached = self.snapshots.targets.get(&key).await?;
        let newest = self.newest.get(&key.buyer);
        newest
            .is_none_or(|version| *version == cached.version)
            .then_some(cached)
    }

    async fn refresh(&self, key: TargetKey, seller: AccountId) -> Result<Arc<DownstreamTarget>> {
        let mut target = self.load(key, seller).await?;
        if target.receiving_flow.as_ref().err() == Some(&NO_SOURCE) {
            sellers::make_source(self.app, key.connection, key.buyer, seller).await?;
            target = self.load(key, seller).await?;
        }
        let target = Arc::new(target);
        self.snapshots.targets.insert(key, target.clone()).await;
        Ok(target)
    }

    /// Reads the version first, as with compiled flows: after a change in between, the target is found outdated.
    async fn load(&self, key: TargetKey, seller: AccountId) -> Result<DownstreamTarget> {
        let not_ready = |version, why| DownstreamTarget {
            buyer: key.buyer,
            version,
            receiving_flow: Err(why),
        };
        let db = self.app.db.read();
        let Some(owner) = account::Entity::by_id(key.buyer).one(db).await? else {
            return Ok(not_ready(0, "the account is gone"));
        };
        let version = owner.config_version;
        let gone = || not_ready(version, "its receiving flow is gone");
        let Some(flow) = sellers::receiving_flow(db, &owner, key.connection).await? else {
            return Ok(gone());
        };
        let mut snapshot = self.snapshots.get(db, flow).await?;
        if snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.config_version != version)
        {
            snapshot = self.snapshots.reload(db, flow).await?;
        }
        let Some(mut snapshot) = snapshot else {
            return Ok(gone());
        };
        let has_source = snapshot
            .sources
            .iter()
            .any(|source| source.is_for_seller(key.connection));
        if self.purpose == Purpose::Simulate && !has_source {
            // As the first stored lead will make it.
            let Some(mut own) = compile::load(db, flow).await? else {
                return Ok(gone());
            };
            own.sources.push(Source::of_seller(key.connection, seller));
            snapshot = Arc::new(own);
        }
        Ok(DownstreamTarget {
            buyer: key.buyer,
            version: version.min(snapshot.config_version),
            receiving_flow: receiving_flow(snapshot, key.connection),
        })
    }
}

fn with_seller(flow: &Snapshot) -> Vec<(AccountId, TargetKey)> {
    flow.downstream_targets.iter().map(|key| (flow.account, *key)).collect()
}

const NO_SOURCE: &str = "its receiving flow has no source for this account";

fn receiving_flow(flow: Arc<Snapshot>, connection: ConnectionId) -> std::result::Result<ReceivingFlow, &'static str> {
    if !flow.enabled {
        return Err("its receiving flow is disabled");
    }
    let source = flow.sources.iter().position(|source| source.is_for_seller(connection));
    let source = source.ok_or(NO_SOURCE)?;
    match flow.sources.get(source) {
        Some(source) if !source.enabled => Err("its source for this account is disabled"),
        _ => Ok(ReceivingFlow { flow, source }),
    }
}
