//! Deliveries, read and cancelled by their account.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, ConnectionId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId};
use entity::lead;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, QueryFilter, QuerySelect, Select, Set};

use super::finish::{Ending, finish};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_leads::read;

#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub statuses: Option<Vec<DeliveryStatus>>,
    pub channels: Option<Vec<Channel>>,
    pub partner: Option<PartnerId>,
    pub connection: Option<ConnectionId>,
    pub profile: Option<ProfileId>,
    pub flow: Option<FlowId>,
    pub lead: Option<LeadId>,
    pub during: Option<Range<DateTime<Utc>>>,
    /// Of leads that a search has found, as the identifiers that it selects.
    pub found: Option<SelectStatement>,
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

pub fn list(caller: &Caller, filter: DeliveryFilter) -> Result<Select<delivery::Entity>> {
    Ok(fitting(caller.require(Action::ReadLeads)?, filter))
}

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

/// Cancels a delivery that waits. One that is being sent at this moment cannot be cancelled.
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
    let now = app.clock.now();
    let ending = Ending::new(&row, DeliveryStatus::Cancelled, Some(DeliveryErrorCode::Cancelled));
    let effects = finish(app, &tx, vec![ending], now).await?;
    let mut change: delivery::ActiveModel = row.into();
    change.status = Set(DeliveryStatus::Cancelled);
    change.due_at = Set(None);
    change.settled_at = Set(Some(now));
    change.failure_code = Set(Some(DeliveryErrorCode::Cancelled));
    change.failure_message = Set(Some(format!("cancelled by {}", caller.actor().name)));
    let row = change.update(&tx).await?;
    let entry = audit_entry("delivery.cancelled", &row, None);
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    effects.commit(app, tx, now).await?;
    Ok(row)
}

/// An entry of the audit log about a delivery.
pub(super) fn audit_entry(
    action: &'static str,
    row: &delivery::Model,
    changes: Option<serde_json::Value>,
) -> Entry<'static> {
    Entry {
        action,
        subject_type: "Delivery",
        subject_id: row.id.to_string(),
        label: None,
        changes,
    }
}

/// One of the account's deliveries, locked. Its lead is locked first, as in every use case that decides which deliveries of a lead go on.
pub(super) async fn locked(tx: &DatabaseTransaction, account: AccountId, id: DeliveryId) -> Result<delivery::Model> {
    let one = || delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(id));
    let unknown = || Error::user(UserErrorCode::NotFound, "id", "no such delivery");
    let seen = one().one(tx).await?.ok_or_else(unknown)?;
    lead::Entity::lock(tx, [seen.lead_id]).await?;
    one().lock_exclusive().one(tx).await?.ok_or_else(unknown)
}

pub(super) fn conflict(message: &str) -> Error {
    Error::user(UserErrorCode::Conflict, "id", message)
}
