//! Keys for programs.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::api_key::{self, ApiKeyScope};
use entity::ids::ApiKeyId;

use super::context::app_and_caller;
use super::payload::{UserError, outcome};
use leadmesh_core::error::Result;
use leadmesh_core::identity::api_keys::{self, CreateApiKey};

/// A key.
pub struct ApiKey(pub api_key::Model);

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self(row)
    }
}

/// An API key: a credential of a program. Its secret is shown once, at creation.
#[Object]
impl ApiKey {
    /// Identifier of the key, not its secret.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Display name, at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Last four characters of the secret, to tell keys apart.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    /// Scopes of the key.
    async fn scopes(&self) -> &[ApiKeyScope] {
        &self.0.scopes.0
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the key was last used, to about a minute; null if never.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }

    /// When the key expires; null if it does not.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When the key was revoked; null if it was not.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.0.revoked_at
    }
}

/// The created API key.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The key; null if none was created.
    api_key: Option<ApiKey>,
    /// The secret, sent as `Authorization: Bearer …`. Shown only once.
    secret: Option<String>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Result of a change to an API key.
#[derive(SimpleObject)]
pub struct ApiKeyPayload {
    /// The updated API key; null if nothing changed.
    api_key: Option<ApiKey>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Changes of the account's keys.
#[derive(Default)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Creates an API key for the caller's account. At most 50 keys may be valid at a time. Requires OWNER or ADMIN.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The name and scopes.")] input: CreateApiKey,
    ) -> Result<CreateApiKeyPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (made, user_errors) = outcome(api_keys::create(app, caller, input).await)?;
        let (key, secret) = made.unzip();
        Ok(CreateApiKeyPayload {
            api_key: key.map(ApiKey),
            secret,
            user_errors,
        })
    }

    /// Revokes an API key of the caller's account, immediately and permanently. Repeating it changes nothing. Requires
    /// OWNER or ADMIN.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the API key.")] id: ApiKeyId,
    ) -> Result<ApiKeyPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (key, user_errors) = outcome(api_keys::revoke(app, caller, id).await)?;
        Ok(ApiKeyPayload {
            api_key: key.map(ApiKey),
            user_errors,
        })
    }
}
