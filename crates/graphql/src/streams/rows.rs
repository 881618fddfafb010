//! The objects of events, loaded once for all subscriptions of the process: a lead reported to forty sockets of a
//! partner is read once, after its event, and not cached.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::Context;
use entity::ids::{AccountId, DeliveryId, LeadId, PartnerId};
use entity::{delivery, lead};
use futures::future::try_join_all;
use sea_orm::{ColumnTrait, QueryFilter};

use leadmesh_core::app::App;
use leadmesh_core::batch_loader::BatchLoader;
use leadmesh_core::database::Workload;
use leadmesh_core::error::{Error, Result};
use leadmesh_delivery::portal_feed::{self, PortalLead};
use leadmesh_leads::read::check_bytes;

/// Batch loaders of the subscriptions of this process.
#[derive(Default)]
pub struct EventRows {
    leads: BatchLoader<(AccountId, LeadId), lead::Model>,
    deliveries: BatchLoader<(AccountId, DeliveryId), delivery::Model>,
    portal_leads: BatchLoader<((AccountId, PartnerId), DeliveryId), PortalLead>,
}

/// The loaders, from the schema's data.
pub(super) fn rows(ctx: &Context<'_>) -> Result<Arc<EventRows>> {
    let rows = ctx.data::<Arc<EventRows>>().cloned();
    rows.map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))
}

impl EventRows {
    /// A lead of an account.
    pub(super) async fn lead(&self, app: &App, account: AccountId, id: LeadId) -> Result<Option<lead::Model>> {
        let app = app.for_workload(Workload::Requests);
        let read = move |asked| groups(app.clone(), asked, leads);
        self.leads.load((account, id), read).await
    }

    /// A delivery of an account.
    pub(super) async fn delivery(
        &self,
        app: &App,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<Option<delivery::Model>> {
        let app = app.for_workload(Workload::Requests);
        let read = move |asked| groups(app.clone(), asked, deliveries);
        self.deliveries.load((account, id), read).await
    }

    /// A lead in a portal.
    pub(super) async fn portal_lead(
        &self,
        app: &App,
        portal: (AccountId, PartnerId),
        id: DeliveryId,
    ) -> Result<Option<PortalLead>> {
        let app = app.for_workload(Workload::Requests);
        let read = move |asked| groups(app.clone(), asked, portal_leads);
        self.portal_leads.load((portal, id), read).await
    }
}

type Rows<G, I, V> = Result<Vec<((G, I), V)>>;

/// Refuses a batch with too many bytes, which is then split.
async fn leads(app: App, account: AccountId, ids: Vec<LeadId>) -> Rows<AccountId, LeadId, lead::Model> {
    check_bytes(&app, account, &ids, &lead::Part::ALL).await?;
    let rows = lead::Entity::in_account(account).filter(lead::Column::Id.is_in(ids));
    let rows = rows.all(app.db.read()).await?;
    Ok(rows.into_iter().map(|row| ((account, row.id), row)).collect())
}

async fn deliveries(
    app: App,
    account: AccountId,
    ids: Vec<DeliveryId>,
) -> Rows<AccountId, DeliveryId, delivery::Model> {
    let rows = delivery::Entity::in_account(account).filter(delivery::Column::Id.is_in(ids));
    let rows = rows.all(app.db.read()).await?;
    Ok(rows.into_iter().map(|row| ((account, row.id), row)).collect())
}

async fn portal_leads(
    app: App,
    portal: (AccountId, PartnerId),
    ids: Vec<DeliveryId>,
) -> Rows<(AccountId, PartnerId), DeliveryId, PortalLead> {
    let rows = portal_feed::by_ids(&app, portal.0, portal.1, ids).await?;
    Ok(rows.into_iter().map(|row| ((portal, row.delivery.id), row)).collect())
}

/// Reads all groups concurrently.
async fn groups<G, I, V, R, W>(app: App, asked: Vec<(G, I)>, read: R) -> Result<HashMap<(G, I), V>>
where
    G: Copy + Eq + Hash,
    I: Eq + Hash,
    R: Fn(App, G, Vec<I>) -> W,
    W: Future<Output = Rows<G, I, V>>,
{
    let mut wanted: HashMap<G, Vec<I>> = HashMap::new();
    for (group, id) in asked {
        wanted.entry(group).or_default().push(id);
    }
    let found = try_join_all(wanted.into_iter().map(|(group, ids)| read(app.clone(), group, ids))).await?;
    Ok(found.into_iter().flatten().collect())
}
