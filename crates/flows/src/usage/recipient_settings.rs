//! What names fields behind a flow's steps: profiles, assignments, and delivery settings.

use std::collections::BTreeSet;

use entity::delivery_config::{DeliveryConfig, FieldSelectionMode};
use entity::ids::{PartnerId, ProfileId};
use entity::step::StepConfig;
use entity::{assignment, delivery_settings, partner, profile};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::Value;

use super::field_use::{FieldUse, named_in};
use crate::contents::Contents;
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;

/// Everything behind a flow's steps that may name fields.
#[derive(Default)]
pub(super) struct RecipientSettings {
    profiles: Vec<profile::Model>,
    assignments: Vec<assignment::Model>,
    partners: Vec<partner::Model>,
    settings: Vec<delivery_settings::Model>,
    /// Names of BUYER steps, with their settings.
    buyers: Vec<(String, delivery_settings::Model)>,
}

/// Reads it. Not within a transaction that writes: there may be megabytes of templates.
pub(super) async fn read(db: &Connection, contents: &Contents) -> Result<RecipientSettings> {
    let buyers = buyers(db, contents).await?;
    let ids: Vec<ProfileId> = contents.steps.iter().filter_map(|step| step.profile_id).collect();
    if ids.is_empty() {
        return Ok(RecipientSettings {
            buyers,
            ..RecipientSettings::default()
        });
    }
    let account = contents.flow.account_id;
    let profiles = profile::Entity::in_account(account).filter(profile::Column::Id.is_in(ids.clone()));
    let profiles = profiles.all(db).await?;
    let assignments = assignment::Entity::in_account(account).filter(assignment::Column::ProfileId.is_in(ids));
    let assignments = assignments.all(db).await?;
    let partners = assignments.iter().map(|assignment| assignment.partner_id);
    let partners = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(partners));
    let partners = partners.all(db).await?;
    let own = assignments.iter().filter_map(|assignment| assignment.settings_id);
    let settings = own.chain(partners.iter().map(|partner| partner.settings_id));
    let settings = delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
    let settings = settings.all(db).await?;
    Ok(RecipientSettings {
        profiles,
        assignments,
        partners,
        settings,
        buyers,
    })
}

async fn buyers(db: &Connection, contents: &Contents) -> Result<Vec<(String, delivery_settings::Model)>> {
    let steps = contents.steps.iter().filter_map(|step| match &step.config {
        StepConfig::Buyer { settings_id, .. } => Some((*settings_id, step)),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let ids = steps.iter().map(|(id, _)| *id);
    let rows = delivery_settings::Entity::in_account(contents.flow.account_id);
    let rows = rows.filter(delivery_settings::Column::Id.is_in(ids)).all(db).await?;
    let used = steps.into_iter().filter_map(|(id, step)| {
        let row = rows.iter().find(|row| row.id == id)?;
        Some((step.name.clone(), row.clone()))
    });
    Ok(used.collect())
}

impl RecipientSettings {
    /// What names which fields. Parses every template, so not on a thread that serves requests.
    pub(super) fn uses(&self) -> Vec<FieldUse> {
        let name = |id: PartnerId| {
            let found = self.partners.iter().find(|partner| partner.id == id);
            found.map_or("", |partner| &partner.name)
        };
        let profiles = self.profiles.iter().filter_map(|profile| {
            let user = format!("profile \"{}\"", profile.name);
            profile.rule.as_ref().map(|rule| FieldUse::of_rule(user, rule))
        });
        let assignments = self.assignments.iter().filter_map(|assignment| {
            let user = format!("the rule of partner \"{}\"", name(assignment.partner_id));
            assignment.rule.as_ref().map(|rule| FieldUse::of_rule(user, rule))
        });
        let settings = self.settings.iter().filter_map(|settings| {
            let user = format!("the delivery settings of partner \"{}\"", name(settings.partner_id?));
            let fields = named_by(&settings.config);
            Some(FieldUse { user, fields })
        });
        let buyers = self.buyers.iter().map(|(step, settings)| FieldUse {
            user: format!("step \"{step}\""),
            fields: named_by(&settings.config),
        });
        profiles.chain(assignments).chain(settings).chain(buyers).collect()
    }
}

fn named_by(config: &DeliveryConfig) -> BTreeSet<String> {
    let mut templates = Vec::new();
    match config {
        DeliveryConfig::Email(email) => templates.extend([email.subject.as_str(), email.body.as_str()]),
        DeliveryConfig::Webhook(webhook) => webhook.template.iter().for_each(|shape| texts(shape, &mut templates)),
        DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => {}
    }
    let in_templates = templates.into_iter().flat_map(named_in);
    let selected = match config.fields().mode {
        FieldSelectionMode::All => &[],
        FieldSelectionMode::Only | FieldSelectionMode::Except => config.fields().fields.as_slice(),
    };
    let renamed = config.mapping().iter().map(|renaming| renaming.from.clone());
    in_templates.chain(selected.iter().cloned()).chain(renamed).collect()
}

/// The texts in a JSON value, at any depth.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|entry| texts(entry, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
