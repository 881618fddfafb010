//! New passwords: by a mailed link, or by knowing the old one.

use async_graphql::InputObject;
use std::net::IpAddr;

use entity::proof::AddressProof;
use entity::{account, partner, user};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use super::caller::{Caller, Principal};
use super::guesses;
use super::known_networks;
use super::letters::{self, reduced};
use super::links::{self, Holder, Way};
use super::mail_quota::{self, Counted};
use super::person::{Person, PersonId, Within};
use super::policy::Action;
use super::sessions::{self, SignedIn};
use super::takeover::{self, Consent};
use super::throttle::{self, Kind};
use super::tokens::Scope;
use super::{email_address, mailbox, passwords, texts};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// Accounts or portals for which one mail carries links.
const LINKS: u64 = 5;

/// Has a link for a new password mailed, and says nothing about whether there is somebody to mail it to: the answer comes before
/// anybody is looked for, so that its time does not tell either. When there were too many mails, nothing is mailed and nobody is told:
/// the link mailed last still works.
///
/// The link is for the person whose address it is. While nobody has proven it, everybody who claims it gets one, and the mail says
/// which account each is for: another than the reader may have made it.
///
/// # Errors
///
/// UNAVAILABLE when too many requests wait for their mails, whoever is asked for.
pub async fn request(app: &App, scope: Scope, ip: Option<IpAddr>, email: &str) -> Result<()> {
    request_within(app, Within::Scope(scope), ip, email).await
}

/// The same for one account or portal only: the mail for all has links for five at most.
///
/// # Errors
///
/// As [`request`].
pub async fn request_within(app: &App, within: Within, ip: Option<IpAddr>, email: &str) -> Result<()> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let asked = Asked {
        within,
        email: email_address::parse(email, "email")?,
        ip,
    };
    let answering = app.clone();
    app.writes.leave(async move {
        if let Err(error) = mail_links(&answering, &asked).await {
            tracing::warn!(
                ?error,
                "a link for a new password was not mailed; it can be asked for again"
            );
        }
    })
}

/// A request for a new password.
struct Asked {
    within: Within,
    email: String,
    ip: Option<IpAddr>,
}

/// Writes the mail that answers a request.
async fn mail_links(app: &App, asked: &Asked) -> Result<()> {
    let Asked { within, email, .. } = asked;
    if !may_mail(app, asked).await? {
        return Ok(());
    }
    let tx = app.db.begin().await?;
    let mut claiming = Person::claiming(&tx, within, email, LINKS).await?;
    if let Some(holder) = claiming.iter().position(|person| person.holds_address(app)) {
        claiming = vec![claiming.swap_remove(holder)];
    }
    let mut ways = Vec::new();
    for person in in_order(&claiming) {
        let link = links::make(&tx, app, person.id(), links::RESET, Way::Mailed).await?;
        let about = about(&tx, app, person).await?;
        ways.push(letters::Way { about, link });
    }
    let mail = match (claiming.as_slice(), ways.as_slice()) {
        ([], _) => return Ok(()),
        ([only], [way]) if !has_to_be_told(&tx, app, only).await? => {
            letters::new_password(email, within.scope(), &way.link)
        }
        _ => letters::new_passwords(email, within.scope(), &ways),
    };
    mailbox::queue_mail(&tx, app, mail).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether the reader of an address may not know the account for which the mail carries a link.
async fn has_to_be_told(tx: &DatabaseTransaction, app: &App, person: &Person) -> Result<bool> {
    match person {
        Person::Portal(_) => Ok(false),
        Person::User(user) if user.password_hash.is_none() || !person.holds_address(app) => Ok(true),
        Person::User(user) => Ok(takeover::found_there(tx, app, user).await?.is_some()),
    }
}

/// Counts a request, and answers whether a mail may follow. Who asks from where they have signed in before, with an address that they
/// have proven, does not share the number of mails that strangers can use up.
async fn may_mail(app: &App, asked: &Asked) -> Result<bool> {
    let (scope, email, ip) = (asked.within.scope(), asked.email.as_str(), asked.ip);
    let tx = app.db.begin().await?;
    let mut owners = Person::claiming(&tx, &asked.within, email, LINKS).await?;
    owners.retain(|person| person.owns_address(app));
    let is_known = !known_networks::known_there(&*tx, app, &owners, ip).await?.is_empty();
    let network = ip.map_or_else(|| "none".to_owned(), throttle::network);
    let allowed = mail_quota::allows(&tx, app, Counted::ResetsFrom(scope, email, &network)).await?
        && (is_known || mail_quota::allows(&tx, app, Counted::ResetsTo(scope, email)).await?);
    tx.commit().await?;
    Ok(allowed)
}

/// Locked one after the other, so that two requests for one address cannot wait for each other.
fn in_order(people: &[Person]) -> Vec<&Person> {
    let mut people: Vec<_> = people.iter().collect();
    people.sort_by_key(|person| person.id().to_string());
    people
}

/// Whose password it is, for somebody who may not know the account.
async fn about(tx: &DatabaseTransaction, app: &App, person: &Person) -> Result<String> {
    let account = account::Entity::by_id(person.account()).one(tx).await?;
    let account = account.ok_or(Error::NotFound("account"))?;
    let since = account.created_at.format("%-d %B %Y");
    Ok(match person {
        Person::Portal(user) => {
            let partner = partner::Entity::in_account(user.account_id).filter(partner::Column::Id.eq(user.partner_id));
            let partner = partner.one(tx).await?.ok_or(Error::NotFound("partner"))?;
            let (partner, account) = (reduced::name(&partner.name), reduced::name(&account.name));
            format!("For the leads of “{partner}” from “{account}”:")
        }
        Person::User(user) if user.password_hash.is_none() => format!(
            "You were invited to the account “{}” on {} and have set no password for it yet:",
            reduced::name(&account.name),
            user.created_at.format("%-d %B %Y")
        ),
        Person::User(user) => {
            let beside = takeover::found_there(tx, app, user).await?;
            let beside = beside.map(|found| format!(" Besides you it has: {}.", found.lines().join("; ")));
            let unproven = if user.holds(AddressProof::Required) {
                ""
            } else {
                ", who has not proven that this address is theirs"
            };
            format!(
                "For the account “{}”, made on {since} under the name of {}{unproven}.{}",
                reduced::name(&account.name),
                reduced::name(&user.name),
                beside.unwrap_or_default()
            )
        }
    })
}

/// Sets a password through a mailed link.
///
/// No `Debug`, so that no log line can show the secret in it.
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

/// Sets a password by a mailed link, ends all sessions, and signs in. A link that was mailed proves the address by that.
pub async fn reset(app: &App, scope: Scope, ip: Option<IpAddr>, input: NewPassword) -> Result<SignedIn> {
    reset_with(app, scope, ip, input, Consent::Ask).await
}

/// The same of somebody who has been asked.
///
/// # Errors
///
/// CONFLICT, with what there is, when somebody else may have made the account, and more in it could act than this person.
pub async fn reset_with(
    app: &App,
    scope: Scope,
    ip: Option<IpAddr>,
    input: NewPassword,
    consent: Consent,
) -> Result<SignedIn> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let holder = links::look(app.db.read(), app, scope, &input.token).await?;
    passwords::check(&input.password, holder.person.email(), "input.password")?;
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let hash = passwords::hash(input.password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let Holder { person, reads_address } = links::take(&tx, app, scope, &input.token).await?;
    if let (Person::User(user), true, Consent::Ask) = (&person, reads_address, consent) {
        takeover::ask(&tx, app, user, "input.confirmAccount").await?;
    }
    let person = person.set_password(&tx, hash, name, now).await?;
    person.id().end_sessions(&tx, now, None).await?;
    let person = if reads_address {
        person.prove_address(&tx, app).await?.confirm(&tx, app).await?
    } else {
        person.assume_address(&tx, app).await?
    };
    person.record(&tx, app, &person.who(ip), "password.reset").await?;
    let signed_in = sessions::open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    person.id().seen(app);
    Ok(signed_in)
}

/// What a link for a password opens, for its holder before they decide.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Whose account it is.
    pub account: String,
    /// The person.
    pub person: String,
    /// Their address.
    pub email: String,
    /// What they have to know and to agree to; empty when there is nothing.
    pub found_there: Vec<String>,
}

/// What the link of a person of an account opens, without using it.
pub async fn look(app: &App, ip: Option<IpAddr>, token: &str) -> Result<Opened> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let db = app.db.read();
    let Holder { person, reads_address } = links::look(db, app, Scope::Account, token).await?;
    let account = account::Entity::by_id(person.account()).one(db).await?;
    let found = match &person {
        Person::User(user) if reads_address => takeover::found_there(db, app, user).await?,
        _ => None,
    };
    Ok(Opened {
        account: account.ok_or(Error::NotFound("account"))?.name,
        person: person.name().to_owned(),
        email: person.email().to_owned(),
        found_there: found.map(|found| found.lines()).unwrap_or_default(),
    })
}

/// A password change.
///
/// No `Debug`, so that no log line can show the secret in it.
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
    guesses::check_own(app, *session).await?;
    let old = known.password_hash().map(str::to_owned);
    let wrong = || {
        Error::broken(
            UserErrorCode::Invalid,
            "input.currentPassword",
            "this is not your password",
        )
    };
    if !passwords::verify(input.current_password, old.clone()).await? {
        return Err(wrong());
    }
    passwords::check(&input.new_password, known.email(), "input.newPassword")?;
    let hash = passwords::hash(input.new_password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let person = known.id().lock(&tx).await?.ok_or_else(gone)?;
    if person.password_hash() != old.as_deref() {
        return Err(wrong());
    }
    let person = person.set_password(&tx, hash, None, now).await?;
    person.id().end_sessions(&tx, now, Some(*session)).await?;
    person.id().void_links(&tx, now).await?;
    person.record(&tx, app, &caller.who(), "password.changed").await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    match person {
        Person::User(user) => Ok(user),
        Person::Portal(_) => Err(gone()),
    }
}
