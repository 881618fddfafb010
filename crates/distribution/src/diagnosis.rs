//! Why a delivery does not reach its recipient: the checks of what it needs, each with its remedy.

mod checks;
mod codes;

use chrono::{DateTime, Utc};
use entity::delivery::{self, Model};
use entity::delivery_config::DeliveryConfig;
use entity::ids::DeliveryId;
use entity::{
    assignment, connection, delivery_attempt, delivery_settings, destination, flow, hand_made_lead, partner,
    smtp_settings, worker,
};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use url::Url;

use super::preview::PATIENCE;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::diagnosis::Check;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::health::{self, OpenCircuit};
use leadmesh_delivery::preview;
use leadmesh_leads::redaction;

/// Everything that the checks look at.
#[derive(Clone, Debug)]
struct Facts {
    now: DateTime<Utc>,
    delivery: Model,
    served: bool,
    partner: Option<partner::Model>,
    assignment: Option<assignment::Model>,
    settings: Settings,
    mail_server: Option<smtp_settings::Model>,
    connection: Option<connection::Model>,
    destination: Option<destination::Model>,
    open_circuits: Vec<OpenCircuit>,
    last: Option<delivery_attempt::Model>,
}

/// The delivery's settings.
#[derive(Clone, Debug)]
struct Settings {
    config: DeliveryConfig,
    /// Whether the recipient gets its next leads by another version.
    replaced: bool,
    /// Why nothing can be made by them of a lead of this flow.
    unusable: Option<String>,
    /// Why they may not be dialled.
    blocked: Option<String>,
}

/// Checks everything that a delivery needs. Another account's delivery is answered as an unknown one.
pub async fn diagnose(app: &App, caller: &Caller, id: DeliveryId) -> Result<Vec<Check>> {
    let account = caller.require(Action::ReadLeads)?;
    let found = delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(id));
    Ok(match found.one(app.db.read()).await? {
        Some(row) => {
            let hears = redaction::responses_visible(app, caller, account, row.lead_id).await?;
            checks::of(&facts(app, row).await?.heard(hears, caller.may_reveal()))
        }
        None => vec![checks::unknown()],
    })
}

impl Facts {
    /// Removes words of recipients that the reader may not see.
    fn heard(mut self, hears: bool, may_reveal: bool) -> Self {
        let row = &mut self.delivery;
        let code = row.failure_code;
        row.failure_message = row
            .failure_message
            .take()
            .map(|why| redaction::redact_message(why, code, hears));
        if let Some(attempt) = &mut self.last {
            let code = attempt.error_code;
            attempt.message = attempt
                .message
                .take()
                .map(|why| redaction::redact_message(why, code, hears));
        }
        let failures = self.destination.iter_mut().map(|row| &mut row.last_error);
        for why in failures.chain(self.open_circuits.iter_mut().map(|held| &mut held.endpoint.last_error)) {
            *why = health::visible_error(why, may_reveal).to_owned();
        }
        self
    }
}

async fn facts(app: &App, row: Model) -> Result<Facts> {
    let (db, account) = (app.db.read(), row.account_id);
    let partner = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(row.partner_id));
    let assignment = assignment::Entity::in_account(account).filter(assignment::Column::Id.is_in(row.assignment_id));
    let destination =
        destination::Entity::in_account(account).filter(destination::Column::PartnerId.is_in(row.partner_id));
    let (partner, assignment) = (partner.one(db).await?, assignment.one(db).await?);
    let destination = destination.one(db).await?;
    let held = match row.partner_id {
        Some(id) => health::open_circuits(db, account, &[id], app.clock.now())
            .await?
            .remove(&id),
        None => None,
    };
    let connection = match row.buyer_account_id {
        Some(buyer) => connection::Entity::live_between(account, buyer).one(db).await?,
        None => None,
    };
    let now_by = assignment.as_ref().and_then(|place| place.settings_id);
    let now_by = now_by.or_else(|| partner.as_ref().map(|partner| partner.settings_id));
    let last = delivery_attempt::Entity::of_deliveries([row.id]).order_by_desc(delivery_attempt::Column::Number);
    // Leases use the database's clock.
    let alive = worker::Entity::alive(db, Clock::system().now());
    Ok(Facts {
        now: app.clock.now(),
        served: alive.one(db).await?.is_some(),
        settings: settings(app, &row, now_by.is_some_and(|id| id != row.settings_id)).await?,
        mail_server: smtp_settings::Entity::in_account(account).one(db).await?,
        last: last.one(db).await?,
        partner,
        assignment,
        destination,
        open_circuits: held.unwrap_or_default(),
        connection,
        delivery: row,
    })
}

async fn settings(app: &App, row: &Model, replaced: bool) -> Result<Settings> {
    let (db, account) = (app.db.read(), row.account_id);
    let stored =
        delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.eq(row.settings_id));
    let stored = stored.one(db).await?;
    let config = stored
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its settings")))?
        .config;
    let flow = flow::Entity::ever_in_account(account).filter(flow::Column::Id.eq(row.flow_id));
    let typed_in = hand_made_lead::Entity::of_leads(account, [row.lead_id]);
    let fields = match typed_in.one(db).await? {
        Some(typed_in) => typed_in.fields.0,
        None => flow.one(db).await?.map(|flow| flow.fields.0).unwrap_or_default(),
    };
    // Rendered without a lead, to see whether the templates parse.
    let own = config.clone();
    let rendered = app.rendering.run(PATIENCE, move |budget| {
        preview::preview(&own, &fields, &serde_json::Map::new(), budget)
    });
    let unusable = rendered.await?.err();
    let guard = Guard::new(app.config.settings.allow_destinations.clone());
    let url = match &config {
        DeliveryConfig::Webhook(config) => config.url.parse::<Url>().ok(),
        _ => None,
    };
    let blocked = url.and_then(|url| guard.check_url(&url).err());
    Ok(Settings {
        replaced,
        unusable: unusable.map(|error| error.to_string()),
        blocked: blocked.map(|blocked| blocked.to_string()),
        config,
    })
}
