//! Warns a seller of fields that a buyer has dropped of a lead.

use entity::delivery;
use entity::{lead, partner, step};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect, Set, Unchanged};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_leads::outcome::{Reason, Subject};
use leadmesh_leads::sharing::warn_of_dropped;
use leadmesh_leads::trace::Trace;

#[derive(Debug)]
pub(super) struct Lost {
    recipient: Subject,
    fields: Vec<String>,
}

impl Lost {
    /// Looks up who drops them; nothing where none is.
    pub(super) async fn of(app: &App, delivery: &delivery::Model, fields: Vec<String>) -> Result<Option<Self>> {
        if fields.is_empty() {
            return Ok(None);
        }
        let (db, account) = (app.db.read(), delivery.account_id);
        let recipient = if let Some(id) = delivery.partner_id {
            let row = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
            row.one(db).await?.map(|row| Subject::new(row.id, &row.name))
        } else if let Some(id) = delivery.step_id {
            let row = step::Entity::in_account(account).filter(step::Column::Id.eq(id));
            row.one(db).await?.map(|row| Subject::new(row.id, &row.name))
        } else {
            None
        };
        let recipient = recipient.unwrap_or_else(|| Subject::new(delivery.id, "a buyer"));
        Ok(Some(Self { recipient, fields }))
    }

    /// Adds them to the lead's warnings and trace, unless it was erased. The delivery is locked, as when a lead is erased.
    pub(super) async fn note(&self, tx: &DatabaseTransaction, delivery: &delivery::Model) -> Result<()> {
        let row = lead::Entity::in_account(delivery.account_id).filter(lead::Column::Id.eq(delivery.lead_id));
        let row = row.filter(lead::Column::ErasedAt.is_null()).lock_exclusive();
        let Some(row) = row.one(tx).await? else { return Ok(()) };
        let mut warnings: Vec<Reason> = serde_json::from_value(row.warnings)?;
        let mut trace = Trace::resume(serde_json::from_value(row.trace)?);
        warn_of_dropped(&self.recipient, &self.fields, &mut trace, &mut warnings);
        let change = lead::ActiveModel {
            id: Unchanged(row.id),
            warnings: Set(serde_json::to_value(warnings)?),
            trace: Set(serde_json::to_value(trace.entries())?),
            ..Default::default()
        };
        change.update(tx).await?;
        Ok(())
    }
}
