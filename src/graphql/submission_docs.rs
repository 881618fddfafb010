//! What a sender has to know to submit.

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::lead::LeadOutcome;
use serde_json::Value;

use super::account::AccountProfile;
use super::flow_field::FlowField;
use super::relay::connection;
use super::scalars::UrlText;
use crate::error::Result;
use crate::flows::docs;

/// Everything a sender needs to submit to one source of one flow, made from both as they are now.
pub struct SubmissionDocs(pub docs::SubmissionDocs);

impl From<docs::SubmissionDocs> for SubmissionDocs {
    fn from(docs: docs::SubmissionDocs) -> Self {
        Self(docs)
    }
}

/// Everything a sender needs to submit to one source of one flow, made from both as they are now. Fields have the names that
/// the sender gives them.
#[Object]
impl SubmissionDocs {
    /// Which flow.
    async fn flow_id(&self) -> ID {
        self.0.flow_id.to_string().into()
    }

    /// Its name.
    async fn flow_name(&self) -> &str {
        &self.0.flow_name
    }

    /// Through which source.
    async fn source_id(&self) -> ID {
        self.0.source_id.to_string().into()
    }

    /// Who takes the leads.
    async fn recipient(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.recipient).await
    }

    /// Whether leads are taken at the moment: both flow and source are enabled.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Where to send them, by HTTP POST.
    async fn endpoint(&self) -> UrlText {
        self.0.endpoint.clone().into()
    }

    /// How to authenticate, in words.
    async fn authentication(&self) -> &str {
        &self.0.authentication
    }

    /// What to send. Examples of encrypted fields are made up.
    async fn fields(&self) -> Vec<FlowField> {
        self.0.fields.iter().cloned().map(FlowField::from).collect()
    }

    /// Which leads are taken, in words, by the rules of the flow and of the source; null when every valid lead is.
    async fn acceptance_rule_text(&self) -> Option<&str> {
        self.0.acceptance_rule_text.as_deref()
    }

    /// A GraphQL document that submits a lead.
    async fn example_operation(&self) -> &str {
        &self.0.example_operation
    }

    /// Its variables: a test lead, which counts nowhere.
    async fn example_variables(&self) -> Json<Value> {
        Json(self.0.example_variables.clone())
    }

    /// A command line that submits that lead. It takes the API key from the environment variable `LEADMESH_API_KEY`.
    async fn example_curl(&self) -> &str {
        &self.0.example_curl
    }

    /// What the server answers: an example for each outcome.
    async fn example_responses(&self) -> Vec<ExampleResponse> {
        let responses = self.0.example_responses.iter().cloned();
        responses.map(ExampleResponse::from).collect()
    }

    /// All of it, to read, as Markdown.
    async fn markdown(&self) -> &str {
        &self.0.markdown
    }

    /// The last change of the flow or the source.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// What the server answers to a submission.
#[derive(Clone, Debug, SimpleObject)]
pub struct ExampleResponse {
    /// What became of the lead.
    outcome: LeadOutcome,
    /// The body of the answer.
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
