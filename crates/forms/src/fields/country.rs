//! Countries by code or English name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fold::fold;
use table::{ALIASES, COUNTRIES};

mod table;

/// The longest text that is looked up; every name in the table is shorter.
const MAX_NAME: usize = 100;

static BY_NAME: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let listed = COUNTRIES
        .iter()
        .flat_map(|&(alpha2, alpha3, name)| [alpha2, alpha3, name].map(|text| (fold(text), alpha2)));
    let others = ALIASES.iter().map(|&(name, alpha2)| (name.to_owned(), alpha2));
    listed.chain(others).collect()
});

/// The ISO 3166-1 alpha-2 code of a country given as alpha-2, alpha-3 or English name, in any case; `None` if it is
/// none of them.
pub(super) fn code(text: &str) -> Option<&'static str> {
    let exact = COUNTRIES.binary_search_by_key(&text, |&(alpha2, _, _)| alpha2);
    if let Some((alpha2, _, _)) = exact.ok().and_then(|at| COUNTRIES.get(at)) {
        return Some(alpha2);
    }
    if text.len() > MAX_NAME {
        return None;
    }
    let folded = fold(text);
    let bare = folded.strip_prefix("the ").unwrap_or(&folded);
    BY_NAME.get(bare).copied()
}

/// Reads a country into its alpha-2 code.
pub(super) fn read(text: &str) -> Result<&'static str, String> {
    code(text).ok_or_else(|| {
        "This is not a known country. Send an ISO 3166-1 code such as US or USA, or the English name.".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_in_any_spelling_are_found() {
        let cases = [
            ("US", "US"),
            ("us", "US"),
            ("usa", "US"),
            ("U.S.A.", "US"),
            ("The United States", "US"),
            ("uk", "GB"),
            ("DEU", "DE"),
            ("germany", "DE"),
            ("Cote d'Ivoire", "CI"),
            ("CÔTE D’IVOIRE", "CI"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Korea, Republic of", "KR"),
            ("Cocos Keeling Islands", "CC"),
            ("St. Lucia", "LC"),
            ("Bosnia & Herzegovina", "BA"),
            ("Aland  Islands", "AX"),
            ("the gambia", "GM"),
            ("Viet Nam", "VN"),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_country() {
        for text in ["", "XX", "Atlantis", "U", "🇺🇸", "United", "840", &"a".repeat(10_000)] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn the_table_is_complete_sorted_and_free_of_repeats() {
        assert_eq!(COUNTRIES.len(), 250);
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
        let names = COUNTRIES.len() * 3 + ALIASES.len();
        assert_eq!(BY_NAME.len(), names, "two countries share a spelling");
        assert!(
            ALIASES
                .iter()
                .all(|(name, alpha2)| fold(name) == *name && code(alpha2) == Some(alpha2))
        );
    }
}
