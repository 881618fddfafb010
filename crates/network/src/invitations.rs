//! Invitations to connect: both accounts read them; the inviter sends, resends and revokes them.

mod send;
pub(super) mod state;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, Entity, InvitationStatus};
use entity::user;
use sea_orm::{ColumnTrait, Condition, PaginatorTrait, QueryFilter, Select};

use self::state::{audit_pair, check_open, close, lock_sent, own_entry};
use super::notices::{self, Notice};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::tokens;
use leadmesh_core::live::events::NewEvent;
pub use send::{NewInvitation, resend, send, send_within};
pub use state::receiver;

/// Direction of an invitation, from one side's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum InvitationDirection {
    /// Sent by this account.
    Sent,
    /// Received by this account.
    Received,
}

/// Which invitations to list; what is left out restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those sent, or only those received.
    pub direction: Option<InvitationDirection>,
    /// Only those that stand at one of these now.
    pub status: Option<Vec<InvitationStatus>>,
}

/// For paging; unordered.
pub fn list(app: &App, caller: &Caller, filter: &Filter) -> Result<(AccountId, Select<Entity>)> {
    let account = caller.require(Action::ReadInvitations)?;
    let proof = app.config.address_proof();
    let mut found = match filter.direction {
        None => Entity::of_account(account, proof),
        Some(InvitationDirection::Sent) => Entity::sent_by(account),
        Some(InvitationDirection::Received) => Entity::received_by(account, proof),
    };
    if let Some(statuses) = &filter.status {
        found = found.filter(standing(statuses, app.clock.now()));
    }
    Ok((account, found))
}

/// Invitations in one of these states now. A pending one whose time is over is stored as pending until it is tidied, and counts
/// as expired.
fn standing(statuses: &[InvitationStatus], now: DateTime<Utc>) -> Condition {
    let has = |status| statuses.contains(&status);
    let written = distinct(
        statuses
            .iter()
            .copied()
            .filter(|status| *status != InvitationStatus::Pending),
    );
    let pending = || Condition::all().add(Column::Status.eq(InvitationStatus::Pending));
    Condition::any()
        .add(Column::Status.is_in(written))
        .add_option(has(InvitationStatus::Pending).then(|| pending().add(Column::ExpiresAt.gt(now))))
        .add_option(has(InvitationStatus::Expired).then(|| pending().add(Column::ExpiresAt.lte(now))))
}

/// One invitation that the caller's account sent or received.
pub async fn find(app: &App, caller: &Caller, id: InvitationId) -> Result<Option<invitation::Model>> {
    let account = caller.require(Action::ReadInvitations)?;
    let visible = Entity::of_account(account, app.config.address_proof()).filter(Column::Id.eq(id));
    Ok(visible.one(app.db.read()).await?)
}

pub async fn waiting_for(app: &App, account: AccountId) -> Result<u64> {
    let waiting = Entity::received_by(account, app.config.address_proof())
        .filter(Column::Status.eq(InvitationStatus::Pending))
        .filter(Column::ExpiresAt.gt(app.clock.now()));
    Ok(waiting.count(app.db.read()).await?)
}

/// What the holder of a link sees before signing in.
#[derive(Clone, Debug)]
pub struct Preview {
    pub invitation: invitation::Model,
    /// Whether a user holds the invited address, or an account was invited.
    pub has_account: bool,
}

/// None for a link that was replaced or never existed.
pub async fn preview(app: &App, ip: Option<IpAddr>, token: &str) -> Result<Option<Preview>> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let db = app.db.read();
    let Some(invitation) = Entity::by_token_hash(&tokens::hash(token)).one(db).await? else {
        return Ok(None);
    };
    let has_account = match &invitation.to_email {
        Some(email) => user::Entity::holder_of(email, app.config.address_proof())
            .one(db)
            .await?
            .is_some(),
        None => true,
    };
    Ok(Some(Preview {
        invitation,
        has_account,
    }))
}

/// Cancels an invitation. Its link ends, and an email that was not sent yet is not sent.
pub async fn cancel(app: &App, caller: &Caller, id: InvitationId) -> Result<invitation::Model> {
    let account = caller.require(Action::ManageNetwork)?;
    let mut change = Change::begin(app, caller, account).await?;
    let row = lock_sent(&change, id).await?;
    check_open(&row, app, "id")?;
    let receiver = receiver(&change.tx, app, &row).await?;
    let row = close(&change.tx, app, row, InvitationStatus::Cancelled).await?;
    match receiver {
        Some(receiver) => {
            let partner = accounts::load(&change.tx, receiver).await?;
            let entries = audit_pair("invitation.cancelled", "invitation.cancelled", &row);
            entries.record(&change, &partner).await?;
            let name = &change.account.name;
            let notice = Notice {
                by: Some(account),
                subject: format!("{name} cancelled its invitation"),
                text: format!("{name} cancelled its invitation to connect. You need not do anything."),
            };
            notices::email_owners(&change.tx, app, &partner, &notice, None).await?;
            let event = NewEvent::of_account(receiver, EventKind::InvitationCancelled, row.id.0);
            change.events.push(event);
        }
        None => change.record(own_entry("invitation.cancelled", &row)).await?,
    }
    change.commit_uncompiled().await?;
    Ok(row)
}
