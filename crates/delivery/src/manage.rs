//! Deliveries by hand: reading, retrying, cancelling.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, ConnectionId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId};
use entity::{lead, mail_turn};
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, QueryFilter, QuerySelect, Select, Set};

use super::again::{self, RetrySettings};
use super::reservations;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::live::events;
use leadmesh_leads::intake::delivery_event;
use leadmesh_leads::read;

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Standing so.
    pub statuses: Option<Vec<DeliveryStatus>>,
    /// By these channels.
    pub channels: Option<Vec<Channel>>,
    /// To this partner.
    pub partner: Option<PartnerId>,
    /// Over this connection.
    pub connection: Option<ConnectionId>,
    /// Picked by this profile.
    pub profile: Option<ProfileId>,
    /// Of leads of this flow.
    pub flow: Option<FlowId>,
    /// Of this lead.
    pub lead: Option<LeadId>,
    /// Routed in this time.
    pub during: Option<Range<DateTime<Utc>>>,
    /// Of leads that a search has found, as the identifiers that it selects.
    pub found: Option<SelectStatement>,
    /// Tests too.
    pub include_tests: bool,
}

/// The caller's leads that a search text finds, for [`DeliveryFilter::found`]; a blank one leaves nothing out.
pub async fn found(app: &App, caller: &Caller, search: Option<&str>) -> Result<Option<SelectStatement>> {
    match search.filter(|text| !text.trim().is_empty()) {
        Some(text) => read::searched(app, caller, text).await.map(Some),
        None => Ok(None),
    }
}

/// One delivery; none when it is not there or not the caller's.
pub async fn find(app: &App, caller: &Caller, id: DeliveryId) -> Result<Option<delivery::Model>> {
    let account = caller.require(Action::ReadLeads)?;
    Ok(delivery::Entity::in_account(account)
        .filter(delivery::Column::Id.eq(id))
        .one(app.db.read())
        .await?)
}

/// The caller's deliveries that fit.
pub fn list(caller: &Caller, filter: DeliveryFilter) -> Result<Select<delivery::Entity>> {
    Ok(fitting(caller.require(Action::ReadLeads)?, filter))
}

/// An account's deliveries that fit.
pub fn fitting(account: AccountId, filter: DeliveryFilter) -> Select<delivery::Entity> {
    let fitting = Condition::all()
        .add_option(
            filter
                .statuses
                .map(|statuses| delivery::Column::Status.is_in(distinct(statuses))),
        )
        .add_option(
            filter
                .channels
                .map(|channels| delivery::Column::Channel.is_in(distinct(channels))),
        )
        .add_option(filter.partner.map(|id| delivery::Column::PartnerId.eq(id)))
        .add_option(filter.connection.map(|id| delivery::Column::ConnectionId.eq(id)))
        .add_option(filter.profile.map(|id| delivery::Column::ProfileId.eq(id)))
        .add_option(filter.flow.map(|id| delivery::Column::FlowId.eq(id)))
        .add_option(filter.found.map(|found| delivery::Column::LeadId.in_subquery(found)))
        .add_option(
            filter
                .during
                .as_ref()
                .map(|range| delivery::Column::CreatedAt.gte(range.start)),
        )
        .add_option(
            filter
                .during
                .as_ref()
                .map(|range| delivery::Column::CreatedAt.lt(range.end)),
        )
        .add_option((!filter.include_tests).then(|| delivery::Column::Test.eq(false)));
    match filter.lead {
        Some(lead) => delivery::Entity::of_lead(account, lead).filter(fitting),
        None => delivery::Entity::in_account(account).filter(fitting),
    }
}

/// Attempts a failed, cancelled or waiting delivery again now, or one that another account has refused: it may have changed its
/// mind. It goes with a fresh budget of attempts and takes a place on its recipient's caps, or is refused with `CAP_REACHED`. The
/// delivery stays the same one, so a recipient that has it already recognises it.
pub async fn retry(app: &App, caller: &Caller, id: DeliveryId, settings: RetrySettings) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    let row = locked(&tx, account, id).await?;
    if row.erased_at.is_some() {
        return Err(conflict("the lead was erased: there is nothing left to send"));
    }
    match row.status {
        DeliveryStatus::Failed | DeliveryStatus::Cancelled | DeliveryStatus::Retrying => {}
        DeliveryStatus::Queued | DeliveryStatus::Sending => return Err(conflict("the delivery is under way already")),
        DeliveryStatus::Delivered => return Err(conflict("the recipient has the lead already")),
        DeliveryStatus::Refused if row.buyer_account_id.is_some() && !stopped_by_loop(&row) => {}
        DeliveryStatus::Refused => {
            return Err(conflict(
                "the recipient has refused the lead: a retry would not change that",
            ));
        }
    }
    let mut retried = again::attempt_again(app, &tx, vec![row], settings).await?;
    if let Some((_, refusal)) = retried.refused.pop() {
        return Err(Error::broken(refusal.code, "id", refusal.message));
    }
    again::commit(app, tx, caller, (&mut retried, settings)).await?;
    let row = retried.rows.pop();
    row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery that was locked is gone")))
}

/// Stops a delivery that has not reached its recipient. One that is being sent this moment is not stopped.
pub async fn cancel(app: &App, caller: &Caller, id: DeliveryId) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    let row = locked(&tx, account, id).await?;
    match row.status {
        DeliveryStatus::Queued | DeliveryStatus::Retrying => {}
        DeliveryStatus::Cancelled => return Ok(row),
        DeliveryStatus::Sending => {
            return Err(conflict(
                "the delivery is being sent this moment: try again in a few seconds",
            ));
        }
        DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Refused => {
            return Err(conflict("the delivery has ended already"));
        }
    }
    reservations::release(&tx, &row).await?;
    mail_turn::Entity::forget(&tx, [row.id]).await?;
    let mut change: delivery::ActiveModel = row.into();
    change.status = Set(DeliveryStatus::Cancelled);
    change.due_at = Set(None);
    change.settled_at = Set(Some(app.clock.now()));
    change.failure_code = Set(Some(DeliveryErrorCode::Cancelled));
    change.failure_message = Set(Some(format!("cancelled by {}", caller.who().name)));
    save(app, tx, caller, change, "delivery.cancelled").await
}

/// One of the account's deliveries, locked. Its lead is locked before it, as by all who decide by hand which deliveries of a lead go on.
pub(super) async fn locked(tx: &DatabaseTransaction, account: AccountId, id: DeliveryId) -> Result<delivery::Model> {
    let one = || delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(id));
    let unknown = || Error::broken(UserErrorCode::NotFound, "id", "no such delivery");
    let seen = one().one(tx).await?.ok_or_else(unknown)?;
    lead::Entity::lock(tx, [seen.lead_id]).await?;
    one().lock_exclusive().one(tx).await?.ok_or_else(unknown)
}

/// Whether the lead would come back to an account that it has passed: nothing changes that.
fn stopped_by_loop(row: &delivery::Model) -> bool {
    row.failure_message.as_ref().is_some_and(|why| why.starts_with("LOOP"))
}

fn conflict(message: &str) -> Error {
    Error::broken(UserErrorCode::Conflict, "id", message)
}

async fn save(
    app: &App,
    tx: Transaction,
    caller: &Caller,
    change: delivery::ActiveModel,
    action: &'static str,
) -> Result<delivery::Model> {
    let row = change.update(&tx).await?;
    let entry = Entry {
        action,
        subject_type: "Delivery",
        subject_id: row.id.to_string(),
        label: None,
        changes: None,
    };
    audit::record(&tx, &app.clock, row.account_id, &caller.who(), entry).await?;
    let heads = events::append(&tx, app.clock.now(), vec![delivery_event(&row)]).await?;
    tx.commit().await?;
    app.hub.tell(&heads);
    Ok(row)
}
