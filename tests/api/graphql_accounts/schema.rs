//! A schema of these nouns alone.

use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::{EmptySubscription, MergedObject, Request, Response, Schema, Variables};
use leadmesh_core::app::App;
use leadmesh_graphql::context::RequestAuth;
use leadmesh_graphql::loaders::{self, Rows};
use leadmesh_graphql::{
    account, api_key, audit_event, mask, portal, portal_session, portal_user, session, smtp_settings, user, viewer,
};
use serde_json::{Value, json};

#[derive(MergedObject, Default)]
struct Query(
    viewer::ViewerQuery,
    account::AccountQuery,
    audit_event::AuditEventQuery,
    portal::PortalQuery,
);

#[derive(MergedObject, Default)]
struct Mutation(
    session::SessionMutation,
    portal_session::PortalSessionMutation,
    user::UserMutation,
    account::AccountMutation,
    smtp_settings::SmtpSettingsMutation,
    api_key::ApiKeyMutation,
    portal_user::PortalUserMutation,
);

type TestSchema = Schema<Query, Mutation, EmptySubscription>;

fn schema() -> TestSchema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).finish()
}

/// The API as somebody uses it.
pub(super) struct Api<'a> {
    app: &'a App,
    schema: TestSchema,
    token: Option<String>,
}

impl<'a> Api<'a> {
    /// As nobody.
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            schema: schema(),
            token: None,
        }
    }

    /// As the bearer of that token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self {
            app: self.app,
            schema: self.schema.clone(),
            token: Some(token.to_owned()),
        }
    }

    fn loader(&self) -> DataLoader<Rows> {
        loaders::loader(self.app)
    }

    async fn execute(&self, query: &str, variables: Value) -> Response {
        let request = Request::new(query)
            .variables(Variables::from_json(variables))
            .data(self.app.clone())
            .data(self.loader())
            .data(Arc::new(RequestAuth::new(self.token.clone(), None, None)));
        let mut response = self.schema.execute(request).await;
        mask::mask(&mut response, "test");
        response
    }

    /// What is answered where there is no error.
    pub(super) async fn data(&self, query: &str, variables: Value) -> Value {
        let response = self.execute(query, variables).await;
        assert!(response.errors.is_empty(), "{query}: {:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// The code of the one error that is answered.
    pub(super) async fn code(&self, query: &str) -> String {
        let response = self.execute(query, json!({})).await;
        assert_eq!(response.errors.len(), 1, "{query}: {response:?}");
        mask::code_of(&response.errors[0]).unwrap().to_owned()
    }
}

/// Names of all that a reader of the schema would have to guess. Another noun's stand-in is not looked at.
pub(super) fn undescribed() -> Vec<String> {
    let sdl = schema().sdl();
    let mut missing = Vec::new();
    let (mut described, mut in_text) = (false, false);
    for line in sdl.lines().map(str::trim) {
        if line.starts_with("\"\"\"") {
            in_text = !(in_text || line.len() > 3 && line.ends_with("\"\"\""));
            described = true;
        } else if !in_text && !line.is_empty() && !line.starts_with(['}', ')']) {
            let is_named =
                line.ends_with('{') || line.contains(':') || line.chars().all(|c| c.is_uppercase() || c == '_');
            let is_root = ["schema {", "type Query {", "type Mutation {", "query:", "mutation:"];
            if is_named && !described && !is_root.iter().any(|root| line.starts_with(root)) {
                missing.push(line.to_owned());
            }
            described = false;
        }
    }
    missing
}
