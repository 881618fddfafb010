//! Who is asking, once their credentials have been checked.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::api_key::ApiKeyScope;
use entity::audit_event::ActorKind;
use entity::ids::{AccountId, ApiKeyId, PartnerId, PortalUserId, SessionId, UserId};
use entity::portal_user::PortalPermission;
use entity::user::Role;
use uuid::Uuid;

use super::policy::{self, Action};
use crate::audit::Who;
use crate::error::{Error, Result};

/// Who is asking, and from where.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// From where.
    pub ip: Option<IpAddr>,
    /// When the credentials end by themselves.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody.
    Anonymous,
    /// A person of an account.
    User {
        /// Who.
        id: UserId,
        /// Of which account.
        account: AccountId,
        /// What they may do.
        role: Role,
        /// As shown.
        name: String,
        /// Their log-in.
        session: SessionId,
    },
    /// A program of an account.
    ApiKey {
        /// Which key.
        id: ApiKeyId,
        /// Of which account.
        account: AccountId,
        /// As shown.
        name: String,
        /// What it may do.
        scopes: Vec<ApiKeyScope>,
    },
    /// A person of a partner, in the portal.
    PortalUser {
        /// Who.
        id: PortalUserId,
        /// The account whose partner it is.
        account: AccountId,
        /// Whose leads they see.
        partner: PartnerId,
        /// What they may do.
        permissions: Vec<PortalPermission>,
        /// As shown: the name, or the address.
        name: String,
        /// Their log-in.
        session: SessionId,
    },
}

impl Principal {
    /// The account that they belong to; none for nobody and in the portal.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anonymous | Self::PortalUser { .. } => None,
            Self::User { account, .. } | Self::ApiKey { account, .. } => Some(*account),
        }
    }
}

impl Principal {
    /// Whether both are the same person or key of the same account, whatever each may do.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (
                Self::User { id, account, .. },
                Self::User {
                    id: other,
                    account: its,
                    ..
                },
            ) => (id, account) == (other, its),
            (
                Self::ApiKey { id, account, .. },
                Self::ApiKey {
                    id: other,
                    account: its,
                    ..
                },
            ) => (id, account) == (other, its),
            (
                Self::PortalUser { id, partner, .. },
                Self::PortalUser {
                    id: other,
                    partner: its,
                    ..
                },
            ) => (id, partner) == (other, its),
            _ => false,
        }
    }

    /// Their own identifier, whatever their kind; none for nobody.
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Anonymous => None,
            Self::User { id, .. } => Some(id.0),
            Self::ApiKey { id, .. } => Some(id.0),
            Self::PortalUser { id, .. } => Some(id.0),
        }
    }

    /// The account in which their rights are kept; none for nobody.
    pub fn kept_by(&self) -> Option<AccountId> {
        match self {
            Self::PortalUser { account, .. } => Some(*account),
            other => other.account(),
        }
    }
}

impl Caller {
    /// Nobody, from there.
    pub fn anonymous(ip: Option<IpAddr>) -> Self {
        Self {
            principal: Principal::Anonymous,
            ip,
            expires_at: None,
        }
    }

    /// The account in which the caller may do that. Portal users have none.
    pub fn require(&self, action: Action) -> Result<AccountId> {
        let account = match &self.principal {
            Principal::Anonymous => {
                return Err(Error::Unauthenticated(
                    "Send a token: Authorization: Bearer <access token or API key>",
                ));
            }
            Principal::PortalUser { .. } => {
                return Err(Error::Forbidden(
                    "a portal session cannot do this: use the credentials of an account",
                ));
            }
            Principal::User { account, .. } | Principal::ApiKey { account, .. } => *account,
        };
        if policy::allows(&self.principal, action) {
            return Ok(account);
        }
        Err(Error::Forbidden(action.refusal()))
    }

    /// The partner in whose portal the caller may do that.
    pub fn require_portal(&self, permission: PortalPermission) -> Result<(AccountId, PartnerId)> {
        let (account, partner, _) = self.require_portal_user()?;
        match &self.principal {
            Principal::PortalUser { permissions, .. } if permissions.contains(&permission) => Ok((account, partner)),
            _ => Err(Error::Forbidden(
                "your portal permissions do not include this: ask the account that gave you access",
            )),
        }
    }

    /// The account, the partner and the person of a portal session, whatever it may do.
    pub fn require_portal_user(&self) -> Result<(AccountId, PartnerId, PortalUserId)> {
        match &self.principal {
            Principal::Anonymous => Err(Error::Unauthenticated(
                "Send a token: Authorization: Bearer <portal access token>",
            )),
            Principal::User { .. } | Principal::ApiKey { .. } => Err(Error::Forbidden(
                "This is for the partner portal. Use a portal session.",
            )),
            Principal::PortalUser {
                account, partner, id, ..
            } => Ok((*account, *partner, *id)),
        }
    }

    /// Whether they may do that in their own account: for what is left out rather than refused.
    pub fn may(&self, action: Action) -> bool {
        policy::allows(&self.principal, action)
    }

    /// Whether encrypted values may be shown to them on request.
    pub fn may_reveal(&self) -> bool {
        policy::allows(&self.principal, Action::RevealFields)
    }

    /// For the audit trail.
    pub fn who(&self) -> Who {
        let (kind, id, name) = match &self.principal {
            Principal::Anonymous => (ActorKind::System, None, "nobody".to_owned()),
            Principal::User { id, name, .. } => (ActorKind::User, Some(id.to_string()), name.clone()),
            Principal::ApiKey { id, name, .. } => (ActorKind::ApiKey, Some(id.to_string()), name.clone()),
            Principal::PortalUser { id, name, .. } => (ActorKind::PortalUser, Some(id.to_string()), name.clone()),
        };
        Who {
            kind,
            id,
            name,
            ip: self.ip.map(|ip| ip.to_string()),
        }
    }
}
