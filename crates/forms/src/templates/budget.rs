//! What rendering may cost: bytes of output and work, counted for everything that belongs together.

use std::cell::Cell;

use super::TemplateError;

/// Bytes that everything rendered for one delivery may have together, unless the server is set otherwise.
pub const DEFAULT_OUTPUT_BYTES: usize = 1024 * 1024;
/// Units of work for one delivery: a unit pays for one step, or for 16 bytes of a text that is made or compared. What is made on
/// the way has therefore at most 16 MB, and the work ends within some tens of milliseconds.
const WORK: u64 = 1_000_000;
const BYTES_PER_UNIT: usize = 16;
/// Keys that are compared for each doubling of a tree's size: its nodes have at most eleven, for five to seven times the size.
const COMPARED_PER_LEVEL: usize = 6;
/// Short keys that are compared for a unit of work.
const COMPARED_PER_UNIT: usize = 8;

/// What is left for one delivery. Everything rendered for it shares one: body, leaves of a custom shape, subject.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    bytes: Cell<usize>,
    work: Cell<u64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_bytes(DEFAULT_OUTPUT_BYTES)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrun {
    Work,
    /// The bytes of output; so many were allowed.
    Bytes(usize),
}

impl Budget {
    pub fn of_bytes(limit: usize) -> Self {
        Self {
            limit,
            bytes: Cell::new(limit),
            work: Cell::new(WORK),
        }
    }

    /// The same with a smaller allowance of work.
    #[must_use]
    pub fn with_work(self, units: u64) -> Self {
        self.work.set(units.min(WORK));
        self
    }

    /// Bytes of output that were allowed in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn bytes_left(&self) -> usize {
        self.bytes.get()
    }

    pub fn work_left(&self) -> u64 {
        self.work.get()
    }

    /// Counts output before it is written.
    pub fn write(&self, bytes: usize) -> Result<(), Overrun> {
        let left = self.bytes.get().checked_sub(bytes);
        self.bytes.set(left.unwrap_or_default());
        left.map(drop).ok_or(Overrun::Bytes(self.limit))
    }

    /// Counts steps before they are taken.
    pub fn work(&self, units: usize) -> Result<(), Overrun> {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let left = self.work.get().checked_sub(units);
        self.work.set(left.unwrap_or_default());
        left.map(drop).ok_or(Overrun::Work)
    }

    /// Counts what is done around a rendering, in units of its work.
    pub fn spend(&self, units: usize) -> Result<(), TemplateError> {
        Ok(self.work(units)?)
    }

    /// Counts the bytes of a text before it is made or looked through.
    pub fn text(&self, bytes: usize) -> Result<(), Overrun> {
        self.work(1 + bytes / BYTES_PER_UNIT)
    }

    /// Counts the search for a key of that many bytes in a tree of `among` keys: a few of them are compared on each level, in the
    /// worst case to the end.
    pub fn search(&self, key: usize, among: usize) -> Result<(), Overrun> {
        let levels = 1 + usize::try_from(among.checked_ilog2().unwrap_or_default()).unwrap_or_default();
        let compared = levels.saturating_mul(COMPARED_PER_LEVEL);
        self.work(compared / COMPARED_PER_UNIT)?;
        self.text(key.saturating_mul(compared))
    }

    /// Uses up the output, because something does not fit: so nobody tries again what was refused after some work.
    pub fn no_more_output(&self) -> Overrun {
        self.bytes.set(0);
        Overrun::Bytes(self.limit)
    }

    /// The same budget of bytes anew, and what is left of the work: for writing down what was rendered into memory.
    #[must_use]
    pub fn for_encoding(&self) -> Self {
        Self {
            limit: self.limit,
            bytes: Cell::new(self.limit),
            work: Cell::new(self.work.get()),
        }
    }
}

impl From<Overrun> for TemplateError {
    fn from(overrun: Overrun) -> Self {
        match overrun {
            Overrun::Bytes(limit) => Self::TooLarge { limit },
            Overrun::Work => Self::Work,
        }
    }
}
