//! What a seller should know of what a BUYER step shares: fields that the buyer's flow does not know, and encrypted values that
//! go out without being named.

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
    let over = step.connection_id.map(|link| (step.account_id, link));
    warnings.extend(unknown_to_buyer(db, over, (&config, &fields), "step").await?);
    warnings.extend(encrypted(&config, &fields));
    Ok(warnings)
}

/// What of the fields that may come to a partner in a connected account that account does not know, in words.
pub async fn partner_warnings(
    db: &impl ConnectionTrait,
    partner: &partner::Model,
    config: &AccountConfig,
) -> Result<Option<String>> {
    let fields = leading_to(db, partner).await?;
    let over = config.connection_id.map(|link| (partner.account_id, link));
    unknown_to_buyer(db, over, (config, &fields), "partner").await
}

/// The fields of the flows whose leads are distributed to a partner; while there is none, those of all flows of its account. Of
/// several definitions of a name the oldest flow's.
async fn leading_to(db: &impl ConnectionTrait, partner: &partner::Model) -> Result<Vec<FieldDef>> {
    let account = partner.account_id;
    let places = assignment::Entity::in_account(account).filter(assignment::Column::PartnerId.eq(partner.id));
    let profiles: Vec<ProfileId> = places
        .all(db)
        .await?
        .into_iter()
        .map(|place| place.profile_id)
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

/// `over` is the sharing account and its connection; `what` shares, in the warning's words.
async fn unknown_to_buyer(
    db: &impl ConnectionTrait,
    over: Option<(AccountId, ConnectionId)>,
    (config, fields): (&AccountConfig, &[FieldDef]),
    what: &str,
) -> Result<Option<String>> {
    let Some((seller, id)) = over else { return Ok(None) };
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
    let shared = fields.iter().filter(|field| config.fields.shares(&field.name)).count();
    let which = if what == "step" {
        "this step shares"
    } else {
        "are shared with this partner"
    };
    Ok(Some(format!(
        "The buyer's receiving flow does not know {} of the {shared} fields that {which}, and drops them: {}. Rename them with \
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
