//! The export of deliveries, without any value of a lead. Response texts are left out too, because they may repeat values; only the
//! recipient's own name for the lead (`external_id`) is in it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SecondsFormat, Utc};
use entity::delivery::{self, Column, Model};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, DeliveryId, LeadId};
use entity::lead;
use rust_decimal::Decimal;
use sea_orm::{ActiveEnum, ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::deliveries::dimension::Dimension;
use crate::names;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::manage;
pub use leadmesh_delivery::manage::DeliveryFilter;

pub const COLUMNS: [&str; 25] = [
    "id",
    "created_at",
    "status",
    "channel",
    "test",
    "lead_id",
    "flow_id",
    "flow",
    "profile_id",
    "profile",
    "partner_id",
    "partner",
    "buyer_id",
    "buyer",
    "attempts",
    "next_attempt_at",
    "settled_at",
    "latency_ms",
    "error",
    "external_id",
    "price",
    "currency",
    "review",
    "reviewed_at",
    "erased_at",
];

/// Audits the export.
pub async fn begin(app: &App, caller: &Caller, filter: Value) -> Result<()> {
    let account = caller.require(Action::ReadLeads)?;
    let entry = Entry::unlabelled("delivery.exported", "Account", account).with(filter);
    let tx = app.db.begin().await?;
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    Ok(tx.commit().await?)
}

/// The rows after `after`, newest first, and the last of them; none when there are no more.
pub async fn page(
    app: &App,
    caller: &Caller,
    filter: DeliveryFilter,
    after: Option<DeliveryId>,
    size: u64,
) -> Result<Option<(Vec<Vec<String>>, DeliveryId)>> {
    let account = caller.require(Action::ReadLeads)?;
    let mut rows = manage::fitting(account, filter).order_by_desc(Column::Id).limit(size);
    if let Some(after) = after {
        rows = rows.filter(Column::Id.lt(after));
    }
    let rows: Vec<Model> = rows.all(app.db.read()).await?;
    let Some(last) = rows.last().map(|row| row.id) else {
        return Ok(None);
    };
    let names = names(app, account, &rows).await?;
    let rows = without_strangers(app, caller, account, rows).await?;
    Ok(Some((rows.iter().map(|row| cells(row, &names)).collect(), last)))
}

/// Removes the recipients' own names for leads with encrypted values, for callers who may not reveal these: such a name may be
/// made of one.
async fn without_strangers(app: &App, caller: &Caller, account: AccountId, mut rows: Vec<Model>) -> Result<Vec<Model>> {
    if caller.may_reveal() {
        return Ok(rows);
    }
    let named = rows
        .iter()
        .filter(|row| row.external_id.is_some() && row.channel != Channel::Account);
    let named: Vec<LeadId> = named.map(|row| row.lead_id).collect();
    let sealed = lead::Entity::sealed_among(app.db.read(), account, named).await?;
    let sealed: HashSet<LeadId> = sealed.into_iter().collect();
    for row in rows
        .iter_mut()
        .filter(|row| row.channel != Channel::Account && sealed.contains(&row.lead_id))
    {
        row.external_id = None;
    }
    Ok(rows)
}

type Names = HashMap<Uuid, String>;

/// Of everything that the rows name, by identifier.
async fn names(app: &App, account: AccountId, rows: &[Model]) -> Result<Names> {
    let db = app.db.read();
    let ids = |of: fn(&Model) -> Option<Uuid>| rows.iter().filter_map(of).collect();
    let mut names = names::load(db, account, Dimension::Flow, ids(|row| Some(row.flow_id.0))).await?;
    let profiles = ids(|row| row.profile_id.map(|id| id.0));
    names.extend(names::load(db, account, Dimension::Profile, profiles).await?);
    let partners = ids(|row| row.partner_id.map(|id| id.0));
    names.extend(names::load(db, account, Dimension::Partner, partners).await?);
    let buyers = ids(|row| row.buyer_account_id.map(|id| id.0));
    names.extend(names::load(db, account, Dimension::Buyer, buyers).await?);
    Ok(names)
}

fn cells(row: &Model, names: &Names) -> Vec<String> {
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let latency = row
        .settled_at
        .filter(|_| row.status == delivery::DeliveryStatus::Delivered);
    let latency = latency.map(|settled| format!("{:.3}", (settled - row.created_at).as_seconds_f64() * 1_000.0));
    let price = row.price_e4.and_then(|e4| Decimal::try_new(e4, 4).ok());
    let name = |id: Uuid| names.get(&id).cloned();
    [
        Some(row.id.to_string()),
        time(Some(row.created_at)),
        Some(row.status.to_value()),
        Some(row.channel.to_value()),
        Some(row.test.to_string()),
        Some(row.lead_id.to_string()),
        Some(row.flow_id.to_string()),
        name(row.flow_id.0),
        row.profile_id.map(|id| id.to_string()),
        row.profile_id.and_then(|id| name(id.0)),
        row.partner_id.map(|id| id.to_string()),
        row.partner_id.and_then(|id| name(id.0)),
        row.buyer_account_id.map(|id| id.to_string()),
        row.buyer_account_id.and_then(|id| name(id.0)),
        Some(row.attempt_count.to_string()),
        time(row.due_at),
        time(row.settled_at),
        latency,
        row.failure_code.map(|code| code.to_value()),
        row.external_id.clone(),
        price.map(|price| price.normalize().to_string()),
        row.price_currency.clone(),
        row.review.map(|review| review.to_value()),
        time(row.review_at),
        time(row.erased_at),
    ]
    .into_iter()
    .map(Option::unwrap_or_default)
    .collect()
}
