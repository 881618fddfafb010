//! Connected accounts that a flow's steps and partners deliver to, with their connections as they are now.

use std::collections::HashMap;

use entity::connection::ConnectionStatus;
use entity::delivery_config::{AccountConfig, DeliveryConfig};
use entity::ids::{AccountId, ConnectionId, SettingsId};
use entity::step::StepConfig;
use entity::{assignment, connection, delivery_settings, partner, step};
use sea_orm::{ColumnTrait, QueryFilter};

use crate::snapshot::AccountRecipient;
use leadmesh_core::database::Connection;
use leadmesh_core::error::Result;

/// Settings of deliveries into accounts, and the connections that they use.
pub(super) struct Recipients {
    account: AccountId,
    settings: HashMap<SettingsId, AccountConfig>,
    connections: HashMap<ConnectionId, connection::Model>,
}

impl Recipients {
    /// Those of the BUYER steps.
    pub(super) async fn load(db: &Connection, account: AccountId, steps: &[step::Model]) -> Result<Self> {
        let mut recipients = Self {
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
            return Ok(recipients);
        }
        let rows = delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
        recipients.add(rows.all(db).await?);
        let named = steps.iter().filter_map(|step| step.connection_id);
        recipients.connections = load_connections(db, account, named).await?;
        Ok(recipients)
    }

    /// Adds the partners that are accounts: those whose settings have the ACCOUNT channel.
    pub(super) async fn add_partners(
        &mut self,
        db: &Connection,
        settings: Vec<delivery_settings::Model>,
    ) -> Result<()> {
        self.add(settings);
        let named = self.settings.values().filter_map(|config| config.connection_id);
        let missing = named.filter(|id| !self.connections.contains_key(id));
        let found = load_connections(db, self.account, missing).await?;
        self.connections.extend(found);
        Ok(())
    }

    fn add(&mut self, settings: Vec<delivery_settings::Model>) {
        let accounts = settings.into_iter().filter_map(|row| match row.config {
            DeliveryConfig::Account(config) => Some((row.id, config)),
            _ => None,
        });
        self.settings.extend(accounts);
    }

    /// The recipient of a BUYER step; none until its buyer is connected.
    pub(super) fn of_step(&self, settings: SettingsId, over: Option<ConnectionId>) -> Option<AccountRecipient> {
        self.recipient(self.settings.get(&settings)?, over?)
    }

    /// The recipient of an assignment whose partner is an account; none for others.
    pub(super) fn of_assignment(
        &self,
        assignment: &assignment::Model,
        partner: &partner::Model,
    ) -> Option<AccountRecipient> {
        let config = self
            .settings
            .get(&assignment.settings_id.unwrap_or(partner.settings_id))?;
        self.recipient(config, config.connection_id?)
    }

    fn recipient(&self, config: &AccountConfig, over: ConnectionId) -> Option<AccountRecipient> {
        let connection = self.connections.get(&over)?;
        Some(AccountRecipient {
            connection: connection.id,
            buyer: connection.partner_of(self.account),
            fields: config.fields.clone(),
            mapping: config.mapping.clone(),
            blocked: blocked(connection, self.account),
        })
    }
}

/// The connections of an account with these identifiers.
pub(super) async fn load_connections(
    db: &Connection,
    account: AccountId,
    ids: impl Iterator<Item = ConnectionId>,
) -> Result<HashMap<ConnectionId, connection::Model>> {
    let ids: Vec<ConnectionId> = ids.collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(ids));
    Ok(rows.all(db).await?.into_iter().map(|row| (row.id, row)).collect())
}

/// Why leads of an account may not go over a connection; none while they may.
fn blocked(connection: &connection::Model, sender: AccountId) -> Option<&'static str> {
    match connection.status {
        ConnectionStatus::Active if connection.lets_send(sender) => None,
        ConnectionStatus::Active => Some("the relationship does not let leads go to this account"),
        ConnectionStatus::Suspended => Some("the connection is suspended"),
        ConnectionStatus::Terminated => Some("the connection has ended"),
    }
}
