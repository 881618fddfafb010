//! What resolvers take from their context: the app and the caller.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use tokio::sync::OnceCell;

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::caller::Caller;

/// Authentication of one operation. The caller's rights are read from the database once, when first needed.
pub struct RequestAuth {
    token: Option<String>,
    ip: Option<IpAddr>,
    known: Option<Caller>,
    fresh: OnceCell<Caller>,
    /// The callers that viewers show, by the response key of their root field.
    viewers: Mutex<Vec<(String, Caller)>>,
}

impl RequestAuth {
    /// The bearer of a token, or an anonymous caller. `known` is the cached caller of that token.
    pub fn new(token: Option<String>, ip: Option<IpAddr>, known: Option<Caller>) -> Self {
        Self {
            token,
            ip,
            known,
            fresh: OnceCell::new(),
            viewers: Mutex::default(),
        }
    }

    /// Records that the viewer below a root field shows this caller: the one of the request, or one who has just
    /// signed in.
    pub fn shows_viewer(&self, root: &str, caller: &Caller) {
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        if !viewers.iter().any(|(known, _)| known == root) {
            viewers.push((root.to_owned(), caller.clone()));
        }
    }

    /// The caller that the viewer below a root field shows.
    pub fn viewer_at(&self, root: &str) -> Option<Caller> {
        let viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers
            .iter()
            .find(|(known, _)| known == root)
            .map(|(_, caller)| caller.clone())
    }

    /// The caller with the current rights of the database.
    pub async fn caller(&self, app: &App) -> Result<&Caller> {
        self.fresh
            .get_or_try_init(|| async {
                match &self.token {
                    // Boxed, because every subscription keeps room for this future.
                    Some(token) => Box::pin(authenticate::bearer(app, token, self.ip)).await,
                    None => Ok(Caller::anonymous(self.ip)),
                }
            })
            .await
    }

    /// The cached caller. Only for submitting leads, which checks the rights again in its own transaction.
    pub async fn caller_for_submission(&self, app: &App) -> Result<&Caller> {
        match &self.known {
            Some(known) => Ok(known),
            None => self.caller(app).await,
        }
    }

    /// Whether the request has no token.
    pub fn is_anonymous(&self) -> bool {
        self.token.is_none()
    }

    /// Address of the caller.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }
}

/// Accessors of the context.
pub trait ContextExt<'a> {
    /// The app.
    fn app(&self) -> Result<&'a App>;
    /// The authentication of the operation.
    fn auth(&self) -> Result<&'a Arc<RequestAuth>>;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn app(&self) -> Result<&'a App> {
        self.data::<App>()
            .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))
    }

    fn auth(&self) -> Result<&'a Arc<RequestAuth>> {
        self.data::<Arc<RequestAuth>>()
            .map_err(|error| Error::Internal(anyhow::anyhow!(error.message)))
    }
}

/// The app, and the caller with current rights.
pub async fn app_and_caller<'a>(ctx: &Context<'a>) -> Result<(&'a App, &'a Caller)> {
    let app = ctx.app()?;
    let caller = ctx.auth()?.caller(app).await?;
    Ok((app, caller))
}
