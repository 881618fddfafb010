//! Where a partner's secrets are sealed: the places that bind each to its row, for who seals and who opens.

use entity::ids::{PartnerId, SettingsId};

/// The place of the value of a custom header. A value is sealed anew for every version of the settings.
pub fn header(settings: SettingsId, name: &str) -> String {
    format!("settings/{settings}/header/{name}")
}

/// The place of a partner's signing secrets, the present one and the one before: moving from one column to the other
/// leaves the sealed text as it is. What is sealed is the `whsec_…` form.
pub fn signing_secret(partner: PartnerId) -> String {
    format!("partner/{partner}/secret")
}
