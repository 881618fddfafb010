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
use crate::error::Result;
use crate::identity::audit_log::{self, Filter};

/// An entry of the audit trail. What was changed is loaded where it is asked for.
pub struct AuditEvent(pub audit_event::Model);

impl From<audit_event::Model> for AuditEvent {
    fn from(row: audit_event::Model) -> Self {
        Self(row)
    }
}

/// An entry of an account's audit trail, which is only ever added to: a change, or somebody's look at protected data.
#[Object]
impl AuditEvent {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// When it was done.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who did it.
    async fn actor(&self) -> Actor {
        Actor {
            kind: self.0.actor_kind,
            id: self.0.actor_id.clone().map(ID),
            name: self.0.actor_name.clone(),
        }
    }

    /// What was done, such as `user.invited`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// The type of what it was done to, such as `User`.
    async fn subject_type(&self) -> &str {
        &self.0.subject_type
    }

    /// Identifier of what it was done to.
    async fn subject_id(&self) -> ID {
        self.0.subject_id.clone().into()
    }

    /// The name of what it was done to, at that time.
    async fn subject_label(&self) -> Option<&str> {
        self.0.subject_label.as_deref()
    }

    /// What changed, by action; never a secret or a value of a lead.
    async fn changes(&self, ctx: &Context<'_>) -> Result<Option<Json<Value>>> {
        let changes = load(ctx, ChangesOf(self.0.account_id, self.0.id)).await?;
        Ok(changes.map(Arc::unwrap_or_clone).map(Json))
    }

    /// The network address that the request came from; null for what Leadmesh did by itself.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
}

connection!(
    AuditEventConnection,
    AuditEventEdge,
    AuditEvent,
    audit_event::Model,
    "audit trail's entries"
);

/// Queries of the audit trail.
#[derive(Default)]
pub struct AuditEventQuery;

#[Object]
impl AuditEventQuery {
    /// The audit trail of the caller's account, newest first. Takes an OWNER or ADMIN.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filters")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what was done to this.")] subject_id: Option<ID>,
        #[graphql(desc = "Only this action, exactly, such as `user.invited`.")] action: Option<String>,
        #[graphql(desc = "Only what was done in this span.")] range: Option<TimeRangeInput>,
        #[graphql(desc = "The first so many, 1 to 100; 20 when neither `first` nor `last` is given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
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
