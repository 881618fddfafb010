//! What is shared of leads: by one version of the delivery settings, of one flow's fields as they are now.

use std::collections::HashMap;

use entity::delivery_config::DeliveryConfig;
use entity::field::FieldDef;
use entity::ids::{AccountId, FlowId, SettingsId};
use entity::{delivery_settings, flow};
use sea_orm::{ColumnTrait, QueryFilter};

use crate::payload::Columns;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};

pub(super) struct Shapes {
    settings: HashMap<SettingsId, DeliveryConfig>,
    flows: HashMap<FlowId, Vec<FieldDef>>,
}

/// What one version of the settings shares of one flow.
pub(super) struct Shape<'a> {
    config: &'a DeliveryConfig,
    definitions: &'a [FieldDef],
}

impl Shapes {
    /// Loads what those pairs need. Deleted flows count: their leads are still shown.
    pub(super) async fn load(
        app: &App,
        account: AccountId,
        pairs: impl Iterator<Item = (SettingsId, FlowId)>,
    ) -> Result<Self> {
        let (mut settings, mut flows): (Vec<_>, Vec<_>) = pairs.unzip();
        settings.sort_unstable();
        settings.dedup();
        flows.sort_unstable();
        flows.dedup();
        let db = app.db.read();
        let settings =
            delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.is_in(settings));
        let flows = flow::Entity::ever_in_account(account).filter(flow::Column::Id.is_in(flows));
        let (settings, flows) = tokio::try_join!(settings.all(db), flows.all(db))?;
        Ok(Self {
            settings: settings.into_iter().map(|row| (row.id, row.config)).collect(),
            flows: flows.into_iter().map(|row| (row.id, row.fields.0)).collect(),
        })
    }

    /// What is shared of a hand-made test lead, whose fields are not those of a flow.
    pub(super) fn of_typed_in<'a>(&'a self, settings: SettingsId, definitions: &'a [FieldDef]) -> Result<Shape<'a>> {
        let config = self.settings.get(&settings);
        let config = config.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its settings")))?;
        Ok(Shape { config, definitions })
    }

    pub(super) fn of(&self, settings: SettingsId, flow: FlowId) -> Result<Shape<'_>> {
        let missing = |what| move || Error::Internal(anyhow::anyhow!("a delivery without its {what}"));
        Ok(Shape {
            config: self.settings.get(&settings).ok_or_else(missing("settings"))?,
            definitions: self.flows.get(&flow).ok_or_else(missing("flow"))?,
        })
    }
}

impl<'a> Shape<'a> {
    #[cfg(test)]
    pub(super) fn new(config: &'a DeliveryConfig, definitions: &'a [FieldDef]) -> Self {
        Self { config, definitions }
    }

    /// The fields that are shared, in the flow's order.
    pub(super) fn shared(&self) -> impl Iterator<Item = &'a FieldDef> + use<'a> {
        let selection = self.config.fields();
        self.definitions.iter().filter(|field| selection.shares(&field.name))
    }

    pub(super) fn hidden(&self) -> impl Iterator<Item = &'a FieldDef> + use<'a> {
        let selection = self.config.fields();
        self.definitions.iter().filter(|field| !selection.shares(&field.name))
    }

    pub(super) fn columns(&self) -> Columns {
        Columns::new(self.config.fields(), self.config.mapping(), self.definitions)
    }
}
