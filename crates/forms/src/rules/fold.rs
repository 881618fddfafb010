//! Text that compares case-insensitively.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A text whose equality, order and hash ignore case; the text itself keeps it. Comparing allocates nothing.
#[derive(Debug, Clone)]
pub(super) struct Folded<'a>(pub(super) Cow<'a, str>);

/// The characters in lower case. Both lower-case forms of the Greek sigma count as one, as their capital is one.
fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
}

/// Folds the text that [`Folded::contains`] and its like take.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(folded(text).collect())
    }
}

impl Folded<'_> {
    /// Takes a folded text. Folds the whole of `self` first, so that the search is linear however long both are.
    pub(super) fn contains(&self, part: &str) -> bool {
        fold(&self.0).contains(part)
    }

    /// Takes a folded text.
    pub(super) fn starts_with(&self, start: &str) -> bool {
        let mut own = folded(&self.0);
        start.chars().all(|c| own.next() == Some(c))
    }

    /// Takes a folded text.
    pub(super) fn ends_with(&self, end: &str) -> bool {
        let mut own = folded(&self.0).rev();
        end.chars().rev().all(|c| own.next() == Some(c))
    }
}

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        folded(&self.0).eq(folded(&other.0))
    }
}

impl Eq for Folded<'_> {}

impl PartialOrd for Folded<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Folded<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        folded(&self.0).cmp(folded(&other.0))
    }
}

impl Hash for Folded<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        folded(&self.0).for_each(|c| c.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Folded<'_> {
        Folded(Cow::Borrowed(text))
    }

    #[test]
    fn case_is_ignored_in_every_alphabet() {
        for (a, b) in [
            ("Ana", "aNA"),
            ("ÄRGER", "ärger"),
            ("ΟΔΟΣ", "οδος"),
            ("ЮГ", "юг"),
            ("İ", "i̇"),
        ] {
            assert_eq!(text(a), text(b));
        }
        assert_ne!(text("a"), text("ä"));
        assert_ne!(text("ab"), text("a"));
    }

    #[test]
    fn ends_and_middles_ignore_case_too() {
        let street = text("Große STRASSE Σ");
        assert!(street.starts_with(&fold("GROß")) && !street.starts_with("strasse"));
        assert!(street.ends_with(&fold("straSSE ς")) && !street.ends_with("große"));
        assert!(street.contains(&fold("E sTr")) && !street.contains("es"));
        assert!(!text("a").starts_with("ab") && !text("a").ends_with("ba"));
    }
}
