//! The trace of a decision while it is made. It is bounded in entries and bytes by what it takes in, so that a flow with many steps
//! to many partners costs no more than its bounds, in memory and in each stored lead. What finds no room is counted, step by step.
//!
//! Three kinds of looks have room of their own: those at the flow and its steps, those at what a step goes through (the places of
//! a profile, the fields of a TRANSFORM step), and the counts of what was left out.

use std::borrow::Cow;

use super::outcome::{Subject, TraceEntry};

/// Entries of a trace at most, with those that tell how much was left out.
pub const MAX_ENTRIES: usize = 500;
/// Bytes of a trace at most, as the databases write its JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// The `check` of an entry that tells how much was left out.
const LEFT_OUT: &str = "more";

/// Entries that tell how much was left out: one for each step of a flow, and one for the flow itself.
const COUNTS: Room = Room {
    entries: crate::flows::MAX_STEPS + 1,
    bytes: (crate::flows::MAX_STEPS + 1) * 320,
};
/// What looks at the flow and its steps may take.
const OWN: Room = Room {
    entries: 150,
    bytes: 20 * 1024,
};
/// What is shared by the steps for looks at what they go through.
const SHARED: Room = Room {
    entries: MAX_ENTRIES - COUNTS.entries - OWN.entries,
    bytes: MAX_BYTES - COUNTS.bytes - OWN.bytes,
};
/// The part of a step's share that only those who get the lead may use: one in this many.
const KEPT_FOR_CHOSEN: usize = 8;
/// Bytes kept of a name, of a detail, and of a name in a count.
const NAME: usize = 400;
const DETAIL: usize = 1_000;
const COUNTED_NAME: usize = 60;
/// What an entry takes besides its JSON: a comma, and the blanks that `PostgreSQL` writes.
const AROUND: usize = 16;

/// How much may still be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    const fn part(self, of: usize) -> Self {
        Self {
            entries: self.entries / of,
            bytes: self.bytes / of,
        }
    }

    /// Takes room for an entry, if so much is left besides.
    fn take(&mut self, bytes: usize, besides: Self) -> bool {
        let fits = self.entries > besides.entries && self.bytes >= besides.bytes.saturating_add(bytes);
        if fits {
            self.entries -= 1;
            self.bytes -= bytes;
        }
        fits
    }
}

/// Nothing is kept back.
const NONE: Room = Room { entries: 0, bytes: 0 };

/// A step, or the flow, as the trace knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    subject: Subject,
    room: Room,
    left_out: usize,
}

/// A trace in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    entries: Vec<TraceEntry>,
    weight: usize,
    own: Room,
    shared: Room,
    share: Room,
    sections: Vec<Section>,
    /// The section of the step that looks now, and the one whose room it takes for what it goes through.
    step: Option<usize>,
    at: Option<usize>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            weight: 0,
            own: OWN,
            shared: SHARED,
            share: SHARED,
            sections: Vec::new(),
            step: None,
            at: None,
        }
    }
}

impl Trace {
    /// Shares the room for what steps go through among so many.
    pub fn share(&mut self, steps: usize) {
        self.share = SHARED.part(steps.max(1));
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
        let entry = entry(subject, check, passed, detail.into());
        let bytes = bytes(&entry);
        if self.own.take(bytes, NONE) {
            self.weight += bytes;
            self.entries.push(entry);
        } else {
            self.leave_out(subject);
        }
    }

    /// Adds a look at one of the many that a step goes through.
    pub fn look_at<'a>(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<Cow<'a, str>>) {
        let kept = self.share.part(KEPT_FOR_CHOSEN);
        if self.has_room(kept) {
            self.add(entry(subject, check, passed, detail.into()), kept);
        } else {
            self.leave_out(subject);
        }
    }

    /// Adds that one of them was chosen: told even where there is no room for those that were not.
    pub fn choose<'a>(&mut self, subject: &Subject, passed: bool, detail: impl Into<Cow<'a, str>>) {
        if self.has_room(NONE) {
            self.add(entry(subject, "chosen", passed, detail.into()), NONE);
        } else {
            self.leave_out(subject);
        }
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
    fn has_room(&self, besides: Room) -> bool {
        let section = self.at.and_then(|at| self.sections.get(at));
        section.is_none_or(|section| {
            section.room.entries > besides.entries && section.room.bytes > besides.bytes && self.shared.entries > 0
        })
    }

    fn add(&mut self, entry: TraceEntry, besides: Room) {
        let bytes = bytes(&entry);
        let section = self.at.and_then(|at| self.sections.get_mut(at));
        let fits = match section {
            Some(section) => section.room.take(bytes, besides) && self.shared.take(bytes, NONE),
            None => self.own.take(bytes, NONE),
        };
        if fits {
            self.weight += bytes;
            self.entries.push(entry);
        } else {
            self.leave_out_of(self.step);
        }
    }

    fn leave_out(&mut self, subject: &Subject) {
        let at = self.step.unwrap_or_else(|| self.section(subject));
        self.leave_out_of(Some(at));
    }

    fn leave_out_of(&mut self, section: Option<usize>) {
        if let Some(section) = section.and_then(|at| self.sections.get_mut(at)) {
            section.left_out += 1;
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
        if self.sections.len() < COUNTS.entries {
            self.sections.push(Section {
                subject: subject.clone(),
                room: self.share,
                left_out: 0,
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
            detail: format!("and {} more", section.left_out),
            omitted: Some(section.left_out),
        })
    }
}

fn entry(subject: &Subject, check: &str, passed: bool, detail: Cow<'_, str>) -> TraceEntry {
    TraceEntry {
        subject: clipped(&subject.name, NAME),
        subject_id: Some(subject.id.clone()),
        check: check.to_owned(),
        passed,
        detail: if detail.len() > DETAIL {
            clipped(&detail, DETAIL)
        } else {
            detail.into_owned()
        },
        omitted: None,
    }
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
mod tests {
    use super::*;

    fn subject(name: &str, number: usize) -> Subject {
        Subject::new(uuid::Uuid::from_u128(number as u128), name)
    }

    fn length(trace: &Trace) -> usize {
        serde_json::to_string(&trace.entries()).unwrap().len()
    }

    #[test]
    fn many_steps_to_many_places_stay_within_the_bounds() {
        let mut trace = Trace::default();
        trace.share(50);
        for step in 0..50 {
            let step = subject(&"\u{1F600}".repeat(120), step);
            trace.enter(&step, true);
            for look in ["enabled", "criteria", "profile rule"] {
                trace.look(&step, look, true, "x".repeat(3_000));
            }
            for place in 0..150 {
                trace.look_at(&subject("Partner", 1_000 + place), "rule", false, "\"".repeat(5_000));
            }
        }
        assert!(trace.entries().len() <= MAX_ENTRIES, "{}", trace.entries().len());
        assert!(length(&trace) <= MAX_BYTES, "{}", length(&trace));
        let held: usize = trace.entries.iter().map(bytes).sum();
        assert!(held <= MAX_BYTES);
        assert_eq!(trace.weight(), held);
    }

    #[test]
    fn each_step_tells_how_much_it_has_left_out_and_who_was_chosen() {
        let mut trace = Trace::default();
        trace.share(2);
        for step in 0..2 {
            trace.enter(&subject("Step", step), true);
            for place in 0..400 {
                trace.look_at(&subject("Partner", 1_000 + place), "rule", false, "n IN [1, 2]");
            }
        }
        for step in 0..2 {
            trace.enter(&subject("Step", step), true);
            trace.choose(&subject("Partner", 5_000), true, "gets the lead");
        }
        let entries = trace.entries();
        assert_eq!(entries.iter().filter(|entry| entry.check == "chosen").count(), 2);
        for step in 0..2 {
            let id = Some(subject("Step", step).id);
            let cut: Vec<_> = entries.iter().filter(|entry| entry.subject_id == id).collect();
            assert_eq!(cut.len(), 1);
            let told = cut[0].omitted.unwrap();
            assert_eq!(
                (cut[0].check.as_str(), &cut[0].detail),
                ("more", &format!("and {told} more"))
            );
            assert!(told > 250 && told < 400, "{told}");
        }
        let told = entries.iter().filter(|entry| entry.check == "rule").count();
        let cut: usize = entries.iter().filter_map(|entry| entry.omitted).sum();
        assert_eq!(told + cut, 800);
    }

    #[test]
    fn a_short_trace_is_whole() {
        let mut trace = Trace::default();
        trace.look(&subject("Flow", 1), "enabled", true, "the flow takes leads");
        trace.enter(&subject("Step", 2), true);
        trace.look_at(&subject("Partner", 3), "rule", false, "no");
        trace.leave();
        trace.look(&subject("Flow", 1), "caps", false, "full");
        let checks: Vec<String> = trace.entries().into_iter().map(|entry| entry.check).collect();
        assert_eq!(checks, ["enabled", "rule", "caps"]);
    }
}
