use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn secrets(values: &[&str]) -> Secrets {
    Secrets::new(values.iter().map(ToString::to_string))
}

#[test]
fn a_secret_is_found_in_every_spelling_and_the_longer_one_first() {
    let secrets = secrets(&["Kx81", "Kx81 \"ü\"", "7", ""]);
    let answer = r#"{"a":"Kx81 \"ü\"","n":7} Kx81+%22%C3%BC%22 Kx81 "ü" Kx81!"#;
    let left = r#"{"a":"[redacted]","n":7} [redacted] [redacted] [redacted]!"#;
    assert_eq!(secrets.redact(answer.into()), left);
}

/// The value as receivers may write it.
fn spelled(value: &str) -> Vec<String> {
    let each = |form: &dyn Fn(u32) -> String| value.chars().map(|c| form(u32::from(c))).collect::<Vec<_>>().concat();
    let plain: String = value.chars().filter(|c| c.is_alphanumeric()).collect();
    let hex = value
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    let swapped: String = value
        .chars()
        .map(|c| {
            if c.is_uppercase() {
                c.to_ascii_lowercase()
            } else {
                c.to_ascii_uppercase()
            }
        })
        .collect();
    let spaced: Vec<String> = value.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut spelled = vec![
        value.to_owned(),
        plain.clone(),
        plain.chars().flat_map(|c| [c, ' ']).collect(),
        plain.chars().flat_map(|c| [c, '.']).collect(),
        value.replace('-', "–"),
        swapped,
        plain.chars().rev().collect(),
        hex.clone(),
        hex.to_uppercase(),
        spaced.join(" "),
        spaced.join(":"),
        format!("0x{},", spaced.join(",0x")),
        each(&|c| format!("%{c:02X}")),
        each(&|c| format!("%{c:02x}")),
        each(&|c| format!("%25{c:02X}")),
        each(&|c| format!("\\u{c:04x}")),
        each(&|c| format!("\\u{c:04X}")),
        each(&|c| format!("\\u{{{c:x}}}")),
        each(&|c| format!("\\x{c:02x}")),
        each(&|c| format!("\\{c:03o}")),
        each(&|c| format!("&#{c};")),
        each(&|c| format!("&#x{c:X};")),
        each(&|c| format!("&amp;#{c};")),
        each(&|c| format!("={c:02X}")),
        value.chars().flat_map(|c| [c, '=', '\r', '\n']).collect(),
    ];
    for before in ["", "x", "ab", "{\"ssn\":\""] {
        let text = format!("{before}{value}\"}} and more");
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&text);
            spelled.push(STANDARD.encode(&encoded));
            spelled.push(encoded.replace('/', "\\/"));
            spelled.push(engine.encode(plain.as_bytes()));
            spelled.push(encoded);
        }
    }
    spelled
}

/// Whether letters and digits of the value are left one after the other in a text, undone as a reader would.
fn left(secrets: &Secrets, text: &str) -> bool {
    secrets.are_in(text)
}

#[test]
fn no_spelling_keeps_a_value() {
    for value in [
        "123-45-6789",
        "Kx81ab",
        "ana.silva@example.com",
        "+14155552671",
        "12 Main Street, Springfield",
    ] {
        let secrets = secrets(&[value]);
        for spelled in spelled(value) {
            let answer = format!("{{\"status\":\"no\",\"echo\":\"{spelled}\"}}");
            let clean = secrets.redact(answer.clone());
            assert!(clean.contains(REDACTED), "{value} in {answer}");
            assert!(!left(&secrets, &clean), "{value} in {answer}: {clean}");
            assert!(clean.starts_with("{\"status\":\"no\""), "{clean}");
        }
    }
}

#[test]
fn dates_and_phones_are_found_as_others_write_them() {
    let birth = secrets(&["1980-05-03"]);
    for text in [
        "born 05/03/1980",
        "3.5.1980",
        "1980 05 03",
        "May 3, 1980",
        "03-May-1980",
        "19800503",
        "030580",
    ] {
        assert!(birth.are_in(text), "{text}");
    }
    let phone = secrets(&["+14155552671"]);
    for text in ["(415) 555-2671", "415.555.2671", "tel:001-415-555-2671", "4155552671"] {
        assert!(phone.are_in(text), "{text}");
    }
}

#[test]
fn other_answers_stay_as_they_are() {
    let secrets = secrets(&["123-45-6789", "Ana", "1980-05-03"]);
    for text in [
        "{\"ok\":true,\"id\":\"4711\"}",
        "Internal Server Error",
        "550 5.7.1 banana republic",
        "eyJhbGciOiJIUzI1NiJ9",
        "",
        "ünïcödé \u{1F600} %zz \\u12 &#; &nope; =",
    ] {
        assert_eq!(secrets.redact(text.into()), text);
    }
    assert_eq!(secrets.redact("for Ana: no".into()), "for [redacted]: no");
}

#[test]
fn a_value_that_was_cut_goes_as_far_as_it_is_there() {
    let secrets = secrets(&["123-45-6789"]);
    let answer = format!("{} 123-45-6", "x".repeat(250));
    assert!(secrets.redact(answer).ends_with("x [redacted]"));
}

#[test]
fn parts_of_a_long_value_and_values_within_values_are_found() {
    let note = "The customer lives in a yellow house behind the old mill and is called after six";
    let secrets = Secrets::new(texts(&json!({ "note": note, "list": ["Quokka77"] })).into_iter());
    assert!(secrets.are_in("lives in a yellow house behind the old mill"));
    assert!(secrets.are_in("QUOKKA-77"));
    assert!(!secrets.are_in("the customer is not known"));
}

proptest! {
    #[test]
    fn any_answer_is_cut_at_characters(text in "\\PC{0,200}", value in "\\PC{1,20}") {
        let secrets = secrets(&[&value]);
        let _ = secrets.redact(format!("{text}{value}{text}"));
        let _ = secrets.redact(text);
    }
}
