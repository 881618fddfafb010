//! The memory of duplicates while leads are stored: taken for all that may be accepted, and put right once it is known which were.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::ids::{FlowId, LeadId};
use entity::{bulk, duplicate_memory};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use crate::allocate::{Accepted, refuse_duplicate};
use crate::branch::Entering;
use leadmesh_core::error::{Error, Outage, Result};

/// Forgotten by one statement: each is a condition, and `SQLite` nests them at most 1,000 deep.
const AT_ONCE: usize = 200;
/// How often values are taken that are forgotten while they are.
const TAKINGS: usize = 5;

/// What leads of one transaction may take.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<(FlowId, String), Claim>);

/// The same values in one flow.
struct Claim {
    /// The values, by which it is known what was accepted.
    values: String,
    /// The lead that the row names, and when it was accepted.
    held_by: LeadId,
    /// When the lead came.
    at: DateTime<Utc>,
    /// Whether some lead may be accepted with these values.
    wanted: bool,
    /// When another lead was accepted with these values before this transaction.
    before: Option<DateTime<Utc>>,
}

impl Claim {
    fn row(&self, (flow, hash): &(FlowId, String)) -> duplicate_memory::ActiveModel {
        duplicate_memory::ActiveModel {
            flow_id: Set(*flow),
            key_hash: Set(hash.clone()),
            lead_id: Set(self.held_by),
            at: Set(self.at),
        }
    }
}

impl Claims {
    /// Adds what a lead and those that it may become at buyers would take.
    pub(super) fn add(&mut self, lead: &mut Entering, at: DateTime<Utc>) {
        lead.visit(&mut |lead| {
            let (Some(keys), Some(values)) = (&lead.keys, &lead.draft.duplicate_values) else {
                return;
            };
            let wanted = lead.draft.reasons.is_empty();
            let key = (lead.flow.flow, keys.index("duplicate", values));
            let claim = self.0.entry(key).or_insert_with(|| Claim {
                values: values.clone(),
                held_by: lead.id,
                at,
                wanted,
                before: None,
            });
            claim.wanted |= wanted;
        });
    }

    /// Takes what is free, and learns when the rest was taken. Whoever wants the same waits for this commit. What was taken and is
    /// forgotten before its row is read is taken anew, or a lead would be accepted that nobody remembers.
    pub(super) async fn take(&mut self, tx: &DatabaseTransaction) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut missing: BTreeSet<&(FlowId, String)> = self.wanted().collect();
        for _ in 0..TAKINGS {
            let rows = missing.iter().filter_map(|key| Some(self.0.get(*key)?.row(key)));
            let taken = bulk::insert_if_absent::<duplicate_memory::Entity>(tx, rows.collect()).await?;
            if usize::try_from(taken).is_ok_and(|taken| taken == self.0.len()) {
                return Ok(());
            }
            let (flows, hashes): (BTreeSet<FlowId>, Vec<String>) = self.0.keys().cloned().unzip();
            let known = duplicate_memory::Entity::locked(tx, flows, hashes).all(tx).await?;
            missing = self.wanted().collect();
            for row in &known {
                missing.remove(&(row.flow_id, row.key_hash.clone()));
            }
            if missing.is_empty() {
                self.learn(known);
                return Ok(());
            }
        }
        Err(Error::Outage(Outage::GaveWay))
    }

    fn wanted(&self) -> impl Iterator<Item = &(FlowId, String)> {
        self.0.iter().filter(|(_, claim)| claim.wanted).map(|(key, _)| key)
    }

    /// Notes which leads were accepted before with the same values.
    fn learn(&mut self, known: Vec<duplicate_memory::Model>) {
        for row in known {
            if let Some(claim) = self.0.get_mut(&(row.flow_id, row.key_hash))
                && claim.held_by != row.lead_id
            {
                claim.held_by = row.lead_id;
                claim.before = Some(row.at);
            }
        }
    }

    /// Refuses what would be accepted a second time within the flow's window.
    pub(super) fn refuse(&self, lead: &mut Entering, at: DateTime<Utc>) {
        if self.0.values().all(|claim| claim.before.is_none()) {
            return;
        }
        lead.visit(&mut |lead| {
            let Some(key) = lead.keys.as_ref().zip(lead.draft.duplicate_values.as_ref()) else {
                return;
            };
            let key = (lead.flow.flow, key.0.index("duplicate", key.1));
            if let Some(last) = self.0.get(&key).and_then(|claim| claim.before) {
                refuse_duplicate(&lead.flow, &mut lead.draft, last, at);
            }
        });
    }

    /// Makes the memory say what was accepted: a lead that was not is not remembered.
    pub(super) async fn keep(
        self,
        tx: &DatabaseTransaction,
        accepted: &HashMap<(FlowId, String), Accepted>,
    ) -> Result<()> {
        let mut forgotten = Vec::new();
        for ((flow, hash), claim) in self.0 {
            match accepted.get(&(flow, claim.values)) {
                Some(accepted) if accepted.lead == claim.held_by => {}
                Some(accepted) => {
                    let kept = duplicate_memory::ActiveModel {
                        flow_id: Set(flow),
                        key_hash: Set(hash),
                        lead_id: Set(accepted.lead),
                        at: Set(accepted.at),
                    };
                    kept.update(tx).await?;
                }
                None if claim.wanted && claim.before.is_none() => forgotten.push((flow, hash)),
                None => {}
            }
        }
        for some in forgotten.chunks(AT_ONCE) {
            duplicate_memory::Entity::forget(some.to_vec()).exec(tx).await?;
        }
        Ok(())
    }
}
