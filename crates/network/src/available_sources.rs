//! Partner accounts that may become sources of a flow; for the others, the reason and the remedy.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::connection::ConnectionStatus;
use entity::ids::{AccountId, FlowId};
use entity::invitation::InvitationStatus;
use entity::source::{self, SourceKind};
use entity::{account, connection, flow, invitation};
use sea_orm::{ColumnTrait, Condition, QueryFilter, Select};

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::search;

/// State of an account as a source of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum AvailableSourceState {
    /// It can be added.
    Available,
    /// It is a source and may submit.
    Added,
    /// It is a source that its owner has disabled.
    Disabled,
    /// An invitation is unanswered, by the partner or by the caller's account.
    InvitationPending,
    /// The invitation expired unanswered.
    InvitationExpired,
    /// The accounts are connected, but the relationship does not bring the partner's leads here.
    DirectionNotAgreed,
    /// One side or both suspend the connection.
    Suspended,
    /// The connection has ended.
    Terminated,
}

#[derive(Clone, Debug)]
pub struct Candidate {
    pub own: AccountId,
    pub partner: account::Model,
    /// The live connection, else the last one.
    pub connection: Option<connection::Model>,
    /// The invitation that is not answered.
    pub invitation: Option<invitation::Model>,
    pub state: AvailableSourceState,
    pub explanation: String,
}

/// The partner accounts of the caller's account, for paging; unordered. Also the account itself. An unknown flow is refused.
pub async fn partners(
    app: &App,
    caller: &Caller,
    flow: FlowId,
    search: Option<&str>,
) -> Result<(AccountId, Select<account::Entity>)> {
    let own = caller.require(Action::ReadSetup)?;
    let known = flow::Entity::in_account(own).filter(flow::Column::Id.eq(flow));
    known.one(app.db.read()).await?.ok_or(Error::NotFound("flow"))?;
    let partners = account::Entity::partners_of(own, app.config.address_proof());
    let text = search.map(str::trim).filter(|text| !text.is_empty());
    Ok(match text {
        Some(text) => (own, partners.filter(search::contains(account::Column::Name, text))),
        None => (own, partners),
    })
}

/// How these partners stand as sources of a flow, in their order.
pub async fn candidates(
    app: &App,
    own: AccountId,
    flow: FlowId,
    partners: Vec<account::Model>,
) -> Result<Vec<Candidate>> {
    let db = app.db.read();
    let ids: Vec<AccountId> = partners.iter().map(|partner| partner.id).collect();
    let connections = connection::Entity::of_account(own).filter(
        Condition::any()
            .add(connection::Column::LowAccountId.is_in(ids.clone()))
            .add(connection::Column::HighAccountId.is_in(ids.clone())),
    );
    let invitations = invitation::Entity::of_account(own, app.config.address_proof())
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(
            Condition::any()
                .add(invitation::Column::FromAccountId.is_in(ids.clone()))
                .add(invitation::Column::ToAccountId.is_in(ids)),
        );
    let sources = source::Entity::of_flow(flow).filter(source::Column::Kind.eq(SourceKind::Account));
    let mut newest = newest(own, connections.all(db).await?);
    let mut open = unanswered(own, invitations.all(db).await?);
    let sources = sources.all(db).await?;
    let now = app.clock.now();
    let candidate = |partner: account::Model| {
        let situation = Situation {
            own,
            connection: newest.remove(&partner.id),
            invitation: open.remove(&partner.id),
            source: sources
                .iter()
                .find(|source| source.sender_account_id == Some(partner.id)),
        };
        let (state, explanation) = situation.state_and_explanation(&partner.name, now);
        Candidate {
            own,
            partner,
            connection: situation.connection,
            invitation: situation.invitation,
            state,
            explanation,
        }
    };
    Ok(partners.into_iter().map(candidate).collect())
}

/// Each partner's live connection, else its last.
fn newest(own: AccountId, connections: Vec<connection::Model>) -> HashMap<AccountId, connection::Model> {
    let mut newest: HashMap<AccountId, connection::Model> = HashMap::new();
    let rank = |link: &connection::Model| (link.status != ConnectionStatus::Terminated, link.id);
    for link in connections {
        let partner = link.partner_of(own);
        if newest.get(&partner).is_none_or(|known| rank(known) < rank(&link)) {
            newest.insert(partner, link);
        }
    }
    newest
}

/// Each partner's newest unanswered invitation. One that was sent to an address does not reveal an account.
fn unanswered(own: AccountId, invitations: Vec<invitation::Model>) -> HashMap<AccountId, invitation::Model> {
    let mut open: HashMap<AccountId, invitation::Model> = HashMap::new();
    for invitation in invitations {
        let partner = if invitation.from_account_id == own {
            invitation.to_account_id.filter(|_| invitation.to_email.is_none())
        } else {
            Some(invitation.from_account_id)
        };
        let Some(partner) = partner else { continue };
        if open.get(&partner).is_none_or(|known| known.id < invitation.id) {
            open.insert(partner, invitation);
        }
    }
    open
}

/// What decides a partner's state.
struct Situation<'a> {
    own: AccountId,
    connection: Option<connection::Model>,
    invitation: Option<invitation::Model>,
    source: Option<&'a source::Model>,
}

impl Situation<'_> {
    fn state_and_explanation(&self, name: &str, now: DateTime<Utc>) -> (AvailableSourceState, String) {
        match &self.connection {
            Some(link) if link.status != ConnectionStatus::Terminated => self.connected(link, name),
            ended => self.not_connected(ended.as_ref(), name, now),
        }
    }

    fn connected(&self, link: &connection::Model, name: &str) -> (AvailableSourceState, String) {
        use AvailableSourceState::{Added, Available, DirectionNotAgreed, Disabled, Suspended};
        if !link.type_for(self.own).receives() {
            let text = if link.requested_by.is_some() {
                "a wider relationship was requested: the partner has to accept it"
            } else {
                "ask for a wider relationship with updateConnection"
            };
            return (
                DirectionNotAgreed,
                format!("You are connected with {name}, but not to receive its leads: {text}."),
            );
        }
        if link.status == ConnectionStatus::Suspended {
            let text = match (
                link.suspended_by(self.own),
                link.suspended_by(link.partner_of(self.own)),
            ) {
                (true, true) => format!("you and {name} have suspended the connection: both have to resume it"),
                (true, false) => "you have suspended the connection: resume it with resumeConnection".to_owned(),
                _ => format!("{name} has suspended the connection: ask it to resume it"),
            };
            return (Suspended, format!("No leads come: {text}."));
        }
        match self.source {
            None => (
                Available,
                format!("{name} can be added as a source with addSource and the ID of the connection."),
            ),
            Some(source) if source.enabled => (Added, format!("{name} is a source of this flow and may submit leads.")),
            Some(_) => (
                Disabled,
                format!("{name} is a source of this flow, but disabled: enable it with updateSource."),
            ),
        }
    }

    fn not_connected(
        &self,
        ended: Option<&connection::Model>,
        name: &str,
        now: DateTime<Utc>,
    ) -> (AvailableSourceState, String) {
        use AvailableSourceState::{InvitationExpired, InvitationPending, Terminated};
        let prepared = match self.source {
            Some(_) => " Its source is prepared, and may submit from then on if it is enabled.",
            None => "",
        };
        let ended_at = ended.and_then(|link| link.terminated_at);
        if let Some(invitation) = &self.invitation {
            let sent = invitation.from_account_id == self.own;
            match (invitation.status_at(now), sent) {
                (InvitationStatus::Pending, true) => {
                    let text = format!("Your invitation waits for the answer of {name}; resendInvitation reminds it.");
                    return (InvitationPending, text + prepared);
                }
                (InvitationStatus::Pending, false) => {
                    let text = format!("{name} has invited you: answer with acceptInvitation or declineInvitation.");
                    return (InvitationPending, text + prepared);
                }
                (_, sent) if ended_at.is_none_or(|at| at < invitation.created_at) => {
                    let text = if sent {
                        format!("Your invitation to {name} has expired: send it again with resendInvitation.")
                    } else {
                        format!("The invitation from {name} has expired: ask it for another, or invite it.")
                    };
                    return (InvitationExpired, text);
                }
                _ => {}
            }
        }
        let text = format!("The connection with {name} has ended: invite it again with sendInvitation.");
        (Terminated, text)
    }
}
