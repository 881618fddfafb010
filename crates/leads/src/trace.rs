//! The trace of a decision while it is made. It is bounded in entries and bytes by what it takes in, so that a flow with many steps
//! to many partners costs no more than its bounds, in memory and in each stored lead. What finds no room is counted, step by step.
//!
//! Three kinds of looks have room of their own: those at the flow and its steps, those at what a step goes through (the places of
//! a profile, the fields of a TRANSFORM step), and the counts of what was left out.

mod room;

use std::borrow::Cow;

use self::room::{NONE, Room};
use super::outcome::{Subject, TraceEntry};
use leadmesh_flows::MAX_STEPS;
use leadmesh_forms::rules::ENCRYPTED_CONDITION;

/// Entries of a trace at most, with those that tell how much was left out.
pub const MAX_ENTRIES: usize = 500;
/// Bytes of a trace at most, as the databases write its JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// The `check` of an entry that tells how much was left out.
const LEFT_OUT: &str = "more";

/// All of it.
const WHOLE: Room = Room {
    entries: MAX_ENTRIES,
    bytes: MAX_BYTES,
};
/// An entry that tells how much was left out: there may be one for each step of a flow, and one for the flow itself.
const COUNT: Room = Room { entries: 1, bytes: 340 };
/// What looks at a flow may take, and those at each of its steps.
const FLOW: Room = Room {
    entries: 50,
    bytes: 8 * 1024,
};
const STEP: Room = Room { entries: 2, bytes: 240 };
/// The part of a step's share that only those who get the lead may use: one in this many, and room for one of so many bytes or half
/// of the share.
const KEPT_FOR_CHOSEN: usize = 8;
const ONE_CHOSEN: usize = 600;
/// Bytes kept of a name, of a detail, and of a name in a count.
const NAME: usize = 400;
const DETAIL: usize = 1_000;
const COUNTED_NAME: usize = 60;
/// What an entry takes besides its JSON: a comma, and the blanks that `PostgreSQL` writes.
const AROUND: usize = 16;

/// A step, or the flow, as the trace knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    subject: Subject,
    room: Room,
    left_out: usize,
    /// Whether a look among them rests on a condition of an encrypted field, so that their number may tell of it.
    discreet: bool,
}

/// A trace in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    entries: Vec<TraceEntry>,
    weight: usize,
    own: Room,
    shared: Room,
    share: Room,
    /// Sections at most.
    counts: usize,
    sections: Vec<Section>,
    /// The section of the step that looks now, and the one whose room it takes for what it goes through.
    step: Option<usize>,
    at: Option<usize>,
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
            at: None,
        };
        trace.share(MAX_STEPS, 1);
        trace
    }
}

impl Trace {
    /// A stored trace, to which looks are added within the same bounds.
    pub fn resume(stored: Vec<TraceEntry>) -> Self {
        let mut trace = Self::default();
        for entry in stored {
            if let Some(left_out) = entry.omitted {
                trace.sections.push(Section {
                    room: NONE,
                    left_out,
                    discreet: entry.rests_on_encrypted(),
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
        // Whatever finds no room is counted once more: by itself if there is room for that, else with the last ones.
        let (counts, used) = (trace.sections.len(), trace.used());
        let most = WHOLE.without(COUNT.times(counts + 1));
        let is_room = most.entries >= used.entries && most.bytes >= used.bytes;
        trace.counts = counts + usize::from(is_room);
        trace.own = most.without(used);
        trace
    }

    /// Shares the room of a flow with so many steps, of which `many` go through many things. Before that, only looks at the flow are
    /// there.
    pub fn share(&mut self, steps: usize, many: usize) {
        let steps = steps.min(MAX_STEPS);
        let own = FLOW.and(STEP.times(steps)).at_least(self.used());
        self.counts = steps + 1;
        self.own = own.without(self.used());
        self.shared = WHOLE.without(COUNT.times(self.counts)).without(own);
        self.share = self.shared.part(many);
    }

    fn used(&self) -> Room {
        Room {
            entries: self.entries.len(),
            bytes: self.weight,
        }
    }

    /// What follows is looked at by that step; `many` says whether it goes through many things, which have room of their own.
    pub fn enter(&mut self, step: &Subject, many: bool) {
        let at = self.section(step);
        (self.step, self.at) = (Some(at), many.then_some(at));
    }

    /// What follows is looked at by the flow.
    pub fn leave(&mut self) {
        (self.step, self.at) = (None, None);
    }

    /// Adds a look at the flow or at a step.
    pub fn look<'a>(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<Cow<'a, str>>) {
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
        self.leave_out(at, rests_on_encrypted);
    }

    /// Adds a look at one of the many that a step goes through.
    pub fn look_at<'a>(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<Cow<'a, str>>) {
        let kept = self.share.part(KEPT_FOR_CHOSEN).at_least(Room {
            entries: 1,
            bytes: self.share.bytes.min(ONE_CHOSEN) / 2,
        });
        let detail = detail.into();
        let rests_on_encrypted = detail.contains(ENCRYPTED_CONDITION);
        self.look_within(kept, rests_on_encrypted, || entry(subject, check, passed, &detail));
    }

    /// Adds that one of them was chosen: told even where there is no room for those that were not.
    pub fn choose<'a>(&mut self, subject: &Subject, passed: bool, detail: impl Into<Cow<'a, str>>) {
        let detail = detail.into();
        let rests_on_encrypted = detail.contains(ENCRYPTED_CONDITION);
        self.look_within(NONE, rests_on_encrypted, || entry(subject, "chosen", passed, &detail));
    }

    /// Adds a look of the step that has room of its own, if it fits beside so much; it is not even made where nothing does.
    fn look_within(&mut self, besides: Room, rests_on_encrypted: bool, entry: impl FnOnce() -> TraceEntry) {
        let Some(at) = self.at else { return self.add(entry()) };
        if self.has_room(at, besides) {
            let entry = entry();
            let bytes = bytes(&entry);
            let section = self.sections.get_mut(at);
            if section.is_some_and(|section| section.room.take(bytes, besides)) && self.shared.take(bytes, NONE) {
                self.weight += bytes;
                self.entries.push(entry);
                return;
            }
        }
        self.leave_out(at, rests_on_encrypted);
    }

    /// The entries, at most [`MAX_ENTRIES`] and [`MAX_BYTES`]; at the end how much each step has left out.
    pub fn entries(&self) -> Vec<TraceEntry> {
        let mut all = self.entries.clone();
        all.extend(self.counts());
        all
    }

    /// Bytes of the looks that it holds.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether an entry may fit, asked before it is made.
    fn has_room(&self, at: usize, besides: Room) -> bool {
        let section = self.sections.get(at);
        section.is_some_and(|section| {
            section.room.entries > besides.entries && section.room.bytes > besides.bytes && self.shared.entries > 0
        })
    }

    fn leave_out(&mut self, at: usize, rests_on_encrypted: bool) {
        if let Some(section) = self.sections.get_mut(at) {
            section.left_out += 1;
            section.discreet |= rests_on_encrypted;
        }
    }

    /// The place of a step's section. Should there be more than a flow has steps, the last one stands for them.
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
                room: self.share,
                left_out: 0,
                discreet: false,
            });
        }
        self.sections.len().saturating_sub(1)
    }

    fn counts(&self) -> impl Iterator<Item = TraceEntry> {
        let cut = self.sections.iter().filter(|section| section.left_out > 0);
        cut.map(|section| TraceEntry {
            subject: clipped(&section.subject.name, COUNTED_NAME),
            subject_id: Some(section.subject.id.clone()),
            check: LEFT_OUT.to_owned(),
            passed: true,
            detail: told_of(section),
            omitted: Some(section.left_out),
        })
    }
}

/// Of a count. It says where it rests on what not everybody may learn.
fn told_of(section: &Section) -> String {
    if section.discreet {
        return format!("and {} more, such as one by {ENCRYPTED_CONDITION}", section.left_out);
    }
    format!("and {} more", section.left_out)
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

/// What makes a detail one that not everybody may read is never clipped off.
fn clipped_detail(detail: &str) -> String {
    let kept = clipped(detail, DETAIL);
    if kept.contains(ENCRYPTED_CONDITION) || !detail.contains(ENCRYPTED_CONDITION) {
        return kept;
    }
    let kept = clipped(detail, DETAIL - ENCRYPTED_CONDITION.len() - 1);
    format!("{kept} {ENCRYPTED_CONDITION}")
}

/// So many bytes of a text at most, with a sign that there was more.
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
    let mut counted = Counted(AROUND);
    // Counting cannot fail, and an entry is nothing but texts.
    if serde_json::to_writer(&mut counted, entry).is_err() {
        return MAX_BYTES;
    }
    counted.0
}

/// Counts what is written.
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
