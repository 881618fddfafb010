//! The rules by which a connection changes, as functions of values: what each side may do alone, and what takes both.

use chrono::{DateTime, Utc};
use entity::connection::{ConnectionStatus, Model};
use entity::event::EventKind;
use entity::ids::AccountId;
use entity::relationship::RelationshipType;

use leadmesh_core::error::{Broken, UserErrorCode};

/// What is done to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Asks for another relationship; what is only narrower holds at once.
    Request(RelationshipType),
    /// Answers what the partner asked for.
    Answer(bool),
    /// Holds it up, with a reason for the partner.
    Suspend(Option<String>),
    /// Lets it go on, as far as this side held it up.
    Resume,
    /// Ends it for good, with a reason for the partner.
    Terminate(Option<String>),
}

/// A connection after a move.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// As it is to be written.
    pub after: Model,
    /// What the audit trails call it.
    pub action: &'static str,
    /// What the event logs tell.
    pub kind: EventKind,
    /// For the partner's owners, after the name of who did it.
    pub words: String,
    /// In the words of who did it.
    pub reason: Option<String>,
}

/// What becomes of a connection by a move of one side; nothing, if it stands so already.
pub fn apply(before: &Model, me: AccountId, now: DateTime<Utc>, step: &Move) -> Result<Option<Moved>, Broken> {
    if before.status == ConnectionStatus::Terminated {
        let message = "this connection has ended: send an invitation to connect again";
        return Err(Broken::new(UserErrorCode::NotConnected, "", message));
    }
    match step {
        Move::Request(wanted) => request(before, me, *wanted),
        Move::Answer(yes) => answer(before, me, *yes).map(Some),
        Move::Suspend(_) if before.suspended_by(me) => Ok(None),
        Move::Suspend(reason) => Ok(Some(suspend(before, me, reason.as_deref()))),
        Move::Resume => resume(before, me),
        Move::Terminate(reason) => Ok(Some(terminate(before, me, now, reason.clone()))),
    }
}

fn request(before: &Model, me: AccountId, wanted: RelationshipType) -> Result<Option<Moved>, Broken> {
    let current = before.type_for(me);
    let asked_by_partner = before.requested_by.is_some_and(|by| by != me);
    if asked_by_partner && before.requested_for(me) == Some(wanted) {
        return answer(before, me, true).map(Some);
    }
    if wanted == current {
        if before.requested_by != Some(me) {
            return Ok(None);
        }
        let words = "does not ask for another relationship any more";
        return Ok(Some(changed(
            without_request(before),
            "connection.type_withdrawn",
            words,
        )));
    }
    if !wanted.is_wider_than(current) {
        let after = without_request(&with_type(before, me, wanted));
        let words = "narrowed what the connection is for, as it may at any time";
        return Ok(Some(changed(after, "connection.type_narrowed", words)));
    }
    if asked_by_partner {
        let message = "the partner has asked for another relationship: answer that first";
        return Err(Broken::new(UserErrorCode::Conflict, "relationshipType", message));
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
    let words = "asks for a wider relationship: accept or refuse it";
    Ok(Some(changed(after, "connection.type_requested", words)))
}

fn answer(before: &Model, me: AccountId, yes: bool) -> Result<Moved, Broken> {
    match before.requested_by {
        None => {
            let message = "nobody has asked for another relationship, or the request was withdrawn";
            Err(Broken::new(UserErrorCode::NotFound, "connectionId", message))
        }
        Some(by) if by == me => {
            let message = "this is your own request: the partner answers it";
            Err(Broken::new(UserErrorCode::Conflict, "connectionId", message))
        }
        Some(_) if yes => {
            let wider = Model {
                low_sends: before.wanted_low_sends,
                high_sends: before.wanted_high_sends,
                ..before.clone()
            };
            let words = "agreed to the relationship that you asked for";
            Ok(changed(without_request(&wider), "connection.type_agreed", words))
        }
        Some(_) => {
            let words = "refused the relationship that you asked for; everything stays as it is";
            Ok(changed(without_request(before), "connection.type_refused", words))
        }
    }
}

fn suspend(before: &Model, me: AccountId, reason: Option<&str>) -> Moved {
    let mut after = holding(before, me, true);
    after.status = ConnectionStatus::Suspended;
    Moved {
        after,
        action: "connection.suspended",
        kind: EventKind::ConnectionSuspended,
        words: format!(
            "holds the connection up: no lead goes over it until they resume.{}",
            because(reason)
        ),
        reason: reason.map(str::to_owned),
    }
}

fn resume(before: &Model, me: AccountId) -> Result<Option<Moved>, Broken> {
    if !before.suspended_by(me) {
        if before.status == ConnectionStatus::Active {
            return Ok(None);
        }
        let message = "the partner holds this connection up: only they can resume it";
        return Err(Broken::new(UserErrorCode::Conflict, "", message));
    }
    let mut after = holding(before, me, false);
    let goes_on = !after.low_suspends && !after.high_suspends;
    if goes_on {
        after.status = ConnectionStatus::Active;
    }
    let (kind, words) = if goes_on {
        (
            EventKind::ConnectionResumed,
            "resumed the connection: leads may go again",
        )
    } else {
        let words = "does not hold the connection up any more; you still do";
        (EventKind::ConnectionChanged, words)
    };
    Ok(Some(Moved {
        after,
        action: "connection.resumed",
        kind,
        words: words.into(),
        reason: None,
    }))
}

fn terminate(before: &Model, me: AccountId, now: DateTime<Utc>, reason: Option<String>) -> Moved {
    let because = because(reason.as_deref());
    let after = Model {
        status: ConnectionStatus::Terminated,
        terminated_at: Some(now),
        terminated_by: Some(me),
        termination_reason: reason.clone(),
        cancelling: true,
        ..without_request(before)
    };
    Moved {
        after,
        action: "connection.terminated",
        kind: EventKind::ConnectionTerminated,
        words: format!("ended the connection: no lead goes over it any more.{because}"),
        reason,
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" They say: {reason}"))
}

fn changed(after: Model, action: &'static str, words: &str) -> Moved {
    Moved {
        after,
        action,
        kind: EventKind::ConnectionChanged,
        words: words.into(),
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

/// Whether the low and the high account send, in a relationship as one side sees it.
fn directions(before: &Model, me: AccountId, kind: RelationshipType) -> (bool, bool) {
    if me == before.low_account_id {
        (kind.sends(), kind.receives())
    } else {
        (kind.receives(), kind.sends())
    }
}

#[cfg(test)]
mod tests;
