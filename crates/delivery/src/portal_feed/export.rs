//! Exports all leads of a portal that match a filter, page by page, newest first. Memory holds one page.

use entity::delivery::{Column, Entity, Model};
use entity::field::FieldDef;
use entity::ids::DeliveryId;
use entity::partner;
use entity::portal_user::PortalPermission;
use rust_decimal::Decimal;
use sea_orm::{ActiveEnum, ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::json;

use super::{Filter, PortalLead, columns, list, present_leads};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::templates::value_text;

/// Leads in a page: few, since one may hold many kilobytes, several times over while it is converted.
pub const PAGE: u64 = 100;
/// What stands beside the shared fields.
const ABOUT: [&str; 7] = [
    "Lead",
    "Delivered at",
    "Status",
    "Review reason",
    "Price",
    "Currency",
    "Test",
];

/// An export under way. It holds no more than where it stands.
pub struct Export {
    app: App,
    caller: Caller,
    leads: Select<Entity>,
    columns: Vec<FieldDef>,
    last: Option<DeliveryId>,
    over: bool,
}

/// Begins an export, which is noted in the account's audit trail. Leads that come later are not in it.
pub async fn export(app: &App, caller: &Caller, filter: Filter) -> Result<Export> {
    let (account, partner) = caller.require_portal(PortalPermission::Export)?;
    let entry_filter = json!({
        "status": filter.status,
        "searched": filter.search.is_some(),
        "from": filter.delivered_in.as_ref().map(|span| span.start),
        "to": filter.delivered_in.as_ref().map(|span| span.end),
    });
    let leads = list(app, caller, filter).await?;
    let columns = columns(app, caller).await?;
    let tx = app.db.begin().await?;
    let mine = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
    let partner = mine.one(&tx).await?.ok_or(Error::NotFound("partner"))?;
    let entry = Entry {
        action: "portal_lead.exported",
        subject_type: "Partner",
        subject_id: partner.id.to_string(),
        label: Some(&partner.name),
        changes: Some(json!({ "filter": entry_filter })),
    };
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    tx.commit().await?;
    Ok(Export {
        app: app.clone(),
        caller: caller.clone(),
        leads,
        columns,
        last: None,
        over: false,
    })
}

impl Export {
    /// The column names: the labels of the shared fields, then those of `ABOUT`.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(label).chain(ABOUT)
    }

    /// The next rows; none at the end. The right to export is checked again for each page.
    pub async fn page(&mut self) -> Result<Option<Vec<Vec<String>>>> {
        if self.over {
            return Ok(None);
        }
        self.caller = self.app.rights.refresh(&self.caller).await?;
        self.caller.require_portal(PortalPermission::Export)?;
        let mut next = self.leads.clone().order_by_desc(Column::Id).limit(PAGE);
        if let Some(last) = self.last {
            next = next.filter(Column::Id.lt(last));
        }
        let mut rows: Vec<Model> = next.all(self.app.db.read()).await?;
        let mut over = u64::try_from(rows.len()).unwrap_or(PAGE) < PAGE;
        let shown = loop {
            match present_leads(&self.app, &self.caller, rows.clone()).await {
                // Too many bytes for one page: the other leads are the next page.
                Err(Error::AnswerTooLarge(_)) if rows.len() > 1 => {
                    rows.truncate(rows.len() / 2);
                    over = false;
                }
                shown => break shown?,
            }
        };
        self.over = over;
        self.last = rows.last().map(|row| row.id).or(self.last);
        Ok(Some(shown.iter().map(|lead| self.row(lead)).collect()))
    }

    fn row(&self, lead: &PortalLead) -> Vec<String> {
        let value = |field: &FieldDef| {
            let value = lead.fields.get(&field.name);
            value.map(|value| value_text(value).into_owned()).unwrap_or_default()
        };
        let delivery = &lead.delivery;
        let price = delivery.price_e4.map(|e4| Decimal::new(e4, 4).normalize().to_string());
        let delivered = delivery.settled_at.unwrap_or(delivery.created_at);
        let about = [
            delivery.id.to_string(),
            delivered.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            delivery.review.map(|review| review.to_value()).unwrap_or_default(),
            delivery.review_reason.clone().unwrap_or_default(),
            price.unwrap_or_default(),
            delivery.price_currency.clone().unwrap_or_default(),
            delivery.test.to_string(),
        ];
        self.columns.iter().map(value).chain(about).collect()
    }
}

fn label(field: &FieldDef) -> &str {
    if field.label.trim().is_empty() {
        &field.name
    } else {
        &field.label
    }
}
