//! The duplicate memory while leads are stored: rows are claimed for all leads that may be accepted, and corrected once it is known which
//! were.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::ids::{FlowId, LeadId};
use entity::{bulk, duplicate_memory};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use crate::allocate::{Accepted, refuse_duplicate};
use crate::draft::InboundLead;
use leadmesh_core::error::{Error, Outage, Result};

/// Rows deleted by one statement. Each is a condition, and `SQLite` nests at most 1,000 of them.
const DELETE_BATCH: usize = 200;
/// How often rows are claimed again when housekeeping deletes them at the same time.
const MAX_TRIES: usize = 5;

/// Claims of the leads of one transaction, by flow and keyed hash.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<(FlowId, String), Claim>);

/// A claim to the same values in one flow.
struct Claim {
    values: String,
    /// The lead that the row names.
    lead: LeadId,
    /// When that lead was submitted.
    at: DateTime<Utc>,
    /// Whether a lead may be accepted with these values.
    wanted: bool,
    /// When another lead was accepted with these values before this transaction.
    before: Option<DateTime<Utc>>,
}

impl Claim {
    fn row(&self, (flow, hash): &(FlowId, String)) -> duplicate_memory::ActiveModel {
        duplicate_memory::ActiveModel {
            flow_id: Set(*flow),
            key_hash: Set(hash.clone()),
            lead_id: Set(self.lead),
            at: Set(self.at),
        }
    }
}

impl Claims {
    /// Adds the claims of a lead, and of what it may become at buyers.
    pub(super) fn add(&mut self, lead: &mut InboundLead, at: DateTime<Utc>) {
        lead.visit(&mut |lead| {
            let (Some(keys), Some(values)) = (&lead.keys, &lead.draft.duplicate_values) else {
                return;
            };
            let wanted = lead.draft.reasons.is_empty();
            let key = (lead.flow.flow, keys.index("duplicate", values));
            let claim = self.0.entry(key).or_insert_with(|| Claim {
                values: values.clone(),
                lead: lead.id,
                at,
                wanted,
                before: None,
            });
            claim.wanted |= wanted;
        });
    }

    /// Inserts the free rows, and reads when the others were accepted. Other transactions with the same values wait for this commit. A
    /// row that is deleted before it is read is inserted again: otherwise a lead would be accepted without a row.
    pub(super) async fn take(&mut self, tx: &DatabaseTransaction) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut missing: BTreeSet<&(FlowId, String)> = self.wanted().collect();
        for _ in 0..MAX_TRIES {
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

    /// Notes the leads that were accepted before with the same values.
    fn learn(&mut self, known: Vec<duplicate_memory::Model>) {
        for row in known {
            if let Some(claim) = self.0.get_mut(&(row.flow_id, row.key_hash))
                && claim.lead != row.lead_id
            {
                claim.lead = row.lead_id;
                claim.before = Some(row.at);
            }
        }
    }

    /// Rejects leads whose values the flow has accepted within its window.
    pub(super) fn refuse(&self, lead: &mut InboundLead, at: DateTime<Utc>) {
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

    /// Corrects the rows: they name the leads that were accepted, and no others.
    pub(super) async fn keep(
        self,
        tx: &DatabaseTransaction,
        accepted: &HashMap<(FlowId, String), Accepted>,
    ) -> Result<()> {
        let mut forgotten = Vec::new();
        for ((flow, hash), claim) in self.0 {
            match accepted.get(&(flow, claim.values)) {
                Some(accepted) if accepted.lead == claim.lead => {}
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
        for some in forgotten.chunks(DELETE_BATCH) {
            duplicate_memory::Entity::forget(some.to_vec()).exec(tx).await?;
        }
        Ok(())
    }
}
