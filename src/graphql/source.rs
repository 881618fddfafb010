//! Sources: who may submit to a flow.

use async_graphql::{Context, ID, Interface, Json, Object};
use chrono::{DateTime, Utc};
use entity::source::{self, SourceKind};
use serde_json::Value;

use super::account::AccountProfile;
use super::cap::Cap;
use super::context::ContextExt;
use super::field_mapping::FieldMapping;
use super::flow::Flow;
use super::loaders::{self, AccountRow, FlowRow, LastLead};
use super::money::Money;
use super::rule;
use super::submission_docs::SubmissionDocs;
use crate::error::{Error, Result};
use crate::flows::docs;

/// Who may submit to a flow.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Identifier."),
    field(name = "flow", ty = "Flow", desc = "To which flow it submits."),
    field(name = "name", ty = "String", desc = "As shown; at most 120 characters."),
    field(name = "enabled", ty = "bool", desc = "Whether it may submit."),
    field(
        name = "acceptance_rule",
        ty = "Option<Json<Value>>",
        desc = "Which leads it may submit, after the flow's own rule: the canonical form of what was put in as RuleInput. \
                Null means all."
    ),
    field(
        name = "acceptance_rule_text",
        ty = "Option<String>",
        desc = "The acceptance rule in words."
    ),
    field(
        name = "mapping",
        ty = "Vec<FieldMapping>",
        desc = "Renamings from the sender's field names to the flow's."
    ),
    field(
        name = "caps",
        ty = "Vec<Cap>",
        desc = "Limits of leads accepted through it, after the flow's own."
    ),
    field(
        name = "price",
        ty = "Option<Money>",
        desc = "What the sender is paid for an accepted lead, in place of the flow's price; null means the flow's."
    ),
    field(
        name = "submission_docs",
        ty = "SubmissionDocs",
        desc = "What the sender has to know, as things are now."
    ),
    field(
        name = "last_lead_at",
        ty = "Option<DateTime<Utc>>",
        desc = "When the last lead came through it, tests left out; null when none has."
    )
)]
pub enum FlowSource {
    /// One of the account's own.
    OwnSource(OwnSource),
    /// A connected account.
    AccountSource(AccountSource),
}

impl From<source::Model> for FlowSource {
    fn from(row: source::Model) -> Self {
        match row.kind {
            SourceKind::Own => Self::OwnSource(OwnSource(row)),
            SourceKind::Account | SourceKind::Seller => Self::AccountSource(AccountSource(row)),
        }
    }
}

/// A kind of source: what all have in common, and in braces what only this one has.
macro_rules! source_object {
    ($(#[doc = $doc:literal])+ $name:ident { $($own:tt)* }) => {
        $(#[doc = $doc])+
        pub struct $name(pub source::Model);

        $(#[doc = $doc])+
        #[Object]
        impl $name {
            /// Identifier.
            pub(crate) async fn id(&self) -> ID {
                self.0.id.to_string().into()
            }

            /// To which flow it submits.
            async fn flow(&self, ctx: &Context<'_>) -> Result<Flow> {
                flow_of(ctx, &self.0).await
            }

            /// As shown; at most 120 characters.
            async fn name(&self) -> &str {
                &self.0.name
            }

            /// Whether it may submit.
            async fn enabled(&self) -> bool {
                self.0.enabled
            }

            /// Which leads it may submit, after the flow's own rule: the canonical form of what was put in as `RuleInput`. Null
            /// means all.
            async fn acceptance_rule(&self) -> Option<Json<Value>> {
                self.0.acceptance_rule.clone().map(Json)
            }

            /// The acceptance rule in words.
            async fn acceptance_rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
                rule_text(ctx, &self.0).await
            }

            /// Renamings from the sender's field names to the flow's. Fields that are not named keep their names.
            async fn mapping(&self) -> Vec<FieldMapping> {
                self.0.mapping.0.iter().cloned().map(Into::into).collect()
            }

            /// Limits of leads accepted through it, after the flow's own.
            async fn caps(&self) -> Vec<Cap> {
                self.0.caps.0.iter().cloned().map(Cap::from).collect()
            }

            /// What the sender is paid for an accepted lead, in place of the flow's price; null means the flow's.
            async fn price(&self) -> Option<Money> {
                Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
            }

            /// What the sender has to know, as things are now.
            async fn submission_docs(&self, ctx: &Context<'_>) -> Result<SubmissionDocs> {
                submission_docs(ctx, &self.0).await
            }

            /// When the last lead came through it, tests left out; null when none has.
            async fn last_lead_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
                loaders::load(ctx, LastLead(self.0.account_id, self.0.id)).await
            }

            $($own)*
        }
    };
}

source_object! {
    /// One of the account's own forms or systems, which submits with one of the account's API keys.
    OwnSource {}
}

source_object! {
    /// A connected partner that submits with its own credentials; no URL or secret is shared.
    AccountSource {
        /// The account that submits.
        async fn partner(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
            AccountProfile::load(ctx, self.0.sender_account_id.unwrap_or(self.0.account_id)).await
        }
    }
}

async fn flow_of(ctx: &Context<'_>, source: &source::Model) -> Result<Flow> {
    let flow = loaders::load(ctx, FlowRow(source.account_id, source.flow_id)).await?;
    flow.map(Flow).ok_or_else(|| missing("flow", source))
}

async fn rule_text(ctx: &Context<'_>, source: &source::Model) -> Result<Option<String>> {
    let Some(stored) = &source.acceptance_rule else {
        return Ok(None);
    };
    let Flow(flow) = flow_of(ctx, source).await?;
    rule::text(stored, &flow.fields.0).map(Some)
}

async fn submission_docs(ctx: &Context<'_>, source: &source::Model) -> Result<SubmissionDocs> {
    let Flow(flow) = flow_of(ctx, source).await?;
    let recipient = loaders::load(ctx, AccountRow(source.account_id)).await?;
    let docs = docs::generate(docs::Subject {
        flow: &flow,
        source,
        recipient: &recipient.ok_or_else(|| missing("account", source))?,
        public_url: &ctx.app()?.config.public_url,
    });
    docs.map(SubmissionDocs)
}

/// The database keeps what sources refer to.
fn missing(what: &str, source: &source::Model) -> Error {
    Error::Internal(anyhow::anyhow!("the {what} of {} is gone", source.id))
}
