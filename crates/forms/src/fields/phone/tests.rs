use super::*;
use phonenumber::Mode;
use phonenumber::metadata::DATABASE;
use proptest::prelude::*;
use serde_json::json;

fn typed(text: &str, country: &str) -> Option<String> {
    read(&json!(text), text, country).ok()
}

#[test]
fn numbers_become_e164() {
    let cases = [
        ("US", "(415) 555-2671", "+14155552671"),
        ("US", "1-415-555-2671 x12", "+14155552671"),
        ("US", "+1 415 555 2671", "+14155552671"),
        ("US", "416 555 0123", "+14165550123"),
        ("US", "011 44 20 7183 8750", "+442071838750"),
        ("US", "+49 1511 2345678", "+4915112345678"),
        ("US", "+44 (0)20 7183 8750", "+442071838750"),
        ("GB", "020 7183 8750", "+442071838750"),
        ("GB", "07911 123456", "+447911123456"),
        ("GB", "447911123456", "+447911123456"),
        ("DE", "0049 151 12345678", "+4915112345678"),
        ("DE", "0151/12345678", "+4915112345678"),
        ("IT", "06 6982 0000", "+390669820000"),
        ("FR", "06 12 34 56 78", "+33612345678"),
        ("AR", "011 15 2345 6789", "+5491123456789"),
        ("MX", "55 1234 5678", "+525512345678"),
        ("BR", "0 31 11 96123 4567", "+5511961234567"),
        ("AU", "0412 345 678", "+61412345678"),
        ("US", "+7 800 123-45-67", "+78001234567"),
        ("RU", "8 (800) 123-45-67", "+78001234567"),
        ("", "+14155552671", "+14155552671"),
    ];
    for (country, text, expected) in cases {
        assert_eq!(typed(text, country).as_deref(), Some(expected), "{country} {text}");
    }
}

#[test]
fn unassigned_numbers_are_refused() {
    let cases = [
        ("US", "555-2671"),
        ("US", "000 000 0000"),
        ("US", "123 456 7890"),
        ("US", "415 155 2671"),
        ("US", "4155552671 0"),
        ("US", "+999 123456789"),
        ("US", "+"),
        ("US", "020 7183 8750"),
        ("", "415 555 2671"),
        ("XX", "4155552671"),
        ("GB", "+44 20 7183"),
        ("US", "911"),
        ("US", "+1 415 555 26711"),
    ];
    for (country, text) in cases {
        assert_eq!(typed(text, country), None, "{country} {text}");
    }
}

#[test]
fn json_numbers_are_read_and_fractions_refused() {
    assert_eq!(
        read(&json!(4_155_552_671_u64), "4155552671", "US").as_deref(),
        Ok("+14155552671")
    );
    assert!(read(&json!(415_555_267.1), "415555267.1", "US").is_err());
    assert!(read(&json!(-4_155_552_671_i64), "-4155552671", "US").is_err());
}

/// The metadata has an example for nearly every country and kind; each must be read in every form.
#[test]
fn the_examples_of_every_country_are_read() {
    let mut seen = 0;
    for metadata in DATABASE.iter() {
        let kinds = metadata.descriptors();
        for example in [kinds.fixed_line(), kinds.mobile(), kinds.toll_free()]
            .into_iter()
            .flatten()
            .filter_map(|kind| kind.example())
        {
            let expected = format!("+{}{example}", metadata.country_code());
            assert_eq!(typed(&expected, "US").as_ref(), Some(&expected));
            if metadata.id() != "001" {
                assert_eq!(
                    typed(example, metadata.id()).as_ref(),
                    Some(&expected),
                    "{}",
                    metadata.id()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen}");
}

/// How countries write their own numbers, by the formatter of the `phonenumber` crate.
#[test]
fn numbers_in_national_form_are_read() {
    let mut differing = Vec::new();
    for metadata in DATABASE.iter().filter(|metadata| metadata.id() != "001") {
        let kinds = metadata.descriptors();
        for example in [kinds.fixed_line(), kinds.mobile()]
            .into_iter()
            .flatten()
            .filter_map(|kind| kind.example())
        {
            let expected = format!("+{}{example}", metadata.country_code());
            let number = phonenumber::parse(None, &expected).unwrap();
            let national = number.format().mode(Mode::National).to_string();
            if typed(&national, metadata.id()).as_ref() != Some(&expected) {
                differing.push(format!("{} {expected} {national}", metadata.id()));
            }
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
}

fn agrees_with_the_crate(e164: &str) -> bool {
    phonenumber::parse(None, e164)
        .is_ok_and(|number| phonenumber::is_valid(&number) && number.format().mode(Mode::E164).to_string() == e164)
}

// Russia is absent: the crate takes the 8 of +7 800… for a trunk prefix.
proptest! {
    #[test]
    fn nanp_answers_are_those_of_the_phonenumber_crate(digits in "[2-9][0-9]{2}[2-9][0-9]{6}") {
        let number = phonenumber::parse(Some(phonenumber::country::US), &digits).unwrap();
        let valid = phonenumber::is_valid(&number);
        let expected = valid.then(|| number.format().mode(Mode::E164).to_string());
        prop_assert_eq!(typed(&digits, "US"), expected);
    }

    #[test]
    fn accepted_numbers_are_valid_to_the_phonenumber_crate(
        digits in "(1|44|49|33|61|52|91|34|31|48|351|353|972)[1-9][0-9]{6,10}",
    ) {
        if let Some(e164) = typed(&format!("+{digits}"), "US") {
            prop_assert!(agrees_with_the_crate(&e164), "{}", e164);
        }
    }

    #[test]
    fn e164_is_read_as_itself_in_every_country(digits in "[1-9][0-9]{6,14}", country in "[A-Z]{2}") {
        if let Some(e164) = typed(&format!("+{digits}"), "US") {
            prop_assert_eq!(typed(&e164, &country), Some(e164));
        }
    }
}
