//! What resolvers take from their context: the app, and who is asking.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use tokio::sync::OnceCell;

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::caller::Caller;

/// Who asks in one operation. Their rights are read from the database when first needed, once.
pub struct RequestAuth {
    token: Option<String>,
    ip: Option<IpAddr>,
    known: Option<Caller>,
    fresh: OnceCell<Caller>,
    /// Whom viewers show, by the response key of the root field above.
    viewers: Mutex<Vec<(String, Caller)>>,
}

impl RequestAuth {
    /// The bearer of a token, or nobody, from there. `known` is who the token belonged to when last looked up.
    pub fn new(token: Option<String>, ip: Option<IpAddr>, known: Option<Caller>) -> Self {
        Self {
            token,
            ip,
            known,
            fresh: OnceCell::new(),
            viewers: Mutex::default(),
        }
    }

    /// Below that root field stands a viewer who shows this caller: the one who asks, or who has just signed in.
    pub fn shows_viewer(&self, root: &str, caller: &Caller) {
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        if !viewers.iter().any(|(known, _)| known == root) {
            viewers.push((root.to_owned(), caller.clone()));
        }
    }

    /// The caller whom a viewer below that root field shows.
    pub fn viewer_at(&self, root: &str) -> Option<Caller> {
        let viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers
            .iter()
            .find(|(known, _)| known == root)
            .map(|(_, caller)| caller.clone())
    }

    /// The caller with the rights that the database gives them now.
    pub async fn caller(&self, app: &App) -> Result<&Caller> {
        self.fresh
            .get_or_try_init(|| async {
                match &self.token {
                    // In a box of its own: every subscription keeps room for this.
                    Some(token) => Box::pin(authenticate::bearer(app, token, self.ip)).await,
                    None => Ok(Caller::anonymous(self.ip)),
                }
            })
            .await
    }

    /// The caller as last known: only for submitting leads, which looks at their rights again in its own transaction.
    pub async fn caller_for_submission(&self, app: &App) -> Result<&Caller> {
        match &self.known {
            Some(known) => Ok(known),
            None => self.caller(app).await,
        }
    }

    /// Whether no token was shown.
    pub fn is_anonymous(&self) -> bool {
        self.token.is_none()
    }

    /// Address of the caller.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }
}

/// Short ways to what the context carries.
pub trait ContextExt<'a> {
    /// The app.
    fn app(&self) -> Result<&'a App>;
    /// Who asks.
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

/// The app and the caller with their rights as they are now.
pub async fn app_and_caller<'a>(ctx: &Context<'a>) -> Result<(&'a App, &'a Caller)> {
    let app = ctx.app()?;
    let caller = ctx.auth()?.caller(app).await?;
    Ok((app, caller))
}
