//! What every payload has besides its object: the broken business rules.

use async_graphql::SimpleObject;

use leadmesh_core::error::{Broken, Error, Result, UserErrorCode};

/// A business rule that the input broke. Nothing was changed.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// Code of the rule. New codes may be added, so have a default branch.
    code: UserErrorCode,
    /// What is wrong and what to do, for people.
    message: String,
    /// Path in the arguments, outermost first, such as `["input", "recipients", "0"]`; null if the error concerns the
    /// whole input.
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

/// Separates what goes into a payload (the object, or the broken rules) from an error of the request.
pub fn outcome<T>(result: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(object) => Ok((Some(object), Vec::new())),
        Err(Error::Broken(broken)) => Ok((None, broken.into_iter().map(UserError::from).collect())),
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
