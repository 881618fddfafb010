//! What every mutation answers besides its object: the rules of the business that the input broke.

use async_graphql::SimpleObject;

pub use crate::error::UserError;
use crate::error::{Error, Result};

/// Tells apart what goes into a payload (the object, or the broken rules) from what is an error of the request.
pub fn outcome<T>(result: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(object) => Ok((Some(object), Vec::new())),
        Err(Error::User(errors)) => Ok((None, errors)),
        Err(other) => Err(other),
    }
}

/// An acknowledgement that tells nothing more.
#[derive(Clone, Debug, SimpleObject)]
pub struct AcknowledgePayload {
    /// Whether it was done, as far as may be told.
    pub ok: bool,
    /// Rules that the input broke.
    pub user_errors: Vec<UserError>,
}

/// What was removed.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeletePayload {
    /// Its identifier; null when nothing was removed.
    pub deleted_id: Option<async_graphql::ID>,
    /// Rules that the input broke.
    pub user_errors: Vec<UserError>,
}
