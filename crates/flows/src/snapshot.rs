//! A flow as its revisions store it, and as clients read it in `FlowRevision.snapshot`.
//!
//! The format, in camel case: `name`, `description`, `enabled`, `fields`, `acceptanceRule`, `duplicateKeys`,
//! `duplicateWindowDays`, `caps`, `price` (`{amount, currency}`), and in order `sources` (`id`, `kind`, `name`, `enabled`,
//! `acceptanceRule`, `mapping`, `caps`, `price`, `connectionId`, `invitationId`) and `steps` (`id`, `name`, `enabled`,
//! `criteria`, `config` with its `kind`). Identifiers are those of the API. What may be absent is null or left out.

use entity::cap_usage::Cap;
use entity::delivery_config::FieldMapping;
use entity::field::FieldDef;
use entity::ids::{ConnectionId, InvitationId, SourceId, StepId};
use entity::source::{self, Mappings, SourceKind};
use entity::step::{self, StepConfig};
use entity::{cap_usage, flow};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::{Contents, profile_of};
use super::price::Price;

/// A flow with its sources and steps, as it was after one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionSnapshot {
    pub name: String,
    pub description: Option<String>,
    /// Whether it took leads.
    pub enabled: bool,
    /// Definitions of its fields.
    pub fields: Vec<FieldDef>,
    /// Canonical rule.
    pub acceptance_rule: Option<Value>,
    /// Fields that identify duplicates.
    pub duplicate_keys: Vec<String>,
    /// Days in which they do.
    pub duplicate_window_days: Option<i32>,
    /// Limits of accepted leads.
    pub caps: Vec<Cap>,
    /// Price paid to sources.
    pub price: Option<PriceSnapshot>,
    /// Sources, in order.
    pub sources: Vec<SourceSnapshot>,
    /// Steps, in order.
    pub steps: Vec<StepSnapshot>,
}

/// A source of that flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceSnapshot {
    /// Identifier, which reverting restores.
    pub id: SourceId,
    /// Own form or connected account.
    pub kind: SourceKind,
    pub name: String,
    /// Whether it could submit.
    pub enabled: bool,
    /// Canonical rule.
    pub acceptance_rule: Option<Value>,
    /// The sender's field names by the flow's.
    pub mapping: Vec<FieldMapping>,
    /// Limits of accepted leads.
    pub caps: Vec<Cap>,
    pub price: Option<PriceSnapshot>,
    /// Its connection. Reverting does not restore it.
    pub connection_id: Option<ConnectionId>,
    /// The invitation that it waited for. Reverting does not restore it.
    pub invitation_id: Option<InvitationId>,
}

/// A step of that flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSnapshot {
    /// Identifier, which reverting restores.
    pub id: StepId,
    pub name: String,
    /// Whether leads passed through it.
    pub enabled: bool,
    /// Canonical rule.
    pub criteria: Option<Value>,
    /// What it did.
    pub config: StepConfig,
}

/// A price. The amount is text, so that reverting restores it exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSnapshot {
    /// In units of the currency.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
}

impl PriceSnapshot {
    fn of(e4: Option<i64>, currency: Option<String>) -> Option<Self> {
        Price::from_columns(e4, currency).map(|price| Self {
            amount: price.amount(),
            currency: price.currency,
        })
    }

    /// None if the currency is no longer in use.
    fn columns(price: Option<Self>) -> (Option<i64>, Option<String>) {
        Price::columns(price.and_then(|price| Price::check(price.amount, &price.currency, "").ok()))
    }
}

impl RevisionSnapshot {
    pub(super) fn of(contents: &Contents) -> Self {
        let flow = contents.flow.clone();
        Self {
            name: flow.name,
            description: flow.description,
            enabled: flow.enabled,
            fields: flow.fields.0,
            acceptance_rule: flow.acceptance_rule,
            duplicate_keys: flow.duplicate_keys.0,
            duplicate_window_days: flow.duplicate_window_days,
            caps: flow.caps.0,
            price: PriceSnapshot::of(flow.price_e4, flow.price_currency),
            sources: contents.sources.iter().map(SourceSnapshot::of).collect(),
            steps: contents.steps.iter().map(StepSnapshot::of).collect(),
        }
    }

    /// The flow of that revision. `flow` gives its identity and version; `sources` and `steps` include removed ones.
    /// The connection of a source is not restored: connections have their own history.
    pub(super) fn restore(self, flow: &flow::Model, sources: &[source::Model], steps: &[step::Model]) -> Contents {
        let (price_e4, price_currency) = PriceSnapshot::columns(self.price);
        let row = |part: SourceSnapshot| {
            sources
                .iter()
                .find(|row| row.id == part.id)
                .map(|row| part.restore(row))
        };
        let restored_sources = self.sources.into_iter().filter_map(row).collect();
        let row = |part: StepSnapshot| steps.iter().find(|row| row.id == part.id).map(|row| part.restore(row));
        let restored_steps = self.steps.into_iter().filter_map(row).collect();
        let flow = flow::Model {
            name: self.name,
            description: self.description,
            enabled: self.enabled,
            fields: flow::FieldDefs(self.fields),
            acceptance_rule: self.acceptance_rule,
            duplicate_keys: flow::Names(self.duplicate_keys),
            duplicate_window_days: self.duplicate_window_days,
            caps: cap_usage::Caps(self.caps),
            price_e4,
            price_currency,
            ..flow.clone()
        };
        Contents {
            flow,
            sources: restored_sources,
            steps: restored_steps,
        }
    }
}

impl SourceSnapshot {
    fn of(source: &source::Model) -> Self {
        Self {
            id: source.id,
            kind: source.kind,
            name: source.name.clone(),
            enabled: source.enabled,
            acceptance_rule: source.acceptance_rule.clone(),
            mapping: source.mapping.0.clone(),
            caps: source.caps.0.clone(),
            price: PriceSnapshot::of(source.price_e4, source.price_currency.clone()),
            connection_id: source.connection_id,
            invitation_id: source.invitation_id,
        }
    }

    fn restore(self, row: &source::Model) -> source::Model {
        let (price_e4, price_currency) = PriceSnapshot::columns(self.price);
        source::Model {
            name: self.name,
            enabled: self.enabled,
            acceptance_rule: self.acceptance_rule,
            mapping: Mappings(self.mapping),
            caps: cap_usage::Caps(self.caps),
            price_e4,
            price_currency,
            deleted_at: None,
            ..row.clone()
        }
    }
}

impl StepSnapshot {
    fn of(step: &step::Model) -> Self {
        Self {
            id: step.id,
            name: step.name.clone(),
            enabled: step.enabled,
            criteria: step.criteria.clone(),
            config: step.config.clone(),
        }
    }

    fn restore(self, row: &step::Model) -> step::Model {
        step::Model {
            name: self.name,
            enabled: self.enabled,
            criteria: self.criteria,
            profile_id: profile_of(&self.config),
            config: self.config,
            deleted_at: None,
            ..row.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_stored_form_comes_back_unchanged() {
        let stored = json!({
            "name": "Solar", "description": null, "enabled": true,
            "fields": [{"name": "age", "label": "Age", "type": "INTEGER", "required": true, "encrypted": false}],
            "acceptanceRule": {"condition": {"field": "age", "operator": "GREATER_THAN", "value": 17}},
            "duplicateKeys": ["age"], "duplicateWindowDays": 30,
            "caps": [{"id": "cap_01h2xcejqtf2nbrexx3vqjhp41", "period": "DAY", "limit": 5, "timezone": "UTC"}],
            "price": {"amount": "12.5", "currency": "USD"},
            "sources": [{
                "id": "src_01h2xcejqtf2nbrexx3vqjhp41", "kind": "OWN", "name": "Web form", "enabled": false,
                "acceptanceRule": null, "mapping": [{"from": "Alter", "to": "age"}], "caps": [], "price": null,
                "connectionId": null, "invitationId": null
            }],
            "steps": [{
                "id": "step_01h2xcejqtf2nbrexx3vqjhp41", "name": "Stop", "enabled": true, "criteria": null,
                "config": {"kind": "FILTER", "rule": {"all": []}, "reason": "no"}
            }]
        });
        let snapshot: RevisionSnapshot = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&snapshot).unwrap(), stored);
    }
}
