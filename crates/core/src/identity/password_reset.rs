//! New passwords: through a mailed link, or with the old password.

use async_graphql::InputObject;
use std::net::IpAddr;

use entity::proof::AddressProof;
use entity::{partner, user};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use super::account_confirmation::{self, Consent};
use super::caller::{Caller, Principal};
use super::emails::{self, sanitize};
use super::known_networks;
use super::links::{self, LinkHandover, LinkHolder};
use super::mail_quota::{self, QuotaKey};
use super::password_attempts;
use super::person::{Person, PersonId, SignInScope};
use super::policy::Action;
use super::sessions::{self, SignedIn};
use super::throttle::{self, Kind};
use super::tokens::Scope;
use super::{accounts, email_address, mail_queue, passwords, texts};
use crate::app::App;
use crate::error::{Error, Result};

/// Accounts or portals in one email.
const LINKS: u64 = 5;

/// Emails a link for a new password, without revealing whether the address is known: the answer comes before the look-up, so
/// that its time reveals nothing either. Beyond the quota nothing is sent: the last link still works. The link is for the
/// person who has proven the address. While nobody has, all who claim it get one, and the email says which account each is for,
/// because another person may have made it. UNAVAILABLE when too many requests wait for their emails.
pub async fn request(app: &App, scope: Scope, ip: Option<IpAddr>, email: &str) -> Result<()> {
    request_within(app, SignInScope::Scope(scope), ip, email).await
}

/// The same for one account or portal: the email for all has five links at most.
pub async fn request_within(app: &App, within: SignInScope, ip: Option<IpAddr>, email: &str) -> Result<()> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let request = ResetRequest {
        within,
        email: email_address::parse(email, "email")?,
        ip,
    };
    let answering = app.clone();
    app.writes.leave(async move {
        if let Err(error) = mail_links(&answering, &request).await {
            tracing::warn!(
                ?error,
                "a link for a new password was not mailed; it can be requested again"
            );
        }
    })
}

struct ResetRequest {
    within: SignInScope,
    email: String,
    ip: Option<IpAddr>,
}

async fn mail_links(app: &App, request: &ResetRequest) -> Result<()> {
    let ResetRequest { within, email, .. } = request;
    if !may_mail(app, request).await? {
        return Ok(());
    }
    let tx = app.db.begin().await?;
    let mut claiming = Person::claiming(&tx, within, email, LINKS).await?;
    if let Some(holder) = claiming.iter().position(|person| person.holds_address(app)) {
        claiming = vec![claiming.swap_remove(holder)];
    }
    let mut reset_links = Vec::new();
    for person in in_order(&claiming) {
        let link = links::make(&tx, app, person.id(), links::RESET, LinkHandover::Mailed).await?;
        let about = about(&tx, app, person).await?;
        reset_links.push(emails::ResetLink { about, link });
    }
    let mail = match (claiming.as_slice(), reset_links.as_slice()) {
        ([], _) => return Ok(()),
        ([only], [reset]) if !must_describe_account(&tx, app, only).await? => {
            emails::new_password(email, within.scope(), &reset.link)
        }
        _ => emails::new_passwords(email, within.scope(), &reset_links),
    };
    mail_queue::queue_mail(&tx, app, mail).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether the reader of an address may not know the account for which the email carries a link.
async fn must_describe_account(tx: &DatabaseTransaction, app: &App, person: &Person) -> Result<bool> {
    match person {
        Person::Portal(_) => Ok(false),
        Person::User(user) if user.password_hash.is_none() || !person.holds_address(app) => Ok(true),
        Person::User(user) => Ok(account_confirmation::other_access(tx, app, user).await?.is_some()),
    }
}

/// Counts a request, and answers whether an email may follow. A request from a known network for a proven address does not
/// share the quota that strangers can use up.
async fn may_mail(app: &App, request: &ResetRequest) -> Result<bool> {
    let (scope, email, ip) = (request.within.scope(), request.email.as_str(), request.ip);
    let tx = app.db.begin().await?;
    let mut owners = Person::claiming(&tx, &request.within, email, LINKS).await?;
    owners.retain(|person| person.owns_address(app));
    let is_known = !known_networks::known_there(&*tx, app, &owners, ip).await?.is_empty();
    let network = ip.map_or_else(|| "none".to_owned(), throttle::network);
    let allowed = mail_quota::allows(&tx, app, QuotaKey::ResetsFrom(scope, email, &network)).await?
        && (is_known || mail_quota::allows(&tx, app, QuotaKey::ResetsTo(scope, email)).await?);
    tx.commit().await?;
    Ok(allowed)
}

/// One order of locks, so that two requests for one address cannot wait for each other.
fn in_order(people: &[Person]) -> Vec<&Person> {
    let mut people: Vec<_> = people.iter().collect();
    people.sort_by_key(|person| person.id().to_string());
    people
}

/// Whose password it is, for a reader who may not know the account.
async fn about(tx: &DatabaseTransaction, app: &App, person: &Person) -> Result<String> {
    let account = accounts::load(tx, person.account()).await?;
    let since = account.created_at.format("%-d %B %Y");
    Ok(match person {
        Person::Portal(user) => {
            let partner = partner::Entity::in_account(user.account_id).filter(partner::Column::Id.eq(user.partner_id));
            let partner = partner.one(tx).await?.ok_or(Error::NotFound("partner"))?;
            let (partner, account) = (sanitize::name(&partner.name), sanitize::name(&account.name));
            format!("For the leads of “{partner}” from “{account}”:")
        }
        Person::User(user) if user.password_hash.is_none() => format!(
            "You were invited to the account “{}” on {} and have set no password for it yet:",
            sanitize::name(&account.name),
            user.created_at.format("%-d %B %Y")
        ),
        Person::User(user) => {
            let beside = account_confirmation::other_access(tx, app, user).await?;
            let beside = beside.map(|found| format!(" Besides you it has: {}.", found.lines().join("; ")));
            let unproven = if user.holds(AddressProof::Required) {
                ""
            } else {
                ", who has not proven that this address is theirs"
            };
            format!(
                "For the account “{}”, made on {since} under the name of {}{unproven}.{}",
                sanitize::name(&account.name),
                sanitize::name(&user.name),
                beside.unwrap_or_default()
            )
        }
    })
}

/// Sets a password through a mailed link.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "ActivatePortalUserInput")]
pub struct NewPassword {
    /// Token from the link of an invitation or of a password reset.
    #[graphql(secret)]
    pub token: String,
    /// The new password. The rules of `SignUpInput.password` apply.
    #[graphql(secret)]
    pub password: String,
    /// Display name, 1 to 120 characters. Omit to keep the current one.
    pub name: Option<String>,
}

/// Sets a password by a link, ends all sessions, and signs in. A mailed link proves the address.
pub async fn reset(app: &App, scope: Scope, ip: Option<IpAddr>, input: NewPassword) -> Result<SignedIn> {
    reset_with(app, scope, ip, input, Consent::Ask).await
}

/// The same after the holder was asked. CONFLICT, with what else has access, when another person may have made the account.
pub async fn reset_with(
    app: &App,
    scope: Scope,
    ip: Option<IpAddr>,
    input: NewPassword,
    consent: Consent,
) -> Result<SignedIn> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let holder = links::check(app.db.read(), app, scope, &input.token).await?;
    passwords::check(&input.password, holder.person.email(), "input.password")?;
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let hash = passwords::hash(input.password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let LinkHolder { person, reads_address } = links::redeem(&tx, app, scope, &input.token).await?;
    if let (Person::User(user), true, Consent::Ask) = (&person, reads_address, consent) {
        account_confirmation::ask(&tx, app, user, "input.confirmAccount").await?;
    }
    let person = person.set_password(&tx, hash, name, now).await?;
    person.id().end_sessions(&tx, now, None).await?;
    let person = if reads_address {
        person.prove_address(&tx, app).await?.confirm(&tx, app).await?
    } else {
        person.assume_address(&tx, app).await?
    };
    person.record(&tx, app, &person.actor(ip), "password.reset").await?;
    let signed_in = sessions::open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    person.id().seen(app);
    Ok(signed_in)
}

/// What a password link opens, for its holder before they decide.
#[derive(Clone, Debug)]
pub struct LinkPreview {
    pub account: String,
    pub person: String,
    pub email: String,
    /// Who and what else has access to the account; empty if the holder need not confirm it.
    pub other_access: Vec<String>,
}

pub async fn preview(app: &App, ip: Option<IpAddr>, token: &str) -> Result<LinkPreview> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let db = app.db.read();
    let LinkHolder { person, reads_address } = links::check(db, app, Scope::Account, token).await?;
    let account = accounts::load(db, person.account()).await?;
    let found = match &person {
        Person::User(user) if reads_address => account_confirmation::other_access(db, app, user).await?,
        _ => None,
    };
    Ok(LinkPreview {
        account: account.name,
        person: person.name().to_owned(),
        email: person.email().to_owned(),
        other_access: found.map(|found| found.lines()).unwrap_or_default(),
    })
}

/// A password change.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "ChangePasswordInput")]
pub struct ChangePassword {
    /// The current password.
    #[graphql(secret)]
    pub current_password: String,
    /// The new password. The rules of `SignUpInput.password` apply.
    #[graphql(secret)]
    pub new_password: String,
}

/// Changes the caller's own password and ends all of their other sessions.
pub async fn change(app: &App, caller: &Caller, input: ChangePassword) -> Result<user::Model> {
    caller.require(Action::ChangeOwnPassword)?;
    let Principal::User { id, session, .. } = &caller.principal else {
        return Err(Error::Forbidden(Action::ChangeOwnPassword.refusal()));
    };
    let gone = || Error::Unauthenticated("you have been removed from the account");
    let known = PersonId::User(*id).load(app.db.read()).await?.ok_or_else(gone)?;
    let old = known.password_hash().map(str::to_owned);
    password_attempts::check_own(app, *session, input.current_password, old.clone()).await?;
    passwords::check(&input.new_password, known.email(), "input.newPassword")?;
    let hash = passwords::hash(input.new_password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let person = known.id().lock(&tx).await?.ok_or_else(gone)?;
    if person.password_hash() != old.as_deref() {
        return Err(password_attempts::wrong_password());
    }
    let person = person.set_password(&tx, hash, None, now).await?;
    person.id().end_sessions(&tx, now, Some(*session)).await?;
    person.id().void_links(&tx, now).await?;
    person.record(&tx, app, &caller.actor(), "password.changed").await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    match person {
        Person::User(user) => Ok(user),
        Person::Portal(_) => Err(gone()),
    }
}
