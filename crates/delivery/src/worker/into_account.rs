//! Deliveries into other accounts that were not made with their lead: retried by hand, re-routed, or too many to decide when the
//! lead was stored. The lead enters the buyer's flow in the transaction that ends the delivery, so it is in both accounts or in
//! neither.

mod lost;
mod outcome;

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

use super::attempt_result::{AttemptResult, Timing};
use super::outcome::AttemptRecord;
use super::tools::Tools;
use crate::finish::{Ending, locks_of};
use crate::reroute::Plan;
use crate::routes::Routes;
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::{Claimed, LeadContent};
use leadmesh_leads::downstream::{Purpose, TargetResolver};
use leadmesh_leads::draft::{HandoffPlan, InboundLead};
use leadmesh_leads::handoff::{DownstreamTargets, HandoffPlanner, MAX_HOPS, loop_reason};
use leadmesh_leads::intake::{
    LeadToStore, Origin, StoreContext, StoredLeads, SubmissionMeta, accounts, newest_versions, store, versions_hold,
};
use leadmesh_leads::sharing::Sharing;
use leadmesh_leads::snapshot::{Price, TargetKey, Versions};
use lost::Lost;
use outcome::{AccountOutcome, AccountRecord, Hold, check_hold};

/// How often a delivery is decided anew because an account has changed its configuration, or two transactions have conflicted.
const DECISIONS: usize = 5;

/// A delivery that is attempted.
struct Attempt<'a> {
    tools: &'a Tools,
    delivery: &'a delivery::Model,
    content: &'a Arc<LeadContent>,
    started_at: DateTime<Utc>,
    started: Instant,
}

/// What one decision has come to.
enum Decision {
    /// Recorded, or taken over by another worker.
    Done,
    /// An account has changed since its configuration was read.
    Outdated(Versions),
}

/// Makes one attempt, and records it. An attempt that could not be made is left to the recorder.
pub(super) async fn attempt(tools: &Tools, claimed: &Claimed) -> Option<AttemptRecord> {
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
            Ok(Decision::Done) => return None,
            Ok(Decision::Outdated(versions)) => newest = versions,
            Err(error) => {
                failed = Some(error);
                newest = Versions::new();
            }
        }
    }
    let error = failed.unwrap_or(Error::Unavailable("the accounts are being changed too quickly"));
    let timing = Timing::at(tools.app.clock.now());
    Some(AttemptResult::deferred_by(&error).into_record(&claimed.delivery, &timing))
}

impl Attempt<'_> {
    async fn once(&self, newest: Versions) -> Result<Decision> {
        let app = &self.tools.app;
        let (seller, buyer) = (self.delivery.account_id, self.buyer()?);
        let live = connection::Entity::live_between(seller, buyer)
            .one(app.db.read())
            .await?;
        // A delivery that was under way when its connection ended does not go over the next connection.
        let Some(live) = live.filter(|live| self.delivery.connection_id == Some(live.id)) else {
            return self.end(AccountOutcome::disconnected()).await;
        };
        if !live.lets_send(seller) {
            return self.end(AccountOutcome::blocked(&live)).await;
        }
        match self.decide(&live, newest).await? {
            HandoffPlan::Enter(lead) => {
                let lost = self.lost(&lead).await?;
                self.enter(&live, *lead, lost).await
            }
            HandoffPlan::NotReady { why, .. } => self.end(AccountOutcome::not_ready(why)).await,
            HandoffPlan::Loop(why) => self.end(AccountOutcome::looped(why)).await,
            HandoffPlan::Deferred => Err(Error::Unavailable("the buyer's receiving flow is being changed")),
        }
    }

    fn buyer(&self) -> Result<AccountId> {
        let buyer = self.delivery.buyer_account_id;
        buyer.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery into no account")))
    }

    /// What becomes of the lead at the buyer, by the cached configurations.
    async fn decide(&self, live: &connection::Model, newest: Versions) -> Result<HandoffPlan> {
        let app = &self.tools.app;
        let (seller, buyer) = (self.delivery.account_id, self.buyer()?);
        let row = lead::Entity::for_worker([self.delivery.lead_id])
            .one(app.db.read())
            .await?;
        let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its lead")))?;
        let mut passed = row.path.0;
        passed.push(seller);
        if let Some(why) = loop_reason(&passed, buyer) {
            return Ok(HandoffPlan::Loop(why));
        }
        let resolver = TargetResolver {
            app,
            snapshots: &self.tools.snapshots,
            newest,
            purpose: Purpose::Store,
        };
        let key = TargetKey {
            connection: live.id,
            buyer,
        };
        let entry = resolver.resolve(key, seller).await?;
        let targets = match &entry.target.receiving_flow {
            Ok(receiving) if passed.len() < MAX_HOPS => resolver.resolve_all(&receiving.flow).await?,
            _ => DownstreamTargets::new(),
        };
        let config = self.config(app).await?;
        let sharing = Sharing::new(&self.content.definitions, &config.fields, &config.mapping);
        let values = sharing.values_of(&self.content.fields);
        let new_id = || app.clock.id();
        let mut planner = HandoffPlanner::new(&targets, app.clock.now(), &new_id);
        Ok(planner.plan_entry(&entry, passed, &values))
    }

    /// What is shared, by the version of the settings with which the delivery was made.
    async fn config(&self, app: &App) -> Result<AccountConfig> {
        let row = delivery_settings::Entity::for_worker([self.delivery.settings_id]);
        match row.one(app.db.read()).await?.map(|row| row.config) {
            Some(DeliveryConfig::Account(config)) => Ok(config),
            _ => Err(Error::Internal(anyhow::anyhow!("a delivery without its settings"))),
        }
    }

    /// The fields that the buyer's flow drops.
    async fn lost(&self, into: &InboundLead) -> Result<Option<Lost>> {
        let (app, content) = (&self.tools.app, self.content);
        let config = self.config(app).await?;
        let sharing = Sharing::new(&content.definitions, &config.fields, &config.mapping);
        let fields = sharing.dropped_by(into, &content.fields);
        Lost::of(app, self.delivery, fields).await
    }

    /// Stores the lead at the buyer and ends the delivery.
    async fn enter(&self, live: &connection::Model, mut lead: InboundLead, lost: Option<Lost>) -> Result<Decision> {
        let (app, now) = (&self.tools.app, self.tools.app.clock.now());
        let routes = self.routes().await?;
        let tx = app.db.begin().await?;
        gate::pass(&tx, accounts([&lead])).await?;
        match check_hold(&tx, self.delivery).await? {
            Hold::Lost => return Ok(Decision::Done),
            Hold::Erased => {
                let ending = Ending::new(self.delivery, DeliveryStatus::Cancelled, None);
                return self
                    .record(tx, AccountOutcome::erased(), ending, StoredLeads::default())
                    .await;
            }
            Hold::Held => {}
        }
        let newest = newest_versions(&tx, &lead).await?;
        if !versions_hold(&lead, &newest) || !routes.are_current(&tx).await? || !self.may_send(&tx, live).await? {
            return Ok(Decision::Outdated(newest));
        }
        let meta = SubmissionMeta {
            at: now,
            started: self.started,
            test: self.delivery.test,
            idempotency_key: None,
            origin: Some(Origin {
                delivery: self.delivery.id,
                lead: self.delivery.lead_id,
                price: Price::from_columns(self.delivery.price_e4, self.delivery.price_currency.clone()),
            }),
            span: Span::none(),
        };
        let to_store = LeadToStore { lead: &mut lead, meta };
        // The locks of a failure are taken together with those of storing; the buyer's flow decides the status.
        let ending = Ending::new(self.delivery, DeliveryStatus::Failed, None).rerouted(self.plan(&routes));
        let open_circuits = endpoint::Entity::open_in(newest.keys().copied(), now).all(&tx).await?;
        let context = StoreContext {
            open_circuits: open_circuits.into_iter().map(|row| row.id).collect(),
            lease: self.lease(&tx).await?,
            locks: locks_of([&ending], now),
        };
        let mut stored = store(app, &tx, vec![to_store], context).await?;
        let outcome = AccountOutcome::of(stored.receipts.pop());
        if let Some(lost) = lost.filter(|_| outcome.is_delivered()) {
            lost.note(&tx, self.delivery).await?;
        }
        self.record(tx, outcome, ending, stored).await
    }

    /// The lease under which deliveries of the stored lead are claimed, if it has not expired.
    async fn lease(&self, tx: &DatabaseTransaction) -> Result<Option<Uuid>> {
        let Some(lease) = self.tools.app.queue.valid_owner() else {
            return Ok(None);
        };
        Ok(worker::Entity::is_valid(tx, lease).await?.then_some(lease))
    }

    /// Whether the connection still lets leads through, as this transaction sees it.
    async fn may_send(&self, tx: &DatabaseTransaction, live: &connection::Model) -> Result<bool> {
        let seller = self.delivery.account_id;
        let same = connection::Entity::of_account(seller).filter(connection::Column::Id.eq(live.id));
        let found = same.lock_shared().one(tx).await?;
        Ok(found.is_some_and(|connection| connection.lets_send(seller)))
    }

    /// The flow by which the lead goes to the next partner, if the buyer does not take it.
    async fn routes(&self) -> Result<Routes> {
        Routes::of(&self.tools.app, &self.tools.snapshots, [self.delivery]).await
    }

    fn plan(&self, routes: &Routes) -> Option<Plan<'_>> {
        Plan::of(routes, self.delivery, self.content, self.tools.app.clock.now())
    }

    /// Ends the delivery without storing the lead at the buyer.
    async fn end(&self, outcome: AccountOutcome) -> Result<Decision> {
        let routes = self.routes().await?;
        let tx = self.tools.app.db.begin().await?;
        let outcome = match check_hold(&tx, self.delivery).await? {
            Hold::Lost => return Ok(Decision::Done),
            Hold::Erased => AccountOutcome::erased(),
            Hold::Held => outcome,
        };
        if !routes.are_current(&tx).await? {
            return Ok(Decision::Outdated(Versions::new()));
        }
        let ending = Ending::new(self.delivery, DeliveryStatus::Failed, None).rerouted(self.plan(&routes));
        self.record(tx, outcome, ending, StoredLeads::default()).await
    }

    async fn record(
        &self,
        tx: Transaction,
        outcome: AccountOutcome,
        ending: Ending<'_>,
        stored: StoredLeads,
    ) -> Result<Decision> {
        let record = AccountRecord {
            delivery: self.delivery,
            started_at: self.started_at,
            duration: self.started.elapsed(),
            outcome,
            ending,
            stored,
        };
        record.commit(&self.tools.app, tx).await?;
        Ok(Decision::Done)
    }
}
