//! Deliveries into other accounts that were not made with their lead: retried by hand, routed further, or too many to decide at
//! once. The lead enters the buyer's flow in the transaction that finishes the delivery, so it is in both accounts or in neither.

mod ending;
mod lost;

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::delivery_config::{AccountConfig, DeliveryConfig};
use entity::ids::AccountId;
use entity::{connection, delivery_settings, endpoint, gate, lead, worker};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect};
use tracing::Span;
use uuid::Uuid;

use super::Tools;
use super::attempt;
use super::finish::Made;
use super::reroute::{self, Plan};
use super::routes::Routes;
use ending::{Ending, Recorded, Standing, finish, stands};
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::{Claimed, LeadContent};
use leadmesh_leads::branch::{Entering, Growing, MAX_HOPS, Reach, Reached, Way, loops, shared};
use leadmesh_leads::entrances::{LookUp, Purpose, Versions};
use leadmesh_leads::intake::{
    Around, CameBy, Occasion, Settled, ToStore, accounts, newest_versions, settle, versions_hold,
};
use leadmesh_leads::lost_fields;
use leadmesh_leads::snapshot::PriceE4;
use lost::Lost;

/// How often a delivery is decided anew because an account has changed its configuration, or two transactions met.
const DECISIONS: usize = 5;

/// A delivery, what of its lead goes over, and since when it is attempted.
struct Attempt<'a> {
    tools: &'a Tools,
    delivery: &'a delivery::Model,
    content: &'a Arc<LeadContent>,
    started_at: DateTime<Utc>,
    started: Instant,
}

/// What one try came to.
enum Tried {
    /// Recorded, or somebody else's by now.
    Done,
    /// An account has changed since it was looked at.
    Outdated(Versions),
}

/// Makes one attempt. Answers what is left to be recorded: nothing, unless it could not be made.
pub(super) async fn attempt(tools: &Tools, claimed: &Claimed) -> Option<Made> {
    let attempt = Attempt {
        tools,
        delivery: &claimed.delivery,
        content: &claimed.lead,
        started_at: tools.app.clock.now(),
        started: Instant::now(),
    };
    let mut newest = Versions::new();
    let mut failed = None;
    for _ in 0..DECISIONS {
        match attempt.once(newest).await {
            Ok(Tried::Done) => return None,
            Ok(Tried::Outdated(versions)) => newest = versions,
            Err(error) => {
                failed = Some(error);
                newest = Versions::new();
            }
        }
    }
    let error = failed.unwrap_or(Error::Unavailable("the accounts are being changed too quickly"));
    Some(attempt::hampered(tools, &claimed.delivery, &error))
}

impl Attempt<'_> {
    async fn once(&self, newest: Versions) -> Result<Tried> {
        let app = &self.tools.app;
        let (seller, buyer) = (self.delivery.account_id, self.buyer()?);
        let live = connection::Entity::live_between(seller, buyer)
            .one(app.db.read())
            .await?;
        // What was on its way when its connection ended does not go over the next one.
        let Some(live) = live.filter(|live| self.delivery.connection_id == Some(live.id)) else {
            return self.end(Ending::disconnected("the connection has ended")).await;
        };
        if !live.lets_send(seller) {
            return self.end(Ending::held_up(&live)).await;
        }
        let way = self.decide(&live, newest).await?;
        match way {
            Way::Into(lead) => {
                let lost = self.lost(&lead).await?;
                self.enter(&live, (*lead, lost)).await
            }
            Way::NotReady { why, .. } => self.end(Ending::not_ready(why)).await,
            Way::Loop(why) => self.end(Ending::looped(why)).await,
            Way::Later => Err(Error::Unavailable("the buyer's receiving flow is being changed")),
        }
    }

    fn buyer(&self) -> Result<AccountId> {
        let buyer = self.delivery.buyer_account_id;
        buyer.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery into no account")))
    }

    /// What becomes of the lead at the buyer, as kept configurations say.
    async fn decide(&self, live: &connection::Model, newest: Versions) -> Result<Way> {
        let app = &self.tools.app;
        let (seller, buyer) = (self.delivery.account_id, self.buyer()?);
        let row = lead::Entity::for_worker([self.delivery.lead_id])
            .one(app.db.read())
            .await?;
        let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its lead")))?;
        let mut passed = row.path.0;
        passed.push(seller);
        if let Some(why) = loops(&passed, buyer) {
            return Ok(Way::Loop(why));
        }
        let look_up = LookUp {
            app,
            snapshots: &self.tools.snapshots,
            newest,
            purpose: Purpose::Storing,
        };
        let reached: Reached = look_up.entrance((live.id, buyer), seller).await?;
        let reach = match &reached.entrance.door {
            Ok((flow, _)) if passed.len() < MAX_HOPS && !flow.exits.is_empty() => look_up.reach(flow).await?,
            _ => Reach::new(),
        };
        let config = self.config(app).await?;
        let content = self.content;
        let values = shared(&content.fields, &content.definitions, &config.fields, &config.mapping);
        let new_id = || app.clock.id();
        Ok(Growing::new(&reach, app.clock.now(), &new_id).enter(&reached, passed, &values))
    }

    /// What is shared, by the version of the settings with which the delivery was made.
    async fn config(&self, app: &App) -> Result<AccountConfig> {
        let row = delivery_settings::Entity::for_worker([self.delivery.settings_id]);
        match row.one(app.db.read()).await?.map(|row| row.config) {
            Some(DeliveryConfig::Account(config)) => Ok(config),
            _ => Err(Error::Internal(anyhow::anyhow!("a delivery without its settings"))),
        }
    }

    /// What of the lead the flow that it enters drops.
    async fn lost(&self, into: &Entering) -> Result<Option<Lost>> {
        let (app, content) = (&self.tools.app, self.content);
        let config = self.config(app).await?;
        let fields = lost_fields::of(&content.fields, &content.definitions, &config, into);
        Lost::of(app, self.delivery, fields).await
    }

    /// Stores the lead at the buyer and finishes the delivery.
    async fn enter(&self, live: &connection::Model, (mut lead, lost): (Entering, Option<Lost>)) -> Result<Tried> {
        let app = &self.tools.app;
        let routes = self.routes().await?;
        let tx = app.db.begin().await?;
        gate::pass(&tx, accounts([&lead])).await?;
        match stands(&tx, self.delivery).await? {
            Standing::Lost => return Ok(Tried::Done),
            Standing::Erased => {
                return self.record(tx, (Ending::erased(), None, Settled::default())).await;
            }
            Standing::Held => {}
        }
        let newest = newest_versions(&tx, &lead).await?;
        if !versions_hold(&lead, &newest) || !routes.hold(&tx).await? || !self.may_send(&tx, live).await? {
            return Ok(Tried::Outdated(newest));
        }
        let occasion = Occasion {
            at: app.clock.now(),
            started: self.started,
            test: self.delivery.test,
            idempotency_key: None,
            came_by: Some(CameBy {
                delivery: self.delivery.id,
                lead: self.delivery.lead_id,
                price: PriceE4::from_columns(self.delivery.price_e4, self.delivery.price_currency.clone()),
            }),
            span: Span::none(),
        };
        let to_store = ToStore {
            lead: &mut lead,
            occasion,
        };
        let plan = Plan::of(&routes, self.delivery, self.content, app.clock.now());
        let rests_on = newest.keys().copied();
        let closed = endpoint::Entity::closed_in(rests_on, app.clock.now()).all(&tx).await?;
        let around = Around {
            closed: closed.into_iter().map(|row| row.id).collect(),
            lease: self.lease(&tx).await?,
            touched: reroute::touched(self.delivery, plan.as_ref(), app.clock.now()),
        };
        let mut settled = settle(app, &tx, vec![to_store], around).await?;
        let ending = Ending::of(settled.receipts.pop());
        if let Some(lost) = lost.filter(|_| ending.is_delivered()) {
            lost.note(&tx, self.delivery).await?;
        }
        self.record(tx, (ending, plan, settled)).await
    }

    /// The lease under which what follows from the lead is claimed at once, if it has not run out.
    async fn lease(&self, tx: &DatabaseTransaction) -> Result<Option<Uuid>> {
        let Some(lease) = self.tools.app.queue.valid_owner() else {
            return Ok(None);
        };
        Ok(worker::Entity::is_valid(tx, lease).await?.then_some(lease))
    }

    /// The connection as it is in the transaction: whatever ended it before this commit holds.
    async fn may_send(&self, tx: &DatabaseTransaction, live: &connection::Model) -> Result<bool> {
        let seller = self.delivery.account_id;
        let same = connection::Entity::of_account(seller).filter(connection::Column::Id.eq(live.id));
        let found = same.lock_shared().one(tx).await?;
        Ok(found.is_some_and(|connection| connection.lets_send(seller)))
    }

    /// The flow by which the lead goes on, should it not get there.
    async fn routes(&self) -> Result<Routes> {
        Routes::of(&self.tools.app, &self.tools.snapshots, [self.delivery]).await
    }

    async fn end(&self, ending: Ending) -> Result<Tried> {
        let routes = self.routes().await?;
        let tx = self.tools.app.db.begin().await?;
        let ending = match stands(&tx, self.delivery).await? {
            Standing::Lost => return Ok(Tried::Done),
            Standing::Erased => Ending::erased(),
            Standing::Held => ending,
        };
        if !routes.hold(&tx).await? {
            return Ok(Tried::Outdated(Versions::new()));
        }
        let plan = Plan::of(&routes, self.delivery, self.content, self.tools.app.clock.now());
        self.record(tx, (ending, plan, Settled::default())).await
    }

    async fn record(&self, tx: Transaction, end: (Ending, Option<Plan>, Settled)) -> Result<Tried> {
        let recorded = Recorded {
            delivery: self.delivery,
            content: self.content,
            started_at: self.started_at,
            duration: self.started.elapsed(),
        };
        let status: DeliveryStatus = finish(&self.tools.app, tx, recorded, end).await?;
        let app = &self.tools.app;
        app.metrics.attempted(
            self.delivery.channel,
            status,
            app.clock.now() - self.delivery.created_at,
        );
        Ok(Tried::Done)
    }
}
