//! The checks, as pure functions of facts.

use entity::delivery::DeliveryStatus;
use entity::delivery_config::{Channel, DeliveryConfig};
use entity::endpoint::OpenReason;

use super::Facts;
use super::codes::{GONE, remedy, remedy_of};
use leadmesh_core::diagnosis::{Check, failed, passed};
use leadmesh_delivery::health::{self, State};
use leadmesh_flows::schedule;

/// The one answer for unknown deliveries and those of other accounts.
pub(super) fn unknown() -> Check {
    failed(
        "delivery",
        "there is no delivery with this identifier in your account",
        "look it up in deliveries",
    )
}

/// All checks, in the order in which a delivery needs them.
pub(super) fn of(facts: &Facts) -> Vec<Check> {
    let looks = [
        Some(delivery(facts)),
        worker(facts),
        partner(facts),
        assignment(facts),
        schedule(facts),
        Some(settings(facts)),
        mail_server(facts),
        portal(facts),
        connection(facts),
        destination(facts),
        last_attempt(facts),
    ];
    looks.into_iter().flatten().collect()
}

fn delivery(facts: &Facts) -> Check {
    let row = &facts.delivery;
    if row.erased_at.is_some() {
        let message = "the lead was erased: nothing of it is left to send";
        return passed("delivery", message);
    }
    let why = row.failure_message.as_deref().unwrap_or("no reason is known");
    let last = facts.last.as_ref();
    let advice = match (row.failure_code, last) {
        (Some(code), Some(attempt)) if attempt.error_code == Some(code) => remedy_of(attempt, code, row.channel),
        (Some(code), _) => remedy(code),
        (None, _) => "retry the delivery",
    };
    let fails = |what: &str| failed("delivery", format!("{what}: {why}"), advice);
    match row.status {
        DeliveryStatus::Delivered => passed("delivery", "the recipient has the lead"),
        DeliveryStatus::Queued => passed("delivery", "it waits for its first attempt"),
        DeliveryStatus::Sending => passed("delivery", "it is being sent now"),
        DeliveryStatus::Retrying => fails("it is retried after a failed attempt"),
        DeliveryStatus::Failed => fails("all attempts failed"),
        DeliveryStatus::Refused => fails("the recipient has refused the lead"),
        DeliveryStatus::Cancelled => fails("it was cancelled"),
    }
}

/// Only while the delivery waits for a worker.
fn worker(facts: &Facts) -> Option<Check> {
    if facts.delivery.status.is_settled() {
        return None;
    }
    Some(if facts.served {
        passed("worker", "a delivery worker runs")
    } else {
        failed(
            "worker",
            "no delivery worker runs, so nothing is sent",
            "let the operator start `leadmesh serve` or `leadmesh worker`",
        )
    })
}

fn partner(facts: &Facts) -> Option<Check> {
    let Some(partner) = &facts.partner else {
        return facts.delivery.partner_id.map(|_| {
            failed(
                "partner",
                "the partner was removed",
                "no new lead is routed to it; nothing can be done about this delivery but to settle it",
            )
        });
    };
    Some(if partner.active {
        passed("partner", format!("{} is active", partner.name))
    } else {
        failed(
            "partner",
            format!("{} is not active: no new lead is routed to it", partner.name),
            "activate it with setPartnerActive",
        )
    })
}

/// A change of the assignment concerns later leads, not this delivery.
fn assignment(facts: &Facts) -> Option<Check> {
    facts.delivery.assignment_id?;
    Some(match &facts.assignment {
        Some(assignment) if assignment.enabled => passed("assignment", "the assignment is enabled"),
        Some(_) => failed(
            "assignment",
            "the assignment is disabled: no new lead is routed to it",
            "enable it with updateAssignment",
        ),
        None => failed(
            "assignment",
            "the assignment was removed: no new lead is routed to it",
            "assign the partner again with assignPartner",
        ),
    })
}

/// Closed hours are no fault: they hold up no delivery that was routed.
fn schedule(facts: &Facts) -> Option<Check> {
    let hours = facts.assignment.as_ref()?.schedule.as_ref()?;
    Some(if schedule::open_at(hours, facts.now) {
        passed("schedule", "the assignment's hours are open now")
    } else {
        passed(
            "schedule",
            "the assignment's hours are closed now: new leads are not routed to it until they open; this delivery is not held up",
        )
    })
}

fn settings(facts: &Facts) -> Check {
    let settings = &facts.settings;
    if let Some(why) = &settings.blocked {
        let advice = remedy(entity::delivery::DeliveryErrorCode::DestinationBlocked);
        return failed("settings", format!("the address may not be dialled: {why}"), advice);
    }
    if let Some(why) = &settings.unusable {
        let advice = remedy(entity::delivery::DeliveryErrorCode::Template);
        return failed("settings", format!("no payload can be made: {why}"), advice);
    }
    passed(
        "settings",
        if settings.replaced {
            "the settings can be used; they have been replaced since, and this delivery keeps those that it was made with: retryDelivery with settings: CURRENT takes the present ones"
        } else {
            "the settings can be used"
        },
    )
}

fn mail_server(facts: &Facts) -> Option<Check> {
    if facts.delivery.channel != Channel::Email {
        return None;
    }
    Some(match &facts.mail_server {
        None => failed(
            "mail server",
            "the account has no mail server: deliveries by email fail",
            remedy(entity::delivery::DeliveryErrorCode::SmtpNotConfigured),
        ),
        Some(server) => match &server.last_error {
            Some(error) => failed(
                "mail server",
                format!("the last test of the mail server failed: {error}"),
                "correct it with setSmtpSettings, and try it with sendTestEmail",
            ),
            None => passed("mail server", format!("email goes through {}", server.host)),
        },
    })
}

fn portal(facts: &Facts) -> Option<Check> {
    let open = facts.partner.as_ref()?.portal_enabled;
    matches!(facts.settings.config, DeliveryConfig::Portal(_)).then(|| {
        if open {
            passed("portal", "the partner's portal is open")
        } else {
            failed(
                "portal",
                "the partner's portal is closed: its people do not see the lead",
                "open it with setPortalAccess",
            )
        }
    })
}

fn connection(facts: &Facts) -> Option<Check> {
    facts.delivery.buyer_account_id?;
    let advice = "look at diagnoseConnection for the cause";
    Some(match &facts.connection {
        None => failed("connection", "you are not connected to the account any more", advice),
        Some(link) if link.lets_send(facts.delivery.account_id) => {
            passed("connection", "leads may go over the connection")
        }
        Some(_) => failed("connection", "no lead may go over the connection now", advice),
    })
}

fn destination(facts: &Facts) -> Option<Check> {
    facts.delivery.partner_id?;
    let endpoint = facts.destination.as_ref();
    let error = endpoint.map(|row| row.last_error.as_str()).unwrap_or_default();
    let held = facts.open_circuits.first().map(|held| &held.endpoint);
    let why = held.map_or(error, |endpoint| endpoint.last_error.as_str());
    Some(match health::state(endpoint, &facts.open_circuits) {
        State::Healthy => passed("destination", "the destination is healthy"),
        State::Degraded => match held.and_then(|endpoint| endpoint.open_until) {
            Some(until) => failed(
                "destination",
                format!("the destination asked for less: {why}"),
                format!(
                    "wait until {}: then it is retried",
                    until.format("%Y-%m-%d %H:%M:%S UTC")
                ),
            ),
            None => failed(
                "destination",
                format!("the last attempts to the destination have failed: {error}"),
                "no delivery is suspended, and the first success ends this; see each delivery's attempts for the cause",
            ),
        },
        State::Paused => failed(
            "destination",
            format!("nothing is sent to the destination now: {why}"),
            match held.and_then(|endpoint| endpoint.open_reason) {
                Some(OpenReason::Gone) => GONE,
                _ => remedy(entity::delivery::DeliveryErrorCode::Paused),
            },
        ),
    })
}

fn last_attempt(facts: &Facts) -> Option<Check> {
    let attempt = facts.last.as_ref()?;
    let number = attempt.number;
    Some(match attempt.error_code {
        None => passed("last attempt", format!("attempt {number} succeeded")),
        Some(_) if facts.delivery.status == DeliveryStatus::Delivered => passed(
            "last attempt",
            format!("attempt {number} failed; the delivery was settled since"),
        ),
        Some(code) => failed(
            "last attempt",
            format!(
                "attempt {number} failed: {}",
                attempt.message.as_deref().unwrap_or_default()
            ),
            remedy_of(attempt, code, facts.delivery.channel),
        ),
    })
}
