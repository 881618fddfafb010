//! What every mutation answers besides its object: the rules of the business that the input broke.

use async_graphql::SimpleObject;

pub use leadmesh_core::error::UserError;
use leadmesh_core::error::{Error, Result};

/// Tells apart what goes into a payload (the object, or the broken rules) from what is an error of the request.
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
