//! The digits in a text that may be a phone number.

use crate::fields::fold::ascii_digit;

/// No number has more digits, prefixes for dialling abroad included.
const MAX_DIGITS: usize = 24;

/// The longest text that is looked at, in bytes.
const MAX_TEXT: usize = 200;

/// What somebody would dial.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dialled {
    /// The digits after a `+`.
    International(String),
    /// Digits as dialled in some country.
    National(String),
}

impl Dialled {
    /// Picks the digits out of a text. Accepted besides are usual punctuation, invisible marks that copying leaves, a
    /// leading `tel:`, and an extension (`x12`, `ext. 12`, `#12`, `;ext=12`). Letters are refused, also where they
    /// stand for digits: in a lead they are nearly always a remark.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let scheme = text.get(..4).filter(|head| head.eq_ignore_ascii_case("tel:"));
        let rest = scheme.and_then(|_| text.get(4..)).unwrap_or(text);
        let (mut plus, mut digits) = (false, String::new());
        for (at, c) in rest.char_indices() {
            match ascii_digit(c) {
                digit if digit.is_ascii_digit() => digits.push(digit),
                '+' | '＋' if !plus && digits.is_empty() => plus = true,
                c if is_punctuation(c) => {}
                _ if is_extension(rest.get(at..)?) => break,
                _ => return None,
            }
        }
        let possible = (4..=MAX_DIGITS).contains(&digits.len());
        match plus {
            _ if !possible => None,
            true => Some(Self::International(digits)),
            false => Some(Self::National(digits)),
        }
    }
}

fn is_punctuation(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '(' | ')' | '/' | '[' | ']' | '_' | '‐'..='―' | '−' | '·' | '－' | '（' | '）'
        )
        || is_invisible(c)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_extension(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let routed_steps = ["extension", ";ext=", "ext", "x", "#"];
    let Some(rest) = routed_steps.iter().find_map(|mark| lower.strip_prefix(mark)) else {
        return false;
    };
    let number = rest.trim_start_matches(['.', ':', ' ']);
    (1..=7).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_picked_out_of_usual_punctuation() {
        let national = |digits: &str| Some(Dialled::National(digits.to_owned()));
        let international = |digits: &str| Some(Dialled::International(digits.to_owned()));
        let cases = [
            ("(415) 555-2671", national("4155552671")),
            ("415.555.2671 x123", national("4155552671")),
            ("415/555/2671 Ext. 12", national("4155552671")),
            ("415 555 2671 #12", national("4155552671")),
            ("tel:+1-415-555-2671;ext=12", international("14155552671")),
            ("+44 (0)20 7183 8750", international("4402071838750")),
            ("\u{202a}+49 151\u{202c}", international("49151")),
            ("＋８１ ３", None),
            ("＋８１ ３１２", international("81312")),
            ("٠١٢٣٤", national("01234")),
        ];
        for (text, expected) in cases {
            assert_eq!(Dialled::read(text), expected, "{text}");
        }
    }

    #[test]
    fn words_and_misplaced_signs_are_refused() {
        let long = "1".repeat(25);
        let cases = [
            "none",
            "call 4155552671",
            "1-800-FLOWERS",
            "415+5552671",
            "++14155552671",
            "415 555 x",
            "123",
            "*67 4155552671",
            "🙂",
            &long,
        ];
        for text in cases {
            assert_eq!(Dialled::read(text), None, "{text}");
        }
    }
}
