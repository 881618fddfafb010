//! Which sign separates decimals, and which groups of digits.

/// Digits with an optional sign and `.` for the decimal sign, made from text with any usual separators.
///
/// - Comma and full stop together: the one that comes last is the decimal sign (`1,234.50`, `1.234,50`).
/// - One of them more than once: it groups digits (`1,234,567`, `1.234.567`).
/// - A single full stop is always the decimal sign: `1.234` is a little more than one, as every program writes it.
/// - A single comma after one to three digits, the first of them not 0, and before exactly three groups digits
///   (`1,234`); any other single comma is the decimal sign (`12,50`, `1234,567`, `0,125`).
/// - Spaces and apostrophes group digits. Groups have three digits; in the middle two are allowed as in India.
pub(super) fn plain(text: &str) -> Option<String> {
    let (sign, body) = text.strip_prefix('-').map_or(("", text), |body| ("-", body));
    if !body.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = match decimal_sign(body)? {
        Some(sign) => body.rsplit_once(sign)?,
        None => (body, ""),
    };
    if !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let digits = if whole.is_empty() {
        "0".to_owned()
    } else {
        ungroup(whole)?
    };
    Some(if fraction.is_empty() {
        format!("{sign}{digits}")
    } else {
        format!("{sign}{digits}.{fraction}")
    })
}

/// The decimal sign in use, if there is one; `None` where both signs occur and the last is no decimal sign.
#[expect(
    clippy::option_option,
    reason = "no decimal sign is an answer, and so is a contradiction"
)]
fn decimal_sign(body: &str) -> Option<Option<char>> {
    let count = |sign| body.matches(sign).count();
    match (count(','), count('.')) {
        (0, 1) => Some(Some('.')),
        (1, 0) => Some(Some(',').filter(|_| !groups_by_comma(body))),
        (0, _) | (_, 0) => Some(None),
        (commas, stops) => {
            let last = body.chars().rfind(|c| matches!(c, ',' | '.'))?;
            let times = if last == ',' { commas } else { stops };
            (times == 1).then_some(Some(last))
        }
    }
}

fn groups_by_comma(body: &str) -> bool {
    body.split_once(',').is_some_and(|(head, tail)| {
        (1..=3).contains(&head.len())
            && !head.starts_with('0')
            && head.chars().all(|c| c.is_ascii_digit())
            && tail.len() == 3
    })
}

fn ungroup(whole: &str) -> Option<String> {
    let Some(separator) = whole.chars().find(|c| !c.is_ascii_digit()) else {
        return Some(whole.to_owned());
    };
    if !matches!(
        separator,
        ',' | '.' | ' ' | '\'' | '’' | '\u{a0}' | '\u{2009}' | '\u{202f}'
    ) {
        return None;
    }
    let groups: Vec<&str> = whole.split(separator).collect();
    let [first, middle @ .., last] = groups.as_slice() else {
        return None;
    };
    let sound = (1..=3).contains(&first.len())
        && middle.iter().all(|group| matches!(group.len(), 2 | 3))
        && last.len() == 3
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_digit()));
    sound.then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_follow_the_rules() {
        let cases = [
            ("1,234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("1,234,567", "1234567"),
            ("1.234.567", "1234567"),
            ("1.234", "1.234"),
            ("1,234", "1234"),
            ("12,50", "12.50"),
            ("1234,567", "1234.567"),
            ("0,125", "0.125"),
            ("12,34,567", "1234567"),
            ("1 234,5", "1234.5"),
            ("1 234,567", "1234.567"),
            ("1'234.50", "1234.50"),
            ("1\u{202f}234\u{202f}567", "1234567"),
            ("-.5", "-0.5"),
            (",5", "0.5"),
            ("007", "007"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn contradicting_separators_are_refused() {
        for text in [
            "1,2,3",
            "1.23.4",
            "1,234.567.8",
            "1.234,5,6",
            "1 23",
            "12 34",
            "5.",
            "",
            "-",
            "1, 234",
            "1,234'567",
            "1_000",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
