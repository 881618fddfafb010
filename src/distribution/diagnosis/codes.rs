//! What to do about each kind of failure.

use entity::delivery::DeliveryErrorCode;

/// The advice.
pub(super) fn remedy(code: DeliveryErrorCode) -> &'static str {
    match code {
        DeliveryErrorCode::SmtpNotConfigured => "set a mail server with setSmtpSettings, then retry the delivery",
        DeliveryErrorCode::SmtpRejected => {
            "see what the mail server said; correct the recipients with setPartnerDelivery or the server with setSmtpSettings"
        }
        DeliveryErrorCode::SmtpTemporary => "wait: it is tried again; if it goes on, ask whoever runs the mail server",
        DeliveryErrorCode::HttpStatus => {
            "see the answer's excerpt in attempts; if the partner has changed its address or key, set it with setPartnerDelivery"
        }
        DeliveryErrorCode::Timeout => {
            "ask the partner to answer sooner, or give it longer with timeoutMs; it may have the lead: settle that with resolveDelivery"
        }
        DeliveryErrorCode::Network => {
            "check the address, and ask the partner whether its server runs; if it has the lead, settle that with resolveDelivery"
        }
        DeliveryErrorCode::Tls => "ask the partner to renew the certificate of its server",
        DeliveryErrorCode::DestinationBlocked => {
            "give a public address with setPartnerDelivery, or let the operator allow this one with LEADMESH_ALLOW_DESTINATIONS"
        }
        DeliveryErrorCode::Template => "correct the template with setPartnerDelivery, and look at previewDelivery",
        DeliveryErrorCode::RefusedByPartner => {
            "ask the partner for the reason; a rule of its assignment can keep such leads away"
        }
        DeliveryErrorCode::BuyerRejected => {
            "see the reasons of the buyer's flow; a rule of the step or assignment can keep such leads away"
        }
        DeliveryErrorCode::BuyerNotReady => {
            "ask the buyer to set up the flow that receives your leads, then retry the delivery"
        }
        DeliveryErrorCode::Disconnected => "look at diagnoseConnection, connect again, then retry the delivery",
        DeliveryErrorCode::RetriesExhausted => "see the attempts for the cause, and retry the delivery once it is gone",
        DeliveryErrorCode::Expired => "retry the delivery if the lead is still of use",
        DeliveryErrorCode::Cancelled => "retry the delivery if it shall go out after all",
        DeliveryErrorCode::Paused => "wait until the destination answers again, or let it go on with resumeDestination",
    }
}
