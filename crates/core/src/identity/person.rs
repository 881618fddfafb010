//! A person who signs in with a password: a user of an account, or a portal user of a partner.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::audit_event::ActorKind;
use entity::ids::{AccountId, PartnerId, PortalUserId, SessionId, UserId};
use entity::proof::AddressProof;
use entity::user::Role;
use entity::{one_time_token, partner, portal_user, session, user};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect, Select,
    Set,
};
use uuid::Uuid;

use super::principal::Principal;
use super::tokens::Scope;
use super::{addresses, passwords};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonId {
    User(UserId),
    Portal(PortalUserId),
}

/// Where a person signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInScope {
    /// Every account, or every portal, in which the address and the password match.
    Scope(Scope),
    Account(AccountId),
    Partner(PartnerId),
}

impl SignInScope {
    pub fn scope(&self) -> Scope {
        match self {
            Self::Scope(scope) => *scope,
            Self::Account(_) => Scope::Account,
            Self::Partner(_) => Scope::Portal,
        }
    }
}

/// A person who was not removed.
#[derive(Clone, Debug)]
pub enum Person {
    User(user::Model),
    Portal(portal_user::Model),
}

/// A user without a password, whose address is neither held nor proven.
pub(super) fn new_user(app: &App, account: AccountId, name: String, email: String, role: Role) -> user::ActiveModel {
    user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        name: Set(name),
        email: Set(email),
        email_verified_at: Set(None),
        holds_email: Set(false),
        confirmed_at: Set(None),
        password_hash: Set(None),
        role: Set(role),
        last_seen_at: Set(None),
        created_at: Set(app.clock.now()),
        removed_at: Set(None),
    }
}

impl PersonId {
    /// From the two columns of sessions and links.
    pub fn of(user: Option<UserId>, portal_user: Option<PortalUserId>) -> Option<Self> {
        user.map(Self::User).or(portal_user.map(Self::Portal))
    }

    /// The reverse of [`of`](Self::of).
    pub fn columns(self) -> (Option<UserId>, Option<PortalUserId>) {
        match self {
            Self::User(id) => (Some(id), None),
            Self::Portal(id) => (None, Some(id)),
        }
    }

    /// None if removed.
    pub async fn load(self, db: &impl ConnectionTrait) -> Result<Option<Person>> {
        Ok(match self {
            Self::User(id) => user::Entity::by_id(id).one(db).await?.map(Person::User),
            Self::Portal(id) => portal_user::Entity::by_id(id).one(db).await?.map(Person::Portal),
        })
    }

    /// None if removed.
    pub async fn lock(self, tx: &DatabaseTransaction) -> Result<Option<Person>> {
        Ok(match self {
            Self::User(id) => user::Entity::by_id(id)
                .lock_exclusive()
                .one(tx)
                .await?
                .map(Person::User),
            Self::Portal(id) => {
                let found = portal_user::Entity::by_id(id).lock_exclusive().one(tx).await?;
                found.map(Person::Portal)
            }
        })
    }

    pub async fn end_sessions(
        self,
        tx: &DatabaseTransaction,
        now: DateTime<Utc>,
        except: Option<SessionId>,
    ) -> Result<()> {
        let end = match self {
            Self::User(id) => session::Entity::end_of_user(id, now),
            Self::Portal(id) => session::Entity::end_of_portal_user(id, now),
        };
        let end = match except {
            Some(kept) => end.filter(session::Column::Id.ne(kept)),
            None => end,
        };
        end.exec(tx).await?;
        Ok(())
    }

    pub async fn void_links(self, tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<()> {
        let void = match self {
            Self::User(id) => one_time_token::Entity::void_of_user(id, now),
            Self::Portal(id) => one_time_token::Entity::void_of_portal_user(id, now),
        };
        void.exec(tx).await?;
        Ok(())
    }

    /// Notes that they were active, at most once a minute and without delaying the request.
    pub fn seen(self, app: &App) {
        let app = app.clone();
        tokio::spawn(async move {
            if !app.tokens.credentials.is_first(self.uuid()).await {
                return;
            }
            let (db, now) = (app.db.write(), app.clock.now());
            let noted = match self {
                Self::User(id) => user::Entity::seen(id, now).exec(db).await,
                Self::Portal(id) => portal_user::Entity::seen(id, now).exec(db).await,
            };
            if let Err(error) = noted {
                tracing::debug!(%error, "cannot store when a person was last seen");
            }
        });
    }

    pub fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Portal(id) => id.0,
        }
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Portal(id) => id.fmt(f),
        }
    }
}

impl Person {
    /// The first `most` people who claim an address: who holds it first, then who came first. Of an account's users those with
    /// a password; where there are none, those who were invited.
    pub async fn claiming(
        db: &impl ConnectionTrait,
        within: &SignInScope,
        email: &str,
        most: u64,
    ) -> Result<Vec<Self>> {
        let of_users = || match within {
            SignInScope::Account(account) => user_claims(email).filter(user::Column::AccountId.eq(*account)),
            SignInScope::Scope(_) | SignInScope::Partner(_) => user_claims(email),
        };
        let of_portals = match within {
            SignInScope::Partner(partner) => portal_claims(email).filter(portal_user::Column::PartnerId.eq(*partner)),
            SignInScope::Scope(_) | SignInScope::Account(_) => portal_claims(email),
        };
        Ok(match within.scope() {
            Scope::Account => {
                let able = of_users().filter(user::Column::PasswordHash.is_not_null());
                let able = able.limit(most).all(db).await?;
                if able.is_empty() {
                    users(of_users().limit(most).all(db).await?)
                } else {
                    users(able)
                }
            }
            Scope::Portal => portal_users(of_portals.limit(most).all(db).await?),
        })
    }

    /// The people with a password to compare, the most likely first.
    pub async fn candidates(db: &impl ConnectionTrait, email: &str, within: &SignInScope) -> Result<Vec<Self>> {
        let mut chosen = Self::first_claims(db, email, within).await?;
        // The password may match several.
        chosen.sort_by_key(|person| std::cmp::Reverse((person.has_proven(), person.latest())));
        Ok(chosen)
    }

    fn has_proven(&self) -> bool {
        match self {
            Self::User(user) => user.holds(AddressProof::Required),
            Self::Portal(user) => user.email_verified_at.is_some(),
        }
    }

    /// When they were active last, or were made.
    fn latest(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::User(user) => user.last_seen_at.or(Some(user.created_at)),
            Self::Portal(user) => user.last_seen_at.or(user.activated_at).or(user.invited_at),
        }
    }

    async fn first_claims(db: &impl ConnectionTrait, email: &str, within: &SignInScope) -> Result<Vec<Self>> {
        let most = u64::try_from(passwords::CANDIDATES).unwrap_or(u64::MAX);
        let of_users = || user_claims(email).filter(user::Column::PasswordHash.is_not_null());
        let of_portals = || portal_claims(email).filter(portal_user::Column::PasswordHash.is_not_null());
        Ok(match within {
            SignInScope::Scope(Scope::Account) => users(of_users().limit(most).all(db).await?),
            SignInScope::Scope(Scope::Portal) => portal_users(of_portals().limit(most).all(db).await?),
            SignInScope::Account(account) => {
                let there = of_users().filter(user::Column::AccountId.eq(*account));
                users(there.limit(most).all(db).await?)
            }
            SignInScope::Partner(partner) => {
                let there = of_portals().filter(portal_user::Column::PartnerId.eq(*partner));
                portal_users(there.limit(most).all(db).await?)
            }
        })
    }

    pub fn id(&self) -> PersonId {
        match self {
            Self::User(user) => PersonId::User(user.id),
            Self::Portal(user) => PersonId::Portal(user.id),
        }
    }

    pub fn scope(&self) -> Scope {
        match self {
            Self::User(_) => Scope::Account,
            Self::Portal(_) => Scope::Portal,
        }
    }

    pub fn account(&self) -> AccountId {
        match self {
            Self::User(user) => user.account_id,
            Self::Portal(user) => user.account_id,
        }
    }

    pub fn email(&self) -> &str {
        match self {
            Self::User(user) => &user.email,
            Self::Portal(user) => &user.email,
        }
    }

    /// Whether the address counts as theirs alone; for portal users it never does.
    pub fn holds_address(&self, app: &App) -> bool {
        match self {
            Self::User(user) => user.holds(app.config.address_proof()),
            Self::Portal(_) => false,
        }
    }

    /// Whether the address is proven, or needs no proof.
    pub fn owns_address(&self, app: &App) -> bool {
        match self {
            Self::User(user) => user.holds(app.config.address_proof()),
            Self::Portal(user) => user.email_verified_at.is_some(),
        }
    }

    pub fn password_hash(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.password_hash.as_deref(),
            Self::Portal(user) => user.password_hash.as_deref(),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Portal(user) => user.name.as_deref().unwrap_or(&user.email),
        }
    }

    pub fn actor(&self, ip: Option<IpAddr>) -> Actor {
        let kind = match self {
            Self::User(_) => ActorKind::User,
            Self::Portal(_) => ActorKind::PortalUser,
        };
        Actor {
            kind,
            id: Some(self.id().to_string()),
            name: self.name().to_owned(),
            ip: ip.map(|ip| ip.to_string()),
        }
    }

    /// A portal user is active from the first password on, and may choose a name with it.
    pub async fn set_password(
        self,
        tx: &DatabaseTransaction,
        hash: String,
        name: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        Ok(match self {
            Self::User(user) => {
                let mut row: user::ActiveModel = user.into();
                row.password_hash = Set(Some(hash));
                Self::User(row.update(tx).await?)
            }
            Self::Portal(user) => {
                let (activated, name) = (user.activated_at.or(Some(now)), name.or(user.name.clone()));
                let mut row: portal_user::ActiveModel = user.into();
                row.password_hash = Set(Some(hash));
                row.activated_at = Set(activated);
                row.name = Set(name);
                Self::Portal(row.update(tx).await?)
            }
        })
    }

    /// None while the partner's portal is off.
    pub async fn principal(&self, db: &impl ConnectionTrait, session: SessionId) -> Result<Option<Principal>> {
        let is_on = match self {
            Self::User(_) => true,
            Self::Portal(user) => portal_is_on(db, user).await?,
        };
        Ok(is_on.then(|| self.in_session(session)))
    }

    pub fn in_session(&self, session: SessionId) -> Principal {
        match self {
            Self::User(user) => Principal::of_user(user, session),
            Self::Portal(user) => Principal::of_portal_user(user, session),
        }
    }

    /// After the use of a mailed link.
    pub async fn prove_address(self, tx: &DatabaseTransaction, app: &App) -> Result<Self> {
        Ok(match self {
            Self::User(user) => Self::User(addresses::prove(tx, app, &user).await?.user()),
            Self::Portal(user) => {
                let verified_at = user.email_verified_at.or(Some(app.clock.now()));
                let mut row: portal_user::ActiveModel = user.into();
                row.email_verified_at = Set(verified_at);
                Self::Portal(row.update(tx).await?)
            }
        })
    }

    /// Notes that the reader of the address takes the account as it is.
    pub async fn confirm(self, tx: &DatabaseTransaction, app: &App) -> Result<Self> {
        Ok(match self {
            Self::User(user) if user.confirmed_at.is_none() => {
                let mut row: user::ActiveModel = user.into();
                row.confirmed_at = Set(Some(app.clock.now()));
                Self::User(row.update(tx).await?)
            }
            other => other,
        })
    }

    /// Where no proof is required, lets a user with a password hold an address that nobody holds.
    pub async fn assume_address(self, tx: &DatabaseTransaction, app: &App) -> Result<Self> {
        Ok(match self {
            Self::User(user) if !app.config.requires_proof() => Self::User(addresses::assume(tx, user).await?),
            other => other,
        })
    }

    /// Audits what they did to themselves.
    pub async fn record(&self, tx: &DatabaseTransaction, app: &App, who: &Actor, action: &'static str) -> Result<()> {
        let subject_type = match self {
            Self::User(_) => "User",
            Self::Portal(_) => "PortalUser",
        };
        let entry = Entry::new(action, subject_type, self.id(), self.name());
        audit::record(tx, &app.clock, self.account(), who, entry).await
    }
}

/// All users who claim an address: who has proven it first, then who holds it, then who came first. A later claim never comes
/// before an earlier one.
fn user_claims(email: &str) -> Select<user::Entity> {
    use user::Column::{EmailVerifiedAt, HoldsEmail, Id};
    user::Entity::claiming(email)
        .order_by_desc(EmailVerifiedAt.is_not_null().and(HoldsEmail.eq(true)))
        .order_by_desc(HoldsEmail)
        .order_by_asc(Id)
}

/// All portal users who claim an address: who has proven it first, then who came first.
fn portal_claims(email: &str) -> Select<portal_user::Entity> {
    use portal_user::Column::{EmailVerifiedAt, Id};
    portal_user::Entity::claiming(email)
        .order_by_desc(EmailVerifiedAt.is_not_null())
        .order_by_asc(Id)
}

fn users(rows: Vec<user::Model>) -> Vec<Person> {
    rows.into_iter().map(Person::User).collect()
}

fn portal_users(rows: Vec<portal_user::Model>) -> Vec<Person> {
    rows.into_iter().map(Person::Portal).collect()
}

async fn portal_is_on(db: &impl ConnectionTrait, user: &portal_user::Model) -> Result<bool> {
    let partner = partner::Entity::in_account(user.account_id)
        .filter(partner::Column::Id.eq(user.partner_id))
        .one(db)
        .await?;
    Ok(partner.is_some_and(|partner| partner.portal_enabled))
}
