//! Phone numbers.

use serde_json::Value;

use dialled::Dialled;

mod dialled;
mod plan;

/// Reads a phone number into E.164: `+`, calling code, national number, at most fifteen digits.
///
/// A number that begins with `+` is international. Any other is taken as dialled in `country`, then, if it is no number
/// there, as dialled from `country` to abroad or as international without its `+`. Valid is what the numbering plan of
/// the calling code has assigned, by the metadata of Google's libphonenumber in the `phonenumber` crate; so a new area
/// code is refused until that crate is updated. An extension is dropped, E.164 has none.
///
/// The crate supplies the metadata only. Its parser strips the trunk prefix of the default country from international
/// numbers (+49 151… loses a digit for a sender in the United States), and its matcher looks at the beginning of a
/// number only and locks a cache shared by all threads.
pub(super) fn read(raw: &Value, text: &str, country: &str) -> Result<String, String> {
    let whole = !raw.is_number() || text.bytes().all(|b| b.is_ascii_digit());
    let dialled = Dialled::read(text).filter(|_| whole);
    let number = dialled.as_ref().and_then(|dialled| match dialled {
        Dialled::International(digits) => plan::international(digits),
        Dialled::National(digits) => plan::national(digits, country),
    });
    number.ok_or_else(|| expected(dialled.as_ref(), country))
}

/// Loads the numbering plans, so that no lead waits for it: the first phone number costs a tenth of a second in a
/// release build, every later one less than a microsecond. Safe to call at any time and again.
pub fn load_phone_plans() {
    let _ = plan::international("14155550123");
}

fn expected(dialled: Option<&Dialled>, country: &str) -> String {
    match dialled {
        Some(Dialled::National(_)) if country.is_empty() => {
            "This phone number has no country. Send it in international form, such as +14155550123.".to_owned()
        }
        Some(Dialled::National(_)) => format!(
            "This is not an assigned phone number of {country}. Send it with its area code, or in international form, \
             such as +14155550123."
        ),
        Some(Dialled::International(_)) => {
            "This is not an assigned phone number. Check the country code after the + and the number of digits."
                .to_owned()
        }
        None => "This is not a phone number. Send digits, such as +14155550123, without words.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
