//! The state of an invitation, its receiver, and its end.

use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use entity::{connection, mail, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, IntoActiveModel, QueryFilter,
    QuerySelect, Set,
};
use serde_json::json;

use crate::partner_change::AuditPair;
use leadmesh_core::app::App;
use leadmesh_core::audit::Entry;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::change::Change;
use leadmesh_core::live::events::NewEvent;

/// The account that an invitation reaches now: the invited one, or that of the person whose address the invited one is. Where
/// addresses need no proof, it is theirs only for invitations that came after them.
pub async fn receiver(db: &impl ConnectionTrait, app: &App, row: &invitation::Model) -> Result<Option<AccountId>> {
    let (None, Some(email)) = (row.to_account_id, &row.to_email) else {
        return Ok(row.to_account_id);
    };
    let holder = user::Entity::holder_of(email, app.config.address_proof());
    let reached = |user: &user::Model| {
        user.password_hash.is_some() && (user.email_verified_at.is_some() || user.created_at <= row.created_at)
    };
    let holder = holder.one(db).await?.filter(reached);
    Ok(holder.map(|user| user.account_id))
}

pub(super) async fn lock_sent(change: &Change<'_>, id: InvitationId) -> Result<invitation::Model> {
    let sent = Entity::sent_by(change.account.id).filter(Column::Id.eq(id));
    let found = sent.lock_exclusive().one(&change.tx).await?;
    found.ok_or_else(|| {
        let message = "no such invitation among those that you sent";
        Error::user(UserErrorCode::NotFound, "id", message)
    })
}

/// Refuses to go on with an invitation that was answered or has ended.
pub(crate) fn check_open(row: &invitation::Model, app: &App, path: &str) -> Result<()> {
    let (code, message) = match row.status_at(app.clock.now()) {
        InvitationStatus::Pending => return Ok(()),
        InvitationStatus::Expired => (
            UserErrorCode::Expired,
            "this invitation has expired: the inviter can send it again",
        ),
        InvitationStatus::Accepted => (UserErrorCode::InvitationClosed, "this invitation was accepted already"),
        InvitationStatus::Declined => (
            UserErrorCode::InvitationClosed,
            "this invitation was declined already: a new one can be sent",
        ),
        InvitationStatus::Cancelled => (
            UserErrorCode::InvitationClosed,
            "this invitation was cancelled or replaced by another: see your connections",
        ),
    };
    Err(Error::user(code, path, message))
}

pub(crate) async fn check_not_connected(
    tx: &DatabaseTransaction,
    one: AccountId,
    other: AccountId,
    path: &str,
) -> Result<()> {
    if connection::Entity::live_between(one, other).one(tx).await?.is_none() {
        return Ok(());
    }
    let message = "you are connected already: change that connection instead";
    Err(Error::user(UserErrorCode::AlreadyConnected, path, message))
}

/// Ends an invitation, and withdraws its email if that was not sent yet.
pub(crate) async fn close(
    tx: &DatabaseTransaction,
    app: &App,
    row: invitation::Model,
    status: InvitationStatus,
) -> Result<invitation::Model> {
    withdraw_email(tx, &row).await?;
    let mut row = row.into_active_model();
    row.status = Set(status);
    row.answered_at = Set(Some(app.clock.now()));
    Ok(row.update(tx).await?)
}

pub(super) async fn withdraw_email(tx: &DatabaseTransaction, row: &invitation::Model) -> Result<()> {
    if let Some(mail) = row.mail_id {
        let why = "not sent: the invitation was answered, cancelled or resent before";
        mail::Entity::withdraw(mail, why).exec(tx).await?;
    }
    Ok(())
}

/// Cancels all open invitations between two accounts, in both directions; answers the events for their receivers.
pub(crate) async fn close_between(
    tx: &DatabaseTransaction,
    app: &App,
    one: AccountId,
    other: AccountId,
) -> Result<Vec<NewEvent>> {
    let open = Entity::open_between(one, other, app.config.address_proof()).lock_exclusive();
    let mut events = Vec::new();
    for row in open.all(tx).await? {
        if let Some(account) = receiver(tx, app, &row).await? {
            events.push(NewEvent::of_account(account, EventKind::InvitationCancelled, row.id.0));
        }
        close(tx, app, row, InvitationStatus::Cancelled).await?;
    }
    Ok(events)
}

/// Writes that an invitation has expired; answers the events for both accounts.
pub(crate) async fn expire(tx: &DatabaseTransaction, app: &App, row: invitation::Model) -> Result<Vec<NewEvent>> {
    let accounts = [Some(row.from_account_id), receiver(tx, app, &row).await?];
    let id = row.id.0;
    let mut row = row.into_active_model();
    row.status = Set(InvitationStatus::Expired);
    row.update(tx).await?;
    let expired = |account| NewEvent::of_account(account, EventKind::InvitationExpired, id);
    Ok(accounts.into_iter().flatten().map(expired).collect())
}

/// All invitations that an account ever sent to another, by identifier or to this address.
pub(crate) async fn ever_sent(
    tx: &DatabaseTransaction,
    from: AccountId,
    to: AccountId,
    email: Option<&str>,
) -> Result<Vec<InvitationId>> {
    let same = Condition::any()
        .add(Column::ToAccountId.eq(to))
        .add_option(email.map(|email| Column::ToEmail.eq(email)));
    let sent = Entity::sent_by(from).filter(same).all(tx).await?;
    Ok(sent.into_iter().map(|row| row.id).collect())
}

pub(crate) fn audit_pair(mine: &'static str, theirs: &'static str, row: &invitation::Model) -> AuditPair {
    let changes = |kind| json!({"relationshipType": kind, "expiresAt": row.expires_at});
    AuditPair {
        mine,
        theirs,
        subject_type: "Invitation",
        subject_id: row.id.to_string(),
        // The account behind the address is not revealed before the answer.
        my_label: row.to_email.clone(),
        my_changes: changes(row.type_for_inviter()),
        their_changes: changes(row.type_for_inviter().mirrored()),
    }
}

/// The entry of an invitation that reaches no account, in the inviter's log alone.
pub(super) fn own_entry<'a>(action: &'static str, row: &'a invitation::Model) -> Entry<'a> {
    let changes = json!({"relationshipType": row.type_for_inviter(), "expiresAt": row.expires_at});
    Entry {
        label: row.to_email.as_deref(),
        ..Entry::unlabelled(action, "Invitation", row.id).with(changes)
    }
}
