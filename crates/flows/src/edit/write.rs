//! Writes the differences between two states of a flow.

use chrono::{DateTime, Utc};
use entity::{flow, former_field, source, step};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel, Iterable};

use crate::contents::Contents;
use leadmesh_core::error::Result;

/// Writes the flow and its changed sources and steps. Missing ones are marked as removed.
pub(super) async fn differences(tx: &DatabaseTransaction, before: Option<&Contents>, after: &Contents) -> Result<()> {
    let now = Some(after.flow.updated_at);
    let (sources, steps) = before.map_or((&[][..], &[][..]), |before| (&before.sources, &before.steps));
    let sources = differing(sources, &after.sources, |row| row.id, |row| removed_source(row, now));
    let steps = differing(steps, &after.steps, |row| row.id, |row| removed_step(row, now));
    put::<flow::Entity>(tx, vec![after.flow.clone()]).await?;
    if after.flow.deleted_at.is_some() {
        let names = after.flow.fields.0.iter().map(|field| field.name.clone());
        former_field::Entity::note(tx, after.flow.account_id, names).await?;
    }
    put::<source::Entity>(tx, sources).await?;
    put::<step::Entity>(tx, steps).await
}

fn removed_source(row: &source::Model, at: Option<DateTime<Utc>>) -> source::Model {
    source::Model {
        deleted_at: at,
        ..row.clone()
    }
}

fn removed_step(row: &step::Model, at: Option<DateTime<Utc>>) -> step::Model {
    step::Model {
        deleted_at: at,
        ..row.clone()
    }
}

/// Removed rows, as `removed` leaves them, then new and changed ones, because a row may take the place of a removed one.
fn differing<M: Clone + PartialEq, K: PartialEq>(
    before: &[M],
    after: &[M],
    key: impl Fn(&M) -> K,
    removed: impl Fn(&M) -> M,
) -> Vec<M> {
    let changed = after.iter().filter(|row| !before.contains(row)).cloned();
    let gone = before
        .iter()
        .filter(|row| !after.iter().any(|kept| key(kept) == key(row)));
    gone.map(removed).chain(changed).collect()
}

/// Inserts or replaces rows: a removed row may be restored under its identifier.
async fn put<E>(tx: &DatabaseTransaction, rows: Vec<E::Model>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    if rows.is_empty() {
        return Ok(());
    }
    let replace = OnConflict::columns(E::PrimaryKey::iter())
        .update_columns(E::Column::iter())
        .to_owned();
    E::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .on_conflict(replace)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_changed_or_gone_differs() {
        let before = [(1, "a"), (2, "b"), (3, "c")];
        let after = [(3, "c"), (2, "B"), (4, "d")];
        let gone = |row: &(i32, &'static str)| (row.0, "gone");
        assert_eq!(
            differing(&before, &after, |row| row.0, gone),
            [(1, "gone"), (2, "B"), (4, "d")]
        );
    }
}
