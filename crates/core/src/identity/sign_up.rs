//! Sign-up of accounts.

use async_graphql::InputObject;
use entity::scalars::{EmailAddress, TimeZone, UrlText};
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::account::{self, Plan};
use entity::invitation::{self, InvitationStatus};
use entity::user::{self, Role};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, IntoActiveModel, Set};

use super::accounts::{self, NewAccount};
use super::person::{Person, new_user};
use super::sessions::{self, SignedIn};
use super::throttle::Kind;
use super::tokens;
use super::{addresses, email_address, passwords, texts, verification};
use crate::app::App;
use crate::audit;
use crate::config::{Config, SignUp as Mode};
use crate::error::{Error, OnUniqueViolation, Result, UserError, UserErrorCode};

const TAKEN: &str = "a user with this address exists already: sign in, or ask for a new password";

/// A company and its first user.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "SignUpInput")]
pub struct SignUp {
    /// Name of the company, shown to other accounts, 1 to 120 characters.
    pub account_name: String,
    /// Name of the first user, who becomes OWNER, 1 to 120 characters.
    pub name: String,
    /// Sign-in address of the user. Also the account's contact address until that is changed.
    pub email: EmailAddress,
    /// Password: 10 to 200 characters, normalised by RFC 8265, without control characters. A refusal says what to
    /// change.
    #[graphql(secret)]
    pub password: String,
    /// Website of the company, shown to other accounts.
    pub website: Option<UrlText>,
    /// Time zone in which the company's days begin. Defaults to UTC.
    pub timezone: Option<TimeZone>,
    /// Token from the link of an invitation to connect; `email` must be the invited address. Signing up does not answer
    /// the invitation: accept or decline it afterwards.
    #[graphql(secret)]
    pub invitation_token: Option<String>,
}

/// How a person comes to sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpOrigin {
    Public,
    Invitation,
    /// By the operator on the command line; the sign-up mode does not apply.
    Operator,
}

impl SignUp {
    pub fn origin(&self) -> SignUpOrigin {
        match self.invitation_token {
            Some(_) => SignUpOrigin::Invitation,
            None => SignUpOrigin::Public,
        }
    }
}

/// Makes an account with its first user and its Inbox, and signs the user in.
pub async fn sign_up(app: &App, ip: Option<IpAddr>, origin: SignUpOrigin, input: SignUp) -> Result<SignedIn> {
    let plan = plan(&app.config, origin)?;
    app.throttle.check_ip(Kind::SignUpIp, ip).await?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = texts::name(&input.name, "input.name")?;
    let new = checked(&input, email.clone(), plan)?;
    if let Some(token) = &input.invitation_token {
        app.throttle.check_ip(Kind::TokenIp, ip).await?;
        check_invitation(app.db.read(), app, token, &email).await?;
    }
    passwords::check(&input.password, &email, "input.password")?;
    check_free(app, &email, input.invitation_token.is_some()).await?;
    let hash = passwords::hash(input.password).await?;

    let tx = app.db.begin().await?;
    let account = accounts::make(&tx, app, new).await?;
    let mut proven_at = None;
    if let Some(token) = &input.invitation_token {
        // The token proves the address, which lets the account see the invitation. It does not answer the invitation.
        let mut invitation = check_invitation(&tx, app, token, &email).await?.into_active_model();
        invitation.to_account_id = Set(Some(account.id));
        invitation.update(&tx).await?;
        addresses::make_room(&tx, app, &email, "input.email").await?;
        proven_at = Some(app.clock.now());
    }
    let first = FirstUser {
        name,
        email,
        hash,
        proven_at,
    };
    let owner = owner(&tx, app, &account, first).await?;
    match proven_at {
        Some(_) => drop(addresses::prove_contact(&tx, app, account.id, &owner.email).await?),
        None => verification::ask_for_proof(&tx, app, &owner, &account).await?,
    }
    let person = Person::User(owner);
    let entry = accounts::entry("account.created", &account);
    audit::record(&tx, &app.clock, account.id, &person.actor(ip), entry).await?;
    let signed_in = sessions::open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    person.id().seen(app);
    Ok(signed_in)
}

/// The pending invitation of a token, if it was sent to this address.
async fn check_invitation(db: &impl ConnectionTrait, app: &App, token: &str, email: &str) -> Result<invitation::Model> {
    const PATH: &str = "input.invitationToken";
    let found = invitation::Entity::by_token_hash(&tokens::hash(token)).one(db).await?;
    let Some(row) = found else {
        let message = "no such invitation: open the newest link that was mailed to you";
        return Err(Error::user(UserErrorCode::NotFound, PATH, message));
    };
    if row.to_email.as_deref() != Some(email) {
        let message = "this invitation was sent to another address: sign up with that one";
        return Err(Error::user(UserErrorCode::EmailMismatch, "input.email", message));
    }
    match row.status_at(app.clock.now()) {
        InvitationStatus::Pending => Ok(row),
        InvitationStatus::Expired => {
            let message = "this invitation has expired: ask the inviter to send it again";
            Err(Error::user(UserErrorCode::Expired, PATH, message))
        }
        _ => {
            let message = "this invitation was answered or cancelled already";
            Err(Error::user(UserErrorCode::InvitationClosed, PATH, message))
        }
    }
}

fn plan(config: &Config, origin: SignUpOrigin) -> Result<Plan> {
    let settings = &config.settings;
    match (settings.sign_up, origin) {
        (_, SignUpOrigin::Operator) | (Mode::Open, SignUpOrigin::Public) => Ok(settings.default_plan),
        (Mode::Open | Mode::Invited, SignUpOrigin::Invitation) => Ok(settings.invited_plan),
        (Mode::Invited, SignUpOrigin::Public) => Err(Error::Forbidden(
            "this server takes new accounts by invitation only: open the link of your invitation",
        )),
        (Mode::Closed, SignUpOrigin::Public | SignUpOrigin::Invitation) => {
            Err(Error::Forbidden("this server takes no new accounts: ask its operator"))
        }
    }
}

fn checked(input: &SignUp, contact_email: String, plan: Plan) -> std::result::Result<NewAccount, UserError> {
    let website = input.website.as_deref();
    let timezone = input.timezone.as_deref().unwrap_or("UTC");
    Ok(NewAccount {
        name: texts::name(&input.account_name, "input.accountName")?,
        website: website.map(|text| texts::website(text, "input.website")).transpose()?,
        timezone: texts::timezone(timezone, "input.timezone")?,
        contact_email,
        plan,
    })
}

struct FirstUser {
    name: String,
    email: String,
    hash: String,
    proven_at: Option<DateTime<Utc>>,
}

async fn owner(tx: &DatabaseTransaction, app: &App, account: &account::Model, first: FirstUser) -> Result<user::Model> {
    let row = user::ActiveModel {
        holds_email: Set(first.proven_at.is_some() || !app.config.requires_proof()),
        email_verified_at: Set(first.proven_at),
        confirmed_at: Set(first.proven_at),
        password_hash: Set(Some(first.hash)),
        ..new_user(app, account.id, first.name, first.email, Role::Owner)
    };
    row.insert(tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "input.email", TAKEN)
}

/// Refuses early, before the work of a hash, what the index would refuse later. Where addresses are to be proven, anyone may
/// claim one: no answer reveals whether it is known, and the email that follows informs its owner.
async fn check_free(app: &App, email: &str, proves: bool) -> Result<()> {
    let holder = user::Entity::holder_of(email, app.config.address_proof())
        .one(app.db.read())
        .await?;
    let is_taken = holder.is_some_and(|holder| {
        if proves {
            holder.email_verified_at.is_some()
        } else {
            !app.config.requires_proof()
        }
    });
    if is_taken {
        return Err(Error::user(UserErrorCode::Taken, "input.email", TAKEN));
    }
    Ok(())
}
