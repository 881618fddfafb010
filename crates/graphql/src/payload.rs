//! What every payload has besides its object: the broken business rules.

use async_graphql::SimpleObject;

pub use leadmesh_core::error::UserError;
use leadmesh_core::error::{Error, Result};

/// Separates what goes into a payload (the object, or the broken rules) from an error of the request.
pub fn outcome<T>(result: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(object) => Ok((Some(object), Vec::new())),
        Err(Error::User(errors)) => Ok((None, errors)),
        Err(other) => Err(other),
    }
}

/// Acknowledges a request without revealing more.
#[derive(Clone, Debug, SimpleObject)]
pub struct AcknowledgePayload {
    /// Whether the request was accepted. Does not reveal whether a token or address exists.
    pub ok: bool,
    /// Business rules that the input broke.
    pub user_errors: Vec<UserError>,
}

/// Result of a deletion.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeletePayload {
    /// Identifier of the deleted object; null if nothing was deleted.
    pub deleted_id: Option<async_graphql::ID>,
    /// Business rules that the input broke.
    pub user_errors: Vec<UserError>,
}

impl DeletePayload {
    /// The result of a use case that answers the identifier of what it deleted.
    pub fn of(result: Result<impl std::fmt::Display>) -> Result<Self> {
        let (deleted, user_errors) = outcome(result)?;
        Ok(Self {
            deleted_id: deleted.map(Into::into),
            user_errors,
        })
    }
}
