//! Sending and resending an invitation.

use async_graphql::InputObject;
use chrono::TimeDelta;
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use entity::relationship::RelationshipType;
use entity::scalars::EmailAddress;
use entity::{account, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect, Set,
};

use super::state::{
    audit_pair, check_not_connected, check_open, expire, lock_sent, own_entry, receiver, withdraw_email,
};
use crate::invitation_mail::InvitationEmail;
use crate::notices::{self, Notice};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, OnUniqueViolation, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::identity::mail_quota::{self, QuotaKey};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::{accounts, email_address, mail_queue, texts, tokens};
use leadmesh_core::live::events::NewEvent;
use leadmesh_forms::limits::MAX_OPEN_INVITATIONS;

/// In characters.
const MESSAGE: usize = 1_000;
const OTHER_PENDING: &str = "a newer invitation to the same receiver is pending: resend that one instead";

/// An invitation to connect. Give exactly one of `accountId` and `email`.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "SendInvitationInput")]
pub struct NewInvitation {
    /// The account to invite; see `findAccount`. The email goes to its contact address.
    pub account_id: Option<AccountId>,
    /// The address to invite, whether or not it has an account. The email has a link to sign up or in.
    pub email: Option<EmailAddress>,
    /// The proposed relationship, from the caller's point of view: `RECEIVE_LEADS` means "I receive leads from them".
    #[graphql(name = "relationshipType")]
    pub relationship: RelationshipType,
    /// Message to the invitee, at most 1,000 characters.
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Account(AccountId),
    Email(String),
}

impl Target {
    /// For the mail quota.
    fn name(&self) -> String {
        match self {
            Self::Account(id) => id.to_string(),
            Self::Email(email) => email.clone(),
        }
    }
}

/// Sends an invitation. While one to the same invitee waits for its answer, that one is answered and nothing is sent.
pub async fn send(app: &App, caller: &Caller, input: &NewInvitation) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    let mut change = Change::begin(app, caller, account).await?;
    let row = send_within(&mut change, caller, input).await.map_err(in_input)?;
    change.commit_uncompiled().await?;
    Ok(row)
}

/// The same within a change that holds no lock of another account. Paths of errors begin inside the input.
pub async fn send_within(change: &mut Change<'_>, caller: &Caller, input: &NewInvitation) -> Result<invitation::Model> {
    caller.require(Action::ManageNetwork)?;
    let app = change.app;
    let (target, message) = checked(input)?;
    let account = change.account.id;
    app.throttle.check(Kind::Invitation, &account.to_string()).await?;
    check_target(change, &target).await?;
    if let Some(waiting) = waiting(&change.tx, account, &target).await? {
        if waiting.status_at(app.clock.now()) == InvitationStatus::Pending {
            return Ok(waiting);
        }
        let events = expire(&change.tx, app, waiting).await?;
        change.events.extend(events);
    }
    // An overdue invitation counts as expired, even before that is stored.
    let open = Entity::sent_by(account)
        .filter(Column::Status.eq(InvitationStatus::Pending))
        .filter(Column::ExpiresAt.gt(app.clock.now()));
    if open.count(&change.tx).await? >= MAX_OPEN_INVITATIONS {
        let text = format!(
            "an account has at most {MAX_OPEN_INVITATIONS} invitations that wait for an answer: cancel one that is not needed any more"
        );
        return Err(Error::user(UserErrorCode::LimitReached, "", text));
    }
    mail_quota::require(&change.tx, app, QuotaKey::InvitationsByTo(account, &target.name())).await?;
    let row = insert(change, target, input.relationship, message).await?;
    email(change, row, "invitation.sent").await
}

/// Sends a pending or expired invitation again: a new link, a new time to answer. The old link ends.
pub async fn resend(app: &App, caller: &Caller, id: InvitationId) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    app.throttle.check(Kind::Invitation, &account.to_string()).await?;
    let mut change = Change::begin(app, caller, account).await?;
    let row = lock_sent(&change, id).await?;
    if row.status_at(app.clock.now()) != InvitationStatus::Expired {
        check_open(&row, app, "id")?;
    }
    if let Some(connected) = row.to_account_id {
        check_not_connected(&change.tx, account, connected, "id").await?;
    }
    let target = row
        .to_account_id
        .map(|id| id.to_string())
        .or_else(|| row.to_email.clone())
        .unwrap_or_default();
    mail_quota::require(&change.tx, app, QuotaKey::InvitationsByTo(account, &target)).await?;
    withdraw_email(&change.tx, &row).await?;
    let mut again = row.into_active_model();
    again.status = Set(InvitationStatus::Pending);
    again.expires_at = Set(app.clock.now() + lifetime(app));
    again.mail_id = Set(None);
    let row = again.update(&change.tx).await;
    let row = row.on_unique_violation(UserErrorCode::Conflict, "id", OTHER_PENDING)?;
    let row = email(&mut change, row, "invitation.resent").await?;
    change.commit_uncompiled().await?;
    Ok(row)
}

fn in_input(error: Error) -> Error {
    match error {
        Error::User(broken) => Error::User(broken.into_iter().map(|rule| rule.within("input")).collect()),
        other => other,
    }
}

fn lifetime(app: &App) -> TimeDelta {
    TimeDelta::days(app.config.settings.invitation_days.into())
}

fn checked(input: &NewInvitation) -> Result<(Target, Option<String>)> {
    let target = match (input.account_id, &input.email) {
        (Some(account), None) => Target::Account(account),
        (None, Some(email)) => Target::Email(email_address::parse(email, "email")?),
        _ => {
            let message = "name whom to invite: give either accountId or email";
            return Err(Error::user(UserErrorCode::Invalid, "accountId", message));
        }
    };
    let written = input.message.as_deref().filter(|message| !message.trim().is_empty());
    let message = written
        .map(|message| texts::paragraph(message, MESSAGE, "message"))
        .transpose()?;
    Ok((target, message))
}

/// For an address, the answer reveals only what the inviter may know anyway: its own users' addresses, and contact addresses by
/// which partners can be found.
async fn check_target(change: &Change<'_>, target: &Target) -> Result<()> {
    let (tx, inviter) = (&change.tx, &change.account);
    match target {
        Target::Account(id) if *id == inviter.id => Err(myself("accountId")),
        Target::Account(id) => {
            if account::Entity::by_id(*id).one(tx).await?.is_none() {
                let message = "no such account: find it with findAccount, or invite an email address";
                return Err(Error::user(UserErrorCode::NotFound, "accountId", message));
            }
            check_not_connected(tx, inviter.id, *id, "accountId").await
        }
        Target::Email(email) => {
            let own = user::Entity::in_account(inviter.id).filter(user::Column::Email.eq(email));
            if inviter.contact_email.as_ref() == Some(email) || own.one(tx).await?.is_some() {
                return Err(myself("email"));
            }
            let proof = change.app.config.address_proof();
            for found in account::Entity::by_contact_email(email, proof).all(tx).await? {
                check_not_connected(tx, inviter.id, found.id, "email").await?;
            }
            Ok(())
        }
    }
}

fn myself(path: &str) -> Error {
    let message = "this is your own account: invite another one";
    Error::user(UserErrorCode::SelfInvite, path, message)
}

/// The unanswered invitation to the same target. The inviter's account is locked: there is no other sender.
async fn waiting(tx: &DatabaseTransaction, account: AccountId, target: &Target) -> Result<Option<invitation::Model>> {
    let same = match target {
        Target::Account(id) => Column::ToAccountId.eq(*id),
        Target::Email(email) => Column::ToEmail.eq(email),
    };
    let sent = Entity::sent_by(account)
        .filter(Column::Status.eq(InvitationStatus::Pending))
        .filter(same);
    Ok(sent.lock_exclusive().one(tx).await?)
}

async fn insert(
    change: &Change<'_>,
    target: Target,
    relationship: RelationshipType,
    message: Option<String>,
) -> Result<invitation::Model> {
    let app = change.app;
    let now = app.clock.now();
    let (to_account_id, to_email) = match target {
        Target::Account(id) => (Some(id), None),
        Target::Email(email) => (None, Some(email)),
    };
    let row = invitation::ActiveModel {
        id: Set(app.clock.id()),
        from_account_id: Set(change.account.id),
        to_account_id: Set(to_account_id),
        to_email: Set(to_email),
        inviter_sends: Set(relationship.sends()),
        invitee_sends: Set(relationship.receives()),
        message: Set(message),
        token_hash: Set(None),
        mail_id: Set(None),
        status: Set(InvitationStatus::Pending),
        expires_at: Set(now + lifetime(app)),
        created_at: Set(now),
        answered_at: Set(None),
        connection_id: Set(None),
    };
    row.insert(&change.tx)
        .await
        .on_unique_violation(UserErrorCode::Conflict, "accountId", OTHER_PENDING)
}

/// Makes a new link, emails it to the invited address or to the contact address of an invited account that wants emails, and
/// notifies the receiver.
async fn email(change: &mut Change<'_>, row: invitation::Model, action: &'static str) -> Result<invitation::Model> {
    let (app, inviter) = (change.app, &change.account);
    let to = email_address_of(change, &row).await?;
    let token = tokens::random(tokens::ONE_TIME);
    let link = format!("{}/invitation?token={token}", app.config.public_url);
    let email = InvitationEmail {
        from: &inviter.name,
        relationship: row.type_for_inviter().mirrored(),
        message: row.message.as_deref(),
        expires_at: row.expires_at,
    };
    // An address beyond its mail quota gets no email; the invitation is valid anyway.
    let mail_id = match &to {
        Some(to) if mail_quota::invitation(&change.tx, app, inviter.id, to).await? => {
            Some(mail_queue::queue_mail(&change.tx, app, email.email(to, &link)).await?)
        }
        _ => None,
    };
    let mut row = row.into_active_model();
    row.token_hash = Set(Some(tokens::hash(&token)));
    row.mail_id = Set(mail_id);
    let row = row.update(&change.tx).await?;
    announce(change, &row, to.as_deref(), action).await?;
    Ok(row)
}

async fn email_address_of(change: &Change<'_>, row: &invitation::Model) -> Result<Option<String>> {
    if row.to_email.is_some() {
        return Ok(row.to_email.clone());
    }
    let Some(id) = row.to_account_id else { return Ok(None) };
    let account = accounts::load(&change.tx, id).await?;
    // An unproven contact address gets no email on behalf of others.
    let wanted = account.notify_by_mail && account.has_contact(change.app.config.address_proof());
    Ok(account.contact_email.filter(|_| wanted))
}

/// Writes audit logs and events and, if the invitation reaches an account, emails that account's owners, but for `emailed`.
async fn announce(
    change: &mut Change<'_>,
    row: &invitation::Model,
    emailed: Option<&str>,
    action: &'static str,
) -> Result<()> {
    let app = change.app;
    let Some(receiver) = receiver(&change.tx, app, row).await? else {
        return change.record(own_entry(action, row)).await;
    };
    let partner = accounts::load(&change.tx, receiver).await?;
    let entries = audit_pair(action, "invitation.received", row);
    entries.record(change, &partner).await?;
    let name = &change.account.name;
    let notice = Notice {
        by: Some(change.account.id),
        subject: format!("{name} invites your company to connect"),
        text: format!(
            "{name} invites your company to connect on Leadmesh. See it among your invitations, and accept or decline it as an OWNER or ADMIN."
        ),
    };
    notices::email_owners(&change.tx, app, &partner, &notice, emailed).await?;
    let event = NewEvent::of_account(receiver, EventKind::InvitationReceived, row.id.0);
    change.events.push(event);
    Ok(())
}
