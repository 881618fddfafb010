//! The contexts that bind a partner's sealed secrets to their rows, for the code that seals them and the code that opens them.

use entity::ids::{PartnerId, SettingsId};

/// The context of a custom header's value, which is sealed anew for each version of the settings.
pub fn header(settings: SettingsId, name: &str) -> String {
    format!("settings/{settings}/header/{name}")
}

/// The context of a partner's current and previous signing secret: moving the sealed text from one column to the other leaves it
/// valid. What is sealed is the `whsec_…` form.
pub fn signing_secret(partner: PartnerId) -> String {
    format!("partner/{partner}/secret")
}
