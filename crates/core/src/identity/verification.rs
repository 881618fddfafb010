//! Proofs of addresses through a mailed link: of a user at sign-up and after a change, and of an account's contact.

use async_graphql::InputObject;
use entity::scalars::EmailAddress;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::ids::{SessionId, UserId};
use entity::one_time_token::{self, TokenPurpose};
use entity::proof::AddressProof;
use entity::{account, user};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use super::account_confirmation::{self, Consent};
use super::caller::{Caller, Principal};
use super::links::{self, NewLink};
use super::mail_quota::{self, QuotaKey};
use super::other_access::OtherAccess;
use super::person::{Person, PersonId};
use super::policy::Action;
use super::throttle::Kind;
use super::{accounts, addresses, email_address, emails, mail_queue, password_attempts};
use crate::app::App;
use crate::audit;
use crate::error::{Error, OnUniqueViolation, Result, UserErrorCode};

const NO_PERSON: &str = "only a signed-in user of an account has an address to prove";
const GONE: &str = "you have been removed from the account";
const TAKEN: &str = "another user has this address: choose another one";

/// What a proof link proves, for its holder before they decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofPreview {
    pub email: String,
    pub account: String,
    /// None for the account's contact address.
    pub person: Option<String>,
    pub since: DateTime<Utc>,
    /// Who and what else has access to the account; empty if the reader need not confirm it.
    pub other_access: Vec<String>,
}

/// Whose address a link proves.
enum Claimant {
    Person(user::Model),
    Contact(account::Model),
}

pub async fn preview(app: &App, ip: Option<IpAddr>, token: &str) -> Result<ProofPreview> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let db = app.db.read();
    let (claimant, email) = claimant(db, app, token).await?;
    Ok(match claimant {
        Claimant::Person(person) => {
            let account = accounts::load(db, person.account_id).await?;
            ProofPreview {
                email,
                account: account.name,
                other_access: lines(account_confirmation::other_access(db, app, &person).await?),
                person: Some(person.name),
                since: account.created_at,
            }
        }
        Claimant::Contact(account) => ProofPreview {
            email,
            account: account.name,
            person: None,
            since: account.created_at,
            other_access: Vec::new(),
        },
    })
}

fn lines(found: Option<OtherAccess>) -> Vec<String> {
    found.map(|found| found.lines()).unwrap_or_default()
}

/// Who uses a proof link.
#[derive(Clone, Copy, Debug)]
pub struct Prover {
    pub ip: Option<IpAddr>,
    /// The person as whom they are signed in.
    pub signed_in: Option<UserId>,
    pub consent: Consent,
}

/// Proves an address by the token of a mailed link, which works once. A user who is signed in has the password and reads the
/// address: the account is theirs. TAKEN when another user has proven the address before. CONFLICT, with what else has access,
/// when another person may have made the account.
pub async fn verify(app: &App, prover: Prover, token: &str) -> Result<()> {
    let ip = prover.ip;
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let (first, _) = claimant(&tx, app, token).await?;
    let account = match &first {
        Claimant::Person(person) => person.account_id,
        Claimant::Contact(account) => account.id,
    };
    let locked = accounts::lock(&tx, account).await?;
    if let Claimant::Person(person) = &first {
        addresses::lock_claims(&tx, &person.email).await?;
    }
    // Checked again under the locks, so that only one of two concurrent uses succeeds.
    let (claimant, email) = claimant(&tx, app, token).await?;
    match claimant {
        Claimant::Person(person) => {
            let is_own = prover.signed_in == Some(person.id);
            if !is_own && prover.consent == Consent::Ask {
                account_confirmation::ask(&tx, app, &person, "confirmAccount").await?;
            }
            let person = addresses::prove(&tx, app, &person).await?.require("token")?;
            one_time_token::Entity::void_proofs_of_user(person.id, now)
                .exec(&tx)
                .await?;
            let mut person = Person::User(person);
            if is_own {
                person = person.confirm(&tx, app).await?;
            }
            person
                .record(&tx, app, &person.actor(ip), "user.address_proven")
                .await?;
        }
        Claimant::Contact(_) => {
            addresses::prove_contact(&tx, app, account, &email).await?;
            one_time_token::Entity::void_proofs_of_account(account, now)
                .exec(&tx)
                .await?;
            let entry = accounts::entry("account.contact_proven", &locked);
            audit::record(&tx, &app.clock, account, &audit::Actor::system(), entry).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// The claimant and the address, if the link is valid and the address is still the one that it was mailed to.
async fn claimant(db: &impl ConnectionTrait, app: &App, token: &str) -> Result<(Claimant, String)> {
    const PATH: &str = "token";
    let row = links::usable(db, app, token, PATH).await?;
    let unknown = || links::unknown_at(PATH);
    let email = row.mailed_to.ok_or_else(unknown)?;
    let claimant = match (row.purpose, row.user_id, row.account_id) {
        (TokenPurpose::ProveAddress, Some(id), _) => {
            let person = user::Entity::by_id(id).one(db).await?;
            person.filter(|person| person.email == email).map(Claimant::Person)
        }
        (TokenPurpose::ProveContact, _, Some(id)) => {
            let account = account::Entity::by_id(id).one(db).await?;
            let account = account.filter(|account| account.contact_email.as_ref() == Some(&email));
            account.map(Claimant::Contact)
        }
        _ => None,
    };
    Ok((claimant.ok_or_else(unknown)?, email))
}

/// Emails the link again that proves the caller's own address, unless it is proven.
pub async fn resend(app: &App, caller: &Caller) -> Result<()> {
    let person = own_row(app, caller).await?;
    require_mail(app)?;
    if person.holds(AddressProof::Required) {
        return Ok(());
    }
    let tx = app.db.begin().await?;
    mail_quota::require(&tx, app, QuotaKey::ProofsBy(&person.id.to_string())).await?;
    let account = accounts::load(&tx, person.account_id).await?;
    if may_write(&tx, app, &person.email).await? {
        mail_link(&tx, app, &person, &account).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Emails the link again that proves the contact address of the caller's account.
pub async fn resend_contact(app: &App, caller: &Caller) -> Result<()> {
    let id = caller.require(Action::ManageAccount)?;
    require_mail(app)?;
    let tx = app.db.begin().await?;
    let account = accounts::lock(&tx, id).await?;
    if account.contact_verified_at.is_some() {
        return Ok(());
    }
    mail_quota::require(&tx, app, QuotaKey::ProofsBy(&id.to_string())).await?;
    let email = account.contact_email.as_deref().unwrap_or_default();
    if may_write(&tx, app, email).await? {
        mail_contact_link(&tx, app, &account).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Emails a proof link after a sign-up or a change, where proof is required. An address beyond its quota gets none, and no
/// error reports it: the present user may not have caused it.
pub(super) async fn ask_for_proof(
    tx: &DatabaseTransaction,
    app: &App,
    person: &user::Model,
    account: &account::Model,
) -> Result<()> {
    if app.config.requires_proof() && may_write(tx, app, &person.email).await? {
        mail_link(tx, app, person, account).await?;
    }
    Ok(())
}

pub(super) async fn ask_for_contact_proof(tx: &DatabaseTransaction, app: &App, account: &account::Model) -> Result<()> {
    let email = account.contact_email.as_deref().unwrap_or_default();
    if app.config.requires_proof() && account.contact_verified_at.is_none() && may_write(tx, app, email).await? {
        mail_contact_link(tx, app, account).await?;
    }
    Ok(())
}

async fn may_write(tx: &DatabaseTransaction, app: &App, email: &str) -> Result<bool> {
    mail_quota::allows(tx, app, QuotaKey::ProofsTo(email)).await
}

/// Emails the link. If another user has proven the address, the email says so instead: both cost the same, and only the reader
/// learns which it was.
async fn mail_link(tx: &DatabaseTransaction, app: &App, person: &user::Model, account: &account::Model) -> Result<()> {
    let holder = user::Entity::holder_of(&person.email, AddressProof::Required)
        .one(tx)
        .await?;
    let held = holder.is_some_and(|holder| holder.id != person.id);
    let link = NewLink {
        purpose: TokenPurpose::ProveAddress,
        user: Some(person.id),
        portal_user: None,
        account: None,
        mailed_to: Some(person.email.clone()),
        lifetime: links::PROOF,
    };
    let token = links::insert(tx, app, link).await?;
    let email = if held {
        emails::address_in_use(&person.email, &account.name, &app.config.public_url)
    } else {
        emails::prove_address(&person.email, &account.name, &page(app, &token))
    };
    mail_queue::queue_mail(tx, app, email).await?;
    Ok(())
}

async fn mail_contact_link(tx: &DatabaseTransaction, app: &App, account: &account::Model) -> Result<()> {
    let Some(email) = account.contact_email.clone() else {
        return Ok(());
    };
    let link = NewLink {
        purpose: TokenPurpose::ProveContact,
        user: None,
        portal_user: None,
        account: Some(account.id),
        mailed_to: Some(email.clone()),
        lifetime: links::PROOF,
    };
    let token = links::insert(tx, app, link).await?;
    let email = emails::prove_contact(&email, &account.name, &page(app, &token));
    mail_queue::queue_mail(tx, app, email).await?;
    Ok(())
}

fn page(app: &App, token: &str) -> String {
    format!("{}/verify-email?token={token}", app.config.public_url)
}

fn require_mail(app: &App) -> Result<()> {
    if app.config.mail.is_some() {
        return Ok(());
    }
    let message = "this server sends no email, so no address can be proven: its operator has to set LEADMESH_SMTP_URL";
    Err(Error::user(UserErrorCode::NotConfigured, "", message))
}

async fn own_row(app: &App, caller: &Caller) -> Result<user::Model> {
    caller.require(Action::ChangeOwnPassword)?;
    let Principal::User { id, .. } = &caller.principal else {
        return Err(Error::Forbidden(NO_PERSON));
    };
    let found = user::Entity::by_id(*id).one(app.db.read()).await?;
    found.ok_or(Error::Unauthenticated(GONE))
}

fn session_of(caller: &Caller) -> Result<SessionId> {
    match &caller.principal {
        Principal::User { session, .. } => Ok(*session),
        _ => Err(Error::Forbidden(NO_PERSON)),
    }
}

/// A new address to sign in with.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "ChangeEmailInput")]
pub struct ChangeEmail {
    /// The new address.
    pub email: EmailAddress,
    /// The current password. It stays.
    #[graphql(secret)]
    pub current_password: String,
}

/// Gives the caller another address to sign in with, not proven yet. The old one is free for others immediately.
pub async fn change_email(app: &App, caller: &Caller, input: ChangeEmail) -> Result<user::Model> {
    let known = own_row(app, caller).await?;
    let email = email_address::parse(&input.email, "input.email")?;
    let old = known.password_hash.clone();
    password_attempts::check_own(app, session_of(caller)?, input.current_password, old.clone()).await?;
    let tx = app.db.begin().await?;
    let account = accounts::lock(&tx, known.account_id).await?;
    let Some(Person::User(person)) = PersonId::User(known.id).lock(&tx).await? else {
        return Err(Error::Unauthenticated(GONE));
    };
    if person.password_hash != old {
        return Err(password_attempts::wrong_password());
    }
    if person.email == email {
        return Ok(person);
    }
    mail_quota::require(&tx, app, QuotaKey::ProofsBy(&person.id.to_string())).await?;
    let mut row: user::ActiveModel = person.into();
    row.email = Set(email);
    row.email_verified_at = Set(None);
    row.confirmed_at = Set(None);
    row.holds_email = Set(!app.config.requires_proof());
    let person = row.update(&tx).await;
    let person = person.on_unique_violation(UserErrorCode::Taken, "input.email", TAKEN)?;
    PersonId::User(person.id).void_links(&tx, app.clock.now()).await?;
    ask_for_proof(&tx, app, &person, &account).await?;
    let changed = Person::User(person.clone());
    changed
        .record(&tx, app, &caller.actor(), "user.address_changed")
        .await?;
    tx.commit().await?;
    Ok(person)
}
