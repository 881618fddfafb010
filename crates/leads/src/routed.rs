//! The values by which a lead was routed, if later steps have changed them: see [`entity::routed`].

use std::collections::BTreeMap;

use entity::ids::{AccountId, LeadId, StepId};
use entity::routed::Routed;
use serde_json::{Map, Value};

use super::draft::InboundLead;
use super::sealed::{self, ValueKind};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// The values of a decided lead; empty where no step has changed a value after routing.
pub fn of(lead: &InboundLead) -> Routed {
    let draft = &lead.draft;
    let steps = draft
        .routed_steps
        .iter()
        .filter(|mark| mark.overwritten < draft.overwritten.len());
    let steps = steps.filter_map(|mark| Some((lead.flow.steps.get(mark.step)?.id, mark.overwritten)));
    let steps: BTreeMap<StepId, usize> = steps.collect();
    if steps.is_empty() {
        return Routed::default();
    }
    Routed {
        overwritten: draft.overwritten.clone(),
        steps,
    }
}

/// The column of a lead; none where it is empty. Values of encrypted fields are sealed.
pub fn stored(lead: &InboundLead) -> Result<Option<Routed>> {
    let mut routed = of(lead);
    if routed.steps.is_empty() {
        return Ok(None);
    }
    for (index, before) in routed.overwritten.iter_mut().enumerate() {
        let Some(value) = before.value.take() else { continue };
        let one = Map::from_iter([(before.field.clone(), value)]);
        let keys = lead.keys.as_deref();
        let mut one = sealed::stored_fields(&lead.flow.fields, lead.id, one, ValueKind::Overwritten(index), keys)?;
        before.value = one.remove(&before.field);
    }
    Ok(Some(routed))
}

/// A stored column with encrypted values opened.
pub async fn open(app: &App, account: AccountId, lead: LeadId, stored: Option<Routed>) -> Result<Routed> {
    let mut routed = stored.unwrap_or_default();
    for (index, before) in routed.overwritten.iter_mut().enumerate() {
        let Some(value) = before.value.take() else { continue };
        let one = Value::Object(Map::from_iter([(before.field.clone(), value)]));
        let mut one = sealed::open(app, account, lead, &one, ValueKind::Overwritten(index)).await?;
        before.value = one.remove(&before.field);
    }
    Ok(routed)
}
