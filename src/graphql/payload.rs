//! What every mutation answers besides its object: the rules of the business that the input broke.

use async_graphql::SimpleObject;

use crate::error::{Broken, Error, Result, UserErrorCode};

/// A rule of the business that the input broke. Nothing was changed.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// Which rule; new codes may be added, so have a default branch.
    code: UserErrorCode,
    /// What to do, for people.
    message: String,
    /// Where in the arguments, from the outside in, such as `["input", "recipients", "0"]`; null when it is about the whole.
    path: Option<Vec<String>>,
}

impl From<Broken> for UserError {
    fn from(broken: Broken) -> Self {
        Self {
            code: broken.code,
            message: broken.message,
            path: Some(broken.path).filter(|path| !path.is_empty()),
        }
    }
}

/// Tells apart what goes into a payload (the object, or the broken rules) from what is an error of the request.
pub fn outcome<T>(result: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(object) => Ok((Some(object), Vec::new())),
        Err(Error::Broken(broken)) => Ok((None, broken.into_iter().map(UserError::from).collect())),
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
