//! Every permission of the account scope, as a pure function. Portal permissions are checked by
//! [`Caller::require_portal`](super::caller::Caller::require_portal).

use entity::api_key::ApiKeyScope;
use entity::user::Role;

use super::principal::Principal;

/// What a caller may do in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    ReadAccount,
    ManageAccount,
    /// Invite, change and remove users; make and revoke API keys.
    ManagePeople,
    ManageMailServer,
    ReadAudit,
    ChangeOwnPassword,
    /// Read flows, partners, profiles, connections and submission docs.
    ReadSetup,
    /// Change flows, sources and steps.
    ManageFlows,
    /// Change partners, their portal users, profiles and assignments.
    ManagePartners,
    ReadInvitations,
    /// Invite, answer, change and end connections.
    ManageNetwork,
    SubmitLeads,
    /// Read leads, deliveries and reports, and follow their streams.
    ReadLeads,
    /// Look at encrypted values; audited.
    RevealFields,
    /// Retry, cancel and settle deliveries; answer returns.
    ManageDeliveries,
    /// Remove a person's values everywhere.
    EraseLeads,
}

impl Action {
    pub const ALL: [Self; 16] = [
        Self::ReadAccount,
        Self::ManageAccount,
        Self::ManagePeople,
        Self::ManageMailServer,
        Self::ReadAudit,
        Self::ChangeOwnPassword,
        Self::ReadSetup,
        Self::ManageFlows,
        Self::ManagePartners,
        Self::ReadInvitations,
        Self::ManageNetwork,
        Self::SubmitLeads,
        Self::ReadLeads,
        Self::RevealFields,
        Self::ManageDeliveries,
        Self::EraseLeads,
    ];

    /// The message of the refusal.
    pub fn refusal(self) -> &'static str {
        match self {
            Self::ReadAccount | Self::ReadSetup => "your key lacks the scope for this: it takes NETWORK_READ or MANAGE",
            Self::ManageAccount
            | Self::ManagePeople
            | Self::ManageMailServer
            | Self::ManageNetwork
            | Self::ReadAudit
            | Self::EraseLeads => "your role does not allow this: it takes an OWNER or ADMIN",
            Self::ChangeOwnPassword => "only a signed-in user has a password",
            Self::ReadInvitations => {
                "your role or key does not allow this: it takes an OWNER, ADMIN or MEMBER, or a key with NETWORK_READ or MANAGE"
            }
            Self::ManageFlows | Self::ManagePartners | Self::ManageDeliveries => {
                "your role or key does not allow this: it takes an OWNER, ADMIN or MEMBER, or a key with MANAGE"
            }
            Self::SubmitLeads => {
                "your role or key does not allow this: it takes a MEMBER or above, or a key with LEADS_SUBMIT"
            }
            Self::ReadLeads => "your key lacks the scope for this: it takes LEADS_READ or MANAGE",
            Self::RevealFields => {
                "your role or key does not allow seeing encrypted values: it takes a MEMBER or above, or a key with MANAGE"
            }
        }
    }
}

pub fn allows(principal: &Principal, action: Action) -> bool {
    match principal {
        Principal::Anonymous | Principal::PortalUser { .. } => false,
        Principal::User { role, .. } => role_allows(*role, action),
        Principal::ApiKey { scopes, .. } => scopes.iter().any(|scope| scope_allows(*scope, action)),
    }
}

fn role_allows(role: Role, action: Action) -> bool {
    match action {
        Action::ReadAccount | Action::ReadSetup | Action::ReadLeads | Action::ChangeOwnPassword => true,
        Action::ManageFlows
        | Action::ManagePartners
        | Action::ReadInvitations
        | Action::ManageDeliveries
        | Action::SubmitLeads
        | Action::RevealFields => role != Role::Viewer,
        Action::ManageAccount
        | Action::ManagePeople
        | Action::ManageMailServer
        | Action::ManageNetwork
        | Action::ReadAudit
        | Action::EraseLeads => matches!(role, Role::Owner | Role::Admin),
    }
}

fn scope_allows(scope: ApiKeyScope, action: Action) -> bool {
    match scope {
        ApiKeyScope::LeadsSubmit => action == Action::SubmitLeads,
        ApiKeyScope::LeadsRead => action == Action::ReadLeads,
        ApiKeyScope::NetworkRead => {
            matches!(
                action,
                Action::ReadAccount | Action::ReadSetup | Action::ReadInvitations
            )
        }
        // A key has at most the rights of a MEMBER, and no password.
        ApiKeyScope::Manage => action != Action::ChangeOwnPassword && role_allows(Role::Member, action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];
    const SCOPES: [ApiKeyScope; 4] = [
        ApiKeyScope::LeadsSubmit,
        ApiKeyScope::LeadsRead,
        ApiKeyScope::NetworkRead,
        ApiKeyScope::Manage,
    ];

    /// A column for each of [`ROLES`], then one for each of [`SCOPES`]; a dot is a refusal.
    const TABLE: [(Action, &str); 16] = [
        (Action::ReadAccount, "OAMV ..NM"),
        (Action::ManageAccount, "OA.. ...."),
        (Action::ManagePeople, "OA.. ...."),
        (Action::ManageMailServer, "OA.. ...."),
        (Action::ReadAudit, "OA.. ...."),
        (Action::ChangeOwnPassword, "OAMV ...."),
        (Action::ReadSetup, "OAMV ..NM"),
        (Action::ManageFlows, "OAM. ...M"),
        (Action::ManagePartners, "OAM. ...M"),
        (Action::ReadInvitations, "OAM. ..NM"),
        (Action::ManageNetwork, "OA.. ...."),
        (Action::SubmitLeads, "OAM. S..M"),
        (Action::ReadLeads, "OAMV .R.M"),
        (Action::RevealFields, "OAM. ...M"),
        (Action::ManageDeliveries, "OAM. ...M"),
        (Action::EraseLeads, "OA.. ...."),
    ];

    fn marks(allowed: impl Iterator<Item = bool>, letters: &str) -> String {
        let mark = |(allowed, letter)| if allowed { letter } else { '.' };
        allowed.zip(letters.chars()).map(mark).collect()
    }

    #[test]
    fn every_role_and_scope_may_do_what_the_table_says() {
        for (action, expected) in TABLE {
            let roles = ROLES.into_iter().map(|role| role_allows(role, action));
            let scopes = SCOPES.into_iter().map(|scope| scope_allows(scope, action));
            let actual = format!("{} {}", marks(roles, "OAMV"), marks(scopes, "SRNM"));
            assert_eq!(actual, expected, "{action:?}");
        }
        assert!(
            Action::ALL
                .iter()
                .all(|action| TABLE.iter().any(|(listed, _)| listed == action))
        );
    }

    #[test]
    fn nobody_and_portal_users_may_do_nothing_in_an_account() {
        let portal = Principal::PortalUser {
            id: uuid::Uuid::nil().into(),
            account: uuid::Uuid::nil().into(),
            partner: uuid::Uuid::nil().into(),
            permissions: Vec::new(),
            name: "Pat".into(),
            session: uuid::Uuid::nil().into(),
        };
        for action in Action::ALL {
            assert!(
                !allows(&Principal::Anonymous, action) && !allows(&portal, action),
                "{action:?}"
            );
        }
    }
}
