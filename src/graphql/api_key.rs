//! Keys for programs.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::api_key::{self, ApiKeyScope};

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::payload::{UserError, outcome};
use crate::error::Result;
use crate::identity::api_keys::{self, CreateApiKey};

/// A key.
pub struct ApiKey(pub api_key::Model);

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self(row)
    }
}

/// A key with which a program acts for an account. Its secret is shown once, when it is made.
#[Object]
impl ApiKey {
    /// Identifier; not the secret.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown, at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The last four characters of the secret, to tell keys apart.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    /// What the key may do.
    async fn scopes(&self) -> &[ApiKeyScope] {
        &self.0.scopes.0
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last used, to about a minute; null if it never was.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }

    /// When it ends by itself; null if it does not.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When it was revoked; null if it was not.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.0.revoked_at
    }
}

/// A key that is to be made.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// As shown, 1 to 120 characters.
    name: String,
    /// What the key may do; at least one.
    scopes: Vec<ApiKeyScope>,
    /// When it ends by itself, in the future; left out, it lasts until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

/// A key that was made.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The key; null when none was made.
    api_key: Option<ApiKey>,
    /// What the program sends as `Authorization: Bearer …`. Shown this once.
    secret: Option<String>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// A key after a change.
#[derive(SimpleObject)]
pub struct ApiKeyPayload {
    /// As it is now; null when nothing was changed.
    api_key: Option<ApiKey>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Changes of the account's keys.
#[derive(Default)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes a key for a program of the caller's account, of which at most 50 may be usable at once. Takes an OWNER or ADMIN.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to call it and what it may do.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = CreateApiKey {
            name: input.name,
            scopes: input.scopes,
            expires_at: input.expires_at,
        };
        let (made, user_errors) = outcome(api_keys::create(app, caller, input).await)?;
        let (key, secret) = made.unzip();
        Ok(CreateApiKeyPayload {
            api_key: key.map(ApiKey),
            secret,
            user_errors,
        })
    }

    /// Ends a key of the caller's account at once, for good. Ending it again changes nothing. Takes an OWNER or ADMIN.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the key.")] id: ID,
    ) -> Result<ApiKeyPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (key, user_errors) = outcome(api_keys::revoke(app, caller, id_or_unknown(&id)).await)?;
        Ok(ApiKeyPayload {
            api_key: key.map(ApiKey),
            user_errors,
        })
    }
}
