//! The ways out to connected accounts, as their connections stand.

use std::collections::HashMap;

use entity::delivery_config::{AccountConfig, DeliveryConfig};
use entity::ids::{AccountId, ConnectionId, SettingsId};
use entity::step::StepConfig;
use entity::{assignment, connection, delivery_settings, partner, step};
use sea_orm::{ColumnTrait, QueryFilter};

use crate::snapshot::Outlet;
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;

/// What buyer steps and partners deliver into connected accounts, and the connections that they name.
pub(super) struct Exits {
    account: AccountId,
    settings: HashMap<SettingsId, AccountConfig>,
    connections: HashMap<ConnectionId, connection::Model>,
}

impl Exits {
    /// Those of the account's buyer steps among these steps.
    pub(super) async fn load(db: &Connection, account: AccountId, steps: &[step::Model]) -> Result<Self> {
        let mut exits = Self {
            account,
            settings: HashMap::new(),
            connections: HashMap::new(),
        };
        let settings = steps.iter().filter_map(|step| match &step.config {
            StepConfig::Buyer { settings_id, .. } => Some(*settings_id),
            _ => None,
        });
        let settings: Vec<SettingsId> = settings.collect();
        if settings.is_empty() {
            return Ok(exits);
        }
        let rows = delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
        exits.add(rows.all(db).await?);
        let named = steps.iter().filter_map(|step| step.connection_id);
        exits.connect(db, named.collect()).await?;
        Ok(exits)
    }

    /// Those of partners that are accounts: whatever of these settings is of that kind.
    pub(super) fn add(&mut self, settings: Vec<delivery_settings::Model>) {
        let accounts = settings.into_iter().filter_map(|row| match row.config {
            DeliveryConfig::Account(config) => Some((row.id, config)),
            _ => None,
        });
        self.settings.extend(accounts);
    }

    /// Loads the connections that partners' settings name.
    pub(super) async fn connect_partners(&mut self, db: &Connection) -> Result<()> {
        let named = self.settings.values().filter_map(|config| config.connection_id);
        let missing = named.filter(|id| !self.connections.contains_key(id));
        self.connect(db, missing.collect()).await
    }

    async fn connect(&mut self, db: &Connection, ids: Vec<ConnectionId>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = connection::Entity::of_account(self.account).filter(connection::Column::Id.is_in(ids));
        let rows = rows.all(db).await?.into_iter();
        self.connections.extend(rows.map(|row| (row.id, row)));
        Ok(())
    }

    /// The way out of a buyer step; none until its buyer is connected.
    pub(super) fn outlet_of_step(&self, settings: SettingsId, over: Option<ConnectionId>) -> Option<Outlet> {
        self.outlet(self.settings.get(&settings)?, over?)
    }

    /// The way out to a partner that is an account; none for others.
    pub(super) fn outlet_of(&self, place: &assignment::Model, partner: &partner::Model) -> Option<Outlet> {
        let config = self.settings.get(&place.settings_id.unwrap_or(partner.settings_id))?;
        self.outlet(config, config.connection_id?)
    }

    fn outlet(&self, config: &AccountConfig, over: ConnectionId) -> Option<Outlet> {
        let connection = self.connections.get(&over)?;
        Some(Outlet {
            connection: connection.id,
            buyer: connection.partner_of(self.account),
            fields: config.fields.clone(),
            mapping: config.mapping.clone(),
            closed: closed(connection, self.account),
        })
    }
}

/// Why an account's leads may not go over a connection now; none while they may.
pub(crate) fn closed(connection: &connection::Model, sender: AccountId) -> Option<&'static str> {
    use entity::connection::ConnectionStatus::{Active, Suspended, Terminated};
    match connection.status {
        Active if connection.lets_send(sender) => None,
        Active => Some("the relationship does not let leads go to this account"),
        Suspended => Some("the connection is suspended"),
        Terminated => Some("the connection has ended"),
    }
}
