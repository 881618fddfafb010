//! The audit trail.

use std::sync::Arc;

use async_graphql::{Context, ID, Json, Object};
use chrono::{DateTime, Utc};
use entity::audit_event::{self, Entity};
use serde_json::Value;

use super::actor::Actor;
use super::context::app_and_caller;
use super::loaders::{ChangesOf, load};
use super::relay::{self, PageArgs, connection};
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_core::identity::audit_log::{self, Filter};

/// An entry of the audit trail. What was changed is loaded where it is asked for.
pub struct AuditEvent(pub audit_event::Model);

impl From<audit_event::Model> for AuditEvent {
    fn from(row: audit_event::Model) -> Self {
        Self(row)
    }
}

/// An entry of an account's audit log: a change, or access to protected data. Entries are never changed.
#[Object]
impl AuditEvent {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// When it happened.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who acted.
    async fn actor(&self) -> Actor {
        Actor {
            kind: self.0.actor_kind,
            id: self.0.actor_id.clone().map(ID),
            name: self.0.actor_name.clone(),
        }
    }

    /// The action, such as `user.invited`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// Type of the object, such as `User`.
    async fn subject_type(&self) -> &str {
        &self.0.subject_type
    }

    /// Identifier of the object.
    async fn subject_id(&self) -> ID {
        self.0.subject_id.clone().into()
    }

    /// Name of the object at that time.
    async fn subject_label(&self) -> Option<&str> {
        self.0.subject_label.as_deref()
    }

    /// The changes, by action. Never contains a secret or a value of a lead.
    async fn changes(&self, ctx: &Context<'_>) -> Result<Option<Json<Value>>> {
        let changes = load(ctx, ChangesOf(self.0.account_id, self.0.id)).await?;
        Ok(changes.map(Arc::unwrap_or_clone).map(Json))
    }

    /// Network address of the request; null for actions of Leadmesh itself.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
}

connection!(
    AuditEventConnection,
    AuditEventEdge,
    AuditEvent,
    audit_event::Model,
    "audit log entries"
);

/// Queries of the audit trail.
#[derive(Default)]
pub struct AuditEventQuery;

#[Object]
impl AuditEventQuery {
    /// The audit log of the caller's account, newest first. Requires OWNER or ADMIN.
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "About the object with this identifier.")] subject_id: Option<ID>,
        #[graphql(desc = "With exactly this action, such as `user.invited`.")] action: Option<String>,
        #[graphql(desc = "In this range.")] range: Option<TimeRangeInput>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<AuditEventConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let filter = Filter {
            subject: subject_id.map(|id| id.0),
            action,
            during: range.map(TimeRangeInput::checked).transpose()?,
        };
        let entries = Entity::without_changes(audit_log::list(caller, filter)?);
        let args = PageArgs::new(first, after, last, before);
        let page = relay::page(app.db.read(), entries, audit_event::Column::Id, |row| row.id.0, args);
        Ok(page.await?.into())
    }
}
