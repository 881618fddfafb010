//! Reading the audit log, which [`crate::audit`] writes.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::audit_event::{Column, Entity, Model};
use entity::ids::AuditEventId;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, QueryFilter, Select};

use super::caller::Caller;
use super::policy::Action;
use crate::app::App;
use crate::error::Result;

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what was done to this, by public identifier.
    pub subject: Option<String>,
    /// Only this action, exactly.
    pub action: Option<String>,
    /// Only from then (included) to then (not included).
    pub during: Option<Range<DateTime<Utc>>>,
}

/// For paging; unordered.
pub fn list(caller: &Caller, filter: Filter) -> Result<Select<Entity>> {
    let account = caller.require(Action::ReadAudit)?;
    let mut entries = Entity::in_account(account);
    // PostgreSQL takes no NUL in a text.
    let text = |text: String| text.replace('\0', "");
    if let Some(subject) = filter.subject.map(text) {
        entries = entries.filter(Column::SubjectId.eq(subject));
    }
    if let Some(action) = filter.action.map(text) {
        entries = entries.filter(Column::Action.eq(action));
    }
    if let Some(during) = filter.during {
        entries = entries.filter(Column::At.gte(during.start).and(Column::At.lt(during.end)));
    }
    Ok(entries)
}

pub async fn find(app: &App, caller: &Caller, id: AuditEventId) -> Result<Option<Model>> {
    let account = caller.require(Action::ReadAudit)?;
    let mine = Entity::in_account(account).filter(Column::Id.eq(id));
    Ok(mine.one(app.db.read()).await?)
}
