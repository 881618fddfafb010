//! What is due: which deliveries may be attempted now, whose they are, and on whose slots.

use crate::delivery::{Column, DeliveryStatus, Entity, Model, open, waiting};
use crate::delivery_config::Channel;
use crate::ids::{AccountId, DeliveryId, PartnerId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveEnum, Condition, Iterable, QueryOrder, Statement};

/// Where attempts go, as far as they share slots: who must not be asked by too many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A partner, but for mails to it.
    Partner(PartnerId),
    /// An account that leads are delivered into.
    Buyer(AccountId),
    /// The mail server of an account, whichever of its partners the mails are for.
    MailServer(AccountId),
}

/// As much of a due delivery as it takes to give it a slot.
#[derive(Clone, Debug, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub struct Due {
    /// Which.
    pub id: DeliveryId,
    /// Whose.
    pub account_id: AccountId,
    channel: Channel,
    partner_id: Option<PartnerId>,
    buyer_account_id: Option<AccountId>,
}

impl Due {
    /// On whose slots its attempts are.
    pub fn destination(&self) -> Destination {
        destination(self.channel, self.account_id, self.partner_id, self.buyer_account_id)
    }
}

impl Model {
    /// On whose slots its attempts are.
    pub fn destination(&self) -> Destination {
        destination(self.channel, self.account_id, self.partner_id, self.buyer_account_id)
    }
}

fn destination(
    channel: Channel,
    account: AccountId,
    partner: Option<PartnerId>,
    buyer: Option<AccountId>,
) -> Destination {
    match (channel, partner, buyer) {
        (Channel::Email, ..) => Destination::MailServer(account),
        (_, Some(partner), _) => Destination::Partner(partner),
        (_, None, buyer) => Destination::Buyer(buyer.unwrap_or(account)),
    }
}

impl Entity {
    /// What may be attempted now, oldest first, but for what goes to endpoints that are held; `retries` tells first attempts
    /// from later ones. Channels of a newer version are left to its workers.
    pub fn due(now: DateTime<Utc>, retries: bool) -> Select<Self> {
        Self::find()
            .filter(waiting())
            .filter(Column::Status.eq(status(retries)))
            .filter(Column::DueAt.lte(now))
            .filter(open(now))
            .filter(Column::Channel.is_in(Channel::iter()))
            .order_by_asc(Column::DueAt)
    }

    /// The accounts of which something is due, for endpoints that are held too: the index `delivery_due_account` is read at one
    /// place for each.
    pub async fn accounts_due(
        db: &impl ConnectionTrait,
        now: DateTime<Utc>,
        retries: bool,
    ) -> Result<Vec<AccountId>, DbErr> {
        let sql = ACCOUNTS_DUE.replace("{status}", &status(retries).to_value());
        let accounts = Statement::from_sql_and_values(db.get_database_backend(), sql, [now.into()]);
        let rows = db.query_all_raw(accounts).await?;
        rows.iter().map(|row| row.try_get("", "id").map(AccountId)).collect()
    }
}

fn status(retries: bool) -> DeliveryStatus {
    if retries {
        DeliveryStatus::Retrying
    } else {
        DeliveryStatus::Queued
    }
}

const ACCOUNTS_DUE: &str = "
WITH RECURSIVE due (id) AS (
    SELECT (SELECT account_id FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NULL
        AND status = '{status}' AND due_at <= $1 ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT account_id FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NULL
        AND status = '{status}' AND due_at <= $1 AND account_id > due.id ORDER BY account_id LIMIT 1)
        FROM due WHERE due.id IS NOT NULL
)
SELECT id FROM due WHERE id IS NOT NULL";

/// What goes to none of these. No comparison holds for what is null: it is asked for by itself.
pub fn to_none_of(full: &[Destination]) -> Condition {
    let is_mail = || Column::Channel.eq(Channel::Email);
    let (mut partners, mut buyers, mut servers) = (Vec::new(), Vec::new(), Vec::new());
    for destination in full {
        match destination {
            Destination::Partner(id) => partners.push(*id),
            Destination::Buyer(id) => buyers.push(*id),
            Destination::MailServer(id) => servers.push(*id),
        }
    }
    let other_partner = is_mail()
        .or(Column::PartnerId.is_null())
        .or(Column::PartnerId.is_not_in(partners.iter().copied()));
    let other_buyer = Column::BuyerAccountId
        .is_null()
        .or(Column::BuyerAccountId.is_not_in(buyers.iter().copied()));
    let other_server = is_mail().not().or(Column::AccountId.is_not_in(servers.iter().copied()));
    Condition::all()
        .add_option((!partners.is_empty()).then_some(other_partner))
        .add_option((!buyers.is_empty()).then_some(other_buyer))
        .add_option((!servers.is_empty()).then_some(other_server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_share_the_slots_of_their_accounts_mail_server_and_those_of_no_buyer() {
        let (account, partner) = (AccountId(Uuid::from_u128(1)), PartnerId(Uuid::from_u128(2)));
        let to = |channel| destination(channel, account, Some(partner), None);
        assert_eq!(to(Channel::Email), Destination::MailServer(account));
        assert_eq!(to(Channel::Webhook), Destination::Partner(partner));
        let into_it = destination(Channel::Account, AccountId(Uuid::from_u128(3)), None, Some(account));
        assert_eq!(into_it, Destination::Buyer(account));
        assert_ne!(into_it, to(Channel::Email));
    }
}
