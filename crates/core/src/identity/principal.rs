//! The user, portal user or API key behind a request.

use entity::api_key::{self, ApiKeyScope};
use entity::audit_event::ActorKind;
use entity::ids::{AccountId, ApiKeyId, PartnerId, PortalUserId, SessionId, UserId};
use entity::portal_user::{self, PortalPermission};
use entity::user::{self, Role};
use uuid::Uuid;

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

    pub fn of_user(user: &user::Model, session: SessionId) -> Self {
        Self::User {
            id: user.id,
            account: user.account_id,
            role: user.role,
            name: user.name.clone(),
            session,
        }
    }

    pub fn of_portal_user(user: &portal_user::Model, session: SessionId) -> Self {
        Self::PortalUser {
            id: user.id,
            account: user.account_id,
            partner: user.partner_id,
            permissions: user.permissions.0.clone(),
            name: user.name.as_ref().unwrap_or(&user.email).clone(),
            session,
        }
    }

    pub fn of_key(key: api_key::Model) -> Self {
        Self::ApiKey {
            id: key.id,
            account: key.account_id,
            name: key.name,
            scopes: key.scopes.0,
        }
    }
}
