//! Retrying many deliveries by hand.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use entity::delivery::{Column, DeliveryStatus, Entity};
use entity::ids::{AccountId, AssignmentId, DeliveryId, LeadId, PartnerId, StepId};
use entity::lead;
use entity::retryable::Page;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, Iterable, QueryFilter, QuerySelect, Select};

use super::chains;
use super::manage::{self, DeliveryFilter};
use super::manual_retry::{self, Refusal, Retried, RetrySettings};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

pub const MAX_RETRIES: usize = 1_000;
const PART: usize = 200;
const PAGE: u64 = 1_000;
/// Most searches of one call; a search may find only deliveries to recipients whose caps are used up.
const ROUNDS: u32 = 20;
#[derive(Clone, Debug, Default)]
pub struct RetriedMany {
    /// Deliveries that are due now, or in a portal.
    pub requeued: usize,
    pub left_out: Vec<LeftOut>,
}

/// Deliveries that stay as they are for one reason.
#[derive(Clone, Debug)]
pub struct LeftOut {
    pub refusal: Refusal,
    pub count: usize,
}

/// Retries the deliveries that match the filter and may be retried, the oldest first, at most [`MAX_RETRIES`]. Deliveries that a
/// concurrent call retries are not retried again.
///
/// Retries FAILED deliveries and those that wait for a retry; CANCELLED ones, and those that a connected account has REFUSED, only if
/// the filter names these states, since a person or an account has decided so. Of a chain of deliveries that followed one another, one
/// is retried, the first that failed; none if another of them has delivered the lead or may yet, since the lead would be sold twice.
/// `retryDelivery` retries a single delivery regardless of the others. Each retry takes places on its recipient's caps; deliveries that
/// find none are left out, and do not delay those to other recipients.
pub async fn retry_many(
    app: &App,
    caller: &Caller,
    filter: DeliveryFilter,
    settings: RetrySettings,
) -> Result<RetriedMany> {
    let account = caller.require(Action::ManageDeliveries)?;
    let states = states(filter.statuses.as_deref());
    let (mut retried_so_far, mut full, mut passed) = (RetriedMany::default(), BTreeSet::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let (most, left_out) = (MAX_RETRIES - retried_so_far.requeued, full.len() + passed.len());
        // Reading a long history locks nothing. Each part is then checked again in its own transaction.
        let search = Search {
            account,
            among: among(account, &filter).filter(elsewhere(&full, settings)),
            few: filter.lead.is_some(),
            passed: &passed,
            now: app.clock.now(),
        };
        let mut found = search.candidates(app, &states).await?;
        found.truncate(most);
        for part in found.chunks(PART) {
            let retried = retry_part(app, caller, part, &states, settings).await?;
            retried_so_far.requeued += retried.rows.len();
            for (row, refusal) in retried.refused {
                if refusal.of_this_delivery {
                    passed.insert(row.id);
                } else {
                    full.insert((row.step_id, row.assignment_id, row.partner_id));
                }
                retried_so_far.leave_out(refusal);
            }
        }
        if found.len() < most || full.len() + passed.len() == left_out || retried_so_far.requeued == MAX_RETRIES {
            break;
        }
    }
    Ok(retried_so_far)
}

/// An account's deliveries that match the filter, in any state.
fn among(account: AccountId, filter: &DeliveryFilter) -> Select<Entity> {
    let filter = DeliveryFilter {
        statuses: None,
        ..filter.clone()
    };
    manage::fitting(account, filter)
}

impl RetriedMany {
    fn leave_out(&mut self, refusal: Refusal) {
        match self.left_out.iter_mut().find(|left_out| left_out.refusal == refusal) {
            Some(left_out) => left_out.count += 1,
            None => self.left_out.push(LeftOut { refusal, count: 1 }),
        }
    }
}

/// Where a delivery was routed: the step, the assignment, the partner.
type Destination = (Option<StepId>, Option<AssignmentId>, Option<PartnerId>);

/// Leaves out destinations whose caps are used up. With FROZEN settings, deliveries that wait for a retry hold their places on caps
/// already.
fn elsewhere(full: &BTreeSet<Destination>, settings: RetrySettings) -> Condition {
    let is = |column: Column, id: Option<uuid::Uuid>| match id {
        Some(id) => column.eq(id),
        None => column.is_null(),
    };
    let mut any = Condition::any();
    for (step, assignment, partner) in full {
        any = any.add(
            is(Column::StepId, step.map(|id| id.0))
                .and(is(Column::AssignmentId, assignment.map(|id| id.0)))
                .and(is(Column::PartnerId, partner.map(|id| id.0))),
        );
    }
    if full.is_empty() {
        return Condition::all();
    }
    let waits = (settings == RetrySettings::Frozen).then(|| Column::Status.eq(DeliveryStatus::Retrying));
    Condition::any().add(any.not()).add_option(waits)
}

fn states(named: Option<&[DeliveryStatus]>) -> Vec<DeliveryStatus> {
    match named {
        None => vec![DeliveryStatus::Failed, DeliveryStatus::Retrying],
        Some(named) => DeliveryStatus::iter().filter(|status| named.contains(status)).collect(),
    }
}

struct Search<'a> {
    account: AccountId,
    /// Those that match the filter, in any state.
    among: Select<Entity>,
    /// Whether these are a few rows, found without the index of retryable deliveries.
    few: bool,
    /// Those that this call cannot retry.
    passed: &'a HashSet<DeliveryId>,
    now: DateTime<Utc>,
}

impl Search<'_> {
    /// The oldest [`MAX_RETRIES`] in some states.
    async fn candidates(&self, app: &App, states: &[DeliveryStatus]) -> Result<Vec<(DeliveryId, LeadId)>> {
        let mut found = Vec::new();
        for status in states {
            found.extend(self.of_state(app, *status).await?);
        }
        found.sort_unstable();
        found.truncate(MAX_RETRIES);
        Ok(found)
    }

    /// The oldest [`MAX_RETRIES`] in one state, page by page, one of each chain.
    async fn of_state(&self, app: &App, status: DeliveryStatus) -> Result<Vec<(DeliveryId, LeadId)>> {
        let (db, mut found) = (app.db.read(), Vec::new());
        let mut page = Page {
            status,
            after: None,
            most: PAGE,
        };
        loop {
            let rows = Entity::retryable(self.among.clone(), page, self.few, self.now);
            let rows = rows.select_only().columns([Column::Id, Column::LeadId]);
            let mut rows: Vec<(DeliveryId, LeadId)> = rows.into_tuple().all(db).await?;
            page.after = rows.last().map(|(id, _)| *id);
            let is_last = u64::try_from(rows.len()).is_ok_and(|count| count < PAGE);
            rows.retain(|(id, _)| !self.passed.contains(id));
            let chosen = chains::one_of_each(db, self.account, &rows).await?;
            found.extend(rows.into_iter().filter(|(id, _)| chosen.contains(id)));
            if is_last || found.len() >= MAX_RETRIES {
                return Ok(found);
            }
        }
    }
}

/// Retries those that still may be retried.
async fn retry_part(
    app: &App,
    caller: &Caller,
    part: &[(DeliveryId, LeadId)],
    states: &[DeliveryStatus],
    settings: RetrySettings,
) -> Result<Retried> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    // A concurrent retry of another delivery of these leads waits here, and then sees what this one has done.
    lead::Entity::lock(&tx, part.iter().map(|(_, lead)| *lead)).await?;
    let rows = Entity::still_retryable(&tx, part.iter().map(|(id, _)| *id), states, app.clock.now());
    let mut rows = rows.filter(Column::AccountId.eq(account)).all(&tx).await?;
    let stand: Vec<(DeliveryId, LeadId)> = rows.iter().map(|row| (row.id, row.lead_id)).collect();
    let chosen = chains::one_of_each(&*tx, account, &stand).await?;
    rows.retain(|row| chosen.contains(&row.id));
    let retried = manual_retry::requeue(app, &tx, rows, settings).await?;
    retried.commit(app, tx, caller, settings).await
}
