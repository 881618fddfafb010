//! Sources through which connected accounts submit to a flow.
//!
//! Whether such a source may submit is never stored, only its owner's wish (`enabled`); its connection is checked at each use. So
//! nothing has to be disabled when a connection ends: a draft is a source without a live connection, and a later connection makes
//! it live again.

use std::collections::BTreeSet;

use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, InvitationId};
use entity::invitation::InvitationStatus;
use entity::source::{self, SourceKind};
use entity::{connection, invitation};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, QueryOrder, Set};
use serde_json::json;

use super::invitations::state::ever_sent;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::live::events::NewEvent;
use leadmesh_flows::sources::{self, AddSource, Sender};
use leadmesh_flows::{Edit, FlowRef, SavedFlow, measure_patterns};

/// The sender of a new source: neither field means the account itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Partner {
    pub connection: Option<ConnectionId>,
    pub invitation: Option<InvitationId>,
}

/// Adds a source to a flow. A connected account needs a live connection that lets it send, or an invitation that proposes one;
/// a flow has at most one source of it.
pub async fn add(app: &App, caller: &Caller, input: AddSource, partner: Partner) -> Result<SavedFlow> {
    match (partner.connection, partner.invitation) {
        (Some(_), Some(_)) => {
            let text = "give a connection or an invitation, not both";
            Err(Error::user(UserErrorCode::Invalid, "input.invitationId", text))
        }
        (None, None) => sources::add(app, caller, input).await,
        (connection, invitation) => {
            let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
            let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
            let edit = edit.with_pattern_sizes(sizes);
            let sender = match (connection, invitation) {
                (Some(id), _) => Some(connected(&edit, id).await?),
                (None, Some(id)) => Some(invited(app, &edit, id).await?),
                (None, None) => None,
            };
            sources::add_to(edit, input, sender).await
        }
    }
}

async fn connected(edit: &Edit<'_>, id: ConnectionId) -> Result<Sender> {
    let refuse = |code, text| Err(Error::user(code, "input.connectionId", text));
    let own = edit.account();
    let found = connection::Entity::of_account(own)
        .filter(connection::Column::Id.eq(id))
        .filter(connection::Column::Status.ne(connection::ConnectionStatus::Terminated));
    let Some(link) = found.one(&edit.tx).await? else {
        let text = "you have no such connection, or it has ended: invite the account first, or leave this out to add a \
                    source of your own";
        return refuse(UserErrorCode::NotConnected, text);
    };
    let partner = link.partner_of(own);
    if !link.type_for(partner).sends() {
        let text = "the relationship does not let this account send leads to you: ask for a wider one first";
        return refuse(UserErrorCode::DirectionNotAgreed, text);
    }
    if sends_already(edit, partner) {
        return refuse(UserErrorCode::Taken, TAKEN);
    }
    Ok(Sender {
        name: accounts::load(&edit.tx, partner).await?.name,
        account: Some(partner),
        connection: Some(link.id),
        invitation: None,
    })
}

const TAKEN: &str = "this account is a source of the flow already: change that one with updateSource";

fn sends_already(edit: &Edit<'_>, partner: AccountId) -> bool {
    let mut sources = edit.sources().iter();
    sources.any(|source| source.kind == SourceKind::Account && source.sender_account_id == Some(partner))
}

async fn invited(app: &App, edit: &Edit<'_>, id: InvitationId) -> Result<Sender> {
    let refuse = |code, text| Err(Error::user(code, "input.invitationId", text));
    let found = invitation::Entity::sent_by(edit.account()).filter(invitation::Column::Id.eq(id));
    let Some(invitation) = found.one(&edit.tx).await? else {
        return refuse(
            UserErrorCode::NotFound,
            "you sent no such invitation: check the identifier",
        );
    };
    match invitation.status_at(app.clock.now()) {
        InvitationStatus::Pending => {}
        InvitationStatus::Expired => {
            return refuse(UserErrorCode::Expired, "the invitation has expired: resend it first");
        }
        InvitationStatus::Accepted => {
            let text = "the invitation was accepted: add the source with the ID of the connection";
            return refuse(UserErrorCode::InvitationClosed, text);
        }
        InvitationStatus::Declined | InvitationStatus::Cancelled => {
            let text = "the invitation was declined or cancelled: send another one first";
            return refuse(UserErrorCode::InvitationClosed, text);
        }
    }
    if !invitation.invitee_sends {
        let text =
            "the invitation does not propose that the account sends leads to you: cancel it and send one that does";
        return refuse(UserErrorCode::DirectionNotAgreed, text);
    }
    if is_waited_for(edit, &invitation).await? {
        return refuse(UserErrorCode::Taken, TAKEN);
    }
    // The account behind an invited address is not revealed before the answer.
    let partner = invitation.to_account_id.filter(|_| invitation.to_email.is_none());
    let name = match (partner, invitation.to_email) {
        (Some(partner), _) => accounts::load(&edit.tx, partner).await?.name,
        (None, email) => email.unwrap_or_default(),
    };
    Ok(Sender {
        name,
        account: partner,
        connection: None,
        invitation: Some(id),
    })
}

/// Whether the flow has a source of the invited account already.
async fn is_waited_for(edit: &Edit<'_>, invitation: &invitation::Model) -> Result<bool> {
    if invitation
        .to_account_id
        .is_some_and(|partner| sends_already(edit, partner))
    {
        return Ok(true);
    }
    let drafts = edit.sources().iter().filter(|source| source.connection_id.is_none());
    let ids: Vec<InvitationId> = drafts.filter_map(|source| source.invitation_id).collect();
    let others = invitation::Entity::sent_by(edit.account()).filter(invitation::Column::Id.is_in(ids));
    let others = others.all(&edit.tx).await?;
    Ok(others
        .iter()
        .any(|other| other.id == invitation.id || (other.to_email.is_some() && other.to_email == invitation.to_email)))
}

/// Links the sources that waited for an invitation: those of the inviter's flows, and those of both accounts from a former
/// connection or a declined invitation. Drafts are switched as their owner has chosen; a source of a former connection stays
/// off until its owner enables it, so that an old agreement does not come back by itself. Answers the events for the senders.
pub async fn on_accepted(
    tx: &DatabaseTransaction,
    app: &App,
    invitation: &invitation::Model,
    connection: &connection::Model,
) -> Result<Vec<NewEvent>> {
    // Adding a source locks the account: a concurrent addition is seen here, or sees the acceptance.
    accounts::lock(tx, connection.low_account_id).await?;
    accounts::lock(tx, connection.high_account_id).await?;
    let host = invitation.from_account_id;
    let guest = connection.partner_of(host);
    let asked = ever_sent(tx, host, guest, invitation.to_email.as_deref()).await?;
    for (owner, sender) in [(host, guest), (guest, host)] {
        source::Entity::switch_former_off(owner, sender).exec(tx).await?;
    }
    source::Entity::link_invited(host, guest, connection.id, asked)
        .exec(tx)
        .await?;
    for (owner, sender) in [(host, guest), (guest, host)] {
        source::Entity::link(owner, sender, connection.id).exec(tx).await?;
        leave_one_each(tx, app, connection, owner).await?;
    }
    opened(tx, connection).await
}

/// Removes the younger of two sources of one account in a flow, prepared by identifier and by address.
async fn leave_one_each(
    tx: &DatabaseTransaction,
    app: &App,
    connection: &connection::Model,
    owner: AccountId,
) -> Result<()> {
    let sources = source::Entity::in_account(owner)
        .filter(source::Column::ConnectionId.eq(connection.id))
        .filter(source::Column::Kind.eq(SourceKind::Account))
        .order_by_asc(source::Column::Id);
    let mut flows = BTreeSet::new();
    for source in sources.all(tx).await? {
        if flows.insert(source.flow_id) {
            continue;
        }
        let entry = Entry::new("source.removed", "AccountSource", source.id, &source.name)
            .with(json!({ "reason": "the account is a source of this flow already" }));
        audit::record(tx, &app.clock, owner, &Actor::system(), entry).await?;
        let mut twin = source.into_active_model();
        twin.deleted_at = Set(Some(app.clock.now()));
        twin.update(tx).await?;
    }
    Ok(())
}

async fn opened(tx: &DatabaseTransaction, connection: &connection::Model) -> Result<Vec<NewEvent>> {
    let mut events = Vec::new();
    for owner in [connection.low_account_id, connection.high_account_id] {
        let sender = connection.partner_of(owner);
        if !connection.lets_send(sender) {
            continue;
        }
        let sources = source::Entity::in_account(owner)
            .filter(source::Column::ConnectionId.eq(connection.id))
            .filter(source::Column::Kind.eq(SourceKind::Account));
        events.extend(sources.all(tx).await?.into_iter().map(|source| NewEvent {
            scope: Some(source.flow_id.0),
            ..NewEvent::of_account(sender, EventKind::SubmissionDocsChanged, source.id.0)
        }));
    }
    Ok(events)
}
