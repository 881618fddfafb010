//! Sending an invitation, for the first time or again.

use async_graphql::InputObject;
use chrono::TimeDelta;
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use entity::proof::AddressProof;
use entity::relationship::RelationshipType;
use entity::scalars::EmailAddress;
use entity::{account, connection, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect, Set,
};

use super::{check_open, deed, lock_sent, partner, receiver, record_alone, withdraw_letter};
use crate::invitation_mail::Says;
use crate::notices::{self, Notice};
use crate::sides::Sides;
use crate::{expiry, journal};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, OrBroken, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_quota::{self, Counted};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::{accounts, email_address, mailbox, texts, tokens};
use leadmesh_core::live::events::NewEvent;
use leadmesh_forms::limits::MAX_OPEN_INVITATIONS;

/// Most characters of a message.
const MESSAGE: usize = 1_000;
const OTHER_PENDING: &str = "a newer invitation to the same waits for its answer: send that one again instead";

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

/// Whom an invitation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Account(AccountId),
    Email(String),
}

impl Target {
    /// For counting what it is sent.
    fn name(&self) -> String {
        match self {
            Self::Account(id) => id.to_string(),
            Self::Email(email) => email.clone(),
        }
    }
}

/// Sends an invitation. While one to the same waits for its answer, that one is given back and nothing is sent.
pub async fn send(app: &App, caller: &Caller, input: &NewInvitation) -> Result<invitation::Model> {
    caller.require(Action::ManageNetwork)?;
    let tx = app.db.begin().await?;
    let row = send_within(&tx, app, caller, input).await.map_err(in_input)?;
    tx.commit().await?;
    tell_of(app, &row).await;
    Ok(row)
}

/// The same within a transaction of the caller's, which holds no lock of another account; after its commit [`tell_of`] wakes who
/// waits for it. Paths of broken rules begin inside the input.
pub async fn send_within(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    input: &NewInvitation,
) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    let (target, message) = checked(input)?;
    app.throttle.check(Kind::Invitation, &account.to_string()).await?;
    let inviter = accounts::lock(tx, account).await?;
    check_target(tx, &inviter, &target, app.config.address_proof()).await?;
    let mut events = Vec::new();
    if let Some(waiting) = waiting(tx, account, &target).await? {
        if waiting.status_at(app.clock.now()) == InvitationStatus::Pending {
            return Ok(waiting);
        }
        events = expiry::write(tx, app, waiting).await?;
    }
    // One whose time is over waits for no answer, whether or not that has been written yet.
    let open = Entity::sent_by(account)
        .filter(Column::Status.eq(InvitationStatus::Pending))
        .filter(Column::ExpiresAt.gt(app.clock.now()));
    if open.count(tx).await? >= MAX_OPEN_INVITATIONS {
        let text = format!(
            "an account has at most {MAX_OPEN_INVITATIONS} invitations that wait for an answer: cancel one that is not needed any more"
        );
        return Err(Error::broken(UserErrorCode::LimitReached, "", text));
    }
    mail_quota::require(tx, app, Counted::InvitationsByTo(account, &target.name())).await?;
    let row = insert(tx, app, account, (target, input.relationship, message)).await?;
    let (row, told) = mail(tx, app, row, &inviter).await?;
    events.extend(announce(tx, app, caller, (&inviter, &row, told), "invitation.sent").await?);
    journal::append(tx, app, events).await?;
    Ok(row)
}

/// Wakes who follows the logs that tell of an invitation; after the commit.
pub async fn tell_of(app: &App, row: &invitation::Model) {
    let receiver = receiver(app.db.read(), app, row).await.unwrap_or_default();
    journal::tell(app, [Some(row.from_account_id), receiver].into_iter().flatten()).await;
}

/// Sends a pending or expired invitation again: a new link, a new time to answer. The old link ends.
pub async fn resend(app: &App, caller: &Caller, id: InvitationId) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    app.throttle.check(Kind::Invitation, &account.to_string()).await?;
    let tx = app.db.begin().await?;
    let inviter = accounts::lock(&tx, account).await?;
    let row = lock_sent(&tx, account, id).await?;
    if row.status_at(app.clock.now()) != InvitationStatus::Expired {
        check_open(&row, app, "id")?;
    }
    if let Some(connected) = row.to_account_id {
        check_not_connected(&tx, account, connected, "id").await?;
    }
    let target = row
        .to_account_id
        .map(|id| id.to_string())
        .or_else(|| row.to_email.clone())
        .unwrap_or_default();
    mail_quota::require(&tx, app, Counted::InvitationsByTo(account, &target)).await?;
    withdraw_letter(&tx, &row).await?;
    let mut again = row.into_active_model();
    again.status = Set(InvitationStatus::Pending);
    again.expires_at = Set(app.clock.now() + lifetime(app));
    again.mail_id = Set(None);
    let row = again.update(&tx).await;
    let row = row.or_broken(UserErrorCode::Conflict, "id", OTHER_PENDING)?;
    let (row, told) = mail(&tx, app, row, &inviter).await?;
    let events = announce(&tx, app, caller, (&inviter, &row, told), "invitation.resent").await?;
    journal::append(&tx, app, events).await?;
    tx.commit().await?;
    tell_of(app, &row).await;
    Ok(row)
}

fn in_input(error: Error) -> Error {
    match error {
        Error::Broken(broken) => Error::Broken(broken.into_iter().map(|rule| rule.within("input")).collect()),
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
            return Err(Error::broken(UserErrorCode::Invalid, "accountId", message));
        }
    };
    let written = input.message.as_deref().filter(|message| !message.trim().is_empty());
    let message = written
        .map(|message| texts::paragraph(message, MESSAGE, "message"))
        .transpose()?;
    Ok((target, message))
}

/// Of an address only what the inviter may know anyway is told: its own people's, and the address by which a partner lets itself
/// be found. Whether anybody else has it makes no difference.
async fn check_target(
    tx: &DatabaseTransaction,
    inviter: &account::Model,
    target: &Target,
    proof: AddressProof,
) -> Result<()> {
    match target {
        Target::Account(id) if *id == inviter.id => Err(myself("accountId")),
        Target::Account(id) => {
            if account::Entity::by_id(*id).one(tx).await?.is_none() {
                let message = "no such account: look for it with findAccount, or invite an email address";
                return Err(Error::broken(UserErrorCode::NotFound, "accountId", message));
            }
            check_not_connected(tx, inviter.id, *id, "accountId").await
        }
        Target::Email(email) => {
            let own = user::Entity::in_account(inviter.id).filter(user::Column::Email.eq(email));
            if inviter.contact_email.as_ref() == Some(email) || own.one(tx).await?.is_some() {
                return Err(myself("email"));
            }
            for found in account::Entity::by_contact_email(email, proof).all(tx).await? {
                check_not_connected(tx, inviter.id, found.id, "email").await?;
            }
            Ok(())
        }
    }
}

fn myself(path: &str) -> Error {
    let message = "this is your own account: invite another one";
    Error::broken(UserErrorCode::SelfInvite, path, message)
}

/// Refuses where the two have a connection already, suspended or not.
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
    Err(Error::broken(UserErrorCode::AlreadyConnected, path, message))
}

/// The one that was sent to the same and is not answered. The inviter's account is locked: there is no other sender.
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
    tx: &DatabaseTransaction,
    app: &App,
    account: AccountId,
    (target, relationship, message): (Target, RelationshipType, Option<String>),
) -> Result<invitation::Model> {
    let now = app.clock.now();
    let (to_account_id, to_email) = match target {
        Target::Account(id) => (Some(id), None),
        Target::Email(email) => (None, Some(email)),
    };
    let row = invitation::ActiveModel {
        id: Set(app.clock.id()),
        from_account_id: Set(account),
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
    row.insert(tx)
        .await
        .or_broken(UserErrorCode::Conflict, "accountId", OTHER_PENDING)
}

/// Makes a new link and writes the letter that carries it: to the invited address, or to the contact address of an account that
/// wants mails. Answers to which address.
async fn mail(
    tx: &DatabaseTransaction,
    app: &App,
    row: invitation::Model,
    inviter: &account::Model,
) -> Result<(invitation::Model, Option<String>)> {
    let to = match (&row.to_email, row.to_account_id) {
        (Some(email), _) => Some(email.clone()),
        (None, Some(id)) => {
            let account = partner(tx, id).await?;
            let is_told = account.notify_by_mail && account.has_contact(app.config.address_proof());
            // To an address that only the account itself calls its own goes nothing in another's name.
            account.contact_email.filter(|_| is_told)
        }
        (None, None) => None,
    };
    let token = tokens::random(tokens::ONE_TIME);
    let link = format!("{}/invitation?token={token}", app.config.public_url);
    let says = Says {
        from: &inviter.name,
        relationship: row.type_for_inviter().mirrored(),
        message: row.message.as_deref(),
        expires_at: row.expires_at,
    };
    // An address that gets too many is left alone; the invitation holds all the same.
    let mail_id = match &to {
        Some(to) if mail_quota::invitation(tx, app, inviter.id, to).await? => {
            Some(mailbox::queue_mail(tx, app, says.letter(to, &link)).await?)
        }
        _ => None,
    };
    let mut row = row.into_active_model();
    row.token_hash = Set(Some(tokens::hash(&token)));
    row.mail_id = Set(mail_id);
    Ok((row.update(tx).await?, to))
}

/// Tells the trails and, if it reaches an account, that account's owners; answers the events.
async fn announce(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    (inviter, row, mailed): (&account::Model, &invitation::Model, Option<String>),
    action: &'static str,
) -> Result<Vec<NewEvent>> {
    let Some(receiver) = receiver(tx, app, row).await? else {
        record_alone(tx, app, caller, action, row).await?;
        return Ok(Vec::new());
    };
    let sides = Sides {
        mine: inviter.clone(),
        theirs: partner(tx, receiver).await?,
    };
    journal::record(tx, app, caller, &sides, deed(action, "invitation.received", row)).await?;
    let notice = Notice {
        by: Some(inviter.id),
        subject: format!("{} invites your company to connect", inviter.name),
        text: format!(
            "{} invites your company to connect on Leadmesh. See it among your invitations, and accept or decline it as an OWNER or ADMIN.",
            inviter.name
        ),
    };
    notices::tell_owners(tx, app, &sides.theirs, &notice, mailed.as_deref()).await?;
    Ok(vec![journal::event(receiver, EventKind::InvitationReceived, row.id.0)])
}
