//! Settings of delivery to a connected account.

use entity::connection::{self, ConnectionStatus};
use entity::delivery_config::AccountConfig;
use sea_orm::{ColumnTrait, QueryFilter};

use super::{AccountInput, shared};
use crate::known_fields::KnownFields;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::change::Change;
use leadmesh_forms::templates::FieldNames;

/// The connection must let the account send. A recipient in the portal cannot choose an account.
pub(super) async fn check(
    change: &Change<'_>,
    input: AccountInput,
    known: KnownFields,
    path: &str,
) -> Result<AccountConfig> {
    let at = format!("{path}.connectionId");
    let account = change.account.id;
    let found = connection::Entity::of_account(account).filter(connection::Column::Id.eq(input.connection));
    let found = found.one(&change.tx).await?;
    let live = found.filter(|connection| connection.status != ConnectionStatus::Terminated);
    let Some(connection) = live.filter(|_| !known.is_for_recipient()) else {
        let message = "there is no such connection: connect with the account first";
        return Err(Error::user(UserErrorCode::NotConnected, &at, message));
    };
    if !connection.type_for(account).sends() {
        let message = "the relationship does not let you send leads to this account: ask it for a wider one first";
        return Err(Error::user(UserErrorCode::DirectionNotAgreed, &at, message));
    }
    let fields = shared::selection(input.fields, &known, &format!("{path}.fields"))?;
    let known = known.under(&fields);
    let known = FieldNames::new(&known);
    shared::mapping(&input.mapping, &fields, &known, &format!("{path}.mapping")).map_err(Error::User)?;
    Ok(AccountConfig {
        connection_id: Some(connection.id),
        fields,
        mapping: input.mapping,
    })
}
