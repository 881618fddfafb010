//! The authenticated caller of a use case.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::audit_event::ActorKind;
use entity::ids::{AccountId, PartnerId, PortalUserId};
use entity::portal_user::PortalPermission;

use super::policy::{self, Action};
pub use super::principal::Principal;
use crate::audit::Actor;
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub ip: Option<IpAddr>,
    /// When the credentials end by themselves.
    pub expires_at: Option<DateTime<Utc>>,
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
