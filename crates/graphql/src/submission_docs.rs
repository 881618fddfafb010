//! What a sender has to know to submit.

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::field::FieldDef;
use entity::ids::{AccountId, ConnectionId, FlowId};
use entity::lead::LeadOutcome;
use entity::source;
use futures::future::try_join_all;
use serde_json::Value;

use super::account::AccountProfile;
use super::context::{ContextExt, app_and_caller};
use super::loaders::{self, AccountRow, FlowRow, OpenSourcesOver};
use super::relay::{Page, PageArgs, connection, page};
use super::scalars::UrlText;
use leadmesh_core::error::{Error, Result};
use leadmesh_flows::docs;
use leadmesh_network::{self as network, docs_readers};

/// Everything a sender needs to submit to one source of one flow, made from both as they are now.
pub struct SubmissionDocs(pub docs::SubmissionDocs);

impl From<docs::SubmissionDocs> for SubmissionDocs {
    fn from(docs: docs::SubmissionDocs) -> Self {
        Self(docs)
    }
}

impl SubmissionDocs {
    /// The docs of a source, which is enabled only if its sender may submit now.
    pub async fn load(ctx: &Context<'_>, source: &source::Model) -> Result<Self> {
        generate(ctx, source).await.map(Self)
    }

    /// The docs of the sources of the other side that the reader may submit through over a connection now, oldest first.
    pub async fn over(ctx: &Context<'_>, reader: AccountId, connection: ConnectionId) -> Result<Vec<Self>> {
        let opened = loaders::list(ctx, OpenSourcesOver(reader, connection)).await?;
        let docs = read(ctx, reader, &opened).await?;
        Ok(docs.into_iter().map(Self).collect())
    }
}

async fn generate(ctx: &Context<'_>, source: &source::Model) -> Result<docs::SubmissionDocs> {
    // The database keeps what sources refer to.
    let gone = |what: &str| Error::Internal(anyhow::anyhow!("the {what} of {} is gone", source.id));
    let flow = loaders::load(ctx, FlowRow(source.account_id, source.flow_id)).await?;
    let recipient = loaders::load(ctx, AccountRow(source.account_id)).await?;
    docs::generate(docs::Subject {
        flow: &flow.ok_or_else(|| gone("flow"))?,
        source,
        recipient: &recipient.ok_or_else(|| gone("account"))?,
        public_url: &ctx.app()?.config.public_url,
    })
}

/// The docs of sources that are open to the reader, which is noted.
async fn read(ctx: &Context<'_>, reader: AccountId, sources: &[source::Model]) -> Result<Vec<docs::SubmissionDocs>> {
    let app = ctx.app()?;
    for source in sources {
        docs_readers::note(app, reader, source);
    }
    try_join_all(sources.iter().map(|source| generate(ctx, source))).await
}

/// Everything that a sender needs to submit to one source of a flow, generated from their current settings. Fields have
/// the sender's names.
#[Object]
impl SubmissionDocs {
    /// Identifier of the flow.
    async fn flow_id(&self) -> ID {
        self.0.flow_id.to_string().into()
    }

    /// Name of the flow.
    async fn flow_name(&self) -> &str {
        &self.0.flow_name
    }

    /// Identifier of the source.
    async fn source_id(&self) -> ID {
        self.0.source_id.to_string().into()
    }

    /// The account that receives the leads.
    async fn recipient(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.recipient).await
    }

    /// Whether leads are accepted now: both flow and source are enabled.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// URL for submissions, by HTTP POST.
    async fn endpoint(&self) -> UrlText {
        self.0.endpoint.clone().into()
    }

    /// How to authenticate, in words.
    async fn authentication(&self) -> &str {
        &self.0.authentication
    }

    /// Fields to send. Examples of encrypted fields are made up.
    async fn fields(&self) -> Vec<FieldDef> {
        self.0.fields.clone()
    }

    /// Which leads are accepted by the rules of the flow and the source, in words; null if every valid lead is.
    async fn acceptance_rule_text(&self) -> Option<&str> {
        self.0.acceptance_rule_text.as_deref()
    }

    /// A GraphQL document that submits a lead.
    async fn example_operation(&self) -> &str {
        &self.0.example_operation
    }

    /// Variables of the example: a test lead, which no count includes.
    async fn example_variables(&self) -> Json<Value> {
        Json(self.0.example_variables.clone())
    }

    /// A shell command that submits the example lead. Reads the API key from the environment variable
    /// `LEADMESH_API_KEY`.
    async fn example_curl(&self) -> &str {
        &self.0.example_curl
    }

    /// Example answers of the server, one per outcome.
    async fn example_responses(&self) -> Vec<ExampleResponse> {
        let responses = self.0.example_responses.iter().cloned();
        responses.map(ExampleResponse::from).collect()
    }

    /// The whole documentation as Markdown.
    async fn markdown(&self) -> &str {
        &self.0.markdown
    }

    /// When the flow or the source last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// An answer of the server to a submission.
#[derive(Clone, Debug, SimpleObject)]
pub struct ExampleResponse {
    /// Outcome of the lead.
    outcome: LeadOutcome,
    /// Body of the answer.
    body: Json<Value>,
}

impl From<docs::ExampleResponse> for ExampleResponse {
    fn from(response: docs::ExampleResponse) -> Self {
        Self {
            outcome: response.outcome,
            body: Json(response.body),
        }
    }
}

connection!(
    SubmissionDocsConnection,
    SubmissionDocsEdge,
    SubmissionDocs,
    docs::SubmissionDocs,
    "submission docs"
);

/// The docs' part of queries.
#[derive(Default)]
pub struct SubmissionDocsQuery;

#[Object]
impl SubmissionDocsQuery {
    /// Submission docs of every flow that a partner has opened to the caller, newest source first. Docs disappear while
    /// their connection is suspended, narrowed or ended. The partner sees how often and when its docs were read. API
    /// keys need the scope `NETWORK_READ` or MANAGE.
    async fn submission_docs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this flow.")] flow_id: Option<FlowId>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<SubmissionDocsConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (reader, opened) = network::docs::opened(caller, flow_id)?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), opened, source::Column::Id, |row| row.id.0, args).await?;
        let (cursors, sources): (Vec<String>, Vec<source::Model>) = page.entries.into_iter().unzip();
        let docs = read(ctx, reader, &sources).await?;
        let page = Page {
            entries: cursors.into_iter().zip(docs).collect(),
            info: page.info,
        };
        Ok(page.into())
    }
}
