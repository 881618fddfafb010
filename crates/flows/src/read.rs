//! Reading flows.

use entity::flow;
use entity::ids::FlowId;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};
use sea_orm::{ColumnTrait, QueryFilter, Select};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;

/// Selects flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// Only flows that take leads, or only flows that do not.
    pub enabled: Option<bool>,
    /// Part of the name, case-insensitive (only for ASCII on `SQLite`).
    pub search: Option<String>,
}

/// A flow of the caller's account.
pub async fn find(app: &App, caller: &Caller, id: FlowId) -> Result<Option<flow::Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let flow = flow::Entity::in_account(account).filter(flow::Column::Id.eq(id));
    Ok(flow.one(app.db.read()).await?)
}

/// The flows of the caller's account, for paging; unordered.
pub fn list(caller: &Caller, filter: &FlowFilter) -> Result<Select<flow::Entity>> {
    let account = caller.require(Action::ReadSetup)?;
    let mut flows = flow::Entity::in_account(account);
    if let Some(enabled) = filter.enabled {
        flows = flows.filter(flow::Column::Enabled.eq(enabled));
    }
    if let Some(search) = filter
        .search
        .as_deref()
        .map(str::trim)
        .filter(|search| !search.is_empty())
    {
        flows = flows.filter(contains(flow::Column::Name, search));
    }
    Ok(flows)
}

/// Whether a column contains the text, case-insensitive (only for ASCII on `SQLite`). The text is cut to twice the longest name,
/// because a database refuses a very long pattern.
pub fn contains(column: impl ColumnTrait, text: &str) -> SimpleExpr {
    let text: String = text.chars().take(2 * texts::NAME).collect();
    let text = text.to_lowercase();
    let literal = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = LikeExpr::new(format!("%{literal}%")).escape('\\');
    Expr::expr(Func::lower(Expr::col(column))).like(pattern)
}
