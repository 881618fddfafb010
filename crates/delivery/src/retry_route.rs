//! How a recipient gets its leads now, as against when a delivery was made: its caps, and the version of its settings.

use std::collections::{HashMap, HashSet};

use entity::cap_usage::Cap;
use entity::delivery::{self, Model, Reservations};
use entity::delivery_config::{Channel, DeliveryConfig};
use entity::ids::{AccountId, AssignmentId, ConnectionId, LeadId, PartnerId, SettingsId, StepId};
use entity::manual_retry::RetryRoute;
use entity::step::StepConfig;
use entity::{assignment, connection, delivery_settings, partner, step};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect};

use leadmesh_core::error::{Result, UserErrorCode};

/// Which delivery settings a retry by hand uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "RetrySettings")]
pub enum RetrySettings {
    /// The settings that the delivery has. The payload stays the same.
    #[default]
    Frozen,
    /// The recipient's current settings, which the delivery keeps from then on: a corrected address or template, or
    /// another channel.
    Current,
}

/// Why a delivery is not attempted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: UserErrorCode,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it is said of this delivery, not of all to its recipient.
    pub of_this_delivery: bool,
}

impl Refusal {
    fn new(code: UserErrorCode, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
            of_this_delivery: false,
        }
    }
}

/// The recipients of some deliveries of an account as they are set up now.
pub(super) struct CurrentSetup {
    pub(super) account: AccountId,
    partners: HashMap<PartnerId, partner::Model>,
    places: HashMap<AssignmentId, assignment::Model>,
    steps: HashMap<StepId, step::Model>,
    configs: HashMap<SettingsId, DeliveryConfig>,
    connections: Vec<connection::Model>,
}

impl CurrentSetup {
    /// Reads it in the caller's transaction.
    pub(super) async fn load(tx: &DatabaseTransaction, account: AccountId, rows: &[Model]) -> Result<Self> {
        let partners = rows.iter().filter_map(|row| row.partner_id);
        let partners = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(partners));
        let places = rows.iter().filter_map(|row| row.assignment_id);
        let places = assignment::Entity::in_account(account).filter(assignment::Column::Id.is_in(places));
        let steps = rows.iter().filter(|row| row.partner_id.is_none());
        let steps = steps.filter_map(|row| row.step_id);
        let steps = step::Entity::in_account(account).filter(step::Column::Id.is_in(steps));
        let mut setup = Self {
            account,
            partners: partners.all(tx).await?.into_iter().map(|row| (row.id, row)).collect(),
            places: places.all(tx).await?.into_iter().map(|row| (row.id, row)).collect(),
            steps: steps.all(tx).await?.into_iter().map(|row| (row.id, row)).collect(),
            configs: HashMap::new(),
            connections: Vec::new(),
        };
        let wanted = rows.iter().filter_map(|row| setup.settings_of(row));
        let wanted: Vec<SettingsId> = wanted.collect();
        let configs = delivery_settings::Entity::in_account(account);
        let configs = configs
            .filter(delivery_settings::Column::Id.is_in(wanted))
            .all(tx)
            .await?;
        let accounts = |row: &delivery_settings::Model| row.config.channel() == Channel::Account;
        if rows.iter().any(|row| row.buyer_account_id.is_some()) || configs.iter().any(accounts) {
            let live = connection::Entity::of_account(account);
            let live = live.filter(connection::Column::Status.ne(connection::ConnectionStatus::Terminated));
            setup.connections = live.all(tx).await?;
        }
        setup.configs = configs.into_iter().map(|row| (row.id, row.config)).collect();
        Ok(setup)
    }

    /// The caps on which a delivery to its recipient counts: the partner's, then the place's; a BUYER step's.
    pub(super) fn caps(&self, row: &Model) -> Vec<Cap> {
        let partner = row.partner_id.and_then(|id| self.partners.get(&id));
        let place = row.assignment_id.and_then(|id| self.places.get(&id));
        let step = row.step_id.and_then(|id| self.steps.get(&id));
        let buyer: &[Cap] = match step.map(|step| &step.config) {
            Some(StepConfig::Buyer { caps, .. }) => caps,
            _ => &[],
        };
        let partner = partner.into_iter().flat_map(|partner| &partner.caps.0);
        let place = place.into_iter().flat_map(|place| &place.caps.0);
        partner.chain(place).chain(buyer).cloned().collect()
    }

    /// How a delivery goes if it is attempted again; nothing is reserved for it yet.
    pub(super) fn route(&self, row: &Model, settings: RetrySettings) -> std::result::Result<RetryRoute, Refusal> {
        match settings {
            RetrySettings::Frozen => Ok(self.as_before(row)),
            RetrySettings::Current if row.partner_id.is_some() => self.to_partner(row),
            RetrySettings::Current => self.to_buyer(row),
        }
    }

    /// By the same settings; asked for by hand, it goes over the connection that there is now.
    fn as_before(&self, row: &Model) -> RetryRoute {
        let mut again = RetryRoute::as_before(row);
        let live = row.buyer_account_id.and_then(|buyer| self.live_with(buyer));
        again.connection_id = live.map(|live| live.id).or(again.connection_id);
        again
    }

    fn to_partner(&self, row: &Model) -> std::result::Result<RetryRoute, Refusal> {
        let found = self.settings_of(row).and_then(|id| Some((id, self.configs.get(&id)?)));
        let Some((settings_id, config)) = found else {
            let text = "the partner has no delivery settings now: set some with setPartnerDelivery, or retry with settings FROZEN";
            return Err(Refusal::new(UserErrorCode::NotConfigured, text));
        };
        let link = match config {
            DeliveryConfig::Account(config) => Some(self.link(config.connection_id)?),
            _ => None,
        };
        Ok(RetryRoute {
            settings_id,
            channel: config.channel(),
            buyer_account_id: link.map(|link| link.partner_of(self.account)),
            connection_id: link.map(|link| link.id),
            reservations: Reservations::default(),
        })
    }

    fn link(&self, named: Option<ConnectionId>) -> std::result::Result<&connection::Model, Refusal> {
        let found = self.connections.iter().find(|link| Some(link.id) == named);
        found.ok_or_else(|| {
            let text =
                "the connection that the partner's settings name has ended: choose another one with setPartnerDelivery";
            Refusal::new(UserErrorCode::NotConnected, text)
        })
    }

    /// By what the BUYER step shares now, if it still delivers to that account.
    fn to_buyer(&self, row: &Model) -> std::result::Result<RetryRoute, Refusal> {
        let link = row.buyer_account_id.and_then(|buyer| self.live_with(buyer));
        let Some(link) = link else {
            let text = "you are not connected with this account now: connect again, then retry the delivery";
            return Err(Refusal::new(UserErrorCode::NotConnected, text));
        };
        let step = row.step_id.and_then(|id| self.steps.get(&id));
        let same = step.is_some_and(|step| step.connection_id == Some(link.id));
        let Some(settings_id) = self.settings_of(row).filter(|_| same) else {
            let text = "the step is gone or delivers to another account now: retry with settings FROZEN";
            return Err(Refusal::new(UserErrorCode::Conflict, text));
        };
        Ok(RetryRoute {
            settings_id,
            connection_id: Some(link.id),
            ..RetryRoute::as_before(row)
        })
    }

    fn live_with(&self, buyer: AccountId) -> Option<&connection::Model> {
        let mut live = self.connections.iter();
        live.find(|link| link.partner_of(self.account) == buyer)
    }

    /// The version of the settings by which the recipient gets its next lead.
    fn settings_of(&self, row: &Model) -> Option<SettingsId> {
        if let Some(partner) = row.partner_id {
            let place = row.assignment_id.and_then(|id| self.places.get(&id));
            let own = place.and_then(|place| place.settings_id);
            return own.or_else(|| Some(self.partners.get(&partner)?.settings_id));
        }
        match &self.steps.get(&row.step_id?)?.config {
            StepConfig::Buyer { settings_id, .. } => Some(*settings_id),
            _ => None,
        }
    }
}

/// The accounts to which deliveries of some leads go, or went, however they ended: an account gets a lead by one delivery.
pub(super) async fn with_buyers(
    tx: &DatabaseTransaction,
    account: AccountId,
    leads: Vec<LeadId>,
) -> Result<HashSet<(LeadId, AccountId)>> {
    if leads.is_empty() {
        return Ok(HashSet::new());
    }
    let found = delivery::Entity::of_leads(account, leads)
        .filter(delivery::Column::BuyerAccountId.is_not_null())
        .select_only()
        .columns([delivery::Column::LeadId, delivery::Column::BuyerAccountId]);
    let found: Vec<(LeadId, AccountId)> = found.into_tuple().all(tx).await?;
    Ok(found.into_iter().collect())
}
