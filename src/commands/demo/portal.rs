//! Follows the portal's stream as a portal user, for the board.

use std::time::Instant;

use entity::delivery;
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId};
use futures::StreamExt;
use sea_orm::{ColumnTrait, QueryFilter};
use tokio::sync::mpsc::UnboundedSender;

use super::board::{BoardEvent, Channel};
use super::company::Company;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::live::streams::{Filter, follow};

/// Announces every new lead, in a task that ends with the process.
pub(super) async fn watch(app: &App, company: &Company, news: UnboundedSender<BoardEvent>) -> Result<()> {
    let account = company.caller.require(Action::ReadLeads)?;
    let filter = Filter {
        topic: company.state.portal_partner.0,
        kinds: &[EventKind::PortalDelivered],
        scope: None,
        subject: None,
    };
    let mut events = Box::pin(follow(app, filter, None).await?);
    let app = app.clone();
    tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let at = Instant::now();
            let Ok(Some(lead)) = lead_of(&app, account, DeliveryId(event.subject_id)).await else {
                return;
            };
            let channel = Channel::Portal;
            if news.send(BoardEvent::Arrived { channel, lead, at }).is_err() {
                return;
            }
        }
    });
    Ok(())
}

async fn lead_of(app: &App, account: AccountId, id: DeliveryId) -> Result<Option<String>> {
    let found = delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(id));
    Ok(found.one(app.db.read()).await?.map(|row| row.lead_id.to_string()))
}
