//! The trace of a decision while it is made. It is bounded in entries and bytes, in memory and in the stored lead, however many steps
//! and partners a flow has. Checks that find no room are counted, step by step.
//!
//! Three kinds of entries have allowances of their own: checks of the flow and its steps; checks of the items of a step (the assignments
//! of a profile, the fields of a TRANSFORM step); and the counts of omitted checks.

mod allowance;

use std::borrow::Cow;

use self::allowance::{Allowance, NONE};
use super::outcome::{Subject, TraceEntry};
use leadmesh_flows::MAX_STEPS;
use leadmesh_forms::rules::ENCRYPTED_CONDITION;

/// The most entries of a trace, counts included.
pub const MAX_ENTRIES: usize = 500;
/// The most bytes of a trace, as the databases write its JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// The `check` of an entry that counts omitted checks.
const COUNT_CHECK: &str = "more";

const WHOLE: Allowance = Allowance {
    entries: MAX_ENTRIES,
    bytes: MAX_BYTES,
};
/// A count. There may be one for each step of a flow, and one for the flow itself.
const COUNT: Allowance = Allowance { entries: 1, bytes: 340 };
/// Checks of the flow, and of each of its steps.
const FLOW: Allowance = Allowance {
    entries: 50,
    bytes: 8 * 1024,
};
const STEP: Allowance = Allowance { entries: 2, bytes: 240 };
/// The part of a step's share that is reserved for selected recipients: one eighth, and at least one entry of 600 bytes or half of the
/// share.
const RESERVED_PART: usize = 8;
const RESERVED_BYTES: usize = 600;
/// The longest name, detail, and name in a count, in bytes.
const NAME: usize = 400;
const DETAIL: usize = 1_000;
const COUNTED_NAME: usize = 60;
/// Bytes of an entry besides its JSON: a comma, and the blanks that `PostgreSQL` writes.
const OVERHEAD: usize = 16;

/// The entries of a step, or of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    subject: Subject,
    allowance: Allowance,
    omitted: usize,
    /// Whether an omitted check depends on a condition on an encrypted field, so that their number may reveal it.
    encrypted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    entries: Vec<TraceEntry>,
    weight: usize,
    own: Allowance,
    shared: Allowance,
    share: Allowance,
    /// The most sections.
    counts: usize,
    sections: Vec<Section>,
    /// The section of the current step, and the section whose allowance its items use.
    step: Option<usize>,
    items: Option<usize>,
}

impl Default for Trace {
    fn default() -> Self {
        let mut trace = Self {
            entries: Vec::new(),
            weight: 0,
            own: NONE,
            shared: NONE,
            share: NONE,
            counts: 0,
            sections: Vec::new(),
            step: None,
            items: None,
        };
        trace.share(MAX_STEPS, 1);
        trace
    }
}

impl Trace {
    /// Resumes a stored trace, within the same bounds.
    pub fn resume(stored: Vec<TraceEntry>) -> Self {
        let mut trace = Self::default();
        for entry in stored {
            if let Some(omitted) = entry.omitted {
                trace.sections.push(Section {
                    allowance: NONE,
                    omitted,
                    encrypted: entry.rests_on_encrypted(),
                    subject: Subject {
                        id: entry.subject_id.unwrap_or_default(),
                        name: entry.subject,
                    },
                });
            } else {
                trace.weight += bytes(&entry);
                trace.entries.push(entry);
            }
        }
        // A further omission is counted by itself if there is room for that, else with the last count.
        let (counts, used) = (trace.sections.len(), trace.used());
        let most = WHOLE.without(COUNT.times(counts + 1));
        let is_room = most.entries >= used.entries && most.bytes >= used.bytes;
        trace.counts = counts + usize::from(is_room);
        trace.own = most.without(used);
        trace
    }

    /// Divides the allowance between the steps of a flow, of which `many` have many items. Before that, there are only checks of the
    /// flow.
    pub fn share(&mut self, steps: usize, many: usize) {
        let steps = steps.min(MAX_STEPS);
        let own = FLOW.and(STEP.times(steps)).at_least(self.used());
        self.counts = steps + 1;
        self.own = own.without(self.used());
        self.shared = WHOLE.without(COUNT.times(self.counts)).without(own);
        self.share = self.shared.part(many);
    }

    fn used(&self) -> Allowance {
        Allowance {
            entries: self.entries.len(),
            bytes: self.weight,
        }
    }

    /// Begins a step; `many` says whether it has many items, which have an allowance of their own.
    pub fn enter(&mut self, step: &Subject, many: bool) {
        let at = self.section(step);
        (self.step, self.items) = (Some(at), many.then_some(at));
    }

    /// Ends the steps: the next checks are the flow's.
    pub fn leave(&mut self) {
        (self.step, self.items) = (None, None);
    }

    /// Adds a check of the flow or of a step.
    pub fn check<'a>(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<Cow<'a, str>>) {
        self.add(entry(subject, check, passed, &detail.into()));
    }

    fn add(&mut self, entry: TraceEntry) {
        let bytes = bytes(&entry);
        if self.own.take(bytes, NONE) {
            self.weight += bytes;
            self.entries.push(entry);
            return;
        }
        let rests_on_encrypted = entry.rests_on_encrypted();
        let at = self.step.unwrap_or_else(|| {
            self.section(&Subject {
                id: entry.subject_id.unwrap_or_default(),
                name: entry.subject,
            })
        });
        self.omit(at, rests_on_encrypted);
    }

    /// Adds a check of an item of the step.
    pub fn check_item<'a>(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<Cow<'a, str>>) {
        let kept = self.share.part(RESERVED_PART).at_least(Allowance {
            entries: 1,
            bytes: self.share.bytes.min(RESERVED_BYTES) / 2,
        });
        let detail = detail.into();
        let rests_on_encrypted = detail.contains(ENCRYPTED_CONDITION);
        self.check_within(kept, rests_on_encrypted, || entry(subject, check, passed, &detail));
    }

    /// Adds the selection of an item, also where there is no room for other items.
    pub fn select<'a>(&mut self, subject: &Subject, passed: bool, detail: impl Into<Cow<'a, str>>) {
        let detail = detail.into();
        let rests_on_encrypted = detail.contains(ENCRYPTED_CONDITION);
        self.check_within(NONE, rests_on_encrypted, || entry(subject, "chosen", passed, &detail));
    }

    /// Adds a check of an item if it fits and leaves `besides` over. The entry is not even made where nothing fits.
    fn check_within(&mut self, besides: Allowance, rests_on_encrypted: bool, entry: impl FnOnce() -> TraceEntry) {
        let Some(at) = self.items else { return self.add(entry()) };
        if self.has_room(at, besides) {
            let entry = entry();
            let bytes = bytes(&entry);
            let section = self.sections.get_mut(at);
            if section.is_some_and(|section| section.allowance.take(bytes, besides)) && self.shared.take(bytes, NONE) {
                self.weight += bytes;
                self.entries.push(entry);
                return;
            }
        }
        self.omit(at, rests_on_encrypted);
    }

    /// The entries, within [`MAX_ENTRIES`] and [`MAX_BYTES`], and at their end the counts.
    pub fn entries(&self) -> Vec<TraceEntry> {
        let mut all = self.entries.clone();
        all.extend(self.counts());
        all
    }

    /// Bytes of the entries, counts left out.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether an entry may fit.
    fn has_room(&self, at: usize, besides: Allowance) -> bool {
        let section = self.sections.get(at);
        section.is_some_and(|section| {
            section.allowance.entries > besides.entries
                && section.allowance.bytes > besides.bytes
                && self.shared.entries > 0
        })
    }

    fn omit(&mut self, at: usize, rests_on_encrypted: bool) {
        if let Some(section) = self.sections.get_mut(at) {
            section.omitted += 1;
            section.encrypted |= rests_on_encrypted;
        }
    }

    /// The index of a subject's section. If there are more subjects than a flow has steps, the last section stands for them.
    fn section(&mut self, subject: &Subject) -> usize {
        let found = self
            .sections
            .iter()
            .position(|section| section.subject.id == subject.id);
        if let Some(found) = found {
            return found;
        }
        if self.sections.len() < self.counts {
            self.sections.push(Section {
                subject: subject.clone(),
                allowance: self.share,
                omitted: 0,
                encrypted: false,
            });
        }
        self.sections.len().saturating_sub(1)
    }

    fn counts(&self) -> impl Iterator<Item = TraceEntry> {
        let cut = self.sections.iter().filter(|section| section.omitted > 0);
        cut.map(|section| TraceEntry {
            subject: clipped(&section.subject.name, COUNTED_NAME),
            subject_id: Some(section.subject.id.clone()),
            check: COUNT_CHECK.to_owned(),
            passed: true,
            detail: describe_count(section),
            omitted: Some(section.omitted),
        })
    }
}

/// The detail of a count. It shows where the count depends on an encrypted field, so that it can be redacted.
fn describe_count(section: &Section) -> String {
    if section.encrypted {
        return format!("and {} more, such as one by {ENCRYPTED_CONDITION}", section.omitted);
    }
    format!("and {} more", section.omitted)
}

fn entry(subject: &Subject, check: &str, passed: bool, detail: &str) -> TraceEntry {
    TraceEntry {
        subject: clipped(&subject.name, NAME),
        subject_id: Some(subject.id.clone()),
        check: check.to_owned(),
        passed,
        detail: clipped_detail(detail),
        omitted: None,
    }
}

/// Clips a detail, but keeps the phrase by which it is redacted.
fn clipped_detail(detail: &str) -> String {
    let kept = clipped(detail, DETAIL);
    if kept.contains(ENCRYPTED_CONDITION) || !detail.contains(ENCRYPTED_CONDITION) {
        return kept;
    }
    let kept = clipped(detail, DETAIL - ENCRYPTED_CONDITION.len() - 1);
    format!("{kept} {ENCRYPTED_CONDITION}")
}

/// At most `most` bytes of a text, with an ellipsis if it is longer.
fn clipped(text: &str, most: usize) -> String {
    const SIGN: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(most.saturating_sub(SIGN.len())));
    format!("{}{SIGN}", kept.unwrap_or_default())
}

/// Bytes of an entry as JSON.
fn bytes(entry: &TraceEntry) -> usize {
    let mut counted = Counted(OVERHEAD);
    // Cannot fail: counting never does, and an entry is nothing but texts.
    if serde_json::to_writer(&mut counted, entry).is_err() {
        return MAX_BYTES;
    }
    counted.0
}

/// Counts bytes.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, written: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(written.len());
        Ok(written.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
