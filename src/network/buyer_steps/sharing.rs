//! What a seller should know of what a BUYER step shares: fields that the buyer's flow does not know, and encrypted values that
//! go out without being named.

use entity::account;
use entity::delivery_config::{AccountConfig, DeliveryConfig};
use entity::field::FieldDef;
use entity::step::{self, StepConfig};
use entity::{connection, delivery_settings, flow, source};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};

use crate::error::Result;
use crate::flows::sellers;
use crate::leads::branch::{encrypted_unnamed, not_taken, takes};

/// Names of fields that a warning spells out.
const NAMED: usize = 20;

/// The warnings about a step, in words; none of a step of another kind.
pub async fn warnings(db: &impl ConnectionTrait, step: &step::Model) -> Result<Vec<String>> {
    let StepConfig::Buyer { settings_id, .. } = step.config else {
        return Ok(Vec::new());
    };
    let settings = delivery_settings::Entity::in_account(step.account_id);
    let settings = settings.filter(delivery_settings::Column::Id.eq(settings_id));
    let Some(DeliveryConfig::Account(config)) = settings.one(db).await?.map(|row| row.config) else {
        return Ok(Vec::new());
    };
    let flow = flow::Entity::ever_in_account(step.account_id).filter(flow::Column::Id.eq(step.flow_id));
    let fields = flow.one(db).await?.map(|flow| flow.fields.0).unwrap_or_default();
    let mut warnings = Vec::new();
    warnings.extend(unknown_to_buyer(db, step, (&config, &fields)).await?);
    warnings.extend(encrypted(&config, &fields));
    Ok(warnings)
}

async fn unknown_to_buyer(
    db: &impl ConnectionTrait,
    step: &step::Model,
    (config, fields): (&AccountConfig, &[FieldDef]),
) -> Result<Option<String>> {
    let Some(id) = step.connection_id else { return Ok(None) };
    let link = connection::Entity::of_account(step.account_id).filter(connection::Column::Id.eq(id));
    let link = link.one(db).await?.filter(|link| link.lets_send(step.account_id));
    let Some(link) = link else { return Ok(None) };
    let buyer = account::Entity::by_id(link.partner_of(step.account_id)).one(db).await?;
    let Some(buyer) = buyer else { return Ok(None) };
    let Some(into) = sellers::receiving_flow(db, &buyer, link.id).await? else {
        return Ok(None);
    };
    let Some(into) = flow::Entity::by_id(into).one(db).await? else {
        return Ok(None);
    };
    let door = source::Entity::of_seller(into.id, link.id).one(db).await?;
    let renamed = door.map(|door| door.mapping.0).unwrap_or_default();
    let known = |name: &str| into.fields.0.iter().any(|field| field.name == name);
    let lost = not_taken(fields, &config.fields, &config.mapping, |sent_as| {
        takes(&renamed, sent_as, known)
    });
    if lost.is_empty() {
        return Ok(None);
    }
    let shared = fields.iter().filter(|field| config.fields.shares(&field.name)).count();
    Ok(Some(format!(
        "The buyer's receiving flow does not know {} of the {shared} fields that this step shares, and drops them: {}. Rename them with \
         the step's mapping, ask the buyer to add them, or share without them.",
        lost.len(),
        listed(&lost)
    )))
}

fn encrypted(config: &AccountConfig, fields: &[FieldDef]) -> Option<String> {
    let unnamed = encrypted_unnamed(fields, &config.fields);
    (!unnamed.is_empty()).then(|| {
        format!(
            "Encrypted fields go to the buyer without being named: {}. Name what the buyer gets with mode ONLY, or leave them out with \
             EXCEPT.",
            listed(&unnamed)
        )
    })
}

fn listed(names: &[&str]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).copied().collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", first.join(", "))
}
