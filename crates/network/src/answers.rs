//! Answers to invitations: accepting and declining, by the invited account or by whoever holds the mailed link.

use async_graphql::InputObject;
use entity::connection::{self, ConnectionStatus};
use entity::connection_side;
use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, QuerySelect, Set};
use serde_json::json;

use super::connections::Link;
use super::invitations::{check_not_connected, check_open, close, deed, receiver};
use super::journal::{self, Deed};
use super::notices::{self, Notice};
use super::sides::Sides;
use super::{account_sources, buyer_steps};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, OrBroken, Result, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::{addresses, texts, tokens};
use leadmesh_core::live::events::NewEvent;

/// Most characters of a reason.
pub const REASON: usize = 500;
const CLOSED: &str = "this invitation was answered at this moment: look at your connections";

/// Answers an invitation. Give exactly one of `id` and `token`.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "AnswerInvitationInput")]
pub struct Answer {
    /// Identifier of an invitation sent to the caller's account. An invitation sent to an email address requires
    /// `token`.
    pub id: Option<InvitationId>,
    /// Token from the mailed link. The caller must be signed in with the address that it was mailed to.
    #[graphql(secret)]
    pub token: Option<String>,
    /// Reason for the other side, one line of at most 500 characters.
    pub reason: Option<String>,
}

/// An invitation under answer: both accounts and its row are locked.
struct Answering {
    sides: Sides,
    row: invitation::Model,
    path: &'static str,
    reason: Option<String>,
}

/// Accepts an invitation: the two accounts are connected from the commit on.
pub async fn accept(app: &App, caller: &Caller, answer: Answer) -> Result<Link> {
    check(app, caller, &answer).await?;
    let tx = app.db.begin().await?;
    let Answering {
        sides,
        row,
        path,
        reason,
    } = open(&tx, app, caller, answer).await?;
    check_not_connected(&tx, sides.mine.id, sides.theirs.id, path).await?;
    let id: ConnectionId = app.clock.id();
    let mut row = close(&tx, app, row, InvitationStatus::Accepted)
        .await?
        .into_active_model();
    row.to_account_id = Set(Some(sides.mine.id));
    row.connection_id = Set(Some(id));
    let row = row.update(&tx).await?;
    let connection = connect(&tx, app, id, &row, path).await?;
    let mut events = close_others(&tx, app, &sides).await?;
    sides.touch(&tx).await?;

    let deed = Deed {
        my_label: None,
        my_changes: json!({"relationshipType": row.type_for(sides.mine.id), "reason": reason}),
        their_changes: json!({"relationshipType": row.type_for(sides.theirs.id), "reason": reason}),
        ..deed("invitation.accepted", "invitation.accepted", &row)
    };
    journal::record(&tx, app, caller, &sides, deed).await?;
    journal::record(&tx, app, caller, &sides, established(&connection, &sides)).await?;
    let notice = Notice {
        by: Some(sides.mine.id),
        subject: format!("{} accepted your invitation", sides.mine.name),
        text: format!(
            "{} accepted your invitation: you are connected. Leads go where you add them as a source, or to them by a buyer step.",
            sides.mine.name
        ),
    };
    notices::tell_owners(&tx, app, &sides.theirs, &notice, None).await?;
    events.push(journal::event(sides.theirs.id, EventKind::InvitationAccepted, row.id.0));
    events.extend(journal::for_both(&sides, EventKind::ConnectionEstablished, id.0));
    events.extend(account_sources::on_accepted(&tx, app, &row, &connection).await?);
    journal::append(&tx, app, events).await?;
    buyer_steps::on_accepted(&tx, app, &row, &connection).await?;
    tx.commit().await?;
    journal::tell(app, [sides.mine.id, sides.theirs.id]).await;
    Ok(Link::new(connection, sides.mine.id))
}

/// Declines an invitation. What the inviter prepared stays with it, disabled.
pub async fn decline(app: &App, caller: &Caller, answer: Answer) -> Result<invitation::Model> {
    check(app, caller, &answer).await?;
    let tx = app.db.begin().await?;
    let Answering { sides, row, reason, .. } = open(&tx, app, caller, answer).await?;
    let mut row = close(&tx, app, row, InvitationStatus::Declined)
        .await?
        .into_active_model();
    row.to_account_id = Set(Some(sides.mine.id));
    let row = row.update(&tx).await?;
    let deed = Deed {
        my_label: None,
        my_changes: json!({"relationshipType": row.type_for(sides.mine.id), "reason": reason}),
        their_changes: json!({"relationshipType": row.type_for(sides.theirs.id), "reason": reason}),
        ..deed("invitation.declined", "invitation.declined", &row)
    };
    journal::record(&tx, app, caller, &sides, deed).await?;
    let because = reason.map_or_else(String::new, |reason| format!(" They say: {reason}"));
    let notice = Notice {
        by: Some(sides.mine.id),
        subject: format!("{} declined your invitation", sides.mine.name),
        text: format!(
            "{} declined your invitation to connect.{because} What you prepared for them stays disabled until they accept another one.",
            sides.mine.name
        ),
    };
    notices::tell_owners(&tx, app, &sides.theirs, &notice, None).await?;
    let events = vec![journal::event(sides.theirs.id, EventKind::InvitationDeclined, row.id.0)];
    journal::append(&tx, app, events).await?;
    tx.commit().await?;
    journal::tell(app, [sides.theirs.id]).await;
    Ok(row)
}

/// What can be refused without a look at the invitation, and is before a transaction begins.
async fn check(app: &App, caller: &Caller, answer: &Answer) -> Result<()> {
    caller.require(Action::ManageNetwork)?;
    match answer.token {
        Some(_) => app.throttle.check_ip(Kind::TokenIp, caller.ip).await,
        None => Ok(()),
    }
}

/// Finds the invitation, sees that the caller may answer it, and locks both accounts and the row.
async fn open(tx: &DatabaseTransaction, app: &App, caller: &Caller, answer: Answer) -> Result<Answering> {
    let mine = caller.require(Action::ManageNetwork)?;
    let written = answer.reason.as_deref().filter(|reason| !reason.trim().is_empty());
    let reason = written
        .map(|reason| texts::line(reason, REASON, "input.reason"))
        .transpose()?;
    let (row, path) = match (answer.id, &answer.token) {
        (Some(id), None) => (received(tx, app, mine, id).await?, "input.id"),
        (None, Some(token)) => (by_token(tx, caller, token).await?, "input.token"),
        _ => {
            let message = "name the invitation: give either its id or the token of its link";
            return Err(Error::broken(UserErrorCode::Invalid, "input.id", message));
        }
    };
    if row.from_account_id == mine {
        let message = "your own account has sent this invitation: the invited one answers it";
        return Err(Error::broken(UserErrorCode::SelfInvite, path, message));
    }
    let sides = Sides::lock(tx, mine, row.from_account_id).await?;
    // Read again under the locks: it may have been answered, or sent again with another token, meanwhile.
    let same = Entity::sent_by(sides.theirs.id).filter(Column::Id.eq(row.id));
    let now = same.lock_exclusive().one(tx).await?;
    let now = now.filter(|now| answer.token.is_none() || now.token_hash == row.token_hash);
    let row = now.ok_or_else(|| unknown(path))?;
    check_open(&row, app, path)?;
    if answer.token.is_some() && row.to_email.is_some() {
        prove_address(tx, app, caller).await?;
    }
    Ok(Answering {
        sides,
        row,
        path,
        reason,
    })
}

/// By id answers only the account that was invited as such. That somebody signs in with an invited address does not prove that
/// the address is theirs.
async fn received(
    tx: &DatabaseTransaction,
    app: &App,
    account: AccountId,
    id: InvitationId,
) -> Result<invitation::Model> {
    let mine = Entity::received_by(account, app.config.address_proof()).filter(Column::Id.eq(id));
    let row = mine.one(tx).await?.ok_or_else(|| unknown("input.id"))?;
    if row.to_account_id == Some(account) {
        return Ok(row);
    }
    let message =
        "this invitation went to an email address: answer it with the token of the link that was mailed there";
    Err(Error::broken(UserErrorCode::EmailMismatch, "input.id", message))
}

/// The token proves that the caller reads the invited address; their sign-in has to be by it, too.
async fn by_token(tx: &DatabaseTransaction, caller: &Caller, token: &str) -> Result<invitation::Model> {
    let found = Entity::by_token_hash(&tokens::hash(token)).one(tx).await?;
    let row = found.ok_or_else(|| unknown("input.token"))?;
    let Principal::User { id, account, .. } = &caller.principal else {
        return Err(Error::Forbidden(Action::ManageNetwork.refusal()));
    };
    let matches = match &row.to_email {
        Some(email) => {
            let person = entity::user::Entity::by_id(*id).one(tx).await?;
            person.is_some_and(|person| person.email == *email)
        }
        None => row.to_account_id == Some(*account),
    };
    if matches {
        return Ok(row);
    }
    let message = "this invitation was sent to somebody else: sign in with the address that it was sent to";
    Err(Error::broken(UserErrorCode::EmailMismatch, "input.token", message))
}

/// Whoever answers by a token that was mailed to their address has proven it by that.
async fn prove_address(tx: &DatabaseTransaction, app: &App, caller: &Caller) -> Result<()> {
    if let Principal::User { id, .. } = &caller.principal
        && let Some(person) = entity::user::Entity::by_id(*id).one(tx).await?
    {
        addresses::prove(tx, app, &person).await?;
    }
    Ok(())
}

/// By whichever of the two it was asked for.
fn unknown(path: &str) -> Error {
    let message = if path.ends_with("token") {
        "no invitation has this token: open the newest link that was mailed to you"
    } else {
        "no such invitation among those that your account received: give the id of one of them"
    };
    Error::broken(UserErrorCode::NotFound, path, message)
}

/// Makes the connection that an invitation proposes, with both sides' blank notes.
async fn connect(
    tx: &DatabaseTransaction,
    app: &App,
    id: ConnectionId,
    row: &invitation::Model,
    path: &str,
) -> Result<connection::Model> {
    let (inviter, other) = (row.from_account_id, row.to_account_id.unwrap_or(row.from_account_id));
    let first_is_low = inviter < other;
    let (low_sends, high_sends) = if first_is_low {
        (row.inviter_sends, row.invitee_sends)
    } else {
        (row.invitee_sends, row.inviter_sends)
    };
    let connection = connection::ActiveModel {
        id: Set(id),
        low_account_id: Set(inviter.min(other)),
        high_account_id: Set(inviter.max(other)),
        low_sends: Set(low_sends),
        high_sends: Set(high_sends),
        status: Set(ConnectionStatus::Active),
        low_suspends: Set(false),
        high_suspends: Set(false),
        requested_by: Set(None),
        wanted_low_sends: Set(low_sends),
        wanted_high_sends: Set(high_sends),
        invitation_id: Set(Some(row.id)),
        connected_at: Set(app.clock.now()),
        terminated_at: Set(None),
        terminated_by: Set(None),
        termination_reason: Set(None),
        cancelling: Set(false),
    };
    let inserted = connection.insert(tx).await;
    let connection = inserted.or_broken(UserErrorCode::InvitationClosed, path, CLOSED)?;
    for account in [inviter, other] {
        blank_side(id, account).insert(tx).await?;
    }
    Ok(connection)
}

fn blank_side(connection: ConnectionId, account: AccountId) -> connection_side::ActiveModel {
    connection_side::ActiveModel {
        connection_id: Set(connection),
        account_id: Set(account),
        purpose: Set(None),
        contact_name: Set(None),
        contact_email: Set(None),
        notes: Set(None),
        expected_daily_volume: Set(None),
        receiving_flow_id: Set(None),
        last_reviewed_at: Set(None),
    }
}

/// Ends what else is open between two accounts, in both directions; answers the events for their receivers.
pub(super) async fn close_others(tx: &DatabaseTransaction, app: &App, sides: &Sides) -> Result<Vec<NewEvent>> {
    let open = Entity::open_between(sides.mine.id, sides.theirs.id, app.config.address_proof()).lock_exclusive();
    let mut events = Vec::new();
    for other in open.all(tx).await? {
        let id = other.id.0;
        if let Some(account) = receiver(tx, app, &other).await? {
            events.push(journal::event(account, EventKind::InvitationCancelled, id));
        }
        close(tx, app, other, InvitationStatus::Cancelled).await?;
    }
    Ok(events)
}

fn established(connection: &connection::Model, sides: &Sides) -> Deed {
    Deed {
        mine: "connection.established",
        theirs: "connection.established",
        subject_type: "AccountLink",
        subject_id: connection.id.to_string(),
        my_label: None,
        my_changes: json!({"relationshipType": connection.type_for(sides.mine.id)}),
        their_changes: json!({"relationshipType": connection.type_for(sides.theirs.id)}),
    }
}
