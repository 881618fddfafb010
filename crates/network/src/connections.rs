//! Connections as their sides see and change them.

mod side;

use entity::choice::distinct;
use entity::connection::{self, Column, ConnectionStatus, Entity};
use entity::event::EventKind;
use entity::ids::{AccountId, ConnectionId, FlowId};
use entity::relationship::RelationshipType;
use entity::{account, gate};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect,
    Select,
};
use serde_json::{Value, json};

use super::answers::{REASON, close_others};
use super::journal::{self, Deed};
use super::notices::{self, Notice};
use super::relationship::{self, Move, Moved};
use super::sides::Sides;
use super::{disconnecting, review};
use leadmesh_core::app::App;
use leadmesh_core::error::{Broken, Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events::NewEvent;
use leadmesh_flows::sellers;
pub use side::{UpdateSide, mark_reviewed, set_receiving_flow, update};

/// A connection as one of its sides sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// As it is kept.
    pub row: connection::Model,
    /// Whose view it is.
    pub viewer: AccountId,
}

impl Link {
    /// A connection as that side sees it.
    pub fn new(row: connection::Model, viewer: AccountId) -> Self {
        Self { row, viewer }
    }

    /// The other side.
    pub fn partner(&self) -> AccountId {
        self.row.partner_of(self.viewer)
    }

    /// What was agreed, in the viewer's words.
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

/// Connections of the caller's account, ended ones included, for paging; unordered.
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
    if let Some(search) = filter.search.as_deref().filter(|text| !text.trim().is_empty()) {
        found = found.filter(partner_is_called(account, search));
    }
    Ok((account, found))
}

fn partner_is_called(viewer: AccountId, search: &str) -> sea_orm::sea_query::SimpleExpr {
    let of = |column| Expr::col((account::Entity, column));
    let side = |column| of(account::Column::Id).equals((Entity, column));
    let partner = Query::select()
        .expr(Expr::value(1))
        .from(account::Entity)
        .and_where(side(Column::LowAccountId).or(side(Column::HighAccountId)))
        .and_where(of(account::Column::Id).ne(viewer))
        .and_where(Expr::expr(Func::lower(of(account::Column::Name))).like(pattern("%", search)))
        .take();
    Expr::exists(partner)
}

/// What a text contains, or begins with, in lower case, for `LIKE`. No name is longer than what is looked at, so that a longer text
/// finds nothing; a database refuses a pattern that is very long.
pub(super) fn pattern(before: &str, text: &str) -> LikeExpr {
    let text: String = text.trim().chars().take(2 * texts::NAME).collect();
    let text = text.replace('\0', "").to_lowercase();
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    LikeExpr::new(format!("{before}{escaped}%")).escape('\\')
}

/// One connection of the caller's account.
pub async fn find(app: &App, caller: &Caller, id: ConnectionId) -> Result<Option<Link>> {
    let account = caller.require(Action::ReadSetup)?;
    let row = Entity::of_account(account).filter(Column::Id.eq(id));
    let row = row.one(app.db.read()).await?;
    Ok(row.map(|row| Link::new(row, account)))
}

/// Into which of the viewer's flows the partner's buyer steps deliver.
pub async fn receiving_flow(app: &App, link: &Link) -> Result<Option<FlowId>> {
    let db = app.db.read();
    let Some(viewer) = account::Entity::by_id(link.viewer).one(db).await? else {
        return Ok(None);
    };
    sellers::receiving_flow(db, &viewer, link.row.id).await
}

/// How many connections of an account are active.
pub async fn active_of(app: &App, account: AccountId) -> Result<u64> {
    let active = Entity::of_account(account).filter(Column::Status.eq(ConnectionStatus::Active));
    Ok(active.count(app.db.read()).await?)
}

/// Where in the input a move is asked for.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The connection's identifier.
    pub id: &'static str,
    /// In front of other paths.
    pub input: &'static str,
}

/// By its identifier alone.
pub const BY_ID: At = At { id: "id", input: "" };
/// By an input.
pub const BY_INPUT: At = At {
    id: "input.connectionId",
    input: "input",
};

/// Changes what a connection allows. It holds at once, on every node: whatever was compiled for either account is outdated with
/// the commit.
pub async fn change(app: &App, caller: &Caller, id: ConnectionId, at: At, step: Move) -> Result<Link> {
    let mine = caller.require(Action::ManageNetwork)?;
    let step = checked(step)?;
    let tx = app.db.begin().await?;
    close_gates(&tx, mine, id).await?;
    let (sides, before) = lock(&tx, mine, id, at.id).await?;
    let moved = relationship::apply(&before, mine, app.clock.now(), &step);
    let Some(moved) = moved.map_err(|broken| placed(broken, at))? else {
        return Ok(Link::new(before, mine));
    };
    let after = moved.after.clone().into_active_model().reset_all().update(&tx).await?;
    sides.touch(&tx).await?;
    journal::record(&tx, app, caller, &sides, deed(&before, &moved, &sides)).await?;
    notify(&tx, app, &sides, &moved).await?;
    let mut events = journal::for_both(&sides, moved.kind, id.0);
    events.extend(end(&tx, app, &sides, &moved).await?);
    journal::append(&tx, app, events).await?;
    tx.commit().await?;
    journal::tell(app, [sides.mine.id, sides.theirs.id]).await;
    if moved.kind == EventKind::ConnectionTerminated {
        disconnecting::begin(app, &after).await;
    }
    Ok(Link::new(after, mine))
}

/// Waits for the leads that are being stored over the connection, and lets none pass until the commit.
async fn close_gates(tx: &DatabaseTransaction, mine: AccountId, id: ConnectionId) -> Result<()> {
    let found = Entity::of_account(mine).filter(Column::Id.eq(id)).one(tx).await?;
    let sides = found.map(|row| [row.low_account_id, row.high_account_id]);
    Ok(gate::close(tx, sides.into_iter().flatten()).await?)
}

/// Locks both accounts and the connection.
async fn lock(
    tx: &DatabaseTransaction,
    mine: AccountId,
    id: ConnectionId,
    path: &str,
) -> Result<(Sides, connection::Model)> {
    let own = || Entity::of_account(mine).filter(Column::Id.eq(id));
    let unknown = || Error::broken(UserErrorCode::NotFound, path, "no such connection");
    let partner = own().one(tx).await?.ok_or_else(unknown)?.partner_of(mine);
    let sides = Sides::lock(tx, mine, partner).await?;
    let row = own().lock_exclusive().one(tx).await?.ok_or_else(unknown)?;
    Ok((sides, row))
}

fn checked(step: Move) -> Result<Move> {
    let reason = |reason: Option<String>| {
        let written = reason.filter(|reason| !reason.trim().is_empty());
        written.map(|reason| texts::line(&reason, REASON, "reason")).transpose()
    };
    Ok(match step {
        Move::Suspend(why) => Move::Suspend(reason(why)?),
        Move::Terminate(why) => Move::Terminate(reason(why)?),
        other => other,
    })
}

/// A rule that names no place is about the connection.
fn placed(broken: Broken, at: At) -> Broken {
    if broken.path.is_empty() {
        Broken::new(broken.code, at.id, broken.message)
    } else {
        broken.within(at.input)
    }
}

fn deed(before: &connection::Model, moved: &Moved, sides: &Sides) -> Deed {
    let after = &moved.after;
    let changes = |account| {
        json!({
            "before": shown(before, account),
            "after": shown(after, account),
            "reason": moved.reason,
        })
    };
    Deed {
        mine: moved.action,
        theirs: moved.action,
        subject_type: "AccountLink",
        subject_id: after.id.to_string(),
        my_label: None,
        my_changes: changes(sides.mine.id),
        their_changes: changes(sides.theirs.id),
    }
}

fn shown(row: &connection::Model, account: AccountId) -> Value {
    json!({
        "status": row.status,
        "relationshipType": row.type_for(account),
        "requestedType": row.requested_for(account),
    })
}

async fn notify(tx: &DatabaseTransaction, app: &App, sides: &Sides, moved: &Moved) -> Result<()> {
    let me = &sides.mine.name;
    let subject = match moved.kind {
        EventKind::ConnectionSuspended => format!("{me} holds your connection up"),
        EventKind::ConnectionResumed => format!("{me} resumed your connection"),
        EventKind::ConnectionTerminated => format!("{me} ended your connection"),
        _ => format!("Your connection with {me} changed"),
    };
    let text = format!("{me} {}", moved.words);
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    let notice = Notice {
        by: Some(sides.mine.id),
        subject,
        text: format!("{text}{end}"),
    };
    notices::tell_owners(tx, app, &sides.theirs, &notice, None).await
}

/// With a connection end the invitations that are open between the two.
async fn end(tx: &DatabaseTransaction, app: &App, sides: &Sides, moved: &Moved) -> Result<Vec<NewEvent>> {
    if moved.kind == EventKind::ConnectionTerminated {
        close_others(tx, app, sides).await
    } else {
        Ok(Vec::new())
    }
}

/// Refuses what only makes sense before the end.
fn check_live(row: &connection::Model, path: &str) -> Result<()> {
    if row.status != ConnectionStatus::Terminated {
        return Ok(());
    }
    let message = "this connection has ended: send an invitation to connect again";
    Err(Error::broken(UserErrorCode::NotConnected, path, message))
}
