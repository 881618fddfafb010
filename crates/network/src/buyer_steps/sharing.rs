//! Warnings for sellers: fields that the buyer's flow does not know, and encrypted fields that are shared without being named.

use std::collections::HashSet;

use entity::account;
use entity::delivery_config::{AccountConfig, DeliveryConfig};
use entity::field::FieldDef;
use entity::ids::{AccountId, ConnectionId, ProfileId};
use entity::step::{self, StepConfig};
use entity::{assignment, connection, delivery_settings, flow, partner, source};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};

use leadmesh_core::error::Result;
use leadmesh_flows::sellers;
use leadmesh_leads::sharing::{Sharing, encrypted_unnamed};

/// Names of fields that a warning lists.
const NAMED: usize = 20;

/// None for a step of another kind.
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
    let shared = Shared {
        sharer: Sharer::Step,
        seller: step.account_id,
        connection: step.connection_id,
        config: &config,
        fields: &fields,
    };
    warnings.extend(unknown_to_buyer(db, &shared).await?);
    warnings.extend(encrypted(&config, &fields));
    Ok(warnings)
}

/// Warns of fields that may go to a partner in a connected account and are unknown there.
pub async fn partner_warnings(
    db: &impl ConnectionTrait,
    partner: &partner::Model,
    config: &AccountConfig,
) -> Result<Option<String>> {
    let fields = leading_to(db, partner).await?;
    let shared = Shared {
        sharer: Sharer::Partner,
        seller: partner.account_id,
        connection: config.connection_id,
        config,
        fields: &fields,
    };
    unknown_to_buyer(db, &shared).await
}

/// The fields of the flows whose leads are distributed to a partner; while there is none, those of all flows. Of several
/// definitions of a name the oldest flow's.
async fn leading_to(db: &impl ConnectionTrait, partner: &partner::Model) -> Result<Vec<FieldDef>> {
    let account = partner.account_id;
    let assignments = assignment::Entity::in_account(account).filter(assignment::Column::PartnerId.eq(partner.id));
    let profiles: Vec<ProfileId> = assignments
        .all(db)
        .await?
        .into_iter()
        .map(|assignment| assignment.profile_id)
        .collect();
    let mut leading = Vec::new();
    if !profiles.is_empty() {
        let steps = step::Entity::in_account(account).filter(step::Column::ProfileId.is_in(profiles));
        leading.extend(steps.all(db).await?.into_iter().map(|step| step.flow_id));
    }
    let mut flows = flow::Entity::in_account(account).order_by_asc(flow::Column::Id);
    if !leading.is_empty() {
        flows = flows.filter(flow::Column::Id.is_in(leading));
    }
    let mut names = HashSet::new();
    let fields = flows.all(db).await?.into_iter().flat_map(|flow| flow.fields.0);
    Ok(fields.filter(|field| names.insert(field.name.clone())).collect())
}

/// What a step or partner shares over a connection.
struct Shared<'a> {
    sharer: Sharer,
    seller: AccountId,
    connection: Option<ConnectionId>,
    config: &'a AccountConfig,
    fields: &'a [FieldDef],
}

#[derive(Clone, Copy, Debug)]
enum Sharer {
    Step,
    Partner,
}

/// None while the connection or the buyer cannot take leads.
async fn unknown_to_buyer(db: &impl ConnectionTrait, shared: &Shared<'_>) -> Result<Option<String>> {
    let Shared {
        seller, config, fields, ..
    } = *shared;
    let Some(id) = shared.connection else { return Ok(None) };
    let link = connection::Entity::of_account(seller).filter(connection::Column::Id.eq(id));
    let link = link.one(db).await?.filter(|link| link.lets_send(seller));
    let Some(link) = link else { return Ok(None) };
    let buyer = account::Entity::by_id(link.partner_of(seller)).one(db).await?;
    let Some(buyer) = buyer else { return Ok(None) };
    let Some(into) = sellers::receiving_flow(db, &buyer, link.id).await? else {
        return Ok(None);
    };
    let Some(into) = flow::Entity::by_id(into).one(db).await? else {
        return Ok(None);
    };
    let seller_source = source::Entity::of_seller(into.id, link.id).one(db).await?;
    let renamed = seller_source.map(|source| source.mapping.0).unwrap_or_default();
    let known = |name: &str| into.fields.0.iter().any(|field| field.name == name);
    let lost = Sharing::new(fields, &config.fields, &config.mapping).unknown_to(&renamed, known);
    if lost.is_empty() {
        return Ok(None);
    }
    let count = fields.iter().filter(|field| config.fields.shares(&field.name)).count();
    let (which, what) = match shared.sharer {
        Sharer::Step => ("this step shares", "step"),
        Sharer::Partner => ("are shared with this partner", "partner"),
    };
    Ok(Some(format!(
        "The buyer's receiving flow does not know {} of the {count} fields that {which}, and drops them: {}. Rename them with \
         the {what}'s mapping, ask the buyer to add them, or share without them.",
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
