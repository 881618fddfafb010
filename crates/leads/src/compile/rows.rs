//! The rows that a snapshot is compiled from.

use std::collections::HashMap;

use entity::delivery_config::Channel;
use entity::field::FieldDef;
use entity::ids::{ConnectionId, PartnerId, ProfileId, SettingsId};
use entity::step::StepConfig;
use entity::{account, assignment, connection, delivery_settings, flow, partner, profile, source, step};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::Value;

use super::recipients::{Recipients, load_connections};
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;

/// A flow with its sources, steps, profiles, and the partners and connections behind them.
pub(super) struct Rows {
    pub(super) account: account::Model,
    pub(super) flow: flow::Model,
    /// The flow's fields, then those that only other flows of the account have: a profile's rule may name them, and finds them
    /// empty here.
    pub(super) definitions: Vec<FieldDef>,
    pub(super) sources: Vec<source::Model>,
    /// Sources that were removed.
    pub(super) former_sources: Vec<source::Model>,
    /// The connections of the sources.
    pub(super) connections: HashMap<ConnectionId, connection::Model>,
    pub(super) steps: Vec<step::Model>,
    pub(super) profiles: Vec<profile::Model>,
    pub(super) assignments: Vec<assignment::Model>,
    pub(super) partners: HashMap<PartnerId, partner::Model>,
    pub(super) channels: HashMap<SettingsId, Channel>,
    pub(super) recipients: Recipients,
}

impl Rows {
    pub(super) async fn load(db: &Connection, account: account::Model, flow: flow::Model) -> Result<Self> {
        let (id, flow_id) = (account.id, flow.id);
        let others = flow::Entity::in_account(id).all(db).await?;
        let sources = source::Entity::of_flow(flow_id).all(db).await?;
        let former_sources = source::Entity::removed_from(flow_id).all(db).await?;
        let connections = load_connections(db, id, sources.iter().filter_map(|source| source.connection_id)).await?;
        let steps = step::Entity::of_flow(flow_id).all(db).await?;
        let mut rows = Self {
            definitions: all_definitions(&flow, &others),
            recipients: Recipients::load(db, id, &steps).await?,
            account,
            flow,
            sources,
            former_sources,
            connections,
            steps,
            profiles: Vec::new(),
            assignments: Vec::new(),
            partners: HashMap::new(),
            channels: HashMap::new(),
        };
        rows.load_profiles(db).await?;
        Ok(rows)
    }

    /// Loads the profiles of the steps with their assignments, partners and delivery settings.
    async fn load_profiles(&mut self, db: &Connection) -> Result<()> {
        let account = self.account.id;
        let ids: Vec<ProfileId> = self.steps.iter().filter_map(|step| step.profile_id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let profiles = profile::Entity::in_account(account).filter(profile::Column::Id.is_in(ids.clone()));
        self.profiles = profiles.all(db).await?;
        let assignments = assignment::Entity::in_account(account).filter(assignment::Column::ProfileId.is_in(ids));
        self.assignments = assignments.all(db).await?;
        let partners = self.assignments.iter().map(|assignment| assignment.partner_id);
        let partners = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(partners));
        let partners = partners.all(db).await?;
        let own = self.assignments.iter().filter_map(|assignment| assignment.settings_id);
        let settings: Vec<SettingsId> = own.chain(partners.iter().map(|partner| partner.settings_id)).collect();
        let settings =
            delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
        let settings = settings.all(db).await?;
        self.partners = partners.into_iter().map(|partner| (partner.id, partner)).collect();
        self.channels = settings.iter().map(|row| (row.id, row.config.channel())).collect();
        self.recipients.add_partners(db, settings).await
    }

    /// Every stored rule that the snapshot compiles.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Value> {
        let sources = self.sources.iter().filter_map(|source| source.acceptance_rule.as_ref());
        let steps = self.steps.iter().flat_map(|step| {
            let filter = match &step.config {
                StepConfig::Filter { rule, .. } => Some(rule),
                _ => None,
            };
            step.criteria.iter().chain(filter)
        });
        let profiles = self.profiles.iter().filter_map(|profile| profile.rule.as_ref());
        let assignments = self
            .assignments
            .iter()
            .filter_map(|assignment| assignment.rule.as_ref());
        let flow = self.flow.acceptance_rule.iter();
        flow.chain(sources).chain(steps).chain(profiles).chain(assignments)
    }
}

fn all_definitions(own: &flow::Model, flows: &[flow::Model]) -> Vec<FieldDef> {
    let mut all = own.fields.0.clone();
    for field in flows.iter().flat_map(|flow| &flow.fields.0) {
        if !all.iter().any(|known| known.name == field.name) {
            all.push(field.clone());
        }
    }
    all
}
