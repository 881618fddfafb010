//! Allowances: how many entries and bytes may still be added to a trace.

/// A number of entries, and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Allowance {
    pub(super) fn part(self, of: usize) -> Self {
        Self {
            entries: self.entries / of.max(1),
            bytes: self.bytes / of.max(1),
        }
    }

    pub(super) fn times(self, many: usize) -> Self {
        Self {
            entries: self.entries * many,
            bytes: self.bytes * many,
        }
    }

    pub(super) fn and(self, more: Self) -> Self {
        Self {
            entries: self.entries + more.entries,
            bytes: self.bytes + more.bytes,
        }
    }

    pub(super) fn without(self, used: Self) -> Self {
        Self {
            entries: self.entries.saturating_sub(used.entries),
            bytes: self.bytes.saturating_sub(used.bytes),
        }
    }

    pub(super) fn at_least(self, other: Self) -> Self {
        Self {
            entries: self.entries.max(other.entries),
            bytes: self.bytes.max(other.bytes),
        }
    }

    /// Takes one entry of so many bytes, if `besides` is left over.
    pub(super) fn take(&mut self, bytes: usize, besides: Self) -> bool {
        let fits = self.entries > besides.entries && self.bytes >= besides.bytes.saturating_add(bytes);
        if fits {
            self.entries -= 1;
            self.bytes -= bytes;
        }
        fits
    }
}

pub(super) const NONE: Allowance = Allowance { entries: 0, bytes: 0 };
