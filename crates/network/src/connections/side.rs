//! What one side keeps of a connection for itself. The other side learns nothing of it, but for the flow that its leads go to.

use async_graphql::{InputObject, MaybeUndefined};
use entity::account::Plan;
use entity::event::EventKind;
use entity::ids::{ConnectionId, FlowId};
use entity::scalars::EmailAddress;
use entity::{connection, connection_side, flow};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, Set};
use serde_json::json;

use super::{Link, check_live, lock};
use crate::sides::Sides;
use crate::{buyer_steps, journal};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Broken, Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{email_address, texts};

const PURPOSE: usize = 500;
const NOTES: usize = 5_000;
/// Leads a day that anybody may expect.
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

/// Changes what the caller's side keeps of a connection, of an ended one too.
pub async fn update(app: &App, caller: &Caller, id: ConnectionId, input: UpdateSide) -> Result<Link> {
    let mine = caller.require(Action::ManageNetwork)?;
    let tx = app.db.begin().await?;
    let (sides, row) = lock(&tx, mine, id, "input.id").await?;
    let before = side(&tx, &sides, id).await?;
    let mut after = before.clone().into_active_model();
    apply(&mut after, input)?;
    let after = after.update(&tx).await?;
    if after != before {
        let changes = json!({"before": shown(&before), "after": shown(&after)});
        record(&tx, app, caller, (&sides, &row), ("connection.updated", changes)).await?;
        tx.commit().await?;
    }
    Ok(Link::new(row, mine))
}

fn apply(row: &mut connection_side::ActiveModel, input: UpdateSide) -> std::result::Result<(), Broken> {
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
        Err(Broken::new(
            UserErrorCode::Invalid,
            "input.expectedDailyVolume",
            message,
        ))
    })
}

fn put<T>(
    column: &mut ActiveValue<Option<T>>,
    value: MaybeUndefined<T>,
    check: impl FnOnce(T) -> std::result::Result<Option<T>, Broken>,
) -> std::result::Result<(), Broken>
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

/// An empty text takes away, as null does.
fn optional(
    text: &str,
    check: impl FnOnce(&str) -> std::result::Result<String, Broken>,
) -> std::result::Result<Option<String>, Broken> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    check(text).map(Some)
}

/// Notes that somebody of the caller's side has looked a connection through.
pub async fn mark_reviewed(app: &App, caller: &Caller, id: ConnectionId) -> Result<Link> {
    let mine = caller.require(Action::ManageNetwork)?;
    let tx = app.db.begin().await?;
    let (sides, row) = lock(&tx, mine, id, "id").await?;
    let before = side(&tx, &sides, id).await?;
    let changes = json!({"before": before.last_reviewed_at, "after": app.clock.now()});
    let mut after = before.into_active_model();
    after.last_reviewed_at = Set(Some(app.clock.now()));
    after.update(&tx).await?;
    record(&tx, app, caller, (&sides, &row), ("connection.reviewed", changes)).await?;
    tx.commit().await?;
    Ok(Link::new(row, mine))
}

/// Chooses which of the caller's flows the partner's buyer steps deliver into, from the next lead on.
pub async fn set_receiving_flow(app: &App, caller: &Caller, id: ConnectionId, flow: FlowId) -> Result<Link> {
    let mine = caller.require(Action::ManageNetwork)?;
    let tx = app.db.begin().await?;
    let (sides, row) = lock(&tx, mine, id, "input.connectionId").await?;
    check_live(&row, "input.connectionId")?;
    let own = flow::Entity::in_account(mine).filter(flow::Column::Id.eq(flow));
    let Some(chosen) = own.one(&tx).await? else {
        let message = "no such flow of your account";
        return Err(Error::broken(UserErrorCode::NotFound, "input.flowId", message));
    };
    if sides.mine.plan == Plan::Free {
        let message = "a free account gets the leads of partners in its inbox: choosing a flow takes the plan PAID";
        return Err(Error::broken(UserErrorCode::PlanRequired, "input.flowId", message));
    }
    if !row.type_for(mine).receives() {
        let message = "this relationship brings no leads: ask for a wider one first (requestRelationshipType)";
        return Err(Error::broken(
            UserErrorCode::DirectionNotAgreed,
            "input.connectionId",
            message,
        ));
    }
    let before = side(&tx, &sides, id).await?;
    if before.receiving_flow_id == Some(flow) {
        return Ok(Link::new(row, mine));
    }
    let changes = json!({"before": before.receiving_flow_id, "after": flow, "flow": chosen.name});
    let mut after = before.into_active_model();
    after.receiving_flow_id = Set(Some(flow));
    after.update(&tx).await?;
    buyer_steps::ensure_seller_source(&tx, app, &row, sides.theirs.id).await?;
    sides.touch(&tx).await?;
    record(
        &tx,
        app,
        caller,
        (&sides, &row),
        ("connection.receiving_flow_set", changes),
    )
    .await?;
    let told = journal::event(mine, EventKind::ConnectionChanged, id.0);
    journal::append(&tx, app, vec![told]).await?;
    tx.commit().await?;
    journal::tell(app, [mine]).await;
    Ok(Link::new(row, mine))
}

async fn side(tx: &DatabaseTransaction, sides: &Sides, id: ConnectionId) -> Result<connection_side::Model> {
    let found = connection_side::Entity::of(id, sides.mine.id).one(tx).await?;
    found.ok_or_else(|| Error::Internal(anyhow::anyhow!("a side of {id} is gone")))
}

fn shown(row: &connection_side::Model) -> serde_json::Value {
    json!({
        "purpose": row.purpose,
        "contactName": row.contact_name,
        "contactEmail": row.contact_email,
        "notes": row.notes,
        "expectedDailyVolume": row.expected_daily_volume,
    })
}

/// Adds to the caller's own trail: what one side keeps is no business of the other.
async fn record(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    (sides, row): (&Sides, &connection::Model),
    (action, changes): (&'static str, serde_json::Value),
) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "AccountLink",
        subject_id: row.id.to_string(),
        label: Some(&sides.theirs.name),
        changes: Some(changes),
    };
    audit::record(tx, &app.clock, sides.mine.id, &caller.who(), entry).await
}
