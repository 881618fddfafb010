//! The remedy for each kind of failure.

use entity::delivery::DeliveryErrorCode;
use entity::delivery_attempt;
use entity::delivery_config::Channel;

use leadmesh_delivery::failure::{Reached, reached};

const CORRECT_SMTP: &str = "correct host, port and security with setSmtpSettings, and try them with sendTestEmail";

/// The remedy of a failed attempt, from all that is stored of it.
pub(super) fn remedy_of(attempt: &delivery_attempt::Model, code: DeliveryErrorCode, channel: Channel) -> &'static str {
    let how_far = reached(attempt.message.as_deref().unwrap_or_default());
    let by_mail = channel == Channel::Email;
    match (code, attempt.http_status, how_far) {
        (DeliveryErrorCode::HttpStatus, Some(410), _) => GONE,
        (DeliveryErrorCode::HttpStatus, Some(429), _) => {
            "wait until the openUntil of the partner's health: the destination asked for less, and is tried again by itself"
        }
        (DeliveryErrorCode::Network, _, Reached::Nobody)
        | (DeliveryErrorCode::Tls, _, Reached::NoTls | Reached::BadCertificate)
            if by_mail =>
        {
            CORRECT_SMTP
        }
        (DeliveryErrorCode::Network, _, Reached::Nobody) => {
            "nothing was sent: check the address, and ask the partner whether its server runs and can be reached; a corrected address is used by retryDelivery with settings: CURRENT"
        }
        (DeliveryErrorCode::Tls, _, Reached::NoTls) => {
            "nothing was sent: correct port and scheme of the address with setPartnerDelivery, then retryDelivery with settings: CURRENT"
        }
        (DeliveryErrorCode::Tls, _, Reached::BadCertificate) => {
            "nothing was sent: ask the partner to put a valid certificate on its server"
        }
        _ => remedy(code),
    }
}

/// A 410 does not end by waiting.
pub(super) const GONE: &str = "ask the partner for its new address and set it with setPartnerDelivery, then retryDelivery with settings: CURRENT; if the old one is back, let it go on with resumeDestination";

/// The remedy where only the code is known.
pub(super) fn remedy(code: DeliveryErrorCode) -> &'static str {
    match code {
        DeliveryErrorCode::SmtpNotConfigured => "set a mail server with setSmtpSettings, then retry the delivery",
        DeliveryErrorCode::SmtpRejected => {
            "see what the mail server said; correct the recipients with setPartnerDelivery, then retryDelivery with settings: CURRENT; or the server with setSmtpSettings"
        }
        DeliveryErrorCode::SmtpTemporary => {
            "wait: it is tried again; if it goes on, ask the operator of the mail server"
        }
        DeliveryErrorCode::HttpStatus => {
            "see the answer's excerpt in attempts; if the partner has changed its address or key, set it with setPartnerDelivery, then retryDelivery with settings: CURRENT"
        }
        DeliveryErrorCode::Timeout => {
            "ask the partner to answer sooner, or give it longer with timeoutMs; it may have the lead: settle that with resolveDelivery"
        }
        DeliveryErrorCode::Network => {
            "check the address, and ask the partner whether its server runs; a corrected address is used by retryDelivery with settings: CURRENT; if it has the lead, settle that with resolveDelivery"
        }
        DeliveryErrorCode::Tls => "ask the partner which TLS its server offers: it has to be TLS 1.2 or 1.3",
        DeliveryErrorCode::DestinationBlocked => {
            "give a public address with setPartnerDelivery, then retryDelivery with settings: CURRENT; or let the operator allow this one with LEADMESH_ALLOW_DESTINATIONS"
        }
        DeliveryErrorCode::Template => {
            "correct the template with setPartnerDelivery, look at previewDelivery, then retryDelivery with settings: CURRENT"
        }
        DeliveryErrorCode::PayloadTooLarge => {
            "share fewer fields with the partner or shorten the template with setPartnerDelivery, look at previewDelivery, then \
             retryDelivery with settings: CURRENT"
        }
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
        DeliveryErrorCode::SetAside => {
            "ask the operator of this server to check its log and memory: its process ended repeatedly while it attempted this \
             delivery. Correct the partner's template or the lead, then retry the delivery; it is attempted apart from all others"
        }
        DeliveryErrorCode::Paused => "wait until the destination answers again, or let it go on with resumeDestination",
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn advice(code: DeliveryErrorCode, http_status: Option<i32>, message: &str, channel: Channel) -> &'static str {
        let attempt = delivery_attempt::Model {
            delivery_id: uuid::Uuid::nil().into(),
            number: 1,
            started_at: DateTime::UNIX_EPOCH,
            duration_us: 0,
            ok: false,
            http_status,
            smtp_code: None,
            error_code: Some(code),
            message: Some(message.to_owned()),
            excerpt: None,
        };
        remedy_of(&attempt, code, channel)
    }

    #[test]
    fn advice_follows_what_happened_and_not_the_code_alone() {
        let web = |code, status, message| advice(code, status, message, Channel::Webhook);
        let refused = "the destination refused the connection; nothing listens on that port";
        let refused_advice = web(DeliveryErrorCode::Network, None, refused);
        assert!(
            !refused_advice.contains("resolveDelivery"),
            "nothing can have been sent"
        );
        let broken = web(DeliveryErrorCode::Network, None, "the destination broke the connection");
        assert!(broken.contains("resolveDelivery"), "it may have the lead");
        let plain = "the destination did not answer with TLS; check the port and the scheme";
        assert!(web(DeliveryErrorCode::Tls, None, plain).contains("scheme"));
        let expired = "the certificate of the destination has expired";
        assert!(web(DeliveryErrorCode::Tls, None, expired).contains("certificate"));
        assert!(web(DeliveryErrorCode::HttpStatus, Some(410), "").contains("resumeDestination"));
        assert!(web(DeliveryErrorCode::HttpStatus, Some(429), "").contains("openUntil"));
        assert!(web(DeliveryErrorCode::HttpStatus, Some(500), "").contains("excerpt"));
        for (code, message) in [(DeliveryErrorCode::Network, refused), (DeliveryErrorCode::Tls, expired)] {
            assert!(advice(code, None, message, Channel::Email).contains("setSmtpSettings"));
        }
    }
}
