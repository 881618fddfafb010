//! Invitations to connect, as the inviter handles them: sending, sending again, taking back. Both sides read them here.

mod send;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use entity::mail;
use entity::user;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, IntoActiveModel};
use sea_orm::{QueryFilter, QuerySelect, Select, Set};
use serde_json::json;

use super::journal::{self, Deed};
use super::notices::{self, Notice};
use super::sides::Sides;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::{accounts, tokens};
pub(super) use send::check_not_connected;
pub use send::{NewInvitation, resend, send, send_within, tell_of};

/// Direction of an invitation, from one side's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum InvitationDirection {
    /// Sent by this account.
    Sent,
    /// Received by this account.
    Received,
}

/// Which invitations to list; what is left out restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those sent, or only those received.
    pub direction: Option<InvitationDirection>,
    /// Only those that stand at one of these now.
    pub status: Option<Vec<InvitationStatus>>,
}

/// Invitations that the caller's account sent and received, for paging; unordered.
pub fn list(app: &App, caller: &Caller, filter: &Filter) -> Result<(AccountId, Select<Entity>)> {
    let account = caller.require(Action::ReadInvitations)?;
    let proof = app.config.address_proof();
    let mut found = match filter.direction {
        None => Entity::of_account(account, proof),
        Some(InvitationDirection::Sent) => Entity::sent_by(account),
        Some(InvitationDirection::Received) => Entity::received_by(account, proof),
    };
    if let Some(statuses) = &filter.status {
        found = found.filter(standing(statuses, app.clock.now()));
    }
    Ok((account, found))
}

/// Which invitations stand at one of those states at that time. A pending one whose time is over is written as pending
/// until it is tidied, and stands as expired.
fn standing(statuses: &[InvitationStatus], now: DateTime<Utc>) -> Condition {
    let has = |status| statuses.contains(&status);
    let written = distinct(
        statuses
            .iter()
            .copied()
            .filter(|status| *status != InvitationStatus::Pending),
    );
    let pending = || Condition::all().add(Column::Status.eq(InvitationStatus::Pending));
    Condition::any()
        .add(Column::Status.is_in(written))
        .add_option(has(InvitationStatus::Pending).then(|| pending().add(Column::ExpiresAt.gt(now))))
        .add_option(has(InvitationStatus::Expired).then(|| pending().add(Column::ExpiresAt.lte(now))))
}

/// One invitation that the caller's account sent or received.
pub async fn find(app: &App, caller: &Caller, id: InvitationId) -> Result<Option<invitation::Model>> {
    let account = caller.require(Action::ReadInvitations)?;
    let visible = Entity::of_account(account, app.config.address_proof()).filter(Column::Id.eq(id));
    Ok(visible.one(app.db.read()).await?)
}

/// How many invitations wait for an account's answer.
pub async fn waiting_for(app: &App, account: AccountId) -> Result<u64> {
    use sea_orm::PaginatorTrait;
    let waiting = Entity::received_by(account, app.config.address_proof())
        .filter(Column::Status.eq(InvitationStatus::Pending))
        .filter(Column::ExpiresAt.gt(app.clock.now()));
    Ok(waiting.count(app.db.read()).await?)
}

/// What the holder of a link sees before signing in.
#[derive(Clone, Debug)]
pub struct Preview {
    /// As it stands.
    pub invitation: invitation::Model,
    /// Whether somebody whose address the invited one is, or the invited account, can sign in already.
    pub has_account: bool,
}

/// The invitation of a mailed link; none for a link that was replaced or never was one.
pub async fn preview(app: &App, ip: Option<IpAddr>, token: &str) -> Result<Option<Preview>> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let db = app.db.read();
    let Some(invitation) = Entity::by_token_hash(&tokens::hash(token)).one(db).await? else {
        return Ok(None);
    };
    let has_account = match &invitation.to_email {
        Some(email) => user::Entity::holder_of(email, app.config.address_proof())
            .one(db)
            .await?
            .is_some(),
        None => true,
    };
    Ok(Some(Preview {
        invitation,
        has_account,
    }))
}

/// The account that an invitation reaches now: the invited one, or that of the person whose address the invited one is. Without
/// proof it is theirs only for invitations that came after them.
pub async fn receiver(db: &impl ConnectionTrait, app: &App, row: &invitation::Model) -> Result<Option<AccountId>> {
    match (row.to_account_id, &row.to_email) {
        (None, Some(email)) => {
            let person = user::Entity::holder_of(email, app.config.address_proof())
                .one(db)
                .await?;
            let is_told =
                |person: &user::Model| person.email_verified_at.is_some() || person.created_at <= row.created_at;
            Ok(person
                .filter(|person| person.password_hash.is_some() && is_told(person))
                .map(|person| person.account_id))
        }
        (account, _) => Ok(account),
    }
}

/// Takes an invitation back. Its link ends, and a letter that was not sent yet is not sent.
pub async fn cancel(app: &App, caller: &Caller, id: InvitationId) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    let tx = app.db.begin().await?;
    let inviter = accounts::lock(&tx, account).await?;
    let row = lock_sent(&tx, account, id).await?;
    check_open(&row, app, "id")?;
    let receiver = receiver(&tx, app, &row).await?;
    let row = close(&tx, app, row, InvitationStatus::Cancelled).await?;
    let mut events = Vec::new();
    match receiver {
        Some(receiver) => {
            let sides = Sides {
                theirs: partner(&tx, receiver).await?,
                mine: inviter,
            };
            let deed = deed("invitation.cancelled", "invitation.cancelled", &row);
            journal::record(&tx, app, caller, &sides, deed).await?;
            let notice = Notice {
                by: Some(account),
                subject: format!("{} took its invitation back", sides.mine.name),
                text: format!(
                    "{} took its invitation to connect back. There is nothing to do.",
                    sides.mine.name
                ),
            };
            notices::tell_owners(&tx, app, &sides.theirs, &notice, None).await?;
            events.push(journal::event(receiver, EventKind::InvitationCancelled, row.id.0));
        }
        None => record_alone(&tx, app, caller, "invitation.cancelled", &row).await?,
    }
    journal::append(&tx, app, events).await?;
    tx.commit().await?;
    journal::tell(app, receiver).await;
    Ok(row)
}

/// What both trails tell of an invitation.
pub(super) fn deed(mine: &'static str, theirs: &'static str, row: &invitation::Model) -> Deed {
    let changes = |kind| json!({"relationshipType": kind, "expiresAt": row.expires_at});
    Deed {
        mine,
        theirs,
        subject_type: "Invitation",
        subject_id: row.id.to_string(),
        // Whose address it is, the inviter does not learn before the answer.
        my_label: row.to_email.clone(),
        my_changes: changes(row.type_for_inviter()),
        their_changes: changes(row.type_for_inviter().mirrored()),
    }
}

/// Adds to the inviter's own trail only: there is no other account that it reaches.
async fn record_alone(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    action: &'static str,
    row: &invitation::Model,
) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "Invitation",
        subject_id: row.id.to_string(),
        label: row.to_email.as_deref(),
        changes: Some(json!({"relationshipType": row.type_for_inviter(), "expiresAt": row.expires_at})),
    };
    audit::record(tx, &app.clock, row.from_account_id, &caller.who(), entry).await
}

/// An invitation that an account sent, not to be changed by others until the end of the transaction.
async fn lock_sent(tx: &DatabaseTransaction, account: AccountId, id: InvitationId) -> Result<invitation::Model> {
    let sent = Entity::sent_by(account).filter(Column::Id.eq(id));
    let found = sent.lock_exclusive().one(tx).await?;
    found.ok_or_else(|| {
        Error::broken(
            UserErrorCode::NotFound,
            "id",
            "no such invitation among those that you sent",
        )
    })
}

/// Refuses to go on with an invitation that was answered or has ended.
pub(super) fn check_open(row: &invitation::Model, app: &App, path: &str) -> Result<()> {
    let (code, message) = match row.status_at(app.clock.now()) {
        InvitationStatus::Pending => return Ok(()),
        InvitationStatus::Expired => (
            UserErrorCode::Expired,
            "the time of this invitation has passed: the inviter can send it again",
        ),
        InvitationStatus::Accepted => (UserErrorCode::InvitationClosed, "this invitation was accepted already"),
        InvitationStatus::Declined => (
            UserErrorCode::InvitationClosed,
            "this invitation was declined already: a new one can be sent",
        ),
        InvitationStatus::Cancelled => (
            UserErrorCode::InvitationClosed,
            "this invitation was taken back, or overtaken by another: look at your connections",
        ),
    };
    Err(Error::broken(code, path, message))
}

/// Ends an invitation and takes back a letter that was not sent yet.
pub(super) async fn close(
    tx: &DatabaseTransaction,
    app: &App,
    row: invitation::Model,
    status: InvitationStatus,
) -> Result<invitation::Model> {
    withdraw_letter(tx, &row).await?;
    let mut row = row.into_active_model();
    row.status = Set(status);
    row.answered_at = Set(Some(app.clock.now()));
    Ok(row.update(tx).await?)
}

async fn withdraw_letter(tx: &DatabaseTransaction, row: &invitation::Model) -> Result<()> {
    if let Some(mail) = row.mail_id {
        let why = "not sent: the invitation was answered, taken back or sent again before";
        mail::Entity::withdraw(mail, why).exec(tx).await?;
    }
    Ok(())
}

/// The row of the other account, without a lock.
async fn partner(db: &impl ConnectionTrait, id: AccountId) -> Result<entity::account::Model> {
    let found = entity::account::Entity::by_id(id).one(db).await?;
    found.ok_or(Error::NotFound("account"))
}
