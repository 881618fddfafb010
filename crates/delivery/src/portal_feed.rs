//! What a partner's people see in their portal: the leads that were delivered to it, each through the version of the
//! delivery settings that it was delivered by, and nothing else.

pub mod export;
mod search;
mod shapes;
mod stats;
mod title;

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::delivery::{Column, Entity, Model, ReviewStatus};
use entity::field::FieldDef;
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId, PartnerId, SettingsId};
use entity::lead::Part;
use entity::portal_user::PortalPermission;
use entity::{hand_made_lead, lead, partner, portal_user};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect, Select};
use serde_json::{Map, Value};

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::viewer;
use leadmesh_core::live::streams;
use leadmesh_leads::read::check_bytes;
use leadmesh_leads::sealed::open_fields;
use shapes::{Shape, Shapes};
pub use stats::{Stats, stats};

/// A portal, as the one who is in it sees it.
#[derive(Clone, Debug)]
pub struct Portal {
    pub partner_name: String,
    /// The name of the account whose partner it is.
    pub account_name: String,
    pub user: portal_user::Model,
}

/// A filter of leads; a field that is none restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those whose review stands at one of these. What was erased waits for no review.
    pub status: Option<Vec<ReviewStatus>>,
    /// Only those whose shared email, phone number or full name is this, in any spelling.
    pub search: Option<String>,
    /// Only those delivered from then (included) to then (not included).
    pub delivered_in: Option<Range<DateTime<Utc>>>,
}

#[derive(Clone, Debug)]
pub struct PortalLead {
    /// How it came and where its review stands.
    pub delivery: Model,
    /// What to call it: a name, an address or a number if shared, else the end of its identifier.
    pub title: String,
    /// The shared values, decrypted; null for those that the lead lacks.
    pub fields: Map<String, Value>,
}

pub async fn portal(app: &App, caller: &Caller) -> Result<Portal> {
    let (account, partner, _) = caller.require_portal_user()?;
    let db = app.db.read();
    let company = accounts::load(db, account).await?;
    let mine = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
    let user = viewer::portal_user(app, caller).await?;
    Ok(Portal {
        partner_name: mine.one(db).await?.ok_or(Error::NotFound("partner"))?.name,
        account_name: company.name,
        user: user.ok_or(Error::Unauthenticated("you have been removed from the portal"))?,
    })
}

/// Where the caller's feed ends now, as a cursor of its stream.
pub async fn cursor(app: &App, caller: &Caller) -> Result<String> {
    let (_, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    streams::end(app, partner.0).await
}

/// The leads in the caller's portal, for paging; unordered. [`present_leads`] makes of them what may be seen.
pub async fn list(app: &App, caller: &Caller, filter: Filter) -> Result<Select<Entity>> {
    let (account, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    let mut leads = Entity::in_portal(account, partner);
    if let Some(status) = filter.status {
        let reviewed = Column::Review.ne(ReviewStatus::PendingReview);
        leads = leads.filter(Column::Review.is_in(distinct(status)));
        leads = leads.filter(reviewed.or(Column::ErasedAt.is_null()));
    }
    if let Some(during) = filter.delivered_in {
        leads = leads.filter(delivered_during(&during));
    }
    // PostgreSQL takes no NUL in a text.
    match filter.search.map(|text| text.replace('\0', "")) {
        Some(text) if !text.trim().is_empty() => search::narrow(app, account, leads, &text).await,
        _ => Ok(leads),
    }
}

/// One lead in the caller's portal, if there is such a one.
pub async fn find(app: &App, caller: &Caller, id: DeliveryId) -> Result<Option<PortalLead>> {
    let (account, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    let mine = Entity::in_portal(account, partner).filter(Column::Id.eq(id));
    let found = mine.one(app.db.read()).await?;
    Ok(present_leads(app, caller, found.into_iter().collect()).await?.pop())
}

/// Leads in the caller's portal as they may be seen, in the same order.
pub async fn present_leads(app: &App, caller: &Caller, deliveries: Vec<Model>) -> Result<Vec<PortalLead>> {
    let (account, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    present(app, account, partner, deliveries).await
}

/// Those of some leads that are in a portal, for streams, which check each caller's right themselves.
pub async fn by_ids(
    app: &App,
    account: AccountId,
    partner: PartnerId,
    ids: Vec<DeliveryId>,
) -> Result<Vec<PortalLead>> {
    let found = Entity::in_portal(account, partner).filter(Column::Id.is_in(ids));
    present(app, account, partner, found.all(app.db.read()).await?).await
}

async fn present(app: &App, account: AccountId, partner: PartnerId, deliveries: Vec<Model>) -> Result<Vec<PortalLead>> {
    if deliveries
        .iter()
        .any(|row| (row.account_id, row.partner_id) != (account, Some(partner)))
    {
        return Err(Error::Internal(anyhow::anyhow!("a lead of another partner's portal")));
    }
    let pairs = deliveries.iter().map(|row| (row.settings_id, row.flow_id));
    let wanted: Vec<LeadId> = deliveries.iter().map(|row| row.lead_id).collect();
    let typed_in = hand_made_lead::Entity::of_leads(account, wanted.iter().copied());
    let typed_in = async { Ok(typed_in.all(app.db.read()).await?) };
    check_bytes(app, account, &wanted, &[Part::Fields]).await?;
    let leads = async { Ok(lead::Entity::part(app.db.read(), account, &wanted, Part::Fields).await?) };
    let (shapes, leads, typed_in) = tokio::try_join!(Shapes::load(app, account, pairs), leads, typed_in)?;
    let typed_in: HashMap<LeadId, Vec<FieldDef>> =
        typed_in.into_iter().map(|row| (row.lead_id, row.fields.0)).collect();
    let leads: HashMap<LeadId, Value> = leads.into_iter().collect();
    let mut shown = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let stored = leads.get(&delivery.lead_id);
        let stored = stored.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its lead")))?;
        let shape = match typed_in.get(&delivery.lead_id) {
            Some(definitions) => shapes.of_typed_in(delivery.settings_id, definitions)?,
            None => shapes.of(delivery.settings_id, delivery.flow_id)?,
        };
        let values = open_fields(app, account, delivery.lead_id, stored).await?;
        shown.push(portal_lead(delivery, &shape, &values));
    }
    Ok(shown)
}

fn portal_lead(delivery: Model, shape: &Shape<'_>, values: &Map<String, Value>) -> PortalLead {
    let columns = shape.columns();
    let fields = columns
        .values(values)
        .map(|(column, value)| (column.wire.clone(), value.clone()))
        .collect();
    PortalLead {
        title: title::title(delivery.id, shape, values),
        delivery,
        fields,
    }
}

/// Every field that some lead in the caller's portal shows, each once: those of the newest settings first.
pub async fn columns(app: &App, caller: &Caller) -> Result<Vec<FieldDef>> {
    let (account, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
    // Without hand-made test leads, which no profile has picked.
    let picked = Entity::in_portal(account, partner).filter(Column::ProfileId.is_not_null());
    let mut pairs = pairs(app, picked).await?;
    pairs.sort_unstable_by(|one, other| other.cmp(one));
    let shapes = Shapes::load(app, account, pairs.iter().copied()).await?;
    let mut columns: Vec<FieldDef> = Vec::new();
    for (settings, flow) in pairs {
        for field in shapes.of(settings, flow)?.shared() {
            if !columns.iter().any(|column| column.name == field.name) {
                columns.push(field.clone());
            }
        }
    }
    Ok(columns)
}

/// By which settings, from which flows, these deliveries were made.
async fn pairs(app: &App, deliveries: Select<Entity>) -> Result<Vec<(SettingsId, FlowId)>> {
    let pairs = deliveries
        .select_only()
        .columns([Column::SettingsId, Column::FlowId])
        .group_by(Column::SettingsId)
        .group_by(Column::FlowId);
    Ok(pairs.into_tuple().all(app.db.read()).await?)
}

fn delivered_during(during: &Range<DateTime<Utc>>) -> Expr {
    Column::SettledAt
        .gte(during.start)
        .and(Column::SettledAt.lt(during.end))
}
