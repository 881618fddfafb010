//! What one account stores of a connection for itself. The partner learns nothing of it but the receiving flow.

use async_graphql::{InputObject, MaybeUndefined};
use entity::account::Plan;
use entity::connection::ConnectionStatus;
use entity::event::EventKind;
use entity::ids::{ConnectionId, FlowId};
use entity::scalars::EmailAddress;
use entity::{connection_side, flow};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, IntoActiveModel, QueryFilter, Set};
use serde_json::json;

use super::{ConnectionView, Locked};
use crate::buyer_steps;
use leadmesh_core::app::App;
use leadmesh_core::audit::Entry;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{email_address, texts};
use leadmesh_core::live::events::NewEvent;

const PURPOSE: usize = 500;
const NOTES: usize = 5_000;
/// Leads a day.
const MOST_EXPECTED: i32 = 1_000_000_000;

/// What the account's side records about a connection; omitted fields stay unchanged, null removes a value.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UpdateSide {
    /// What the connection is for, at most 500 characters.
    pub purpose: MaybeUndefined<String>,
    /// The contact person at the partner, at most 120 characters.
    pub contact_name: MaybeUndefined<String>,
    /// The contact's email address.
    pub contact_email: MaybeUndefined<EmailAddress>,
    /// Notes, at most 5,000 characters.
    pub notes: MaybeUndefined<String>,
    /// Leads per day, both directions together, that the caller's side expects, 0 to 1,000,000,000. `capacity` compares
    /// them with the traffic.
    pub expected_daily_volume: MaybeUndefined<i32>,
}

/// Changes what the caller's account keeps of a connection, also of an ended one.
pub async fn update(app: &App, caller: &Caller, id: ConnectionId, input: UpdateSide) -> Result<ConnectionView> {
    let mine = caller.require(Action::ManageNetwork)?;
    let locked = Locked::connection(app, caller, app.db.begin().await?, id, "input.id").await?;
    let before = locked.side().await?;
    let mut after = before.clone().into_active_model();
    apply(&mut after, input)?;
    let after = after.update(&locked.change.tx).await?;
    if after != before {
        let changes = json!({"before": audit_view(&before), "after": audit_view(&after)});
        locked.record("connection.updated", changes).await?;
        locked.change.commit_uncompiled().await?;
    }
    Ok(ConnectionView::new(locked.row, mine))
}

fn apply(row: &mut connection_side::ActiveModel, input: UpdateSide) -> std::result::Result<(), UserError> {
    put(&mut row.purpose, input.purpose, |text| {
        optional(&text, |text| texts::paragraph(text, PURPOSE, "input.purpose"))
    })?;
    put(&mut row.contact_name, input.contact_name, |text| {
        optional(&text, |text| texts::name(text, "input.contactName"))
    })?;
    put(
        &mut row.contact_email,
        input.contact_email.map_value(|email| email.0),
        |text| optional(&text, |text| email_address::parse(text, "input.contactEmail")),
    )?;
    put(&mut row.notes, input.notes, |text| {
        optional(&text, |text| texts::paragraph(text, NOTES, "input.notes"))
    })?;
    put(&mut row.expected_daily_volume, input.expected_daily_volume, |volume| {
        if (0..=MOST_EXPECTED).contains(&volume) {
            return Ok(Some(volume));
        }
        let message = "write how many leads a day you expect: 0 to 1,000,000,000";
        Err(UserError::new(
            UserErrorCode::Invalid,
            "input.expectedDailyVolume",
            message,
        ))
    })
}

fn put<T>(
    column: &mut ActiveValue<Option<T>>,
    value: MaybeUndefined<T>,
    check: impl FnOnce(T) -> std::result::Result<Option<T>, UserError>,
) -> std::result::Result<(), UserError>
where
    Option<T>: Into<sea_orm::Value>,
{
    match value {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => *column = Set(None),
        MaybeUndefined::Value(value) => *column = Set(check(value)?),
    }
    Ok(())
}

/// An empty text removes, as null does.
fn optional(
    text: &str,
    check: impl FnOnce(&str) -> std::result::Result<String, UserError>,
) -> std::result::Result<Option<String>, UserError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    check(text).map(Some)
}

pub async fn mark_reviewed(app: &App, caller: &Caller, id: ConnectionId) -> Result<ConnectionView> {
    let mine = caller.require(Action::ManageNetwork)?;
    let locked = Locked::connection(app, caller, app.db.begin().await?, id, "id").await?;
    let before = locked.side().await?;
    let changes = json!({"before": before.last_reviewed_at, "after": app.clock.now()});
    let mut after = before.into_active_model();
    after.last_reviewed_at = Set(Some(app.clock.now()));
    after.update(&locked.change.tx).await?;
    locked.record("connection.reviewed", changes).await?;
    locked.change.commit_uncompiled().await?;
    Ok(ConnectionView::new(locked.row, mine))
}

/// Chooses which of the caller's flows the partner's buyer steps deliver into, from the next lead on.
pub async fn set_receiving_flow(app: &App, caller: &Caller, id: ConnectionId, flow: FlowId) -> Result<ConnectionView> {
    let mine = caller.require(Action::ManageNetwork)?;
    let path = "input.connectionId";
    let mut locked = Locked::connection(app, caller, app.db.begin().await?, id, path).await?;
    let chosen = check_receiving_flow(&locked, flow).await?;
    let before = locked.side().await?;
    if before.receiving_flow_id == Some(flow) {
        return Ok(ConnectionView::new(locked.row, mine));
    }
    let changes = json!({"before": before.receiving_flow_id, "after": flow, "flow": chosen.name});
    let mut after = before.into_active_model();
    after.receiving_flow_id = Set(Some(flow));
    after.update(&locked.change.tx).await?;
    let (tx, seller) = (&locked.change.tx, locked.change.partner.id);
    buyer_steps::ensure_seller_source(tx, app, &locked.row, seller).await?;
    locked.record("connection.receiving_flow_set", changes).await?;
    let event = NewEvent::of_account(mine, EventKind::ConnectionChanged, id.0);
    locked.change.events.push(event);
    locked.change.commit().await?;
    Ok(ConnectionView::new(locked.row, mine))
}

async fn check_receiving_flow(locked: &Locked<'_>, id: FlowId) -> Result<flow::Model> {
    let (path, mine) = ("input.connectionId", locked.change.mine());
    if locked.row.status == ConnectionStatus::Terminated {
        let message = "this connection has ended: send an invitation to connect again";
        return Err(Error::user(UserErrorCode::NotConnected, path, message));
    }
    let own = flow::Entity::in_account(mine.id).filter(flow::Column::Id.eq(id));
    let Some(chosen) = own.one(&locked.change.tx).await? else {
        let message = "no such flow of your account";
        return Err(Error::user(UserErrorCode::NotFound, "input.flowId", message));
    };
    if mine.plan == Plan::Free {
        let message =
            "the FREE plan receives the leads of partners in the inbox: choosing a flow requires the PAID plan";
        return Err(Error::user(UserErrorCode::PlanRequired, "input.flowId", message));
    }
    if !locked.row.type_for(mine.id).receives() {
        let message = "this relationship brings you no leads: ask for a wider one first (requestRelationshipType)";
        return Err(Error::user(UserErrorCode::DirectionNotAgreed, path, message));
    }
    Ok(chosen)
}

fn audit_view(row: &connection_side::Model) -> serde_json::Value {
    json!({
        "purpose": row.purpose,
        "contactName": row.contact_name,
        "contactEmail": row.contact_email,
        "notes": row.notes,
        "expectedDailyVolume": row.expected_daily_volume,
    })
}

impl Locked<'_> {
    async fn side(&self) -> Result<connection_side::Model> {
        let (id, mine) = (self.row.id, self.change.mine().id);
        let found = connection_side::Entity::of(id, mine).one(&self.change.tx).await?;
        found.ok_or_else(|| Error::Internal(anyhow::anyhow!("a side of {id} is gone")))
    }

    /// In the caller's own audit log: what one account keeps is not shown to the other.
    async fn record(&self, action: &'static str, changes: serde_json::Value) -> Result<()> {
        let entry = Entry::new(action, "AccountLink", self.row.id, &self.change.partner.name);
        self.change.record(entry.with(changes)).await
    }
}
