//! How deliveries into other accounts end, and recording it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::connection::{self, ConnectionStatus};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_outcome::{self, Outcome};
use entity::lead::LeadOutcome;
use entity::{bulk, delivery_attempt};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect, Set, Unchanged};

use crate::erasure;
use crate::finish::{Ending, finish};
use crate::worker::patience::abandon_unknown;
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_leads::intake::{StoredLeads, refusal};
use leadmesh_leads::receipts::Receipt;
use leadmesh_leads::snapshot::Price;

pub(super) struct AccountOutcome {
    status: DeliveryStatus,
    failure: Option<(DeliveryErrorCode, String)>,
    external_id: Option<String>,
    price: Option<Price>,
}

impl AccountOutcome {
    pub(super) fn of(receipt: Option<Receipt>) -> Self {
        let Some(receipt) = receipt else {
            return Self::not_ready("its flow gave no answer");
        };
        let accepted = receipt.outcome == LeadOutcome::Accepted;
        Self {
            status: if accepted {
                DeliveryStatus::Delivered
            } else {
                DeliveryStatus::Refused
            },
            failure: (!accepted).then(|| (DeliveryErrorCode::BuyerRejected, refusal(&receipt.reasons))),
            external_id: Some(receipt.id.to_string()),
            price: receipt.price,
        }
    }

    pub(super) fn disconnected() -> Self {
        let message = "the connection has ended".to_owned();
        Self::without_lead(DeliveryStatus::Cancelled, DeliveryErrorCode::Disconnected, message)
    }

    /// The connection lets no leads through now.
    pub(super) fn blocked(connection: &connection::Model) -> Self {
        let message = match connection.status {
            ConnectionStatus::Suspended => "the connection is suspended: retry when it goes on",
            _ => "the relationship does not let leads go to this account: ask it for a wider one, then retry",
        };
        Self::without_lead(
            DeliveryStatus::Failed,
            DeliveryErrorCode::Disconnected,
            message.to_owned(),
        )
    }

    pub(super) fn not_ready(reason: &str) -> Self {
        let message = format!("the buyer cannot take leads now: {reason}");
        Self::without_lead(DeliveryStatus::Failed, DeliveryErrorCode::BuyerNotReady, message)
    }

    pub(super) fn erased() -> Self {
        let message = erasure::ERASED.to_owned();
        Self::without_lead(DeliveryStatus::Cancelled, DeliveryErrorCode::Cancelled, message)
    }

    /// The lead would come back to an account that it has passed.
    pub(super) fn looped(reason: &str) -> Self {
        let message = format!("LOOP: {reason}");
        Self::without_lead(DeliveryStatus::Refused, DeliveryErrorCode::BuyerRejected, message)
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.status == DeliveryStatus::Delivered
    }

    fn without_lead(status: DeliveryStatus, code: DeliveryErrorCode, message: String) -> Self {
        Self {
            status,
            failure: Some((code, message)),
            external_id: None,
            price: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Held,
    /// Lease held; lead erased.
    Erased,
    /// Another worker has taken it over.
    Lost,
}

/// Whether this worker still holds the delivery, which is locked.
pub(super) async fn check_hold(tx: &DatabaseTransaction, held: &delivery::Model) -> Result<Hold> {
    let row = delivery::Entity::in_account(held.account_id).filter(delivery::Column::Id.eq(held.id));
    let row = row.lock_exclusive().one(tx).await?;
    let own = |row: &delivery::Model| {
        row.status == DeliveryStatus::Sending
            && row.lease_owner == held.lease_owner
            && row.attempt_count == held.attempt_count
    };
    Ok(match row.filter(own) {
        Some(row) if row.erased_at.is_some() => Hold::Erased,
        Some(_) => Hold::Held,
        None => Hold::Lost,
    })
}

pub(super) struct AccountRecord<'a> {
    pub(super) delivery: &'a delivery::Model,
    pub(super) started_at: DateTime<Utc>,
    pub(super) duration: Duration,
    pub(super) outcome: AccountOutcome,
    /// In whatever status; `outcome` decides it.
    pub(super) ending: Ending<'a>,
    /// What storing the lead at the buyer has made.
    pub(super) stored: StoredLeads,
}

impl AccountRecord<'_> {
    /// Records the end of a delivery that is held and locked, with what follows, and commits.
    pub(super) async fn commit(self, app: &App, tx: Transaction) -> Result<()> {
        let (delivery, now, status) = (self.delivery, app.clock.now(), self.outcome.status);
        self.keep_price(&tx).await?;
        bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, vec![self.attempt_row()]).await?;
        let code = self.outcome.failure.as_ref().map(|(code, _)| *code);
        let outcome = Outcome {
            failure: self.outcome.failure,
            external_id: self.outcome.external_id,
            ..Outcome::ended(delivery, status, now)
        };
        if !delivery_outcome::record(&tx, &[outcome]).await?.contains(delivery.id) {
            let message = "a delivery that was locked is not held";
            return Err(Error::Internal(anyhow::anyhow!(message)));
        }
        let ending = self.ending.with_status(status, code);
        let mut effects = finish(app, &tx, vec![ending], now).await?;
        effects.events.extend(self.stored.events);
        effects.waiting.extend(self.stored.waiting);
        effects.claimed = self.stored.claimed;
        let committed = effects.commit_or(app, tx, now, |error| abandon_unknown(app, error));
        committed.await?;
        app.metrics
            .attempted(delivery.channel, status, app.clock.now() - delivery.created_at);
        Ok(())
    }

    /// Where no price was agreed, the delivery has the price of the buyer's flow.
    async fn keep_price(&self, tx: &DatabaseTransaction) -> Result<()> {
        let Some(price) = self.outcome.price.as_ref().filter(|_| self.delivery.price_e4.is_none()) else {
            return Ok(());
        };
        let change = delivery::ActiveModel {
            id: Unchanged(self.delivery.id),
            price_e4: Set(Some(price.e4)),
            price_currency: Set(Some(price.currency.clone())),
            ..Default::default()
        };
        change.update(tx).await?;
        Ok(())
    }

    fn attempt_row(&self) -> delivery_attempt::ActiveModel {
        let (code, message) = self.outcome.failure.clone().unzip();
        delivery_attempt::ActiveModel {
            delivery_id: Set(self.delivery.id),
            number: Set(self.delivery.attempt_count),
            started_at: Set(self.started_at),
            duration_us: Set(i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX)),
            ok: Set(self.outcome.is_delivered()),
            http_status: Set(None),
            smtp_code: Set(None),
            error_code: Set(code),
            message: Set(message),
            excerpt: Set(None),
        }
    }
}
