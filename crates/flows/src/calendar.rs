//! Spans of a zone's calendar, for figures by time.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::cap_usage::{Cap, CapPeriod};
use uuid::Uuid;

use super::caps;

/// Each span of the calendar that has a part in the range, by its beginning; none if there are more than `most`. Days and hours
/// are those by which caps count: without gap or overlap, also when clocks change.
pub fn spans(
    range: &Range<DateTime<Utc>>,
    period: CapPeriod,
    timezone: &str,
    most: usize,
) -> Option<Vec<DateTime<Utc>>> {
    let calendar = Cap {
        id: Uuid::nil().into(),
        period,
        limit: 0,
        timezone: timezone.to_owned(),
    };
    let mut starts = Vec::new();
    let mut at = range.start;
    while at < range.end {
        if starts.len() >= most {
            return None;
        }
        let (start, end) = caps::window(&calendar, at);
        starts.push(start);
        at = end.filter(|end| *end > at).unwrap_or(range.end);
    }
    Some(starts)
}
