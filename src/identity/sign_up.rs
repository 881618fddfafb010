//! New accounts.

use std::net::IpAddr;

use entity::account::{self, Plan};
use entity::user::{self, Role};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use super::accounts::{self, NewAccount};
use super::person::Person;
use super::sessions::{self, SignedIn};
use super::throttle::Kind;
use super::tokens::Scope;
use super::{email_address, passwords, texts};
use crate::app::App;
use crate::audit;
use crate::config::{Config, SignUp as Mode};
use crate::error::{Broken, Error, OrBroken, Result, UserErrorCode};

const TAKEN: &str = "somebody with this address has signed up already: sign in, or ask for a new password";

/// What a company says of itself and its first person.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct SignUp {
    /// What partners will see.
    pub account_name: String,
    /// The first person, who becomes OWNER.
    pub name: String,
    /// Theirs, and the account's contact until changed.
    pub email: String,
    /// Theirs.
    pub password: String,
    /// By http or https.
    pub website: Option<String>,
    /// IANA name; UTC without.
    pub timezone: Option<String>,
}

/// How somebody comes to sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// By themselves.
    Public,
    /// By the link of a pending invitation, which the caller has checked.
    Invitation,
    /// By the operator on the command line, whom the sign-up mode does not bind.
    Operator,
}

/// Makes an account with its first person and its inbox, and signs that person in.
pub async fn sign_up(app: &App, ip: Option<IpAddr>, through: Through, input: SignUp) -> Result<SignedIn> {
    let plan = plan(&app.config, through)?;
    app.throttle.check_ip(Kind::SignUpIp, ip).await?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = texts::name(&input.name, "input.name")?;
    let new = checked(&input, email.clone(), plan)?;
    passwords::check(&input.password, &email, "input.password")?;
    if Person::by_email(app.db.read(), Scope::Account, &email).await?.is_some() {
        return Err(Error::broken(UserErrorCode::Taken, "input.email", TAKEN));
    }
    let hash = passwords::hash(input.password).await?;

    let tx = app.db.begin().await?;
    let account = accounts::make(&tx, app, new).await?;
    let owner = owner(&tx, app, &account, (name, email, hash)).await?;
    let person = Person::User(owner);
    let entry = accounts::entry(&account, "account.created", None);
    audit::record(&tx, &app.clock, account.id, &person.who(ip), entry).await?;
    let signed_in = sessions::open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    person.id().seen(app);
    Ok(signed_in)
}

fn plan(config: &Config, through: Through) -> Result<Plan> {
    let settings = &config.settings;
    match (settings.sign_up, through) {
        (_, Through::Operator) | (Mode::Open, Through::Public) => Ok(settings.default_plan),
        (Mode::Open | Mode::Invited, Through::Invitation) => Ok(settings.invited_plan),
        (Mode::Invited, Through::Public) => Err(Error::Forbidden(
            "this server takes new accounts by invitation only: open the link of your invitation",
        )),
        (Mode::Closed, Through::Public | Through::Invitation) => {
            Err(Error::Forbidden("this server takes no new accounts: ask its operator"))
        }
    }
}

fn checked(input: &SignUp, contact_email: String, plan: Plan) -> std::result::Result<NewAccount, Broken> {
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

async fn owner(
    tx: &DatabaseTransaction,
    app: &App,
    account: &account::Model,
    (name, email, hash): (String, String, String),
) -> Result<user::Model> {
    let row = user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account.id),
        name: Set(name),
        email: Set(email),
        password_hash: Set(Some(hash)),
        role: Set(Role::Owner),
        last_seen_at: Set(None),
        created_at: Set(app.clock.now()),
        removed_at: Set(None),
    };
    row.insert(tx)
        .await
        .or_broken(UserErrorCode::Taken, "input.email", TAKEN)
}
