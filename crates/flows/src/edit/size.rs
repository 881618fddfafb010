//! How large a flow may become by a change. One that was larger before stays as it is, and may become smaller.

use super::Edit;
use crate::contents::Contents;
use crate::snapshot::Snapshot;
use crate::weighing::rules_of;
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_forms::limits::{FLOW_BYTES, FLOW_PATTERN_BYTES};

/// Finds fault with a flow that holds too much, or whose patterns take too much.
pub(super) fn check(edit: &mut Edit<'_>) -> Result<()> {
    let bytes = bytes_of(&edit.after)?;
    let grows = |before: &Contents| Ok::<_, leadmesh_core::error::Error>(bytes > bytes_of(before)?);
    if bytes > FLOW_BYTES && edit.before.as_ref().map(grows).transpose()?.unwrap_or(true) {
        let text = format!(
            "a flow has {} KiB at most, its fields, rules, sources and steps together, and this change makes it {} KiB: remove what \
             is not used any more, or make two flows of it",
            FLOW_BYTES >> 10,
            bytes.div_ceil(1 << 10)
        );
        edit.check.broken(UserErrorCode::LimitReached, "input", text);
    }
    let patterns = edit.check.weighed.together(&rules_of(&edit.after));
    if patterns > FLOW_PATTERN_BYTES {
        let text = format!(
            "compiled, the patterns of a flow, its sources and its steps may take {} MiB together, and this change makes it {} MiB: \
             use smaller repetitions, [a-z] or [0-9] in place of \\w or \\d, or fewer patterns",
            FLOW_PATTERN_BYTES >> 20,
            patterns.div_ceil(1 << 20)
        );
        edit.check.broken(UserErrorCode::LimitReached, "input", text);
    }
    Ok(())
}

/// Whether a change makes a flow larger, or leaves it as large as it was. A smaller one is always taken, although it leaves a further
/// revision behind: there must be a way out for an account whose settings are full.
pub(super) fn grows(before: Option<&Contents>, after: &Contents) -> Result<bool> {
    let Some(before) = before.filter(|_| after.flow.deleted_at.is_none()) else {
        return Ok(after.flow.deleted_at.is_none());
    };
    Ok(bytes_of(after)? >= bytes_of(before)?)
}

fn bytes_of(contents: &Contents) -> Result<usize> {
    Ok(serde_json::to_vec(&Snapshot::of(contents))?.len())
}
