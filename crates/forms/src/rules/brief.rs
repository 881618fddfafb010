//! Values and names in messages, cut short.

use std::borrow::Cow;

/// Longest value or name in a message, in characters.
const MAX_CHARS: usize = 100;
/// Most entries of a list in a message.
pub(super) const MAX_ENTRIES: usize = 20;

/// The text, cut if it is long.
pub(super) fn brief(text: &str) -> Cow<'_, str> {
    if text.chars().nth(MAX_CHARS).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(MAX_CHARS).chain(['…']).collect())
}

/// The first names, separated by commas, and how many more there are.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let total = names.len();
    let entries: Vec<_> = names.take(MAX_ENTRIES).map(brief).collect();
    with_rest(entries.join(", "), total)
}

pub(super) fn with_rest(list: String, total: usize) -> String {
    match total.checked_sub(MAX_ENTRIES) {
        Some(rest @ 1..) => format!("{list} and {rest} more"),
        _ => list,
    }
}
