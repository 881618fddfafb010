//! The checks, as pure functions of facts. They stop at the first that explains why nothing passes.

use entity::connection::{self, ConnectionStatus};
use entity::invitation::{self, InvitationStatus};
use entity::mail::MailStatus;
use entity::relationship::RelationshipType;
use entity::{flow, source, step};

use super::{Facts, FlowFacts};
use leadmesh_core::diagnosis::{Check, failed, passed};

/// The one answer for unknown accounts and those without a relationship.
pub(super) fn stranger() -> Check {
    failed(
        "invitation",
        "there is neither an invitation nor a connection between you and an account with this identifier",
        "look for the account with findAccount, and invite it with sendInvitation",
    )
}

/// All checks of a relationship, in the order in which a lead needs them.
pub(super) fn of(facts: &Facts) -> Vec<Check> {
    let live = facts
        .connection
        .as_ref()
        .filter(|row| row.status != ConnectionStatus::Terminated);
    let Some(link) = live else {
        return not_connected(facts);
    };
    let name = &facts.partner;
    let mut checks = vec![passed("connection", format!("you and {name} are connected"))];
    checks.push(suspension(facts, link));
    match &facts.flow {
        None => checks.push(passed("direction", direction_in_words(facts, link))),
        Some(FlowFacts::Unknown) => checks.push(failed(
            "flow",
            "this is no flow of yours, and none that the partner has opened to you",
            format!("check the flow's identifier; if it is one of {name}, ask them to add you as a source of it"),
        )),
        Some(FlowFacts::Mine(flow, source)) => checks.extend(mine(facts, link, flow, source.as_ref())),
        Some(FlowFacts::Selling(flow, step, receiving)) => {
            checks.extend(selling(facts, link, flow, step, *receiving));
        }
        Some(FlowFacts::Theirs(flow, source)) => checks.extend(theirs(facts, link, flow, source)),
    }
    checks
}

fn not_connected(facts: &Facts) -> Vec<Check> {
    let name = &facts.partner;
    let ended = facts.connection.as_ref().filter(|link| {
        // Identifiers are ordered by time, even if the clock stands still.
        let asked_since = |(row, status): &(invitation::Model, InvitationStatus)| {
            row.id.0 > link.id.0 && *status != InvitationStatus::Cancelled
        };
        !facts.invitation.as_ref().is_some_and(asked_since)
    });
    if let Some(link) = ended {
        let who = if link.terminated_by == Some(facts.me) {
            "you"
        } else {
            name.as_str()
        };
        return vec![failed(
            "connection",
            format!("the connection has ended: {who} terminated it"),
            "invite them again with sendInvitation: accepting makes a new connection",
        )];
    }
    let Some((row, status)) = &facts.invitation else {
        return vec![stranger()];
    };
    let mut checks = vec![invitation(facts, row, *status)];
    checks.extend(facts.mail.as_ref().and_then(|mail| match mail.status {
        _ if *status != InvitationStatus::Pending => None,
        MailStatus::Sent => Some(passed("mail", "the mail server accepted the email".to_owned())),
        MailStatus::Queued => Some(match &mail.error {
            None => passed("mail", "the email waits for the mail server".to_owned()),
            Some(error) => failed(
                "mail",
                format!("the email could not be sent yet and will be retried: {error}"),
                "wait, or ask them to see their invitations: they can answer without the email",
            ),
        }),
        MailStatus::Failed => Some(failed(
            "mail",
            format!("the email was not sent: {}", mail.error.as_deref().unwrap_or("no reason is known")),
            "once the cause is gone, send it again with resendInvitation; an invited account can answer without the email",
        )),
    }));
    checks
}

fn invitation(facts: &Facts, row: &invitation::Model, status: InvitationStatus) -> Check {
    let (name, sent) = (&facts.partner, row.from_account_id == facts.me);
    let (message, remedy) = match (status, sent) {
        (InvitationStatus::Pending, true) => (
            format!("{name} has not answered your invitation yet; it ends on {}", day(row)),
            "ask them to accept it, or send it again with resendInvitation".to_owned(),
        ),
        (InvitationStatus::Pending, false) => (
            format!("{name} invited you, and waits for your answer until {}", day(row)),
            "accept it with acceptInvitation".to_owned(),
        ),
        (InvitationStatus::Expired, true) => (
            format!("your invitation to {name} expired unanswered on {}", day(row)),
            "send it again with resendInvitation".to_owned(),
        ),
        (InvitationStatus::Expired, false) => (
            format!("the invitation of {name} expired unanswered on {}", day(row)),
            "ask them to send it again, or invite them with sendInvitation".to_owned(),
        ),
        (InvitationStatus::Declined, true) => (
            format!("{name} declined your invitation"),
            "clear the reason up with them, then invite them again with sendInvitation".to_owned(),
        ),
        (InvitationStatus::Declined, false) => (
            format!("you declined the invitation of {name}"),
            "invite them with sendInvitation if you want to connect after all".to_owned(),
        ),
        (InvitationStatus::Cancelled | InvitationStatus::Accepted, _) => (
            format!("the invitation between you and {name} is closed, and you are not connected"),
            "invite them with sendInvitation".to_owned(),
        ),
    };
    failed("invitation", message, remedy)
}

fn day(row: &invitation::Model) -> String {
    row.expires_at.format("%-d %B %Y").to_string()
}

fn suspension(facts: &Facts, link: &connection::Model) -> Check {
    let name = &facts.partner;
    let partner = link.partner_of(facts.me);
    match (link.suspended_by(facts.me), link.suspended_by(partner)) {
        (false, false) => passed("suspension", "neither side holds the connection up".to_owned()),
        (true, false) => failed(
            "suspension",
            "you hold the connection up: no lead goes over it",
            "let it go on with resumeConnection",
        ),
        (false, true) => failed(
            "suspension",
            format!("{name} holds the connection up: no lead goes over it"),
            "ask them to resume it",
        ),
        (true, true) => failed(
            "suspension",
            format!("you and {name} both hold the connection up: no lead goes over it"),
            "resume your side with resumeConnection, and ask them to resume theirs",
        ),
    }
}

fn direction_in_words(facts: &Facts, link: &connection::Model) -> String {
    let name = &facts.partner;
    match link.type_for(facts.me) {
        RelationshipType::Both => format!("leads may go both ways between you and {name}"),
        RelationshipType::SendLeads => format!("your leads may go to {name}; theirs may not come to you"),
        RelationshipType::ReceiveLeads => format!("leads of {name} may come to you; yours may not go to them"),
    }
}

fn mine(facts: &Facts, link: &connection::Model, flow: &flow::Model, source: Option<&source::Model>) -> Vec<Check> {
    let name = &facts.partner;
    let mut checks = vec![if link.type_for(facts.me).receives() {
        passed("direction", format!("leads of {name} may come to you"))
    } else {
        failed(
            "direction",
            format!("the relationship lets no leads of {name} come to you"),
            "ask for BOTH or RECEIVE_LEADS with requestRelationshipType; the partner has to agree",
        )
    }];
    let Some(source) = source else {
        checks.push(failed(
            "source",
            format!("{name} is not a source of your flow {}", flow.name),
            "add them with addSource",
        ));
        return checks;
    };
    checks.push(if source.enabled {
        passed("source", format!("{name} is a source of your flow {}", flow.name))
    } else {
        failed(
            "source",
            format!("the source of {name} in your flow {} is disabled", flow.name),
            "enable it with updateSource",
        )
    });
    checks.push(enabled(flow, "enable it with setFlowEnabled"));
    checks
}

fn theirs(facts: &Facts, link: &connection::Model, flow: &flow::Model, source: &source::Model) -> Vec<Check> {
    let name = &facts.partner;
    let direction = sending(facts, link);
    let open = if source.enabled {
        passed("source", format!("{name} has opened the flow {} to you", flow.name))
    } else {
        failed(
            "source",
            format!("{name} has disabled you as a source of the flow {}", flow.name),
            "ask them to enable it",
        )
    };
    vec![direction, open, enabled(flow, "ask them to enable it")]
}

fn selling(
    facts: &Facts,
    link: &connection::Model,
    flow: &flow::Model,
    step: &step::Model,
    receiving: bool,
) -> Vec<Check> {
    let name = &facts.partner;
    let step = if step.enabled {
        passed("step", format!("the step {} delivers to {name}", step.name))
    } else {
        failed(
            "step",
            format!("the step {} is disabled: leads skip it", step.name),
            "enable it with setStepEnabled",
        )
    };
    let buyer = if receiving {
        passed("buyer", format!("{name} can take leads"))
    } else {
        failed(
            "buyer",
            format!("{name} cannot take leads now: its receiving flow, or its source for you, is disabled or gone"),
            "ask them to enable it",
        )
    };
    let flow = enabled(flow, "enable it with setFlowEnabled");
    vec![sending(facts, link), step, buyer, flow]
}

fn sending(facts: &Facts, link: &connection::Model) -> Check {
    let name = &facts.partner;
    if link.type_for(facts.me).sends() {
        return passed("direction", format!("your leads may go to {name}"));
    }
    failed(
        "direction",
        format!("the relationship lets none of your leads go to {name}"),
        "ask for BOTH or SEND_LEADS with requestRelationshipType; the partner has to agree",
    )
}

fn enabled(flow: &flow::Model, remedy: &str) -> Check {
    if flow.enabled {
        return passed("flow", format!("the flow {} is enabled", flow.name));
    }
    failed(
        "flow",
        format!("the flow {} is disabled: it takes no leads", flow.name),
        remedy,
    )
}
