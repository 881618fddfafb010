//! Spans of time.

use std::ops::Range;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};

use leadmesh_core::error::{Error, Result};

/// A range of time.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct TimeRangeInput {
    /// Start, inclusive.
    pub(super) from: DateTime<Utc>,
    /// End, exclusive; after `from`.
    pub(super) to: DateTime<Utc>,
}

/// 9999-12-31T23:59:59Z: databases take no time for granted that has more digits.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::UNIX_EPOCH,
};

impl TimeRangeInput {
    /// From then to then.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from, to }
    }

    /// The span, if it has any length; without what lies before 1970 and after 9999, where nothing has happened.
    pub fn checked(self) -> Result<Range<DateTime<Utc>>> {
        if self.from >= self.to {
            return Err(Error::BadInput(
                "A range must end after it begins. Give a later `to`.".into(),
            ));
        }
        let possible = |time: DateTime<Utc>| time.clamp(DateTime::UNIX_EPOCH, LAST);
        Ok(possible(self.from)..possible(self.to))
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
        let whole = TimeRangeInput {
            from: DateTime::<Utc>::MIN_UTC,
            to: DateTime::<Utc>::MAX_UTC,
        };
        assert_eq!(whole.checked().unwrap(), at(0)..LAST);
    }
}
