//! Spans of time.

use std::ops::Range;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};

use crate::error::{Error, Result};

/// A span of time.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct TimeRangeInput {
    /// When it begins, included.
    from: DateTime<Utc>,
    /// When it ends, excluded; after `from`.
    to: DateTime<Utc>,
}

impl TimeRangeInput {
    /// The span, if it has any length.
    pub fn checked(self) -> Result<Range<DateTime<Utc>>> {
        if self.from >= self.to {
            return Err(Error::BadInput(
                "a range ends after it begins: give a later `to`".into(),
            ));
        }
        Ok(self.from..self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_length() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let range = |from, to| TimeRangeInput {
            from: at(from),
            to: at(to),
        };
        assert_eq!(range(1, 2).checked().unwrap(), at(1)..at(2));
        assert!(range(2, 2).checked().is_err() && range(2, 1).checked().is_err());
    }
}
