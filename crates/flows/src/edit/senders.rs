//! Events for connected accounts whose submission docs have changed.

use std::collections::HashMap;

use entity::event::EventKind;
use entity::ids::{ConnectionId, SourceId};
use entity::source::{self, SourceKind};
use entity::{connection, flow};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use crate::contents::Contents;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;

/// An event for every sender that may submit now and whose docs are changed, new, or gone.
pub(super) async fn docs_events(
    tx: &DatabaseTransaction,
    before: Option<&Contents>,
    after: &Contents,
) -> Result<Vec<NewEvent>> {
    let changed = changed_sources(before, after);
    let ids: Vec<ConnectionId> = changed.iter().filter_map(|source| source.connection_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let links = connection::Entity::of_account(after.flow.account_id).filter(connection::Column::Id.is_in(ids));
    let links = links.all(tx).await?.into_iter();
    let links: HashMap<ConnectionId, connection::Model> = links.map(|link| (link.id, link)).collect();
    let event = |source: &&source::Model| {
        let sender = source.sender_account_id?;
        let link = links.get(&source.connection_id?)?;
        link.lets_send(sender).then(|| NewEvent {
            topic: sender.0,
            kind: EventKind::SubmissionDocsChanged,
            subject: source.id.0,
            scope: Some(after.flow.id.0),
            detail: None,
            outcome: None,
        })
    };
    Ok(changed.iter().filter_map(event).collect())
}

/// Sources of connected accounts whose docs differ.
fn changed_sources<'a>(before: Option<&'a Contents>, after: &'a Contents) -> Vec<&'a source::Model> {
    let of = |contents: &'a Contents| {
        let sources = contents.sources.iter();
        sources.filter(|source| source.kind == SourceKind::Account)
    };
    let known: HashMap<SourceId, &source::Model> = before.into_iter().flat_map(of).map(|row| (row.id, row)).collect();
    let flow_changed = before.is_none_or(|before| docs_of_flow(&before.flow) != docs_of_flow(&after.flow));
    let same = |source: &source::Model| {
        let known = known.get(&source.id);
        known.is_some_and(|known| docs_of_source(known) == docs_of_source(source))
    };
    let changed = of(after).filter(|source| flow_changed || !same(source));
    let is_gone = |source: &&source::Model| !after.sources.iter().any(|kept| kept.id == source.id);
    changed.chain(known.values().copied().filter(is_gone)).collect()
}

/// What `flows::docs` reads of a flow.
fn docs_of_flow(flow: &flow::Model) -> impl PartialEq + '_ {
    (
        (&flow.name, flow.enabled, flow.deleted_at.is_some(), &flow.fields),
        (&flow.acceptance_rule, &flow.duplicate_keys, flow.duplicate_window_days),
        (flow.price_e4, &flow.price_currency),
    )
}

/// What `flows::docs` reads of a connected account's source.
fn docs_of_source(source: &source::Model) -> impl PartialEq + '_ {
    (
        (source.enabled, &source.acceptance_rule, &source.mapping),
        (source.price_e4, &source.price_currency, source.connection_id),
    )
}
