//! Deliveries to endpoints whose circuit is open: they are suspended, one of them probes the endpoint after a pause, they are resumed
//! in parts once it works, and they end when they are too old.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_config::{Channel, DeliveryConfig};
use entity::endpoint::{self, OpenReason};
use entity::suspended::ISOLATION;
use entity::{delivery_settings, mail_recipient};
use uuid::Uuid;

use super::claim;
use super::outcome::PendingOutcome;
use super::patience::{abandon_unknown, retry_outages};
use super::probes::{open_among, probe};
use super::suspects;
use super::tools::Tools;
use crate::retry::{default_policy, max_age};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::Claimed;
use leadmesh_core::queue::slots::Slot;

const TOO_OLD: &str = "its endpoint was paused until the delivery was too old to be sent: see the partner's health";
/// Deliveries suspended or resumed in one statement.
const PART: u64 = 500;
const PARTS: u32 = 4;
/// Endpoints of isolated deliveries read in one round.
const ENDPOINTS: u64 = 1_000;
/// Endpoints probed in one round; if there are more, which of them is left to chance, so that none waits for ever.
const PROBES: usize = 1_000;
/// Stale deliveries ended in one round for each endpoint.
const STALE: u64 = 200;
const STALE_EVERY: TimeDelta = TimeDelta::seconds(10);

/// What a worker remembers between rounds.
#[derive(Default)]
pub(super) struct Schedule {
    stale_at: Option<DateTime<Utc>>,
}

/// One round over all open circuits. Returns the claimed deliveries that are to probe endpoints, or to be attempted in isolation.
pub(super) async fn check(tools: &Tools, schedule: &mut Schedule) -> Result<Vec<Claimed>> {
    let app = &tools.app;
    let Some(owner) = app.queue.valid_owner() else {
        return Ok(Vec::new());
    };
    let now = app.clock.now();
    app.queue.set_open_circuits(false);
    suspend(app, now).await?;
    let mut endpoints = delivery::Entity::endpoints_with_suspended(app.db.read()).await?;
    let some_suspended = !endpoints.is_empty();
    let some_isolated = endpoints.contains(&ISOLATION);
    endpoints.retain(|id| *id != ISOLATION);
    let open = open_among(app, &endpoints, now).await?;
    resume(app, endpoints.iter().filter(|id| !open.contains_key(*id))).await?;
    if schedule.stale_at.is_none_or(|last| last + STALE_EVERY <= now) {
        schedule.stale_at = Some(now);
        if some_isolated {
            let behind = delivery::Entity::endpoints_of_isolated(app.db.read(), now, ENDPOINTS).await?;
            endpoints.extend(behind.into_iter().filter(|id| !open.contains_key(id)));
        }
        end_stale(tools, owner, &endpoints, now).await?;
    }
    // An open circuit for which nothing waits is left to the sweep: an endpoint that is never used again costs nothing.
    if some_suspended {
        app.queue.set_open_circuits(true);
    }
    let failing = open.values().filter(|row| row.open_reason == Some(OpenReason::Failing));
    let due = failing.filter(|row| row.open_until.is_some_and(|until| until <= now));
    let mut claimed = claim_probes(tools, owner, due.take(PROBES)).await?;
    match suspects::claim(tools, owner, now).await {
        Ok(isolated) => claimed.extend(isolated),
        // The probes are claimed already, and must be attempted.
        Err(error) => tracing::warn!(?error, "cannot look for deliveries to be isolated; the next sweep will"),
    }
    Ok(claimed)
}

/// Suspends due deliveries whose endpoint has an open circuit, a part at a time: other statements do not wait for a long backlog, and
/// none of it is read when due deliveries are claimed.
async fn suspend(app: &App, now: DateTime<Utc>) -> Result<()> {
    if !endpoint::Entity::any_open(app.db.read(), now).await? {
        return Ok(());
    }
    for _ in 0..PARTS {
        if delivery::Entity::suspend(app.db.write(), now, PART).await? < PART {
            return Ok(());
        }
    }
    app.queue.doorbell.notify_one();
    Ok(())
}

/// Resumes deliveries to endpoints that work, a part at a time: there are slots for no more anyway.
async fn resume<'a>(app: &App, endpoints: impl Iterator<Item = &'a Uuid>) -> Result<()> {
    for endpoint in endpoints {
        if delivery::Entity::resume(app.db.write(), *endpoint, PART).await? == PART {
            app.queue.doorbell.notify_one();
        }
    }
    Ok(())
}

/// Claims one delivery for each of these endpoints, unless another worker has.
async fn claim_probes<'a>(
    tools: &Tools,
    owner: Uuid,
    due: impl Iterator<Item = &'a endpoint::Model>,
) -> Result<Vec<Claimed>> {
    let _claiming = tools.app.queue.abandon_on_panic();
    let (mut rows, mut slots) = (Vec::new(), HashMap::new());
    for endpoint in due {
        match take_probe(&tools.app, owner, endpoint).await {
            Ok(Some((row, slot))) => {
                slots.insert(row.id, slot);
                rows.push(row);
            }
            Ok(None) => {}
            Err(error) => {
                // The probes before this one are claimed already, and must be attempted.
                tracing::warn!(?error, "cannot try paused endpoints; the next sweep will");
                break;
            }
        }
    }
    let opened = claim::open(tools, rows, slots).await;
    opened.inspect_err(|_error| tools.app.queue.abandon_lease())
}

/// The endpoint's row decides: the worker that changes it first probes.
async fn take_probe(app: &App, owner: Uuid, endpoint: &endpoint::Model) -> Result<Option<(delivery::Model, Slot)>> {
    let first = delivery::Entity::suspended_for(endpoint.id).one(app.db.read()).await?;
    let Some(first) = first else { return Ok(None) };
    let slots = &app.queue.slots;
    let Some(slot) = slots.try_take(first.account_id, first.destination(), true) else {
        return Ok(None);
    };
    let claimed = probe(app, owner, endpoint.id, first.id).await?;
    Ok(claimed.map(|row| (row, slot)))
}

/// Ends suspended deliveries that are older than their settings allow.
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
        let _claiming = app.queue.abandon_on_panic();
        let stale = delivery::Entity::claim_stale(app.db.write(), owner, *endpoint, before, STALE).await;
        let stale = stale
            .map_err(Error::from)
            .inspect_err(|error| abandon_unknown(app, error))?;
        // On an error rows are claimed that this process will not end: under another lease they are taken over.
        let ended = end_stale_rows(tools, stale, now).await;
        ended.inspect_err(|_error| app.queue.abandon_lease())?;
    }
    Ok(())
}

/// Ends claimed deliveries that are too old. A mail that at least one recipient has is DELIVERED. On an error the lease must be given
/// up.
async fn end_stale_rows(tools: &Tools, stale: Vec<delivery::Model>, now: DateTime<Utc>) -> Result<()> {
    let leads = retry_outages(|| tools.contents.load(&stale)).await?;
    let mails: Vec<_> = stale
        .iter()
        .filter(|row| row.channel == Channel::Email)
        .map(|row| row.id)
        .collect();
    let reached = retry_outages(async || {
        let reached = mail_recipient::Entity::reached_by(tools.app.db.read(), mails.iter().copied()).await;
        Ok(reached?)
    })
    .await?;
    for row in stale {
        let failure = (!reached.contains(&row.id)).then(|| (DeliveryErrorCode::Paused, TOO_OLD.to_owned()));
        tools.record(match leads.get(&row.lead_id) {
            Some(lead) => PendingOutcome::unattempted(row, lead.clone(), failure, now),
            None => PendingOutcome::undecryptable(row, now),
        });
    }
    Ok(())
}
