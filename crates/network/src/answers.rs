//! Accepting and declining invitations, by the invited account or by the holder of the mailed link.

use async_graphql::InputObject;
use entity::connection::{self, ConnectionStatus};
use entity::connection_side;
use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, QuerySelect, Set,
};
use serde_json::json;

use super::connections::ConnectionView;
use super::invitations::state::{audit_pair, check_not_connected, check_open, close, close_between};
use super::notices::{self, Notice};
use super::partner_change::{AuditPair, PartnerChange};
use super::reason::optional_reason;
use super::{account_sources, buyer_steps};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, OnUniqueViolation, Result, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::{addresses, tokens};

const CLOSED: &str = "this invitation was answered concurrently: see your connections";

/// Answers an invitation. Give exactly one of `id` and `token`.
// No `Debug`, so that no log line can show the secret in it.
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
struct Answering<'a> {
    change: PartnerChange<'a>,
    row: invitation::Model,
    path: &'static str,
    reason: Option<String>,
}

impl Answering<'_> {
    /// The same action in the logs of both accounts.
    fn audit_pair(&self, action: &'static str) -> AuditPair {
        let changes = |account| json!({"relationshipType": self.row.type_for(account), "reason": self.reason});
        AuditPair {
            my_label: None,
            my_changes: changes(self.change.mine().id),
            their_changes: changes(self.change.partner.id),
            ..audit_pair(action, action, &self.row)
        }
    }

    async fn email_inviter(&self, app: &App, subject: String, text: String) -> Result<()> {
        let notice = Notice {
            by: Some(self.change.mine().id),
            subject,
            text,
        };
        notices::email_owners(&self.change.tx, app, &self.change.partner, &notice, None).await
    }
}

/// Accepts an invitation: the two accounts are connected from the commit on.
pub async fn accept(app: &App, caller: &Caller, answer: Answer) -> Result<ConnectionView> {
    check(app, caller, &answer).await?;
    let mut answering = open(app, caller, answer).await?;
    let (mine, theirs) = (answering.change.mine().id, answering.change.partner.id);
    let tx = &answering.change.tx;
    check_not_connected(tx, mine, theirs, answering.path).await?;
    let id: ConnectionId = app.clock.id();
    let row = close(tx, app, answering.row, InvitationStatus::Accepted).await?;
    let mut row = row.into_active_model();
    row.to_account_id = Set(Some(mine));
    row.connection_id = Set(Some(id));
    answering.row = row.update(tx).await?;
    let connection = connect(tx, app, id, &answering.row, answering.path).await?;
    let mut events = close_between(tx, app, mine, theirs).await?;

    answering
        .change
        .record_pair(answering.audit_pair("invitation.accepted"))
        .await?;
    answering
        .change
        .record_pair(established(&connection, mine, theirs))
        .await?;
    let name = &answering.change.mine().name;
    let text = format!(
        "{name} accepted your invitation: you are connected. Leads go where you add them as a source, or to them by a buyer step."
    );
    answering
        .email_inviter(app, format!("{name} accepted your invitation"), text)
        .await?;
    let Answering { mut change, row, .. } = answering;
    change.events.append(&mut events);
    change.announce_to_partner(EventKind::InvitationAccepted, row.id.0);
    change.announce(EventKind::ConnectionEstablished, id.0);
    let tx = &change.tx;
    let mut events = account_sources::on_accepted(tx, app, &row, &connection).await?;
    events.extend(buyer_steps::on_accepted(tx, app, &row, &connection).await?);
    change.events.append(&mut events);
    change.commit().await?;
    Ok(ConnectionView::new(connection, mine))
}

/// Declines an invitation. What the inviter prepared stays with it, disabled.
pub async fn decline(app: &App, caller: &Caller, answer: Answer) -> Result<invitation::Model> {
    check(app, caller, &answer).await?;
    let mut answering = open(app, caller, answer).await?;
    let tx = &answering.change.tx;
    let row = close(tx, app, answering.row, InvitationStatus::Declined).await?;
    let mut row = row.into_active_model();
    row.to_account_id = Set(Some(answering.change.mine().id));
    answering.row = row.update(tx).await?;
    answering
        .change
        .record_pair(answering.audit_pair("invitation.declined"))
        .await?;
    let name = &answering.change.mine().name;
    let because = answering
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(" They say: {reason}"));
    let text = format!(
        "{name} declined your invitation to connect.{because} What you prepared for them stays disabled until they accept another one."
    );
    answering
        .email_inviter(app, format!("{name} declined your invitation"), text)
        .await?;
    let Answering { mut change, row, .. } = answering;
    change.announce_to_partner(EventKind::InvitationDeclined, row.id.0);
    change.commit_uncompiled().await?;
    Ok(row)
}

/// What can be refused before a transaction begins.
async fn check(app: &App, caller: &Caller, answer: &Answer) -> Result<()> {
    caller.require(Action::ManageNetwork)?;
    match answer.token {
        Some(_) => app.throttle.check_ip(Kind::TokenIp, caller.ip).await,
        None => Ok(()),
    }
}

/// Finds the invitation, checks that the caller may answer it, and locks both accounts and the row.
async fn open<'a>(app: &'a App, caller: &Caller, answer: Answer) -> Result<Answering<'a>> {
    let mine = caller.require(Action::ManageNetwork)?;
    let reason = optional_reason(answer.reason.as_deref(), "input.reason")?;
    let tx = app.db.begin().await?;
    let (row, path) = match (answer.id, &answer.token) {
        (Some(id), None) => (received(&tx, app, mine, id).await?, "input.id"),
        (None, Some(token)) => (by_token(&tx, caller, token).await?, "input.token"),
        _ => {
            let message = "name the invitation: give either its id or the token of its link";
            return Err(Error::user(UserErrorCode::Invalid, "input.id", message));
        }
    };
    if row.from_account_id == mine {
        let message = "your own account has sent this invitation: the invited one answers it";
        return Err(Error::user(UserErrorCode::SelfInvite, path, message));
    }
    let change = PartnerChange::lock(app, caller, tx, mine, row.from_account_id).await?;
    let tx = &change.tx;
    // Read again under the locks: it may have been answered or resent with another token.
    let same = Entity::sent_by(change.partner.id).filter(Column::Id.eq(row.id));
    let now = same.lock_exclusive().one(tx).await?;
    let now = now.filter(|now| answer.token.is_none() || now.token_hash == row.token_hash);
    let unknown = if answer.token.is_some() {
        unknown_token
    } else {
        unknown_id
    };
    let row = now.ok_or_else(unknown)?;
    check_open(&row, app, path)?;
    if answer.token.is_some() && row.to_email.is_some() {
        prove_address(tx, app, caller).await?;
    }
    Ok(Answering {
        change,
        row,
        path,
        reason,
    })
}

/// Only the account that was invited as such answers by identifier. Signing in with an invited address does not prove the
/// address.
async fn received(
    db: &impl ConnectionTrait,
    app: &App,
    account: AccountId,
    id: InvitationId,
) -> Result<invitation::Model> {
    let mine = Entity::received_by(account, app.config.address_proof()).filter(Column::Id.eq(id));
    let row = mine.one(db).await?.ok_or_else(unknown_id)?;
    if row.to_account_id == Some(account) {
        return Ok(row);
    }
    let message =
        "this invitation went to an email address: answer it with the token of the link that was mailed there";
    Err(Error::user(UserErrorCode::EmailMismatch, "input.id", message))
}

/// The token proves that the caller reads the invited address; the caller must also sign in with it.
async fn by_token(db: &impl ConnectionTrait, caller: &Caller, token: &str) -> Result<invitation::Model> {
    let found = Entity::by_token_hash(&tokens::hash(token)).one(db).await?;
    let row = found.ok_or_else(unknown_token)?;
    let Principal::User { id, account, .. } = &caller.principal else {
        return Err(Error::Forbidden(Action::ManageNetwork.refusal()));
    };
    let matches = match &row.to_email {
        Some(email) => {
            let person = entity::user::Entity::by_id(*id).one(db).await?;
            person.is_some_and(|person| person.email == *email)
        }
        None => row.to_account_id == Some(*account),
    };
    if matches {
        return Ok(row);
    }
    let message = "this invitation was sent to another account: sign in with the address that it was sent to";
    Err(Error::user(UserErrorCode::EmailMismatch, "input.token", message))
}

/// The token was mailed to the address: its use proves the address.
async fn prove_address(tx: &DatabaseTransaction, app: &App, caller: &Caller) -> Result<()> {
    if let Principal::User { id, .. } = &caller.principal
        && let Some(person) = entity::user::Entity::by_id(*id).one(tx).await?
    {
        addresses::prove(tx, app, &person).await?;
    }
    Ok(())
}

fn unknown_token() -> Error {
    let message = "no invitation has this token: open the newest link that was mailed to you";
    Error::user(UserErrorCode::NotFound, "input.token", message)
}

fn unknown_id() -> Error {
    let message = "no such invitation among those that your account received: give the id of one of them";
    Error::user(UserErrorCode::NotFound, "input.id", message)
}

/// Makes the connection that an invitation proposes, with a blank side for each account.
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
    let connection = inserted.on_unique_violation(UserErrorCode::InvitationClosed, path, CLOSED)?;
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

fn established(connection: &connection::Model, mine: AccountId, theirs: AccountId) -> AuditPair {
    let changes = |account| json!({"relationshipType": connection.type_for(account)});
    AuditPair {
        mine: "connection.established",
        theirs: "connection.established",
        subject_type: "AccountLink",
        subject_id: connection.id.to_string(),
        my_label: None,
        my_changes: changes(mine),
        their_changes: changes(theirs),
    }
}
