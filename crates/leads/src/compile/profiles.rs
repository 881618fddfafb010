//! Distribution profiles with their partners.

use std::collections::HashMap;

use entity::delivery_config::Channel;
use entity::ids::{PartnerId, ProfileId, SettingsId};
use entity::{account, assignment, delivery, delivery_settings, partner, profile, step};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::Value;

use super::Compiler;
use super::exits::Exits;
use crate::outcome::Subject;
use crate::snapshot::{Candidate, PriceE4, Profile};
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;

/// What profiles are compiled from.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) profiles: Vec<profile::Model>,
    pub(super) assignments: Vec<assignment::Model>,
    pub(super) partners: HashMap<PartnerId, partner::Model>,
    channels: HashMap<SettingsId, Channel>,
}

impl Parts {
    pub(super) fn rules(&self) -> impl Iterator<Item = &Value> {
        let profiles = self.profiles.iter().filter_map(|profile| profile.rule.as_ref());
        profiles.chain(self.assignments.iter().filter_map(|place| place.rule.as_ref()))
    }
}

/// The profiles of these steps; ways out to partners that are accounts are added to `exits`.
pub(super) async fn load_parts(
    db: &Connection,
    account: &account::Model,
    steps: &[step::Model],
    exits: &mut Exits,
) -> Result<Parts> {
    let ids: Vec<ProfileId> = steps.iter().filter_map(|step| step.profile_id).collect();
    if ids.is_empty() {
        return Ok(Parts::default());
    }
    let profiles = profile::Entity::in_account(account.id)
        .filter(profile::Column::Id.is_in(ids.clone()))
        .all(db)
        .await?;
    let assignments = assignment::Entity::in_account(account.id)
        .filter(assignment::Column::ProfileId.is_in(ids))
        .all(db)
        .await?;
    let partner_ids: Vec<PartnerId> = assignments.iter().map(|assignment| assignment.partner_id).collect();
    let partners: HashMap<PartnerId, partner::Model> = partner::Entity::in_account(account.id)
        .filter(partner::Column::Id.is_in(partner_ids))
        .all(db)
        .await?
        .into_iter()
        .map(|partner| (partner.id, partner))
        .collect();
    let settings = assignments
        .iter()
        .filter_map(|assignment| assignment.settings_id)
        .chain(partners.values().map(|partner| partner.settings_id));
    let settings: Vec<SettingsId> = settings.collect();
    let settings = delivery_settings::Entity::in_account(account.id)
        .filter(delivery_settings::Column::Id.is_in(settings))
        .all(db)
        .await?;
    let channels = settings.iter().map(|row| (row.id, row.config.channel())).collect();
    exits.add(settings);
    exits.connect_partners(db).await?;
    Ok(Parts {
        profiles,
        assignments,
        partners,
        channels,
    })
}

impl Compiler {
    pub(super) fn profile(&self, profile: &profile::Model, parts: &Parts, exits: &Exits) -> Profile {
        let base = PriceE4::from_columns(profile.base_price_e4, profile.base_price_currency.clone());
        let places = parts
            .assignments
            .iter()
            .filter(|assignment| assignment.profile_id == profile.id);
        let candidate = |place: &assignment::Model| {
            let partner = parts.partners.get(&place.partner_id)?;
            let mut candidate = self.candidate(place, partner, parts)?;
            candidate.price = candidate.price.or_else(|| base.clone());
            candidate.outlet = exits.outlet_of(place, partner);
            Some(candidate)
        };
        Profile {
            id: profile.id,
            subject: Subject::new(profile.id, &profile.name),
            enabled: profile.enabled,
            strategy: profile.strategy,
            on_failure: profile.on_failure,
            max_recipients: profile.max_recipients.and_then(|limit| usize::try_from(limit).ok()),
            rule: self.gate(profile.rule.clone()),
            candidates: places.filter_map(candidate).collect(),
        }
    }

    fn candidate(&self, assignment: &assignment::Model, partner: &partner::Model, parts: &Parts) -> Option<Candidate> {
        let settings = assignment.settings_id.unwrap_or(partner.settings_id);
        let channel = *parts.channels.get(&settings)?;
        Some(Candidate {
            assignment: assignment.id,
            partner: partner.id,
            subject: Subject::new(partner.id, &partner.name),
            enabled: assignment.enabled,
            active: partner.active,
            weight: assignment.weight,
            rule: self.gate(assignment.rule.clone()),
            schedule: assignment.schedule.clone(),
            caps: partner.caps.0.iter().chain(&assignment.caps.0).cloned().collect(),
            price: PriceE4::from_columns(assignment.price_e4, assignment.price_currency.clone()),
            settings,
            channel,
            endpoint: delivery::endpoint(channel, partner.account_id, settings),
            outlet: None,
        })
    }
}
