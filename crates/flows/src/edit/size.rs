//! How large a change may make a flow. A flow that exceeds the limits already may stay so, and may become smaller.

use crate::checks::Checker;
use crate::contents::Contents;
use crate::snapshot::RevisionSnapshot;
use crate::stored_rules::rules_of;
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_forms::limits::{FLOW_BYTES, FLOW_PATTERN_BYTES};

/// Checks the bytes of a flow, and the compiled size of its patterns.
pub(super) fn check(check: &mut Checker, before: Option<&Contents>, after: &Contents) -> Result<()> {
    let bytes = bytes_of(after)?;
    let was = before.map(bytes_of).transpose()?.unwrap_or_default();
    if bytes > FLOW_BYTES && bytes > was {
        let text = format!(
            "a flow has {} KiB at most, its fields, rules, sources and steps together, and this change makes it {} KiB: remove what \
             is not used any more, or make two flows of it",
            FLOW_BYTES >> 10,
            bytes.div_ceil(1 << 10)
        );
        check.broken(UserErrorCode::LimitReached, "input", text);
    }
    let patterns = check.sizes.total(&rules_of(after));
    if patterns > FLOW_PATTERN_BYTES {
        let text = format!(
            "compiled, the patterns of a flow, its sources and its steps may take {} MiB together, and this change makes it {} MiB: \
             use smaller repetitions, [a-z] or [0-9] in place of \\w or \\d, or fewer patterns",
            FLOW_PATTERN_BYTES >> 20,
            patterns.div_ceil(1 << 20)
        );
        check.broken(UserErrorCode::LimitReached, "input", text);
    }
    Ok(())
}

/// Whether a change does not make the flow smaller. A smaller one is always accepted, although it adds a revision: there must be a way
/// out for an account whose settings are full.
pub(super) fn grows(before: Option<&Contents>, after: &Contents) -> Result<bool> {
    if after.flow.deleted_at.is_some() {
        return Ok(false);
    }
    let was = before.map(bytes_of).transpose()?.unwrap_or_default();
    Ok(bytes_of(after)? >= was)
}

fn bytes_of(contents: &Contents) -> Result<usize> {
    Ok(serde_json::to_vec(&RevisionSnapshot::of(contents))?.len())
}
