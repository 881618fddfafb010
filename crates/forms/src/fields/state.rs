//! States, provinces and the like.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fold::fold;
use table::Subdivision;

mod table;

/// The longest text that is looked up; every name in the tables is shorter.
const MAX_NAME: usize = 100;

/// Country, table, and whether the table names every part that a lead may have.
const TABLES: [(&str, &[Subdivision], bool); 6] = [
    ("US", table::UNITED_STATES, true),
    ("CA", table::CANADA, true),
    ("AU", table::AUSTRALIA, true),
    ("DE", table::GERMANY, true),
    ("MX", table::MEXICO, true),
    ("GB", table::UNITED_KINGDOM, false),
];

static BY_NAME: LazyLock<HashMap<(&str, String), &str>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for (country, table, _) in TABLES {
        for &(code, names) in table {
            map.insert((country, fold(code)), code);
            map.extend(names.iter().map(|name| ((country, (*name).to_owned()), code)));
        }
    }
    map
});

/// Reads a state into its code.
///
/// The United States, Canada, Australia, Germany and Mexico have complete tables of codes and names. A lead of the
/// United States may name a Canadian province and the other way round, since senders rarely tell the two apart and
/// no code has two meanings. Elsewhere a code of up to three letters or digits, as ISO 3166-2 has them, is taken
/// as it is; a name is not, because nothing here could say whether it is one.
pub(super) fn read(text: &str, country: &str) -> Result<String, String> {
    let country = state_country(country);
    if text.len() > MAX_NAME {
        return Err(expected(country));
    }
    let folded = fold(text);
    let prefix = format!("{} ", country.to_lowercase());
    let bare = folded.strip_prefix(&prefix).unwrap_or(&folded);
    if let Some(code) = named(country, &folded).or_else(|| named(country, bare)) {
        return Ok(code.to_owned());
    }
    let complete = TABLES.iter().any(|(id, _, complete)| *id == country && *complete);
    let is_code = (1..=3).contains(&bare.len()) && bare.chars().all(|c| c.is_ascii_alphanumeric());
    if complete || !is_code {
        Err(expected(country))
    } else {
        Ok(bare.to_uppercase())
    }
}

/// Territories of the United States have a country code of their own and are written as states too.
fn state_country(country: &str) -> &str {
    match country {
        "AS" | "GU" | "MP" | "PR" | "UM" | "VI" => "US",
        other => other,
    }
}

/// The code of a state by its code or name, whichever country it is in: a rule does not say.
pub(super) fn code(text: &str) -> Option<&'static str> {
    let folded = fold(text);
    TABLES.iter().find_map(|(country, ..)| find(country, &folded))
}

fn named(country: &str, folded: &str) -> Option<&'static str> {
    let own = find(country, folded);
    match country {
        "US" => own.or_else(|| find("CA", folded)),
        "CA" => own.or_else(|| find("US", folded)),
        _ => own,
    }
}

fn find(country: &str, folded: &str) -> Option<&'static str> {
    let (known, _, _) = TABLES.iter().find(|(id, _, _)| *id == country)?;
    BY_NAME.get(&(*known, folded.to_owned())).copied()
}

fn expected(country: &str) -> String {
    match country {
        "US" | "CA" => {
            "This is no state of the United States or province of Canada. Send its name or two-letter code.".to_owned()
        }
        "AU" | "DE" | "MX" => format!("This is no state of {country}. Send its name or its ISO 3166-2 code."),
        _ => "This is not a state code. Send the ISO 3166-2 code: one to three letters or digits.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_become_codes() {
        let cases = [
            ("US", "California", "CA"),
            ("US", " new  york", "NY"),
            ("US", "n.y.", "NY"),
            ("US", "us-tx", "TX"),
            ("US", "District of Columbia", "DC"),
            ("US", "Washington, D.C.", "DC"),
            ("US", "Puerto Rico", "PR"),
            ("US", "Ontario", "ON"),
            ("CA", "Québec", "QC"),
            ("CA", "Newfoundland & Labrador", "NL"),
            ("CA", "Yukon", "YT"),
            ("CA", "Nouvelle-Écosse", "NS"),
            ("CA", "texas", "TX"),
            ("PR", "PR", "PR"),
            ("AU", "Western Australia", "WA"),
            ("AU", "nt", "NT"),
            ("DE", "Baden-Württemberg", "BW"),
            ("DE", "DE-BY", "BY"),
            ("DE", "DE BE", "BE"),
            ("US", "DE", "DE"),
            ("MX", "Nuevo León", "NLE"),
            ("GB", "Scotland", "SCT"),
            ("GB", "KEN", "KEN"),
            ("FR", "fr-75", "75"),
            ("FR", "idf", "IDF"),
        ];
        for (country, text, expected) in cases {
            assert_eq!(read(text, country).as_deref(), Ok(expected), "{country} {text}");
        }
    }

    #[test]
    fn unknown_states_are_refused() {
        let long = "a".repeat(10_000);
        let cases = [
            ("US", "ZZ"),
            ("US", "Bavaria"),
            ("DE", "Texas"),
            ("AU", "ON"),
            ("FR", "Bretagne"),
            ("FR", "-"),
            ("US", "🏴"),
            ("US", "כן"),
            ("US", &long),
        ];
        for (country, text) in cases {
            assert!(read(text, country).is_err(), "{country} {text}");
        }
    }

    #[test]
    fn no_spelling_in_a_table_has_two_meanings() {
        let spellings = TABLES
            .iter()
            .flat_map(|(_, table, _)| table.iter())
            .map(|(_, names)| 1 + names.len());
        assert_eq!(BY_NAME.len(), spellings.sum::<usize>());
        let names = TABLES
            .iter()
            .flat_map(|(_, table, _)| table.iter())
            .flat_map(|(_, names)| names.iter());
        assert!(names.into_iter().all(|name| fold(name) == *name));
        let shared = table::CANADA
            .iter()
            .filter(|(code, _)| find("US", &fold(code)).is_some());
        assert_eq!(shared.count(), 0, "a code is both a state and a province");
    }
}
