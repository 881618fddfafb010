//! Leads, their deliveries, and to whom they went.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, DeliveryId, LeadId};
use entity::{delivery, delivery_attempt, lead, mail_recipient};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Loaded, Many, Rows, by_account, many, shared};
use leadmesh_core::error::Error;

/// A lead, without its large parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeadRow(pub AccountId, pub LeadId);

impl Loader<LeadRow> for Rows {
    type Value = lead::Head;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LeadRow]) -> Loaded<LeadRow, lead::Head> {
        let mut found = HashMap::with_capacity(keys.len());
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = lead::Entity::in_account(account).filter(lead::Column::Id.is_in(ids));
            let rows: Vec<lead::Head> = self.all_as(lead::Entity::heads(rows)).await?;
            found.extend(rows.into_iter().map(|row| (LeadRow(account, row.id), row)));
        }
        Ok(found)
    }
}

/// Whether a lead has encrypted values: there is something where it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HasEncryptedValues(pub AccountId, pub LeadId);

impl Loader<HasEncryptedValues> for Rows {
    type Value = ();
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HasEncryptedValues]) -> Loaded<HasEncryptedValues, ()> {
        let mut found = HashMap::new();
        for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let sealed = lead::Entity::sealed_among(self.db.read(), account, ids).await;
            found.extend(
                sealed
                    .map_err(shared)?
                    .into_iter()
                    .map(|id| (HasEncryptedValues(account, id), ())),
            );
        }
        Ok(found)
    }
}

/// The deliveries of a lead, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveriesOf(pub AccountId, pub LeadId);

impl Loader<DeliveriesOf> for Rows {
    type Value = Many<delivery::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[DeliveriesOf]) -> Loaded<DeliveriesOf, Many<delivery::Model>> {
        let mut found: HashMap<DeliveriesOf, Vec<delivery::Model>> = HashMap::new();
        for (account, leads) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let rows = delivery::Entity::of_leads(account, leads).order_by_asc(delivery::Column::Id);
            for row in self.all(rows).await? {
                found.entry(DeliveriesOf(account, row.lead_id)).or_default().push(row);
            }
        }
        Ok(many(found))
    }
}

/// The attempts of a delivery that the caller has been given, in order, without the excerpts of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptsOf(pub DeliveryId);

impl Loader<AttemptsOf> for Rows {
    type Value = Many<delivery_attempt::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[AttemptsOf]) -> Loaded<AttemptsOf, Many<delivery_attempt::Model>> {
        let rows = delivery_attempt::Entity::of_deliveries(keys.iter().map(|key| key.0));
        let rows = delivery_attempt::Entity::without_excerpts(rows).order_by_asc(delivery_attempt::Column::Number);
        let mut found: HashMap<AttemptsOf, Vec<delivery_attempt::Model>> = HashMap::new();
        for row in self.all(rows).await? {
            found.entry(AttemptsOf(row.delivery_id)).or_default().push(row);
        }
        Ok(many(found))
    }
}

/// What was kept of the answer to an attempt, by its number, of a delivery that the caller has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExcerptOf(pub DeliveryId, pub i32);

impl Loader<ExcerptOf> for Rows {
    type Value = String;
    type Error = Arc<Error>;

    /// Each is a few kilobytes, and those of one statement are as many as its keys: they are drawn for when they are there.
    async fn load(&self, keys: &[ExcerptOf]) -> Loaded<ExcerptOf, String> {
        use delivery_attempt::Column;
        let rows = delivery_attempt::Entity::of_deliveries(keys.iter().map(|key| key.0))
            .filter(Column::Number.is_in(keys.iter().map(|key| key.1)))
            .filter(Column::Excerpt.is_not_null())
            .select_only()
            .columns([Column::DeliveryId, Column::Number, Column::Excerpt]);
        let rows: Vec<(DeliveryId, i32, String)> = rows.into_tuple().all(self.db.read()).await.map_err(shared)?;
        let bytes: usize = rows.iter().map(|(.., excerpt)| excerpt.len()).sum();
        self.budget.draw_read(bytes as u64).map_err(Arc::new)?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|(delivery, number, excerpt)| (ExcerptOf(delivery, number), excerpt))
            .collect())
    }
}

/// What the mail server said of each recipient of a delivery that the caller has been given, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecipientsOf(pub DeliveryId);

impl Loader<RecipientsOf> for Rows {
    type Value = Many<mail_recipient::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RecipientsOf]) -> Loaded<RecipientsOf, Many<mail_recipient::Model>> {
        let rows = mail_recipient::Entity::of_deliveries(keys.iter().map(|key| key.0));
        let mut found: HashMap<RecipientsOf, Vec<mail_recipient::Model>> = HashMap::new();
        for row in self.all(rows).await? {
            found.entry(RecipientsOf(row.delivery_id)).or_default().push(row);
        }
        Ok(many(found))
    }
}
