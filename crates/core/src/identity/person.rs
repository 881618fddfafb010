//! Somebody who signs in with a password: a person of an account, or of a partner in its portal.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::audit_event::ActorKind;
use entity::ids::{AccountId, PartnerId, PortalUserId, SessionId, UserId};
use entity::proof::AddressProof;
use entity::{one_time_token, partner, portal_user, session, user};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect, Select,
    Set,
};
use uuid::Uuid;

use super::caller::Principal;
use super::tokens::Scope;
use super::{addresses, passwords};
use crate::app::App;
use crate::audit::{self, Entry, Who};
use crate::error::Result;

/// Which person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonId {
    /// Of an account.
    User(UserId),
    /// Of a partner.
    Portal(PortalUserId),
}

/// Where somebody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// Wherever the address and the password are theirs.
    Scope(Scope),
    /// To that account.
    Account(AccountId),
    /// To that partner's portal.
    Partner(PartnerId),
}

impl Within {
    /// The world that it is in.
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
    /// Of an account.
    User(user::Model),
    /// Of a partner.
    Portal(portal_user::Model),
}

impl PersonId {
    /// From the two columns by which sessions and links say whose they are.
    pub fn of(user: Option<UserId>, portal_user: Option<PortalUserId>) -> Option<Self> {
        user.map(Self::User).or(portal_user.map(Self::Portal))
    }

    /// Those two columns.
    pub fn columns(self) -> (Option<UserId>, Option<PortalUserId>) {
        match self {
            Self::User(id) => (Some(id), None),
            Self::Portal(id) => (None, Some(id)),
        }
    }

    /// The person, if not removed.
    pub async fn load(self, db: &impl ConnectionTrait) -> Result<Option<Person>> {
        Ok(match self {
            Self::User(id) => user::Entity::by_id(id).one(db).await?.map(Person::User),
            Self::Portal(id) => portal_user::Entity::by_id(id).one(db).await?.map(Person::Portal),
        })
    }

    /// The person, if not removed, and not to be changed by others until the end of the transaction.
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

    /// Ends all sessions, or all but one.
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

    /// Makes all unused links void.
    pub async fn void_links(self, tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<()> {
        let void = match self {
            Self::User(id) => one_time_token::Entity::void_of_user(id, now),
            Self::Portal(id) => one_time_token::Entity::void_of_portal_user(id, now),
        };
        void.exec(tx).await?;
        Ok(())
    }

    /// Notes that they were there, at most once a minute and without holding anybody up.
    pub fn seen(self, app: &App) {
        let app = app.clone();
        tokio::spawn(async move {
            if !app.tokens.recent.is_first(self.uuid()).await {
                return;
            }
            let (db, now) = (app.db.write(), app.clock.now());
            let noted = match self {
                Self::User(id) => user::Entity::seen(id, now).exec(db).await,
                Self::Portal(id) => portal_user::Entity::seen(id, now).exec(db).await,
            };
            if let Err(error) = noted {
                tracing::debug!(%error, "cannot note when somebody was last seen");
            }
        });
    }

    /// As the database knows it.
    pub fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Portal(id) => id.0,
        }
    }
}

impl std::fmt::Display for PersonId {
    /// The public identifier.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Portal(id) => id.fmt(f),
        }
    }
}

impl Person {
    /// Who claims that address in that scope, at most so many: who holds it first, then who came first. In accounts only who has a
    /// password already; where nobody has, those who were invited.
    pub async fn claiming(db: &impl ConnectionTrait, within: &Within, email: &str, most: u64) -> Result<Vec<Self>> {
        let of_users = || match within {
            Within::Account(account) => user_claims(email).filter(user::Column::AccountId.eq(*account)),
            Within::Scope(_) | Within::Partner(_) => user_claims(email),
        };
        let of_portals = match within {
            Within::Partner(partner) => portal_claims(email).filter(portal_user::Column::PartnerId.eq(*partner)),
            Within::Scope(_) | Within::Account(_) => portal_claims(email),
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

    /// In the same order those who have a password to be compared with.
    pub async fn candidates(db: &impl ConnectionTrait, email: &str, within: &Within) -> Result<Vec<Self>> {
        let mut chosen = Self::first_claims(db, email, within).await?;
        // Of several whom the password fits.
        chosen.sort_by_key(|person| std::cmp::Reverse((person.has_proven(), person.latest())));
        Ok(chosen)
    }

    /// Whether a link that was mailed to the address has shown that it is theirs.
    fn has_proven(&self) -> bool {
        match self {
            Self::User(user) => user.holds(AddressProof::Required),
            Self::Portal(user) => user.email_verified_at.is_some(),
        }
    }

    /// When they were there last, or came.
    fn latest(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::User(user) => user.last_seen_at.or(Some(user.created_at)),
            Self::Portal(user) => user.last_seen_at.or(user.activated_at).or(user.invited_at),
        }
    }

    async fn first_claims(db: &impl ConnectionTrait, email: &str, within: &Within) -> Result<Vec<Self>> {
        let most = u64::try_from(passwords::CANDIDATES).unwrap_or(u64::MAX);
        let of_users = || user_claims(email).filter(user::Column::PasswordHash.is_not_null());
        let of_portals = || portal_claims(email).filter(portal_user::Column::PasswordHash.is_not_null());
        Ok(match within {
            Within::Scope(Scope::Account) => users(of_users().limit(most).all(db).await?),
            Within::Scope(Scope::Portal) => portal_users(of_portals().limit(most).all(db).await?),
            Within::Account(account) => {
                let there = of_users().filter(user::Column::AccountId.eq(*account));
                users(there.limit(most).all(db).await?)
            }
            Within::Partner(partner) => {
                let there = of_portals().filter(portal_user::Column::PartnerId.eq(*partner));
                portal_users(there.limit(most).all(db).await?)
            }
        })
    }

    /// Which person.
    pub fn id(&self) -> PersonId {
        match self {
            Self::User(user) => PersonId::User(user.id),
            Self::Portal(user) => PersonId::Portal(user.id),
        }
    }

    /// Where they sign in.
    pub fn scope(&self) -> Scope {
        match self {
            Self::User(_) => Scope::Account,
            Self::Portal(_) => Scope::Portal,
        }
    }

    /// Their account, or the one whose partner they belong to.
    pub fn account(&self) -> AccountId {
        match self {
            Self::User(user) => user.account_id,
            Self::Portal(user) => user.account_id,
        }
    }

    /// In lower case.
    pub fn email(&self) -> &str {
        match self {
            Self::User(user) => &user.email,
            Self::Portal(user) => &user.email,
        }
    }

    /// Whether the address counts as theirs; in portals it never does for one alone.
    pub fn holds_address(&self, app: &App) -> bool {
        match self {
            Self::User(user) => user.holds(app.config.address_proof()),
            Self::Portal(_) => false,
        }
    }

    /// Whether a mailed link has shown that the address is theirs, or the operator asks for no such proof.
    pub fn owns_address(&self, app: &App) -> bool {
        match self {
            Self::User(user) => user.holds(app.config.address_proof()),
            Self::Portal(user) => user.email_verified_at.is_some(),
        }
    }

    /// None until they have set a password.
    pub fn password_hash(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.password_hash.as_deref(),
            Self::Portal(user) => user.password_hash.as_deref(),
        }
    }

    /// As shown.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Portal(user) => user.name.as_deref().unwrap_or(&user.email),
        }
    }

    /// As who acts from there.
    pub fn who(&self, ip: Option<IpAddr>) -> Who {
        let kind = match self {
            Self::User(_) => ActorKind::User,
            Self::Portal(_) => ActorKind::PortalUser,
        };
        Who {
            kind,
            id: Some(self.id().to_string()),
            name: self.name().to_owned(),
            ip: ip.map(|ip| ip.to_string()),
        }
    }

    /// With a new password. A portal user is active from the first one, and may choose a name with it.
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

    /// As the caller of that session; none while the partner's portal is off.
    pub async fn principal(&self, db: &impl ConnectionTrait, session: SessionId) -> Result<Option<Principal>> {
        let is_on = match self {
            Self::User(_) => true,
            Self::Portal(user) => portal_is_on(db, user).await?,
        };
        Ok(is_on.then(|| self.in_session(session)))
    }

    /// As the caller of that session, if the partner's portal is on.
    pub fn in_session(&self, session: SessionId) -> Principal {
        match self {
            Self::User(user) => Principal::User {
                id: user.id,
                account: user.account_id,
                role: user.role,
                name: user.name.clone(),
                session,
            },
            Self::Portal(user) => Principal::PortalUser {
                id: user.id,
                account: user.account_id,
                partner: user.partner_id,
                permissions: user.permissions.0.clone(),
                name: self.name().to_owned(),
                session,
            },
        }
    }

    /// Notes that they have used a link that was mailed to their address.
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

    /// Notes that somebody who reads the address takes the account as it is.
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

    /// Where the operator asks for no proof, lets somebody with a password hold an address that nobody holds.
    pub async fn assume_address(self, tx: &DatabaseTransaction, app: &App) -> Result<Self> {
        Ok(match self {
            Self::User(user) if !app.config.requires_proof() => Self::User(addresses::assume(tx, user).await?),
            other => other,
        })
    }

    /// Tells the account's trail what they did to themselves.
    pub async fn record(&self, tx: &DatabaseTransaction, app: &App, who: &Who, action: &'static str) -> Result<()> {
        let entry = Entry {
            action,
            subject_type: match self {
                Self::User(_) => "User",
                Self::Portal(_) => "PortalUser",
            },
            subject_id: self.id().to_string(),
            label: Some(self.name()),
            changes: None,
        };
        audit::record(tx, &app.clock, self.account(), who, entry).await
    }
}

/// Everybody of an account who claims an address: who has proven it first, then who holds it, then who came first. Whoever claims it
/// later, however often, gets before nobody.
fn user_claims(email: &str) -> Select<user::Entity> {
    use user::Column::{EmailVerifiedAt, HoldsEmail, Id};
    user::Entity::claiming(email)
        .order_by_desc(EmailVerifiedAt.is_not_null().and(HoldsEmail.eq(true)))
        .order_by_desc(HoldsEmail)
        .order_by_asc(Id)
}

/// Everybody in a portal who claims an address: who has proven it first, then who came first.
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
