//! Repairs JSON before it is parsed, so that one bad value does not fail or change a whole request with all its leads:
//!
//! - half of a surrogate pair (`"\ud83d"`), where text was cut off, becomes U+FFFD, and the intake warns of it;
//! - a number that 64 bits do not hold is marked, so that its digits are kept ([`crate::numerals`]).
//!
//! Everything else is left to the parser.

use std::borrow::Cow;

use crate::numerals::{MARK, exceeds_64_bits};

/// Replaces half of a pair.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// The repaired text. Numbers are marked only inside of so many brackets: those outside are not values of the caller.
pub fn repair(json: &[u8], brackets: usize) -> Cow<'_, [u8]> {
    let mut scan = Scan {
        json,
        at: 0,
        copied: 0,
        repaired: Vec::new(),
    };
    let mut open = 0_usize;
    while let Some(byte) = scan.byte(scan.at) {
        match byte {
            b'"' => scan.string(),
            b'-' | b'0'..=b'9' => scan.number(open >= brackets),
            b'{' | b'[' => {
                open = open.saturating_add(1);
                scan.at += 1;
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                scan.at += 1;
            }
            _ => scan.at += 1,
        }
    }
    scan.finish()
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
    /// Up to here the text is in `repaired`, unless that is empty.
    copied: usize,
    repaired: Vec<u8>,
}

impl<'a> Scan<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.json.get(at).copied()
    }

    /// Past a string, whose opening quotation mark stands next.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => self.escape(),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) {
        match self.unit(self.at) {
            Some(0xD800..=0xDBFF) => match self.unit(self.at + 6) {
                Some(0xDC00..=0xDFFF) => self.at += 12,
                _ => self.replace(6, &[REPLACEMENT]),
            },
            Some(0xDC00..=0xDFFF) => self.replace(6, &[REPLACEMENT]),
            Some(_) => self.at += 6,
            None => self.at += 2,
        }
    }

    /// The code of `\uXXXX`, if that stands there.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits
            .iter()
            .try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self, mark: bool) {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !part(byte)).unwrap_or(rest.len());
        let digits = rest.get(..length).unwrap_or_default();
        match std::str::from_utf8(digits) {
            Ok(text) if mark && exceeds_64_bits(text) => {
                // NUL has to be escaped in JSON.
                let mark = MARK.replace('\0', "\\u0000");
                self.replace(length, &[b"\"", mark.as_bytes(), digits, b"\""]);
            }
            _ => self.at += length,
        }
    }

    /// Puts something else in place of the next bytes.
    fn replace(&mut self, length: usize, with: &[&[u8]]) {
        self.repaired
            .extend_from_slice(self.json.get(self.copied..self.at).unwrap_or_default());
        for part in with {
            self.repaired.extend_from_slice(part);
        }
        self.at += length;
        self.copied = self.at;
    }

    fn finish(mut self) -> Cow<'a, [u8]> {
        if self.copied == 0 {
            return Cow::Borrowed(self.json);
        }
        self.repaired
            .extend_from_slice(self.json.get(self.copied..).unwrap_or_default());
        Cow::Owned(self.repaired)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(json: &str) -> String {
        String::from_utf8(repair(json.as_bytes(), 0).into_owned()).unwrap()
    }

    #[test]
    fn halves_of_pairs_are_replaced_and_pairs_are_not() {
        let cases = [
            (r#""a\ud83d""#, r#""a\ufffd""#),
            (r#""\uD83Da\uDE00""#, r#""\ufffda\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#"{"\udc00":1}"#, r#"{"\ufffd":1}"#),
        ];
        for (json, expected) in cases {
            assert_eq!(repaired(json), expected);
            serde_json::from_str::<serde_json::Value>(&repaired(json)).unwrap();
        }
        for same in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\"\\\ud7ff""#,
            r#""\ud8"#,
            r#""\"#,
            r"\ud83d",
        ] {
            assert_eq!(repaired(same), same);
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_marked() {
        for number in [
            "123456789012345678901234",
            "-123456789012345678901234",
            "123456789012345678901234.5",
            "0.1000000000000000055",
            "1e400",
            "-1E-400",
        ] {
            assert_eq!(repaired(&format!("[{number},1]")), format!("[\"\\u0000#{number}\",1]"));
        }
        for same in [
            "18446744073709551615",
            r#""123456789012345678901234""#,
            "1.5e300",
            "0123456789012345678901234",
            "1e+",
        ] {
            assert_eq!(repaired(same), same);
        }
        let outside = r#"{"id":123456789012345678901234}"#;
        assert_eq!(repair(outside.as_bytes(), 2), outside.as_bytes());
    }

    proptest! {
        #[test]
        fn what_is_json_stays_as_it_is(text in ".*", number in any::<i64>(), float in any::<f64>()) {
            let json = serde_json::json!({ "a": [text, number, float], text.clone(): null }).to_string();
            prop_assert_eq!(repaired(&json), json);
        }

        #[test]
        fn anything_can_be_repaired_and_then_needs_no_mending(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let once = repair(&bytes, 0).into_owned();
            prop_assert_eq!(repair(&once, 0).into_owned(), once);
        }
    }
}
