//! What is kept from those who may not reveal encrypted values: whether a condition of an encrypted field holds, and the words of
//! recipients and mail servers about a lead that has such values. These know what was sent to them, and may repeat it in a spelling
//! that nobody recognises.

use entity::delivery::DeliveryErrorCode;
use entity::ids::{AccountId, LeadId};
use entity::lead;

use super::outcome::{Reason, TraceEntry};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// What stands in place of words that are not shown.
pub const KEPT: &str =
    "the recipient's words are kept back: they may repeat an encrypted value, which you may not reveal";

/// Whether the caller may see words of others about a lead.
pub async fn hears(app: &App, caller: &Caller, account: AccountId, id: LeadId) -> Result<bool> {
    Ok(caller.may_reveal()
        || lead::Entity::sealed_among(app.db.read(), account, [id])
            .await?
            .is_empty())
}

/// Whether the message of a failure may have words of others in it; without a code, it is the note of a success.
pub fn are_in(code: Option<DeliveryErrorCode>) -> bool {
    match code {
        None
        | Some(
            DeliveryErrorCode::SmtpRejected
            | DeliveryErrorCode::SmtpTemporary
            | DeliveryErrorCode::RefusedByPartner
            | DeliveryErrorCode::BuyerRejected
            | DeliveryErrorCode::RetriesExhausted
            | DeliveryErrorCode::Expired,
        ) => true,
        Some(
            DeliveryErrorCode::SmtpNotConfigured
            | DeliveryErrorCode::HttpStatus
            | DeliveryErrorCode::Timeout
            | DeliveryErrorCode::Network
            | DeliveryErrorCode::Tls
            | DeliveryErrorCode::DestinationBlocked
            | DeliveryErrorCode::Template
            | DeliveryErrorCode::PayloadTooLarge
            | DeliveryErrorCode::BuyerNotReady
            | DeliveryErrorCode::Disconnected
            | DeliveryErrorCode::Cancelled
            | DeliveryErrorCode::Paused
            | DeliveryErrorCode::SetAside,
        ) => false,
    }
}

/// The message of a failure, for a reader who may hear such words or not.
pub fn shown(message: String, code: Option<DeliveryErrorCode>, hears: bool) -> String {
    if hears || !are_in(code) {
        return message;
    }
    KEPT.to_owned()
}

/// The reasons as the caller may read them.
pub fn discreet(caller: &Caller, reasons: Vec<Reason>) -> Vec<Reason> {
    if caller.may_reveal() {
        return reasons;
    }
    reasons.into_iter().map(Reason::discreet).collect()
}

/// The looks that the caller may read: without those that tell whether a condition of an encrypted field holds, for who may not
/// reveal it; and without what decided, which names rules, for who may not read the setup.
pub fn discreet_trace(caller: &Caller, looks: Vec<TraceEntry>) -> Vec<TraceEntry> {
    let (may_reveal, sees_setup) = (caller.may_reveal(), caller.may(Action::ReadSetup));
    let looks = looks
        .into_iter()
        .filter(|look| may_reveal || !look.rests_on_encrypted());
    let each = |mut look: TraceEntry| {
        if !sees_setup {
            NO_SETUP.clone_into(&mut look.detail);
        }
        look
    };
    looks.map(each).collect()
}

/// What decided, for those who may not read rules.
const NO_SETUP: &str = "what decided takes NETWORK_READ or MANAGE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_words_are_shown_to_everybody() {
        let shown = |code, hears| shown("said so".into(), code, hears);
        assert_eq!(shown(Some(DeliveryErrorCode::Timeout), false), "said so");
        assert_eq!(shown(Some(DeliveryErrorCode::RefusedByPartner), true), "said so");
        assert_eq!(shown(Some(DeliveryErrorCode::RefusedByPartner), false), KEPT);
        assert_eq!(shown(None, false), KEPT);
    }
}
