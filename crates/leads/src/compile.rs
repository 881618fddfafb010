//! Loads a flow and compiles it into a [`Snapshot`], which is cached until its account's configuration changes.

mod compiler;
mod plan;
mod recipients;
mod rows;
mod threads;

use std::sync::Arc;

use entity::ids::FlowId;
use entity::{account, flow};
use serde_json::Value;

use super::handoff::DownstreamTarget;
use super::snapshot::{Snapshot, TargetKey, Versions};
use compiler::Compiler;
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;
use leadmesh_forms::limits::COMPILED_FLOWS_BYTES;
use rows::Rows;

/// Flows, and downstream targets, that are cached.
const CACHED: u64 = 2_000;

/// Compiled flows of this process. A cached one may be outdated: the transaction that stores a decision compares its
/// `config_version` with the database.
#[derive(Clone)]
pub struct Snapshots {
    flows: moka::future::Cache<FlowId, Arc<Snapshot>>,
    /// Downstream targets, resolved by [`TargetResolver`](super::downstream::TargetResolver).
    pub(super) targets: moka::future::Cache<TargetKey, Arc<DownstreamTarget>>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            flows: moka::future::Cache::builder()
                .max_capacity(COMPILED_FLOWS_BYTES)
                .weigher(|_, flow: &Arc<Snapshot>| weight(flow))
                .build(),
            targets: moka::future::Cache::new(CACHED),
        }
    }
}

/// Bytes of patterns, and for a flow without large ones its share of [`CACHED`] flows.
fn weight(flow: &Snapshot) -> u32 {
    let least = COMPILED_FLOWS_BYTES / CACHED;
    let bytes = u64::try_from(flow.pattern_bytes).unwrap_or(u64::MAX).max(least);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Snapshots {
    /// The flow as cached, or compiled now; none when there is no such flow.
    pub async fn get(&self, db: &Connection, id: FlowId) -> Result<Option<Arc<Snapshot>>> {
        match self.flows.get(&id).await {
            Some(snapshot) => Ok(Some(snapshot)),
            None => self.reload(db, id).await,
        }
    }

    /// The flow as cached if it has the newest version, else compiled now.
    pub async fn get_newest(&self, db: &Connection, id: FlowId, newest: &Versions) -> Result<Option<Arc<Snapshot>>> {
        match self.flows.get(&id).await {
            Some(cached) if newest.get(&cached.account) == Some(&cached.config_version) => Ok(Some(cached)),
            _ => self.reload(db, id).await,
        }
    }

    /// Whether nothing of the account has changed since the flow was compiled. Checked before a sender is refused because of it.
    pub async fn is_newest(&self, db: &Connection, snapshot: &Snapshot) -> Result<bool> {
        let versions = account::Entity::versions(db, [snapshot.account]).await?;
        Ok(versions.contains(&(snapshot.account, snapshot.config_version)))
    }

    /// The flow as it is in the database now.
    pub async fn reload(&self, db: &Connection, id: FlowId) -> Result<Option<Arc<Snapshot>>> {
        let Some(snapshot) = load(db, id).await?.map(Arc::new) else {
            self.flows.invalidate(&id).await;
            return Ok(None);
        };
        self.flows.insert(id, snapshot.clone()).await;
        Ok(Some(snapshot))
    }
}

/// Loads and compiles a flow. That may take long, so never within a transaction: the type of `db` excludes it. The version is read
/// first: after a change in between, the snapshot is newer than its version says, and is found outdated.
pub async fn load(db: &Connection, id: FlowId) -> Result<Option<Snapshot>> {
    let Some(owner) = flow::Entity::by_id(id).one(db).await?.map(|flow| flow.account_id) else {
        return Ok(None);
    };
    let Some(account) = account::Entity::by_id(owner).one(db).await? else {
        return Ok(None);
    };
    let Some(flow) = flow::Entity::by_id(id).one(db).await? else {
        return Ok(None);
    };
    let mut rows = Rows::load(db, account, flow).await?;
    plan::remove_paid_parts(&mut rows);
    let has_patterns = rows.rules().any(mentions_patterns);
    let make = move || Compiler::new(&rows).snapshot();
    if has_patterns {
        threads::run(owner, make).await?.map(Some)
    } else {
        make().map(Some)
    }
}

/// Whether a stored rule may have patterns.
fn mentions_patterns(rule: &Value) -> bool {
    let mut pending = vec![rule];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text == "MATCHES" => return true,
            Value::Array(items) => pending.extend(items),
            Value::Object(entries) => pending.extend(entries.values()),
            _ => {}
        }
    }
    false
}
