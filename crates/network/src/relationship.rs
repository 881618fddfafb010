//! The rules by which a connection changes, as pure functions: what one account may do alone, and what needs both.

use chrono::{DateTime, Utc};
use entity::connection::{ConnectionStatus, Model};
use entity::event::EventKind;
use entity::ids::AccountId;
use entity::relationship::RelationshipType;

use leadmesh_core::error::{UserError, UserErrorCode};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionAction {
    /// A narrower relationship holds immediately; a wider one needs the partner's agreement.
    Request(RelationshipType),
    /// Answers what the partner asked for.
    Answer(bool),
    /// With a reason for the partner.
    Suspend(Option<String>),
    /// Ends this side's own suspension.
    Resume,
    /// For good, with a reason for the partner.
    Terminate(Option<String>),
}

/// A connection after an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub after: Model,
    pub action: &'static str,
    pub kind: EventKind,
    /// For the partner's owners; follows the name of the acting account.
    pub message: String,
    /// In the message of who did it.
    pub reason: Option<String>,
}

/// Applies an action of one account; none if it changes nothing.
pub fn apply(
    before: &Model,
    me: AccountId,
    now: DateTime<Utc>,
    step: &ConnectionAction,
) -> Result<Option<Transition>, UserError> {
    if before.status == ConnectionStatus::Terminated {
        let message = "this connection has ended: send an invitation to connect again";
        return Err(UserError::new(UserErrorCode::NotConnected, "", message));
    }
    match step {
        ConnectionAction::Request(wanted) => request(before, me, *wanted),
        ConnectionAction::Answer(yes) => answer(before, me, *yes).map(Some),
        ConnectionAction::Suspend(_) if before.suspended_by(me) => Ok(None),
        ConnectionAction::Suspend(reason) => Ok(Some(suspend(before, me, reason.as_deref()))),
        ConnectionAction::Resume => resume(before, me),
        ConnectionAction::Terminate(reason) => Ok(Some(terminate(before, me, now, reason.clone()))),
    }
}

fn request(before: &Model, me: AccountId, wanted: RelationshipType) -> Result<Option<Transition>, UserError> {
    let current = before.type_for(me);
    let asked_by_partner = before.requested_by.is_some_and(|by| by != me);
    if asked_by_partner && before.requested_for(me) == Some(wanted) {
        return answer(before, me, true).map(Some);
    }
    if wanted == current {
        if before.requested_by != Some(me) {
            return Ok(None);
        }
        let message = "withdrew its request for another relationship";
        return Ok(Some(changed(
            without_request(before),
            "connection.type_withdrawn",
            message,
        )));
    }
    if !wanted.is_wider_than(current) {
        let after = without_request(&with_type(before, me, wanted));
        let message = "narrowed what the connection is for, as it may at any time";
        return Ok(Some(changed(after, "connection.type_narrowed", message)));
    }
    if asked_by_partner {
        let message = "the partner has asked for another relationship: answer that first";
        return Err(UserError::new(UserErrorCode::Conflict, "relationshipType", message));
    }
    let (low, high) = directions(before, me, wanted);
    if before.requested_by == Some(me) && (before.wanted_low_sends, before.wanted_high_sends) == (low, high) {
        return Ok(None);
    }
    let after = Model {
        requested_by: Some(me),
        wanted_low_sends: low,
        wanted_high_sends: high,
        ..before.clone()
    };
    let message = "asks for a wider relationship: accept or refuse it";
    Ok(Some(changed(after, "connection.type_requested", message)))
}

fn answer(before: &Model, me: AccountId, yes: bool) -> Result<Transition, UserError> {
    match before.requested_by {
        None => {
            let message = "there is no request for another relationship, or it was withdrawn";
            Err(UserError::new(UserErrorCode::NotFound, "connectionId", message))
        }
        Some(by) if by == me => {
            let message = "this is your own request: the partner answers it";
            Err(UserError::new(UserErrorCode::Conflict, "connectionId", message))
        }
        Some(_) if yes => {
            let wider = Model {
                low_sends: before.wanted_low_sends,
                high_sends: before.wanted_high_sends,
                ..before.clone()
            };
            let message = "agreed to the relationship that you asked for";
            Ok(changed(without_request(&wider), "connection.type_agreed", message))
        }
        Some(_) => {
            let message = "refused the relationship that you asked for; nothing changes";
            Ok(changed(without_request(before), "connection.type_refused", message))
        }
    }
}

fn suspend(before: &Model, me: AccountId, reason: Option<&str>) -> Transition {
    let mut after = holding(before, me, true);
    after.status = ConnectionStatus::Suspended;
    Transition {
        after,
        action: "connection.suspended",
        kind: EventKind::ConnectionSuspended,
        message: format!(
            "suspended the connection: no lead goes over it until they resume it.{}",
            because(reason)
        ),
        reason: reason.map(str::to_owned),
    }
}

fn resume(before: &Model, me: AccountId) -> Result<Option<Transition>, UserError> {
    if !before.suspended_by(me) {
        if before.status == ConnectionStatus::Active {
            return Ok(None);
        }
        let message = "the partner suspended this connection: only they can resume it";
        return Err(UserError::new(UserErrorCode::Conflict, "", message));
    }
    let mut after = holding(before, me, false);
    let goes_on = !after.low_suspends && !after.high_suspends;
    if goes_on {
        after.status = ConnectionStatus::Active;
    }
    let (kind, message) = if goes_on {
        (
            EventKind::ConnectionResumed,
            "resumed the connection: leads may go over it again",
        )
    } else {
        let message = "resumed the connection on its side; you still suspend it";
        (EventKind::ConnectionChanged, message)
    };
    Ok(Some(Transition {
        after,
        action: "connection.resumed",
        kind,
        message: message.into(),
        reason: None,
    }))
}

fn terminate(before: &Model, me: AccountId, now: DateTime<Utc>, reason: Option<String>) -> Transition {
    let because = because(reason.as_deref());
    let after = Model {
        status: ConnectionStatus::Terminated,
        terminated_at: Some(now),
        terminated_by: Some(me),
        termination_reason: reason.clone(),
        cancelling: true,
        ..without_request(before)
    };
    Transition {
        after,
        action: "connection.terminated",
        kind: EventKind::ConnectionTerminated,
        message: format!("ended the connection: no lead goes over it any more.{because}"),
        reason,
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" They say: {reason}"))
}

fn changed(after: Model, action: &'static str, message: &str) -> Transition {
    Transition {
        after,
        action,
        kind: EventKind::ConnectionChanged,
        message: message.into(),
        reason: None,
    }
}

fn without_request(before: &Model) -> Model {
    Model {
        requested_by: None,
        wanted_low_sends: before.low_sends,
        wanted_high_sends: before.high_sends,
        ..before.clone()
    }
}

fn holding(before: &Model, me: AccountId, holds: bool) -> Model {
    let mut after = before.clone();
    if me == before.low_account_id {
        after.low_suspends = holds;
    } else {
        after.high_suspends = holds;
    }
    after
}

fn with_type(before: &Model, me: AccountId, kind: RelationshipType) -> Model {
    let (low_sends, high_sends) = directions(before, me, kind);
    Model {
        low_sends,
        high_sends,
        ..before.clone()
    }
}

/// Whether the low and the high account send, in a relationship as `me` sees it.
fn directions(before: &Model, me: AccountId, kind: RelationshipType) -> (bool, bool) {
    if me == before.low_account_id {
        (kind.sends(), kind.receives())
    } else {
        (kind.receives(), kind.sends())
    }
}

#[cfg(test)]
mod tests;
