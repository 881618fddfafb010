//! What waits for endpoints that are held: parked while they are, tried by one delivery when a pause is over, made due again in
//! parts when they work, and ended when it is too old.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_config::{Channel, DeliveryConfig};
use entity::delivery_outcome::Outcome;
use entity::endpoint::{self, Hold};
use entity::ids::DeliveryId;
use entity::suspect::ISOLATION;
use entity::{delivery_settings, mail_recipient};
use uuid::Uuid;

use super::finish::{self, Finished};
use super::{Tools, claim, suspects, unopened};
use crate::breaker::{Bearing, PROBE_PATIENCE};
use crate::retry::{default_policy, max_age};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::slots::Slot;
use leadmesh_core::queue::{Claimed, LeadContent};

/// Deliveries parked, or made due again, in one statement.
const PART: u64 = 500;
/// Parts parked in one look.
const PARTS: u32 = 4;
/// Endpoints looked at in one statement.
const PAGE: usize = 1_000;
/// Endpoints tried in one look. Which of more is left to chance, so that none has to wait for ever.
const PROBES: usize = 1_000;
/// Deliveries that are too old, ended in one look for each endpoint.
const STALE: u64 = 200;
/// How often it is looked for them.
const STALE_EVERY: TimeDelta = TimeDelta::seconds(10);

/// What a worker remembers between its looks.
#[derive(Default)]
pub(super) struct Looks {
    stale_at: Option<DateTime<Utc>>,
}

/// Looks after all that is held; answers what is to try endpoints whose pause is over.
pub(super) async fn look(tools: &Tools, looks: &mut Looks) -> Result<Vec<Claimed>> {
    let app = &tools.app;
    let Some(owner) = app.queue.valid_owner() else {
        return Ok(Vec::new());
    };
    let now = app.clock.now();
    app.queue.set_holds(false);
    if endpoint::Entity::any_closed(app.db.read(), now).await? {
        // A part at a time, so that nobody waits for the parking of a long row; none of it is read by the looks for what is due.
        let mut parts = 0;
        while parts < PARTS && delivery::Entity::park(app.db.write(), now, PART).await? >= PART {
            parts += 1;
        }
        if parts == PARTS {
            app.queue.doorbell.notify_one();
        }
    }
    let mut waited_for = delivery::Entity::endpoints_waited_for(app.db.read()).await?;
    let some_waited = !waited_for.is_empty();
    let some_isolated = waited_for.contains(&ISOLATION);
    waited_for.retain(|id| *id != ISOLATION);
    let closed = closed_among(app, &waited_for, now).await?;
    release(app, waited_for.iter().filter(|id| !closed.contains_key(*id))).await?;
    if looks.stale_at.is_none_or(|last| last + STALE_EVERY <= now) {
        looks.stale_at = Some(now);
        if some_isolated {
            let most = u64::try_from(PAGE).unwrap_or(u64::MAX);
            let behind = delivery::Entity::endpoints_of_isolated(app.db.read(), now, most).await?;
            let others = behind.into_iter().filter(|id| !closed.contains_key(id));
            waited_for.extend(others.collect::<Vec<_>>());
        }
        end_stale(tools, owner, &waited_for, now).await?;
    }
    // Those for which nothing waits are left to the sweep: one that is never used again costs nothing.
    if some_waited {
        app.queue.set_holds(true);
    }
    let ripe = closed.values().filter(|row| row.hold == Some(Hold::Failing));
    let ripe = ripe.filter(|row| row.held_until.is_some_and(|until| until <= now));
    let mut claimed = try_endpoints(tools, owner, ripe.take(PROBES)).await?;
    match suspects::claim(tools, owner, now).await {
        Ok(isolated) => claimed.extend(isolated),
        // Those taken before are ours already, and are attempted.
        Err(error) => tracing::warn!(?error, "cannot look for deliveries to be isolated; the next sweep will"),
    }
    Ok(claimed)
}

/// Which of these are held.
pub(super) async fn closed_among(
    app: &App,
    endpoints: &[Uuid],
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, endpoint::Model>> {
    let mut closed = HashMap::new();
    for page in endpoints.chunks(PAGE) {
        let rows = endpoint::Entity::closed_among(app.db.read(), page.iter().copied(), now).await?;
        closed.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(closed)
}

/// Makes due again what waits for endpoints that work, a part at once: slots let through only so many anyway.
async fn release<'a>(app: &App, endpoints: impl Iterator<Item = &'a Uuid>) -> Result<()> {
    for endpoint in endpoints {
        if delivery::Entity::unpark(app.db.write(), *endpoint, PART).await? == PART {
            app.queue.doorbell.notify_one();
        }
    }
    Ok(())
}

/// Takes one delivery for each of these endpoints, unless somebody else has.
async fn try_endpoints<'a>(
    tools: &Tools,
    owner: Uuid,
    ripe: impl Iterator<Item = &'a endpoint::Model>,
) -> Result<Vec<Claimed>> {
    let _claiming = tools.app.queue.unless_panicking();
    let (mut rows, mut slots) = (Vec::new(), HashMap::new());
    for endpoint in ripe {
        match take_probe(&tools.app, owner, endpoint).await {
            Ok(Some((row, slot))) => {
                slots.insert(row.id, slot);
                rows.push(row);
            }
            Ok(None) => {}
            Err(error) => {
                // Those taken before are ours already, and are attempted.
                tracing::warn!(?error, "cannot try paused endpoints; the next sweep will");
                break;
            }
        }
    }
    let opened = claim::open(&tools.app, &tools.contents, rows, slots).await;
    opened.inspect_err(|_error| tools.app.queue.abandon_lease())
}

/// Decided by the endpoint's row: whoever changes it first tries.
async fn take_probe(app: &App, owner: Uuid, endpoint: &endpoint::Model) -> Result<Option<(delivery::Model, Slot)>> {
    let first = delivery::Entity::parked_for(endpoint.id).one(app.db.read()).await?;
    let Some(first) = first else { return Ok(None) };
    let slots = &app.queue.slots;
    let Some(slot) = slots.try_take(first.account_id, first.destination(), true) else {
        return Ok(None);
    };
    let claimed = probe(app, owner, endpoint.id, first.id).await?;
    Ok(claimed.map(|row| (row, slot)))
}

/// Takes a delivery that waits to try an endpoint whose pause is over, unless another one tries it. On an error nothing is taken, or
/// the lease is given up.
pub(super) async fn probe(
    app: &App,
    owner: Uuid,
    endpoint: Uuid,
    delivery: DeliveryId,
) -> Result<Option<delivery::Model>> {
    let (tx, now) = (app.db.begin().await?, app.clock.now());
    let taken = endpoint::Entity::take_probe(endpoint, delivery, (now, now + PROBE_PATIENCE));
    if taken.exec(&tx).await?.rows_affected == 0 {
        return Ok(None);
    }
    let claimed = delivery::Entity::claim_probe(&tx, owner, delivery).await?.pop();
    if claimed.is_some() {
        let committed = tx.commit().await.map_err(Error::from);
        committed.inspect_err(|error| claim::give_up_unknown(app, error))?;
    }
    Ok(claimed)
}

/// Ends what has waited until it is too old, as its settings say.
async fn end_stale(tools: &Tools, owner: Uuid, endpoints: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    let app = &tools.app;
    let settings = delivery_settings::Entity::for_worker(endpoints.iter().map(|id| (*id).into()));
    let settings: HashMap<Uuid, DeliveryConfig> = settings
        .all(app.db.read())
        .await?
        .into_iter()
        .map(|row| (row.id.0, row.config))
        .collect();
    for endpoint in endpoints {
        let policy = match settings.get(endpoint) {
            Some(DeliveryConfig::Webhook(config)) => config.retry.clone(),
            _ => default_policy(),
        };
        let age = TimeDelta::from_std(max_age(&policy)).unwrap_or(TimeDelta::MAX);
        let Some(before) = now.checked_sub_signed(age) else {
            continue;
        };
        let _claiming = app.queue.unless_panicking();
        let stale = delivery::Entity::claim_stale(app.db.write(), owner, (*endpoint, before), STALE).await;
        let stale = stale
            .map_err(Error::from)
            .inspect_err(|error| claim::give_up_unknown(app, error))?;
        // On an error rows are ours that nobody here will end: with another lease, they are taken over.
        let ended = end_stale_rows(tools, stale, now).await;
        ended.inspect_err(|_error| app.queue.abandon_lease())?;
    }
    Ok(())
}

/// Ends what was claimed because it is too old; a mail that somebody has is not failed for the others. On an error the lease must be
/// given up.
async fn end_stale_rows(tools: &Tools, stale: Vec<delivery::Model>, now: DateTime<Utc>) -> Result<()> {
    let leads = claim::patiently(|| tools.contents.load(&stale)).await?;
    let mails: Vec<_> = stale
        .iter()
        .filter(|row| row.channel == Channel::Email)
        .map(|row| row.id)
        .collect();
    let reached = claim::patiently(async || {
        let reached = mail_recipient::Entity::reached_by(tools.app.db.read(), mails.iter().copied()).await;
        Ok(reached?)
    })
    .await?;
    for row in stale {
        let has_it = reached.contains(&row.id);
        if let Some(lead) = leads.get(&row.lead_id) {
            finish::hand_in(tools, ended((row, has_it), lead.clone(), now));
        } else {
            let row = [row];
            claim::patiently(|| unopened::end(&tools.app, &row)).await?;
        }
    }
    Ok(())
}

fn ended((delivery, has_it): (delivery::Model, bool), lead: Arc<LeadContent>, now: DateTime<Utc>) -> Finished {
    let message = "its endpoint was paused until the delivery was too old to be sent: see the partner's health";
    let (status, failure) = if has_it {
        (DeliveryStatus::Delivered, None)
    } else {
        let failure = (DeliveryErrorCode::Paused, message.to_owned());
        (DeliveryStatus::Failed, Some(failure))
    };
    Finished {
        outcome: Outcome {
            id: delivery.id,
            owner: delivery.lease_owner.unwrap_or_default(),
            attempt: delivery.attempt_count,
            spends: true,
            status,
            due_at: None,
            settled_at: Some(now),
            failure,
            external_id: None,
        },
        attempt: None,
        recipients: Vec::new(),
        bearing: Bearing::Silent,
        delivery,
        lead,
        slot: None,
    }
}
