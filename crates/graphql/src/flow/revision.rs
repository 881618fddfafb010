//! The history of a flow.

use std::sync::Arc;

use async_graphql::{Context, ID, Json, Object};
use chrono::{DateTime, Utc};
use entity::flow_revision;
use serde_json::Value;

use crate::actor::Actor;
use crate::loaders::{SnapshotOf, load};
use crate::relay::connection;
use leadmesh_core::error::{Error, Result};

/// The whole of a flow after one change, which is loaded where it is asked for.
pub struct FlowRevision(pub flow_revision::Head);

impl From<flow_revision::Head> for FlowRevision {
    fn from(row: flow_revision::Head) -> Self {
        Self(row)
    }
}

/// A revision: a flow as stored after one change.
#[Object]
impl FlowRevision {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Version of the flow after the change. `revertFlow` restores it.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When the change was made.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who made the change.
    async fn actor(&self) -> Actor {
        Actor {
            kind: self.0.actor_kind,
            id: self.0.actor_id.clone().map(ID),
            name: self.0.actor_name.clone(),
        }
    }

    /// The change in words.
    async fn summary(&self) -> &str {
        &self.0.summary
    }

    /// The flow with its sources and steps, in camel case. Absent values are null or omitted.
    async fn snapshot(&self, ctx: &Context<'_>) -> Result<Json<Value>> {
        let snapshot = load(ctx, SnapshotOf(self.0.account_id, self.0.id)).await?;
        // The oldest are forgotten, perhaps since this one was listed.
        let snapshot = snapshot.ok_or(Error::NotFound("revision"))?;
        Ok(Json(Arc::unwrap_or_clone(snapshot)))
    }
}

connection!(
    FlowRevisionConnection,
    FlowRevisionEdge,
    FlowRevision,
    flow_revision::Head,
    "revisions"
);
