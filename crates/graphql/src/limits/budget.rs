//! The budget of one answer, drawn on while it is made.
//!
//! The estimate of `cost` cannot know how long a list is. Every object, entry and leaf value draws when it is made,
//! every row when a loader hands it out, and so do the bytes of what will be written. A request whose budget is used
//! up ends. Each event of a subscription has a whole budget.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Poll;

use async_graphql::Value;
use tokio::sync::Notify;

use super::cost::{LEAF, OBJECT};
use leadmesh_core::error::{Error, Result};

/// Limits of one answer.
#[derive(Debug, Clone, Copy)]
pub struct Spending {
    /// Points, as in the estimate: an object is one, ten leaf values are one.
    pub points: u64,
    /// Rows that loaders may read or hand out for lists.
    pub rows: u64,
    /// Bytes of the answer as JSON.
    pub bytes: u64,
    /// Bytes of large columns that loaders may read.
    pub read: u64,
    /// Values made before the task yields to others and to the time limit.
    pub turn: u32,
}

impl Default for Spending {
    fn default() -> Self {
        Self {
            points: 20_000,
            rows: 20_000,
            bytes: 8 * 1024 * 1024,
            read: 16 * 1024 * 1024,
            turn: 4_096,
        }
    }
}

/// The budget of one answer.
#[derive(Debug, Default)]
pub struct Budget {
    limits: Spending,
    tenths: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    read: AtomicU64,
    turn: AtomicU32,
    /// Tenths of a point that each object costs for its `__typename`s, which the library resolves without calling the
    /// extension.
    typenames: AtomicU64,
    over: AtomicU8,
    ended: Notify,
}

const COST: u8 = 1;
const BYTES: u8 = 2;
const READ: u8 = 3;

impl Budget {
    /// An unused budget.
    pub fn new(limits: Spending) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Restores the whole budget, for the next event of a subscription.
    pub(super) fn renew(&self) {
        for counter in [&self.tenths, &self.rows, &self.bytes, &self.read] {
            counter.store(0, Ordering::Relaxed);
        }
        self.over.store(0, Ordering::Relaxed);
    }

    /// Makes each object draw for this many `__typename`s too.
    pub fn count_typenames(&self, most: usize) {
        let tenths = LEAF.saturating_mul(most as u64);
        self.typenames.store(tenths, Ordering::Relaxed);
    }

    /// Draws for an object or an entry of a list of objects.
    pub(super) fn object(&self) -> Result<()> {
        let typenames = self.typenames.load(Ordering::Relaxed);
        self.draw_bytes(2 + typenames.saturating_mul(TYPENAME))?;
        self.draw_tenths(OBJECT.saturating_add(typenames))
    }

    /// Draws for a leaf value, before it is made.
    pub(super) fn leaf(&self) -> Result<()> {
        self.draw_tenths(LEAF)
    }

    /// Draws for the bytes of a leaf value.
    pub(super) fn written(&self, value: &Value) -> Result<()> {
        self.draw_bytes(length(value))
    }

    /// Draws for a field's name and the marks around it.
    pub(super) fn key(&self, name: &str) -> Result<()> {
        self.draw_bytes(name.len() as u64 + 4)
    }

    /// Rows that may still be read.
    pub fn rows_left(&self) -> u64 {
        let read = self.rows.load(Ordering::Relaxed);
        self.limits.rows.saturating_sub(read)
    }

    /// Draws for rows that are handed out.
    pub fn draw_rows(&self, rows: usize) -> Result<()> {
        let drawn = self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.check(drawn.saturating_add(rows as u64), self.limits.rows, COST)
    }

    /// Draws for bytes of large columns, before a loader reads them.
    pub fn draw_read(&self, bytes: u64) -> Result<()> {
        let drawn = self.read.fetch_add(bytes, Ordering::Relaxed);
        self.check(drawn.saturating_add(bytes), self.limits.read, READ)
    }

    /// Bytes of large columns drawn so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Ends the request because a loader would have to read too many rows.
    pub fn end(&self) -> Error {
        self.over.fetch_max(COST, Ordering::Relaxed);
        self.ended.notify_waiters();
        self.error(COST)
    }

    /// Points drawn so far.
    pub fn points(&self) -> u64 {
        self.tenths.load(Ordering::Relaxed).div_ceil(OBJECT)
    }

    /// The most bytes of an answer.
    pub fn most_bytes(&self) -> u64 {
        self.limits.bytes
    }

    /// The reason why the request must end, if the budget is used up.
    pub fn over(&self) -> Option<Error> {
        match self.over.load(Ordering::Relaxed) {
            0 => None,
            what => Some(self.error(what)),
        }
    }

    /// Waits until the budget is used up.
    pub async fn run_out(&self) -> Error {
        loop {
            let ended = self.ended.notified();
            if let Some(error) = self.over() {
                return error;
            }
            ended.await;
        }
    }

    /// Yields once the task has made many values in one poll. The whole request pauses until it is polled again.
    pub(super) async fn yield_if_due(&self) {
        poll_fn(|context| {
            if self.turn.fetch_add(1, Ordering::Relaxed) < self.limits.turn {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Notes that the request is polled again.
    pub(super) fn begin_poll(&self) {
        self.turn.store(0, Ordering::Relaxed);
    }

    fn draw_tenths(&self, tenths: u64) -> Result<()> {
        let drawn = self.tenths.fetch_add(tenths, Ordering::Relaxed);
        self.check(
            drawn.saturating_add(tenths),
            self.limits.points.saturating_mul(OBJECT),
            COST,
        )
    }

    fn draw_bytes(&self, bytes: u64) -> Result<()> {
        let drawn = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.check(drawn.saturating_add(bytes), self.limits.bytes, BYTES)
    }

    fn check(&self, drawn: u64, limit: u64, what: u8) -> Result<()> {
        if drawn > limit {
            self.over.fetch_max(what, Ordering::Relaxed);
            self.ended.notify_waiters();
        }
        match self.over.load(Ordering::Relaxed) {
            0 => Ok(()),
            what => Err(self.error(what)),
        }
    }

    fn error(&self, what: u8) -> Error {
        if what == BYTES {
            return too_large(self.limits.bytes);
        }
        if what == READ {
            return Error::AnswerTooLarge(format!(
                "More than {} bytes would have to be read for the answer, and it was stopped. Ask for fewer fields or a smaller page.",
                self.limits.read
            ));
        }
        Error::CostExceeded(format!(
            "The answer would cost more than {} points, or read more than {} rows, and was stopped. Ask for smaller pages or fewer \
             nested lists.",
            self.limits.points, self.limits.rows
        ))
    }
}

/// The error of an answer that exceeds `most` bytes.
pub(super) fn too_large(most: u64) -> Error {
    Error::AnswerTooLarge(format!(
        "The answer is larger than {most} bytes and was stopped. Ask for fewer fields or a smaller page."
    ))
}

/// Bytes of `__typename` with a name and the marks around both.
const TYPENAME: u64 = 40;

/// The approximate size of a value as JSON. Escapes take more; they are counted when the answer is written.
fn length(value: &Value) -> u64 {
    match value {
        Value::Null => 4,
        Value::Boolean(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() as u64 + 2,
        Value::Enum(name) => name.len() as u64 + 2,
        Value::Binary(bytes) => bytes.len() as u64,
        Value::List(items) => items.iter().map(|item| 1 + length(item)).fold(2, u64::saturating_add),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| name.len() as u64 + 4 + length(field))
            .fold(2, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn of(points: u64, bytes: u64) -> Budget {
        Budget::new(Spending {
            points,
            bytes,
            rows: 10,
            ..Spending::default()
        })
    }

    #[test]
    fn objects_leaves_and_typenames_draw_points() {
        let budget = of(3, 10_000);
        budget.object().unwrap();
        for _ in 0..10 {
            budget.leaf().unwrap();
        }
        assert_eq!(budget.points(), 2);
        budget.count_typenames(10);
        let error = budget.object().unwrap_err();
        assert_eq!(error.code(), "COST_EXCEEDED");
        assert!(budget.leaf().is_err(), "what has run out stays so");
        budget.renew();
        assert!(budget.object().is_ok() && budget.over().is_none());
    }

    #[test]
    fn bytes_are_those_of_the_json() {
        let budget = of(1_000, 100);
        for (value, text) in [
            (value!({"a": ["b", null, true]}), r#"{"a":["b",null,true]}"#),
            (value!("x"), r#""x""#),
        ] {
            let (counted, written) = (length(&value), text.len() as u64);
            assert!(counted >= written && counted < written + 6, "{text}: {counted}");
        }
        budget.written(&Value::String("x".repeat(90))).unwrap();
        let error = budget
            .key("fields")
            .and_then(|()| budget.written(&value!("y")))
            .unwrap_err();
        assert_eq!(error.code(), "ANSWER_TOO_LARGE");
        assert!(error.to_string().contains("100 bytes"), "{error}");
    }

    #[test]
    fn what_is_read_is_drawn_before() {
        let budget = Budget::default();
        budget.draw_read(16 * 1024 * 1024).unwrap();
        let error = budget.draw_read(1).unwrap_err();
        assert_eq!(error.code(), "ANSWER_TOO_LARGE");
        assert!(error.to_string().contains("16777216 bytes"), "{error}");
        assert!(budget.over().is_some());
    }

    #[tokio::test]
    async fn rows_are_drawn_and_whoever_waits_is_told() {
        let budget = of(1_000, 1_000);
        budget.draw_rows(9).unwrap();
        assert_eq!(budget.rows_left(), 1);
        assert!(budget.draw_rows(2).is_err());
        assert_eq!(budget.run_out().await.code(), "COST_EXCEEDED");
    }
}
