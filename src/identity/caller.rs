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
use crate::audit::Actor;
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub ip: Option<IpAddr>,
    /// When the credentials end by themselves.
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    User {
        id: UserId,
        account: AccountId,
        role: Role,
        name: String,
        session: SessionId,
    },
    ApiKey {
        id: ApiKeyId,
        account: AccountId,
        name: String,
        scopes: Vec<ApiKeyScope>,
    },
    PortalUser {
        id: PortalUserId,
        /// The account that owns the partner.
        account: AccountId,
        partner: PartnerId,
        permissions: Vec<PortalPermission>,
        /// The name, or the email address.
        name: String,
        session: SessionId,
    },
}

impl Principal {
    /// None for anonymous callers and portal users.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anonymous | Self::PortalUser { .. } => None,
            Self::User { account, .. } | Self::ApiKey { account, .. } => Some(*account),
        }
    }

    /// Whether both are the same user or key, whatever their rights.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// The kind, the owning account or partner, and the identifier.
    fn identity(&self) -> Option<(ActorKind, Uuid, Uuid)> {
        match self {
            Self::Anonymous => None,
            Self::User { id, account, .. } => Some((ActorKind::User, account.0, id.0)),
            Self::ApiKey { id, account, .. } => Some((ActorKind::ApiKey, account.0, id.0)),
            Self::PortalUser { id, partner, .. } => Some((ActorKind::PortalUser, partner.0, id.0)),
        }
    }

    pub fn uuid(&self) -> Option<Uuid> {
        self.identity().map(|(_, _, id)| id)
    }

    /// The account that grants their rights.
    pub fn rights_account(&self) -> Option<AccountId> {
        match self {
            Self::PortalUser { account, .. } => Some(*account),
            other => other.account(),
        }
    }
}

impl Caller {
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
                    "send a token: Authorization: Bearer <access token or API key>",
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

    pub fn require_portal(&self, permission: PortalPermission) -> Result<(AccountId, PartnerId)> {
        let (account, partner, _) = self.require_portal_user()?;
        match &self.principal {
            Principal::PortalUser { permissions, .. } if permissions.contains(&permission) => Ok((account, partner)),
            _ => Err(Error::Forbidden(
                "your portal permissions do not include this: ask the account that gave you access",
            )),
        }
    }

    pub fn require_portal_user(&self) -> Result<(AccountId, PartnerId, PortalUserId)> {
        match &self.principal {
            Principal::Anonymous => Err(Error::Unauthenticated(
                "send a token: Authorization: Bearer <portal access token>",
            )),
            Principal::User { .. } | Principal::ApiKey { .. } => Err(Error::Forbidden(
                "this belongs to the partner portal: use a portal session",
            )),
            Principal::PortalUser {
                account, partner, id, ..
            } => Ok((*account, *partner, *id)),
        }
    }

    /// For what is left out rather than refused.
    pub fn may(&self, action: Action) -> bool {
        policy::allows(&self.principal, action)
    }

    pub fn may_reveal(&self) -> bool {
        policy::allows(&self.principal, Action::RevealFields)
    }

    pub fn actor(&self) -> Actor {
        let (kind, id, name) = match &self.principal {
            Principal::Anonymous => (ActorKind::System, None, "nobody".to_owned()),
            Principal::User { id, name, .. } => (ActorKind::User, Some(id.to_string()), name.clone()),
            Principal::ApiKey { id, name, .. } => (ActorKind::ApiKey, Some(id.to_string()), name.clone()),
            Principal::PortalUser { id, name, .. } => (ActorKind::PortalUser, Some(id.to_string()), name.clone()),
        };
        Actor {
            kind,
            id,
            name,
            ip: self.ip.map(|ip| ip.to_string()),
        }
    }
}
