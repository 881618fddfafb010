//! When partners read submission docs. Owners see who has not read them since a change.

use std::collections::BTreeMap;

use entity::docs_read;
use entity::ids::AccountId;
use entity::source::{self, SourceKind};
use sea_orm::Set;

use leadmesh_core::app::App;
use leadmesh_core::database::Db;
use leadmesh_core::deferred_counters::{DocsReader, ReadCount};
use leadmesh_core::error::Result;

/// Counts that an account read the docs of a source. Its own do not count.
pub fn note(app: &App, reader: AccountId, source: &source::Model) {
    if source.kind != SourceKind::Own && source.sender_account_id == Some(reader) {
        let reading = DocsReader {
            source: source.id,
            owner: source.account_id,
            reader,
        };
        app.counters.read(reading, app.clock.now());
    }
}

pub(super) async fn write(db: &Db, counted: &BTreeMap<DocsReader, ReadCount>) -> Result<()> {
    let row = |(reading, reads): (&DocsReader, &ReadCount)| docs_read::ActiveModel {
        source_id: Set(reading.source),
        reader_account_id: Set(reading.reader),
        account_id: Set(reading.owner),
        reads: Set(reads.count),
        first_at: Set(reads.first),
        last_at: Set(reads.last),
    };
    if !counted.is_empty() {
        docs_read::Entity::add(db.write(), counted.iter().map(row).collect()).await?;
    }
    Ok(())
}
