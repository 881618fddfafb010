//! The source through which a lead is submitted.

use entity::ids::{AccountId, SourceId};

use crate::snapshot::{Access, Snapshot};
use leadmesh_core::error::{Error, Result, UserErrorCode};

pub(super) fn no_flow() -> Error {
    Error::user(
        UserErrorCode::NotFound,
        "input.flowId",
        "no such flow, or it is not open to you",
    )
}

/// The index of the named source, or of the sender's first that is enabled, or of its first. A source whose connection has ended is
/// answered like one that does not exist.
pub(super) fn find_source(flow: &Snapshot, account: AccountId, named: Option<SourceId>) -> Result<usize> {
    let sources = flow.sources.iter().enumerate();
    let mut own = sources.filter(|(_, source)| source.sender == account && source.access != Access::Closed);
    let (found, path, advice) = if let Some(id) = named {
        let found = own.find(|(_, source)| source.id == id);
        (found, "input.sourceId", "the flow has no such source of yours")
    } else {
        let first = own.clone().next();
        let found = own.find(|(_, source)| source.enabled).or(first);
        let advice = "the flow has no source of your own: add one with addSource";
        (found, "input.flowId", advice)
    };
    match found {
        Some((_, source)) if source.access == Access::Suspended => Err(Error::user(
            UserErrorCode::NotConnected,
            path,
            "your connection with the recipient is suspended: send again once it is resumed",
        )),
        Some((index, _)) => Ok(index),
        None if flow.account == account => Err(Error::user(UserErrorCode::NotFound, path, advice)),
        None => Err(no_flow()),
    }
}
