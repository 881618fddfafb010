//! Who read submission docs, and when. Owners see it: a partner that has not looked since a change will be surprised by it.

use std::collections::BTreeMap;

use entity::docs_read;
use entity::ids::AccountId;
use entity::source::{self, SourceKind};
use sea_orm::Set;

use leadmesh_core::app::App;
use leadmesh_core::database::Db;
use leadmesh_core::error::Result;
use leadmesh_core::tally::{Reading, Reads};

/// Notes that an account read the docs of a source. Its own docs are nobody's concern.
pub fn note(app: &App, reader: AccountId, source: &source::Model) {
    if source.kind != SourceKind::Own && source.sender_account_id == Some(reader) {
        let reading = Reading {
            source: source.id,
            owner: source.account_id,
            reader,
        };
        app.tally.read(reading, app.clock.now());
    }
}

/// Adds what was counted.
pub(super) async fn write(db: &Db, counted: &BTreeMap<Reading, Reads>) -> Result<()> {
    let row = |(reading, reads): (&Reading, &Reads)| docs_read::ActiveModel {
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
