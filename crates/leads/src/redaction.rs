//! Redaction for readers who may not reveal encrypted values: whether a condition on an encrypted field holds, and the responses of
//! recipients and mail servers to a lead with encrypted values. Those know the values, and may repeat them in a spelling that no search
//! finds.

use entity::delivery::DeliveryErrorCode;
use entity::ids::{AccountId, LeadId};
use entity::lead;

use super::outcome::{Reason, TraceEntry};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// Stands in place of a redacted response.
pub const REDACTED: &str =
    "the recipient's words are kept back: they may repeat an encrypted value, which you may not reveal";

/// Whether the caller may see the responses to a lead.
pub async fn responses_visible(app: &App, caller: &Caller, account: AccountId, id: LeadId) -> Result<bool> {
    Ok(caller.may_reveal()
        || lead::Entity::sealed_among(app.db.read(), account, [id])
            .await?
            .is_empty())
}

/// Whether a message may quote a recipient, by its failure code; without a code, it is the note of a success.
pub fn may_quote_recipient(code: Option<DeliveryErrorCode>) -> bool {
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

/// The message of a failure as a reader may see it.
pub fn redact_message(message: String, code: Option<DeliveryErrorCode>, responses_visible: bool) -> String {
    if responses_visible || !may_quote_recipient(code) {
        return message;
    }
    REDACTED.to_owned()
}

/// The reasons as the caller may read them.
pub fn redact_reasons(caller: &Caller, reasons: Vec<Reason>) -> Vec<Reason> {
    if caller.may_reveal() {
        return reasons;
    }
    reasons.into_iter().map(Reason::redacted).collect()
}

/// The trace as the caller may read it. A caller who may not reveal values gets no entry that depends on an encrypted field, and one who
/// may not read the setup gets no details, because these name rules.
pub fn redact_trace(caller: &Caller, mut trace: Vec<TraceEntry>) -> Vec<TraceEntry> {
    let (may_reveal, sees_setup) = (caller.may_reveal(), caller.may(Action::ReadSetup));
    trace.retain(|entry| may_reveal || !entry.rests_on_encrypted());
    if !sees_setup {
        for entry in &mut trace {
            NO_SETUP.clone_into(&mut entry.detail);
        }
    }
    trace
}

/// Stands in place of details.
const NO_SETUP: &str = "what decided takes NETWORK_READ or MANAGE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotations_are_redacted() {
        let redacted = |code, responses_visible| redact_message("said so".into(), code, responses_visible);
        assert_eq!(redacted(Some(DeliveryErrorCode::Timeout), false), "said so");
        assert_eq!(redacted(Some(DeliveryErrorCode::RefusedByPartner), true), "said so");
        assert_eq!(redacted(Some(DeliveryErrorCode::RefusedByPartner), false), REDACTED);
        assert_eq!(redacted(None, false), REDACTED);
    }
}
