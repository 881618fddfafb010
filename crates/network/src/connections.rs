//! Connections, as both accounts see and change them.

mod side;

use entity::choice::distinct;
use entity::connection::{self, Column, ConnectionStatus, Entity};
use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, FlowId};
use entity::relationship::RelationshipType;
use entity::{account, gate};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect,
    Select,
};
use serde_json::{Value, json};

use super::invitations::state::close_between;
use super::notices::{self, Notice};
use super::partner_change::{AuditPair, PartnerChange};
use super::reason::optional_reason;
use super::relationship::{self, ConnectionAction, Transition};
use super::{disconnecting, review};
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::search;
use leadmesh_flows::sellers;
pub use side::{UpdateSide, mark_reviewed, set_receiving_flow, update};

/// A connection as one of its accounts sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionView {
    pub row: connection::Model,
    pub viewer: AccountId,
}

impl ConnectionView {
    pub fn new(row: connection::Model, viewer: AccountId) -> Self {
        Self { row, viewer }
    }

    pub fn partner(&self) -> AccountId {
        self.row.partner_of(self.viewer)
    }

    /// What was agreed, as the viewer sees it.
    pub fn relationship(&self) -> RelationshipType {
        self.row.type_for(self.viewer)
    }
}

/// Which connections to list; what is left out restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that stand at one of these.
    pub status: Option<Vec<ConnectionStatus>>,
    /// Only those that are due for a review, or are not.
    pub review_due: Option<bool>,
    /// Only those with this in the partner's name, in any case.
    pub search: Option<String>,
}

/// Ended ones included; for paging, unordered.
pub fn list(app: &App, caller: &Caller, filter: &Filter) -> Result<(AccountId, Select<Entity>)> {
    let account = caller.require(Action::ReadSetup)?;
    let mut found = Entity::of_account(account);
    if let Some(statuses) = &filter.status {
        found = found.filter(Column::Status.is_in(distinct(statuses.iter().copied())));
    }
    if let Some(due) = filter.review_due {
        let is_due = review::due(account, app.clock.now(), app.config.settings.review_days);
        found = found.filter(if due { is_due } else { is_due.not() });
    }
    if let Some(text) = filter.search.as_deref().filter(|text| !text.trim().is_empty()) {
        found = found.filter(partner_is_called(account, text));
    }
    Ok((account, found))
}

fn partner_is_called(viewer: AccountId, text: &str) -> sea_orm::sea_query::SimpleExpr {
    let of = |column| Expr::col((account::Entity, column));
    let side = |column| of(account::Column::Id).equals((Entity, column));
    let partner = Query::select()
        .expr(Expr::value(1))
        .from(account::Entity)
        .and_where(side(Column::LowAccountId).or(side(Column::HighAccountId)))
        .and_where(of(account::Column::Id).ne(viewer))
        .and_where(search::contains((account::Entity, account::Column::Name), text))
        .take();
    Expr::exists(partner)
}

pub async fn find(app: &App, caller: &Caller, id: ConnectionId) -> Result<Option<ConnectionView>> {
    let account = caller.require(Action::ReadSetup)?;
    let row = Entity::of_account(account).filter(Column::Id.eq(id));
    let row = row.one(app.db.read()).await?;
    Ok(row.map(|row| ConnectionView::new(row, account)))
}

/// The viewer's flow into which the partner's buyer steps deliver.
pub async fn receiving_flow(app: &App, link: &ConnectionView) -> Result<Option<FlowId>> {
    let db = app.db.read();
    let Some(viewer) = account::Entity::by_id(link.viewer).one(db).await? else {
        return Ok(None);
    };
    sellers::receiving_flow(db, &viewer, link.row.id).await
}

pub async fn active_of(app: &App, account: AccountId) -> Result<u64> {
    let active = Entity::of_account(account).filter(Column::Status.eq(ConnectionStatus::Active));
    Ok(active.count(app.db.read()).await?)
}

/// Where the input names a connection, for the paths of errors.
#[derive(Clone, Copy, Debug)]
pub struct InputPaths {
    pub id: &'static str,
    /// Prefix of all other paths.
    pub input: &'static str,
}

pub const BY_ID: InputPaths = InputPaths { id: "id", input: "" };
pub const BY_INPUT: InputPaths = InputPaths {
    id: "input.connectionId",
    input: "input",
};

/// Changes what a connection allows. It holds on every node with the commit, which outdates what was compiled for either
/// account.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    paths: InputPaths,
    action: ConnectionAction,
) -> Result<ConnectionView> {
    let mine = caller.require(Action::ManageNetwork)?;
    let action = checked(action)?;
    let tx = app.db.begin().await?;
    close_gates(&tx, mine, id).await?;
    let Locked {
        mut change,
        row: before,
    } = Locked::connection(app, caller, tx, id, paths.id).await?;
    let transition = relationship::apply(&before, mine, app.clock.now(), &action);
    let Some(transition) = transition.map_err(|error| placed(error, paths))? else {
        return Ok(ConnectionView::new(before, mine));
    };
    let after = transition.after.clone().into_active_model().reset_all();
    let after = after.update(&change.tx).await?;
    change.record_pair(audit_pair(&before, &transition, &change)).await?;
    email_partner(app, &change, &transition).await?;
    change.announce(transition.kind, id.0);
    let is_end = transition.kind == EventKind::ConnectionTerminated;
    if is_end {
        // The end of a connection cancels the open invitations between the accounts.
        let partner = change.partner.id;
        let mut events = close_between(&change.tx, app, mine, partner).await?;
        change.events.append(&mut events);
    }
    change.commit().await?;
    if is_end {
        disconnecting::begin(app, &after).await;
    }
    Ok(ConnectionView::new(after, mine))
}

/// Waits for the leads that are being stored over the connection, and lets none pass until the commit.
async fn close_gates(tx: &DatabaseTransaction, mine: AccountId, id: ConnectionId) -> Result<()> {
    let found = Entity::of_account(mine).filter(Column::Id.eq(id)).one(tx).await?;
    let accounts = found.map(|row| [row.low_account_id, row.high_account_id]);
    Ok(gate::close(tx, accounts.into_iter().flatten()).await?)
}

/// A connection under change: both accounts and its row are locked.
struct Locked<'a> {
    change: PartnerChange<'a>,
    row: connection::Model,
}

impl<'a> Locked<'a> {
    async fn connection(app: &'a App, caller: &Caller, tx: Transaction, id: ConnectionId, path: &str) -> Result<Self> {
        let mine = caller.require(Action::ManageNetwork)?;
        let own = || Entity::of_account(mine).filter(Column::Id.eq(id));
        let unknown = || Error::user(UserErrorCode::NotFound, path, "no such connection");
        let partner = own().one(&tx).await?.ok_or_else(unknown)?.partner_of(mine);
        let change = PartnerChange::lock(app, caller, tx, mine, partner).await?;
        let row = own().lock_exclusive().one(&change.tx).await?;
        let row = row.ok_or_else(unknown)?;
        Ok(Self { change, row })
    }
}

fn checked(action: ConnectionAction) -> Result<ConnectionAction> {
    let reason = |reason: Option<String>| optional_reason(reason.as_deref(), "reason");
    Ok(match action {
        ConnectionAction::Suspend(why) => ConnectionAction::Suspend(reason(why)?),
        ConnectionAction::Terminate(why) => ConnectionAction::Terminate(reason(why)?),
        other => other,
    })
}

/// An error without a path is about the connection.
fn placed(error: UserError, paths: InputPaths) -> UserError {
    if error.path.is_empty() {
        UserError::new(error.code, paths.id, error.message)
    } else {
        error.within(paths.input)
    }
}

fn audit_pair(before: &connection::Model, transition: &Transition, change: &PartnerChange<'_>) -> AuditPair {
    let after = &transition.after;
    let changes = |account| {
        json!({
            "before": audit_view(before, account),
            "after": audit_view(after, account),
            "reason": transition.reason,
        })
    };
    AuditPair {
        mine: transition.action,
        theirs: transition.action,
        subject_type: "AccountLink",
        subject_id: after.id.to_string(),
        my_label: None,
        my_changes: changes(change.mine().id),
        their_changes: changes(change.partner.id),
    }
}

fn audit_view(row: &connection::Model, account: AccountId) -> Value {
    json!({
        "status": row.status,
        "relationshipType": row.type_for(account),
        "requestedType": row.requested_for(account),
    })
}

async fn email_partner(app: &App, change: &PartnerChange<'_>, transition: &Transition) -> Result<()> {
    let me = &change.mine().name;
    let subject = match transition.kind {
        EventKind::ConnectionSuspended => format!("{me} suspended your connection"),
        EventKind::ConnectionResumed => format!("{me} resumed your connection"),
        EventKind::ConnectionTerminated => format!("{me} ended your connection"),
        _ => format!("Your connection with {me} changed"),
    };
    let text = format!("{me} {}", transition.message);
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    let notice = Notice {
        by: Some(change.mine().id),
        subject,
        text: format!("{text}{end}"),
    };
    notices::email_owners(&change.tx, app, &change.partner, &notice, None).await
}
