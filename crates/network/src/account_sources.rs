//! Sources through which connected accounts submit to a flow.
//!
//! Whether such a source may submit is never written down: its owner's wish (`enabled`) is, and its connection is looked at
//! whenever it matters. So nothing has to be switched off when a connection ends, and a draft is only a source without a
//! live connection. What is accepted later gives it one again.

use std::collections::BTreeSet;

use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, InvitationId};
use entity::invitation::InvitationStatus;
use entity::source::{self, SourceKind};
use entity::{account, connection, invitation};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, IntoActiveModel, QueryFilter, QueryOrder, Set,
};
use serde_json::json;

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::live::events::NewEvent;
use leadmesh_flows::sources::{self, AddSource, Sender};
use leadmesh_flows::{Edit, FlowRef, SavedFlow, measure_patterns};

/// Who is to submit through a source that is added: neither means the account itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Partner {
    /// The connection with the sender.
    pub connection: Option<ConnectionId>,
    /// The invitation that the sender has not accepted yet.
    pub invitation: Option<InvitationId>,
}

/// Adds a source to a flow. A connected account's takes a live connection that lets it send, or an invitation that asks for
/// one; in a flow it is a source once at most.
pub async fn add(app: &App, caller: &Caller, input: AddSource, partner: Partner) -> Result<SavedFlow> {
    match (partner.connection, partner.invitation) {
        (None, None) => sources::add(app, caller, input).await,
        (Some(_), Some(_)) => {
            let text = "give a connection or an invitation, not both";
            Err(Error::broken(UserErrorCode::Invalid, "input.invitationId", text))
        }
        (Some(id), None) => {
            let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
            let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
            let edit = edit.with_pattern_sizes(sizes);
            let sender = connected(&edit, id).await?;
            sources::add_to(edit, input, Some(sender)).await
        }
        (None, Some(id)) => {
            let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
            let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
            let edit = edit.with_pattern_sizes(sizes);
            let sender = invited(app, &edit, id).await?;
            sources::add_to(edit, input, Some(sender)).await
        }
    }
}

async fn connected(edit: &Edit<'_>, id: ConnectionId) -> Result<Sender> {
    let refuse = |code, text| Err(Error::broken(code, "input.connectionId", text));
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
        let text = "the relationship does not let this account send leads to you: ask it for a wider one first";
        return refuse(UserErrorCode::DirectionNotAgreed, text);
    }
    if sends_already(edit, partner) {
        return refuse(UserErrorCode::Taken, TAKEN);
    }
    Ok(Sender {
        name: name_of(edit, partner).await?,
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

async fn name_of(edit: &Edit<'_>, partner: AccountId) -> Result<String> {
    let row = account::Entity::by_id(partner).one(&edit.tx).await?;
    row.map(|row| row.name).ok_or(Error::NotFound("account"))
}

async fn invited(app: &App, edit: &Edit<'_>, id: InvitationId) -> Result<Sender> {
    let refuse = |code, text| Err(Error::broken(code, "input.invitationId", text));
    let found = invitation::Entity::sent_by(edit.account()).filter(invitation::Column::Id.eq(id));
    let Some(invitation) = found.one(&edit.tx).await? else {
        return refuse(
            UserErrorCode::NotFound,
            "you have sent no such invitation: check the ID",
        );
    };
    match invitation.status_at(app.clock.now()) {
        InvitationStatus::Pending => {}
        InvitationStatus::Expired => {
            return refuse(
                UserErrorCode::Expired,
                "the invitation's time has passed: resend it first",
            );
        }
        InvitationStatus::Accepted => {
            let text = "the invitation was accepted: add the source with the ID of the connection";
            return refuse(UserErrorCode::InvitationClosed, text);
        }
        InvitationStatus::Declined | InvitationStatus::Cancelled => {
            let text = "the invitation was declined or taken back: send another one first";
            return refuse(UserErrorCode::InvitationClosed, text);
        }
    }
    if !invitation.invitee_sends {
        let text =
            "the invitation does not propose that the account sends leads to you: take it back and send one that does";
        return refuse(UserErrorCode::DirectionNotAgreed, text);
    }
    if is_waited_for(edit, &invitation).await? {
        return refuse(UserErrorCode::Taken, TAKEN);
    }
    // Whoever was invited by address is not known by account until the answer, not even if there is one.
    let partner = invitation.to_account_id.filter(|_| invitation.to_email.is_none());
    let name = match (partner, invitation.to_email) {
        (Some(partner), _) => name_of(edit, partner).await?,
        (None, email) => email.unwrap_or_default(),
    };
    Ok(Sender {
        name,
        account: partner,
        connection: None,
        invitation: Some(id),
    })
}

/// Whether the flow has a source of whoever is invited.
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

/// Brings the sources that waited for an invitation to life: those of the inviter's flows, and those that both sides have left
/// of a former connection or an invitation that was declined. Drafts are switched as their owner wants it, with their rules and
/// all; what was a source over a former connection is off until its owner switches it on, so that nobody submits again by what
/// was agreed once. Answers what the senders are told, for the end of the transaction.
pub async fn on_accepted(
    tx: &DatabaseTransaction,
    app: &App,
    invitation: &invitation::Model,
    connection: &connection::Model,
) -> Result<Vec<NewEvent>> {
    // Whoever adds a source holds its account's row: what it adds meanwhile is seen here, or sees the acceptance.
    accounts::lock(tx, connection.low_account_id).await?;
    accounts::lock(tx, connection.high_account_id).await?;
    let host = invitation.from_account_id;
    let guest = connection.partner_of(host);
    let asked = earlier(tx, invitation, guest).await?;
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

/// An account that was prepared for twice, by identifier and by address, is a source of a flow once: the older one stays.
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
        let entry = Entry {
            action: "source.removed",
            subject_type: "AccountSource",
            subject_id: source.id.to_string(),
            label: Some(&source.name),
            changes: Some(json!({ "reason": "the account is a source of this flow already" })),
        };
        audit::record(tx, &app.clock, owner, &Who::system(), entry).await?;
        let mut twin = source.into_active_model();
        twin.deleted_at = Set(Some(app.clock.now()));
        twin.update(tx).await?;
    }
    Ok(())
}

/// The invitations that the inviter ever sent to the invitee, by identifier or to that address.
async fn earlier(
    tx: &DatabaseTransaction,
    accepted: &invitation::Model,
    guest: AccountId,
) -> Result<Vec<InvitationId>> {
    use invitation::Column::{Id, ToAccountId, ToEmail};
    let same = Condition::any()
        .add(Id.eq(accepted.id))
        .add(ToAccountId.eq(guest))
        .add_option(accepted.to_email.as_ref().map(|email| ToEmail.eq(email)));
    let sent = invitation::Entity::sent_by(accepted.from_account_id).filter(same);
    Ok(sent.all(tx).await?.into_iter().map(|row| row.id).collect())
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
            topic: sender.0,
            kind: EventKind::SubmissionDocsChanged,
            subject: source.id.0,
            scope: Some(source.flow_id.0),
            detail: None,
            outcome: None,
        }));
    }
    Ok(events)
}
