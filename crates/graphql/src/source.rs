//! Sources: who may submit to a flow.

use async_graphql::{Context, ID, Interface, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery_config::FieldMapping;
use entity::source::{self, SourceKind};
use serde_json::Value;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::cap::Cap;
use super::flow::Flow;
use super::loaders::{self, DocsReadersOf, FlowRow, LastLead, LinkOf};
use super::money::Money;
use super::rule;
use super::submission_docs::SubmissionDocs;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::accounts::Profile;
use leadmesh_network::docs::as_it_stands;

/// A source: who may submit leads to a flow. An API key with only `LEADS_READ` reads `id` and `name`; all other fields
/// require `NETWORK_READ` or MANAGE, on every path.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Identifier."),
    field(name = "flow", ty = "Flow", desc = "The flow that the source submits to."),
    field(name = "name", ty = "String", desc = "Display name, at most 120 characters."),
    field(
        name = "enabled",
        ty = "bool",
        desc = "Whether the source may submit now. For a connected account only while the connection allows it."
    ),
    field(
        name = "acceptance_rule",
        ty = "Option<Json<Value>>",
        desc = "Which leads the source may submit, in addition to the flow's rule, in the canonical form of RuleInput. Null means all."
    ),
    field(
        name = "acceptance_rule_text",
        ty = "Option<String>",
        desc = "The acceptance rule in words."
    ),
    field(
        name = "mapping",
        ty = "Vec<FieldMapping>",
        desc = "Mapping from the sender's field names to the flow's."
    ),
    field(
        name = "caps",
        ty = "Vec<Cap>",
        desc = "Caps on leads accepted through the source, in addition to the flow's."
    ),
    field(
        name = "price",
        ty = "Option<Money>",
        desc = "Price paid to the sender for an accepted lead, instead of the flow's. Null means the flow's price."
    ),
    field(
        name = "submission_docs",
        ty = "SubmissionDocs",
        desc = "Current submission docs for the sender."
    ),
    field(
        name = "last_lead_at",
        ty = "Option<DateTime<Utc>>",
        desc = "When the last lead came through the source; null if none has. Test leads do not count."
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

            /// The flow that the source submits to.
            async fn flow(&self, ctx: &Context<'_>) -> Result<Flow> {
                flow_of(ctx, &self.0).await
            }

            /// Display name, at most 120 characters.
            async fn name(&self) -> &str {
                &self.0.name
            }

            /// Whether the source may submit now. For a connected account only while the connection allows it.
            async fn enabled(&self, ctx: &Context<'_>) -> Result<bool> {
                Ok(standing(ctx, &self.0).await?.enabled)
            }

            /// Which leads the source may submit, in addition to the flow's rule, in the canonical form of `RuleInput`.
            /// Null means all.
            async fn acceptance_rule(&self) -> Option<Json<Value>> {
                self.0.acceptance_rule.clone().map(Json)
            }

            /// The acceptance rule in words.
            async fn acceptance_rule_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
                rule_text(ctx, &self.0).await
            }

            /// Mapping from the sender's field names to the flow's. Other fields keep their names.
            async fn mapping(&self) -> Vec<FieldMapping> {
                self.0.mapping.0.clone()
            }

            /// Caps on leads accepted through the source, in addition to the flow's.
            async fn caps(&self) -> Vec<Cap> {
                self.0.caps.0.iter().cloned().map(Cap::from).collect()
            }

            /// Price paid to the sender for an accepted lead, instead of the flow's. Null means the flow's price.
            async fn price(&self) -> Option<Money> {
                Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
            }

            /// Current submission docs for the sender.
            async fn submission_docs(&self, ctx: &Context<'_>) -> Result<SubmissionDocs> {
                SubmissionDocs::load(ctx, &standing(ctx, &self.0).await?).await
            }

            /// When the last lead came through the source; null if none has. Test leads do not count.
            async fn last_lead_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
                loaders::load(ctx, LastLead(self.0.account_id, self.0.id)).await
            }

            $($own)*
        }
    };
}

source_object! {
    /// A form or system of the account itself. It submits with one of the account's API keys.
    OwnSource {}
}

source_object! {
    /// A connected account that submits with its own credentials; no URL or secret is shared. Without an active
    /// connection it is a draft: it submits nothing and keeps its rule, mapping, caps and price.
    AccountSource {
        /// The account that submits. If it is known only by its invited email address, `name` is the source's name and
        /// `id` belongs to no account.
        async fn partner(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
            match self.0.sender_account_id {
                Some(sender) => AccountProfile::load(ctx, sender).await,
                None => Ok(AccountProfile(Profile {
                    id: uuid::Uuid::nil().into(),
                    name: self.0.name.clone(),
                    website: None,
                })),
            }
        }

        /// The connection with the partner, also after it has ended; null while the invitation is not accepted.
        async fn connection(&self, ctx: &Context<'_>) -> Result<Option<AccountLink>> {
            match self.0.connection_id {
                Some(id) => AccountLink::load(ctx, self.0.account_id, id).await,
                None => Ok(None),
            }
        }

        /// Whether the owner has enabled the source. It may submit as soon as a connection allows it.
        async fn switched_on(&self) -> bool {
            self.0.enabled
        }

        /// When and how often the partner read the submission docs.
        async fn docs_reads(&self, ctx: &Context<'_>) -> Result<DocsReads> {
            let readers = loaders::list(ctx, DocsReadersOf(self.0.account_id, self.0.id)).await?;
            Ok(DocsReads {
                read_count: i32::try_from(readers.iter().map(|reader| reader.reads).sum::<i64>()).unwrap_or(i32::MAX),
                first_read_at: readers.iter().map(|reader| reader.first_at).min(),
                last_read_at: readers.iter().map(|reader| reader.last_at).max(),
            })
        }
    }
}

/// How often a partner has read the submission docs of its source, through the API or as a page. Written with a delay
/// of about a second.
#[derive(Clone, Debug, SimpleObject)]
pub struct DocsReads {
    /// Number of reads.
    read_count: i32,
    /// When the docs were first read; null if never.
    first_read_at: Option<DateTime<Utc>>,
    /// When the docs were last read; null if never. If earlier than the last change of the docs, the partner has not
    /// seen that change.
    last_read_at: Option<DateTime<Utc>>,
}

/// The source, enabled only if its sender may submit now.
async fn standing(ctx: &Context<'_>, source: &source::Model) -> Result<source::Model> {
    let link = match source.connection_id {
        Some(id) => loaders::load(ctx, LinkOf(source.account_id, id)).await?,
        None => None,
    };
    Ok(as_it_stands(source.clone(), link.as_ref().map(|link| &link.row)))
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

/// The database keeps what sources refer to.
fn missing(what: &str, source: &source::Model) -> Error {
    Error::Internal(anyhow::anyhow!("the {what} of {} is gone", source.id))
}
