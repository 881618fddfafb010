//! Postal codes.

use serde_json::Value;

/// The spelling of postal codes by country. In a mask `9` is a digit, `A` a letter, `F` and `C` the letters that
/// Canada uses in first and later places, `B` those that Britain uses at the end; a space or hyphen is where the usual
/// spelling has one. The first mask that fits decides.
const MASKS: &[(&str, &[&str])] = &[
    ("AT", &["9999"]),
    ("AU", &["9999"]),
    ("BE", &["9999"]),
    ("BR", &["99999-999"]),
    ("CA", &["F9C 9C9"]),
    ("CH", &["9999"]),
    ("CN", &["999999"]),
    ("CZ", &["999 99"]),
    ("DE", &["99999"]),
    ("DK", &["9999"]),
    ("ES", &["99999"]),
    ("FI", &["99999"]),
    ("FR", &["99999"]),
    (
        "GB",
        &["A9 9BB", "A99 9BB", "AA9 9BB", "AA99 9BB", "A9A 9BB", "AA9A 9BB"],
    ),
    ("GR", &["999 99"]),
    ("IN", &["999999"]),
    ("IT", &["99999"]),
    ("JP", &["999-9999"]),
    ("KR", &["99999"]),
    ("MX", &["99999"]),
    ("NL", &["9999 AA"]),
    ("NO", &["9999"]),
    ("NZ", &["9999"]),
    ("PL", &["99-999"]),
    ("PT", &["9999-999"]),
    ("SE", &["999 99"]),
    ("US", &["99999", "99999-9999"]),
];

/// Lengths of a postal code without separators where no mask is known.
const GENERIC: std::ops::RangeInclusive<usize> = 2..=10;

/// Reads a postal code of a country, or of Canada when the country is the United States and the other way round.
///
/// Spaces and hyphens are where the country has them, whatever the sender wrote; a leading country code (`DE-80331`)
/// is dropped. A JSON number gets back the leading zeros that numbers cannot have; text does not, because four digits
/// may as well be a typing error. Countries without a mask accept 2 to 10 letters and digits with at least one digit.
pub(super) fn read(raw: &Value, text: &str, country: &str) -> Result<String, String> {
    let country = masks_of(country);
    let compact = compact(text).ok_or_else(|| expected(country))?;
    let compact = if raw.is_number() {
        pad(compact, country)
    } else {
        compact
    };
    let bare = compact
        .strip_prefix(country)
        .filter(|_| !country.is_empty())
        .unwrap_or(&compact);
    let neighbour = match country {
        "US" => "CA",
        "CA" => "US",
        _ => "",
    };
    [country, neighbour]
        .iter()
        .flat_map(|country| masks(country))
        .find_map(|mask| fit(mask, &compact).or_else(|| fit(mask, bare)))
        .filter(|code| exists(country, code))
        .or_else(|| generic(text, country))
        .ok_or_else(|| expected(country))
}

fn masks(country: &str) -> &'static [&'static str] {
    let found = MASKS.binary_search_by_key(&country, |&(id, _)| id);
    found.ok().and_then(|at| MASKS.get(at)).map_or(&[], |&(_, masks)| masks)
}

/// Territories write postal codes as the country that delivers their mail.
fn masks_of(country: &str) -> &str {
    match country {
        "AS" | "GU" | "MP" | "PR" | "UM" | "VI" => "US",
        "GG" | "IM" | "JE" => "GB",
        other => other,
    }
}

/// Upper-case letters and digits without separators; `None` if there is anything else or too much.
fn compact(text: &str) -> Option<String> {
    if text.len() > 30 {
        return None;
    }
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}' | '‐'..='―'));
    let upper: String = kept.map(|c| super::fold::ascii_digit(c).to_ascii_uppercase()).collect();
    (!upper.is_empty() && upper.chars().all(|c| c.is_ascii_alphanumeric())).then_some(upper)
}

fn pad(digits: String, country: &str) -> String {
    let only_digits = masks(country)
        .iter()
        .filter(|mask| mask.chars().all(|c| matches!(c, '9' | '-' | ' ')));
    let widths = only_digits.map(|mask| mask.matches('9').count());
    match widths.filter(|width| *width >= digits.len()).min() {
        Some(width) => format!("{digits:0>width$}"),
        None => digits,
    }
}

fn fit(mask: &str, compact: &str) -> Option<String> {
    let mut rest = compact.chars();
    let mut out = String::with_capacity(mask.len());
    for place in mask.chars() {
        if matches!(place, ' ' | '-') {
            out.push(place);
        } else {
            out.push(rest.next().filter(|c| allows(place, *c))?);
        }
    }
    rest.next().is_none().then_some(out)
}

fn allows(place: char, c: char) -> bool {
    match place {
        '9' => c.is_ascii_digit(),
        'F' => c.is_ascii_uppercase() && !"DFIOQUWZ".contains(c),
        'C' => c.is_ascii_uppercase() && !"DFIOQU".contains(c),
        'B' => c.is_ascii_uppercase() && !"CIKMOV".contains(c),
        _ => c.is_ascii_uppercase(),
    }
}

/// No ZIP code begins with 000 and no German code with 00; forms are filled with zeros to get past them.
fn exists(country: &str, code: &str) -> bool {
    match country {
        "US" | "CA" => !code.starts_with("000"),
        "DE" => !code.starts_with("00"),
        _ => true,
    }
}

fn generic(text: &str, country: &str) -> Option<String> {
    if !masks(country).is_empty() {
        return None;
    }
    let upper = text.to_ascii_uppercase();
    let spaced = upper.split_whitespace().collect::<Vec<_>>().join(" ");
    let signs = spaced.chars().filter(|c| !matches!(c, ' ' | '-'));
    let fits = GENERIC.contains(&signs.clone().count())
        && signs.clone().all(|c| c.is_ascii_alphanumeric())
        && signs.clone().any(|c| c.is_ascii_digit())
        && spaced.starts_with(|c: char| c.is_ascii_alphanumeric())
        && spaced.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !["--", " -", "- "].iter().any(|pair| spaced.contains(pair));
    fits.then_some(spaced)
}

fn expected(country: &str) -> String {
    match country {
        "US" => "This is not a ZIP code. Send five digits, or nine as 12345-6789.".to_owned(),
        "CA" => "This is not a Canadian postal code. Send it as A1A 1A1.".to_owned(),
        "GB" => "This is not a British postcode. Send it as SW1A 1AA.".to_owned(),
        _ => match masks(country).first() {
            Some(mask) => {
                format!("This is not a postal code of {country}. Send it as {mask}, 9 being a digit and A a letter.")
            }
            None => {
                "This is not a postal code. Send 2 to 10 letters and digits, at least one of them a digit.".to_owned()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn typed(country: &str, raw: &Value) -> Option<String> {
        let text = raw.as_str().map_or_else(|| raw.to_string(), ToOwned::to_owned);
        read(raw, &text, country).ok()
    }

    #[test]
    fn codes_take_their_usual_spelling() {
        let cases = [
            ("US", json!("90210"), "90210"),
            ("US", json!("90210 1234"), "90210-1234"),
            ("US", json!("902101234"), "90210-1234"),
            ("US", json!(2134), "02134"),
            ("US", json!(21_341_234), "02134-1234"),
            ("US", json!("k1a0b1"), "K1A 0B1"),
            ("CA", json!("k1a-0b1"), "K1A 0B1"),
            ("CA", json!("90210"), "90210"),
            ("PR", json!("00901"), "00901"),
            ("GB", json!("sw1a1aa"), "SW1A 1AA"),
            ("GB", json!("M1 1AE"), "M1 1AE"),
            ("JE", json!("je23ab"), "JE2 3AB"),
            ("DE", json!("01067"), "01067"),
            ("DE", json!(1067), "01067"),
            ("DE", json!("DE-80331"), "80331"),
            ("NL", json!("1012ab"), "1012 AB"),
            ("NL", json!("NL 1012 AB"), "1012 AB"),
            ("PL", json!("00950"), "00-950"),
            ("JP", json!("１００-０００１"), "100-0001"),
            ("BR", json!("01310100"), "01310-100"),
            ("SE", json!("11455"), "114 55"),
            ("IE", json!("d02  x285"), "D02 X285"),
            ("AD", json!("ad500"), "AD500"),
            ("", json!("12-34"), "12-34"),
        ];
        for (country, raw, expected) in cases {
            assert_eq!(typed(country, &raw).as_deref(), Some(expected), "{country} {raw}");
        }
    }

    #[test]
    fn other_texts_are_no_postal_codes() {
        let long = "1".repeat(10_000);
        let cases = [
            ("US", "9021"),
            ("US", "902101"),
            ("US", "00000"),
            ("US", "ABCDE"),
            ("US", "SW1A 1AA"),
            ("CA", "D1A 1A1"),
            ("CA", "K1A 0B"),
            ("GB", "SW1A 1AC"),
            ("GB", "90210"),
            ("DE", "8033"),
            ("DE", "00123"),
            ("NL", "1012"),
            ("IE", "Dublin"),
            ("IE", "1"),
            ("IE", "-12"),
            ("IE", "1--2"),
            ("IE", "12345678901"),
            ("US", "🙂"),
            ("US", &long),
        ];
        for (country, text) in cases {
            assert_eq!(typed(country, &json!(text)), None, "{country} {text}");
        }
        assert_eq!(typed("US", &json!(12.5)), None);
    }

    #[test]
    fn the_masks_are_sorted_by_country() {
        assert!(MASKS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
