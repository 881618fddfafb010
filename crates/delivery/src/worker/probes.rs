//! Open circuits, and the one delivery that probes an endpoint after its pause.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::delivery;
use entity::endpoint;
use entity::ids::DeliveryId;
use uuid::Uuid;

use super::patience::abandon_unknown;
use crate::breaker::PROBE_TIMEOUT;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};

const PAGE: usize = 1_000;

pub(super) async fn open_among(
    app: &App,
    endpoints: &[Uuid],
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, endpoint::Model>> {
    let mut open = HashMap::new();
    for page in endpoints.chunks(PAGE) {
        let rows = endpoint::Entity::open_among(app.db.read(), page.iter().copied(), now).await?;
        open.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(open)
}

/// Claims a suspended delivery to probe an endpoint whose pause is over, unless another one probes it. On an error nothing is claimed,
/// or the lease is given up.
pub(super) async fn probe(
    app: &App,
    owner: Uuid,
    endpoint: Uuid,
    delivery: DeliveryId,
) -> Result<Option<delivery::Model>> {
    let (tx, now) = (app.db.begin().await?, app.clock.now());
    let taken = endpoint::Entity::take_probe(endpoint, delivery, now, now + PROBE_TIMEOUT);
    if taken.exec(&tx).await?.rows_affected == 0 {
        return Ok(None);
    }
    let claimed = delivery::Entity::claim_probe(&tx, owner, delivery).await?.pop();
    if claimed.is_some() {
        let committed = tx.commit().await.map_err(Error::from);
        committed.inspect_err(|error| abandon_unknown(app, error))?;
    }
    Ok(claimed)
}
