//! The reason that one account gives another.

use leadmesh_core::error::UserError;
use leadmesh_core::identity::texts;

const MAX_CHARACTERS: usize = 500;

/// A blank reason counts as none.
pub(super) fn optional_reason(reason: Option<&str>, path: &str) -> Result<Option<String>, UserError> {
    let given = reason.filter(|reason| !reason.trim().is_empty());
    given
        .map(|reason| texts::line(reason, MAX_CHARACTERS, path))
        .transpose()
}
