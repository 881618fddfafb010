//! Reading flows.

use entity::flow;
use entity::ids::FlowId;
use sea_orm::{ColumnTrait, QueryFilter, Select};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::search;

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
    if let Some(text) = filter.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        flows = flows.filter(search::contains(flow::Column::Name, text));
    }
    Ok(flows)
}
