//! The caller as a viewer.

use async_graphql::{Context, Object};

use super::account::Account;
use super::api_key::ApiKey;
use super::context::{ContextExt, app_and_caller};
use super::portal_user::PortalUser;
use super::scopes::root_key;
use super::user::User;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::viewer;

/// An authenticated caller. After signing in, the new caller, not the bearer of the request.
pub struct Viewer(Caller);

impl Viewer {
    /// The viewer of a caller; none if it is anonymous.
    pub fn of(caller: Caller) -> Option<Self> {
        (caller.principal != Principal::Anonymous).then_some(Self(caller))
    }

    /// Lets what stands below be read by the one whom it shows.
    fn opens(&self, ctx: &Context<'_>) -> Result<()> {
        if let Some(node) = &ctx.path_node {
            ctx.auth()?.shows_viewer(root_key(node), &self.0);
        }
        Ok(())
    }
}

/// The caller. Exactly one of `user`, `apiKey` and `portalUser` is set.
#[Object]
impl Viewer {
    /// The caller's account; null for portal users, and for API keys whose scopes do not include reading it.
    async fn account(&self, ctx: &Context<'_>) -> Result<Option<Account>> {
        self.opens(ctx)?;
        let row = viewer::account(ctx.app()?, &self.0).await?;
        Ok(row.map(|row| Account::new(row, &self.0)))
    }

    /// The calling user.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        self.opens(ctx)?;
        Ok(viewer::user(ctx.app()?, &self.0).await?.map(User))
    }

    /// The calling API key.
    async fn api_key(&self, ctx: &Context<'_>) -> Result<Option<ApiKey>> {
        self.opens(ctx)?;
        Ok(viewer::api_key(ctx.app()?, &self.0).await?.map(ApiKey))
    }

    /// The calling portal user.
    async fn portal_user(&self, ctx: &Context<'_>) -> Result<Option<PortalUser>> {
        self.opens(ctx)?;
        Ok(viewer::portal_user(ctx.app()?, &self.0).await?.map(PortalUser))
    }
}

/// Queries about the caller.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// The caller; null without a token. An invalid or expired token is an error: UNAUTHENTICATED.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<Viewer>> {
        let (_, caller) = app_and_caller(ctx).await?;
        Ok(Viewer::of(caller.clone()))
    }
}
