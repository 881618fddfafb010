//! Deliveries that somebody has asked to attempt again.

use crate::delivery::{Column, DeliveryStatus, Entity, Model, Reservations, ReviewStatus};
use crate::delivery_config::Channel;
use crate::ids::{AccountId, ConnectionId, DeliveryId, SettingsId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

/// How deliveries go when they are attempted again, and what is counted for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRoute {
    /// The version of the settings.
    pub settings_id: SettingsId,
    /// The channel of these settings.
    pub channel: Channel,
    /// The account that gets the lead; ACCOUNT channel only.
    pub buyer_account_id: Option<AccountId>,
    /// The connection over which that account gets it.
    pub connection_id: Option<ConnectionId>,
    /// What is counted on caps.
    pub reservations: Reservations,
}

impl RetryRoute {
    /// As the delivery went before.
    pub fn as_before(row: &Model) -> Self {
        Self {
            settings_id: row.settings_id,
            channel: row.channel,
            buyer_account_id: row.buyer_account_id,
            connection_id: row.connection_id,
            reservations: row.reservations.clone(),
        }
    }
}

impl Entity {
    /// Makes deliveries due now, with a fresh budget of attempts; into a portal they are delivered at once. The caller holds them
    /// locked. What waited for a suspended endpoint goes on waiting for it, unless it goes elsewhere now.
    pub async fn requeue(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = DeliveryId>,
        again: &RetryRoute,
        now: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let portal = again.channel == Channel::Portal;
        let status = if portal {
            DeliveryStatus::Delivered
        } else {
            DeliveryStatus::Retrying
        };
        let review = portal.then(|| ReviewStatus::PendingReview.to_value());
        let stays = Expr::col(Column::SettingsId).eq(again.settings_id);
        let suspended_for =
            Expr::case(stays, Expr::col(Column::SuspendedFor)).finally(Expr::value(Option::<Uuid>::None));
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::Status, Expr::value(status.to_value()))
            .col_expr(Column::DueAt, Expr::value((!portal).then_some(now)))
            .col_expr(Column::AttemptsBefore, Expr::col(Column::AttemptCount))
            .col_expr(Column::BudgetSince, Expr::value(now))
            .col_expr(Column::SettledAt, Expr::value(portal.then_some(now)))
            .col_expr(Column::FailureCode, Expr::value(Option::<String>::None))
            .col_expr(Column::FailureMessage, Expr::value(Option::<String>::None))
            .col_expr(Column::ExternalId, Expr::value(Option::<String>::None))
            .col_expr(Column::Review, Expr::value(review))
            .col_expr(Column::SuspendedFor, suspended_for.into())
            .col_expr(Column::SettingsId, Expr::value(again.settings_id))
            .col_expr(Column::Channel, Expr::value(again.channel.to_value()))
            .col_expr(Column::BuyerAccountId, Expr::value(again.buyer_account_id))
            .col_expr(Column::ConnectionId, Expr::value(again.connection_id))
            .col_expr(Column::Reservations, Expr::value(again.reservations.clone()))
            .filter(among)
            .exec_with_returning(db)
            .await
    }
}
