//! The log of deliveries as rows to take away: what was sent to whom and what became of it, without a value of any lead. Texts of
//! recipients are left out, too: they may repeat what they were sent. Only their own name for the lead (`external_id`) is in it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SecondsFormat, Utc};
use entity::delivery::{self, Column, Model};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId};
use entity::{flow, lead, partner, profile};
use rust_decimal::Decimal;
use sea_orm::{ActiveEnum, ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::manage;
pub use leadmesh_delivery::manage::DeliveryFilter;

/// Names of the columns, in order.
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

/// Notes in the audit trail that somebody takes the log away.
pub async fn begin(app: &App, caller: &Caller, filter: Value) -> Result<()> {
    let account = caller.require(Action::ReadLeads)?;
    let entry = Entry {
        action: "delivery.exported",
        subject_type: "Account",
        subject_id: account.to_string(),
        label: None,
        changes: Some(filter),
    };
    let tx = app.db.begin().await?;
    audit::record(&tx, &app.clock, account, &caller.who(), entry).await?;
    Ok(tx.commit().await?)
}

/// The rows after one, newest first, and the last of them; none when there are no more.
pub async fn page(
    app: &App,
    caller: &Caller,
    filter: DeliveryFilter,
    (after, size): (Option<DeliveryId>, u64),
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
    let names = Names::load(app, account, &rows).await?;
    let rows = without_strangers(app, caller, account, rows).await?;
    Ok(Some((rows.iter().map(|row| cells(row, &names)).collect(), last)))
}

/// The rows without the recipients' own names for leads with encrypted values, for those who may not reveal these: such a name may be
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

/// Of whom rows tell.
struct Names {
    partners: HashMap<PartnerId, String>,
    profiles: HashMap<ProfileId, String>,
    flows: HashMap<FlowId, String>,
    buyers: HashMap<AccountId, String>,
}

impl Names {
    async fn load(app: &App, account: AccountId, rows: &[Model]) -> Result<Self> {
        let db = app.db.read();
        let partners = partner::Entity::in_account(account)
            .filter(partner::Column::Id.is_in(distinct(rows, |row| row.partner_id)))
            .select_only()
            .columns([partner::Column::Id, partner::Column::Name]);
        let profiles = profile::Entity::in_account(account)
            .filter(profile::Column::Id.is_in(distinct(rows, |row| row.profile_id)))
            .select_only()
            .columns([profile::Column::Id, profile::Column::Name]);
        let flows = flow::Entity::ever_in_account(account)
            .filter(flow::Column::Id.is_in(distinct(rows, |row| Some(row.flow_id))))
            .select_only()
            .columns([flow::Column::Id, flow::Column::Name]);
        let buyers = accounts::profiles(db, distinct(rows, |row| row.buyer_account_id)).await?;
        let partners: Vec<(PartnerId, String)> = partners.into_tuple().all(db).await?;
        let profiles: Vec<(ProfileId, String)> = profiles.into_tuple().all(db).await?;
        let flows: Vec<(FlowId, String)> = flows.into_tuple().all(db).await?;
        Ok(Self {
            partners: partners.into_iter().collect(),
            profiles: profiles.into_iter().collect(),
            flows: flows.into_iter().collect(),
            buyers: buyers.into_iter().map(|account| (account.id, account.name)).collect(),
        })
    }
}

fn distinct<T: Ord>(rows: &[Model], of: impl Fn(&Model) -> Option<T>) -> Vec<T> {
    let mut all: Vec<T> = rows.iter().filter_map(of).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn cells(row: &Model, names: &Names) -> Vec<String> {
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let latency = row
        .settled_at
        .filter(|_| row.status == delivery::DeliveryStatus::Delivered);
    let latency = latency.map(|settled| format!("{:.3}", (settled - row.created_at).as_seconds_f64() * 1_000.0));
    let price = row.price_e4.and_then(|e4| Decimal::try_new(e4, 4).ok());
    let of = |name: Option<&String>| name.cloned();
    [
        Some(row.id.to_string()),
        time(Some(row.created_at)),
        Some(row.status.to_value()),
        Some(row.channel.to_value()),
        Some(row.test.to_string()),
        Some(row.lead_id.to_string()),
        Some(row.flow_id.to_string()),
        of(names.flows.get(&row.flow_id)),
        row.profile_id.map(|id| id.to_string()),
        row.profile_id.and_then(|id| of(names.profiles.get(&id))),
        row.partner_id.map(|id| id.to_string()),
        row.partner_id.and_then(|id| of(names.partners.get(&id))),
        row.buyer_account_id.map(|id| id.to_string()),
        row.buyer_account_id.and_then(|id| of(names.buyers.get(&id))),
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
