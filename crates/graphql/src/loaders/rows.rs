//! Rows of an account by an identifier in one of their columns: one row for each key, or all.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::ids::{AccountId, ConnectionId, FlowId, InvitationId, PartnerId, ProfileId, SettingsId, SourceId};
use entity::{
    assignment, connection_side, delivery_settings, destination, docs_read, flow, invitation, partner, portal_user,
    profile, source, step,
};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, Select};

use super::{Loaded, Many, Rows, by_account, many};
use leadmesh_core::error::Error;

/// `one|many Key(Identifier) => table.field(Column), selection of an account, its large columns`.
macro_rules! load_rows {
    (@value one $model:ty) => { $model };
    (@value many $model:ty) => { Many<$model> };
    (@add one $found:ident, $key:expr, $row:ident) => { $found.insert($key, $row) };
    (@add many $found:ident, $key:expr, $row:ident) => { $found.entry($key).or_insert_with(Vec::new).push($row) };
    (@done one $found:ident) => { $found };
    (@done many $found:ident) => { many($found) };
    ($($(#[$doc:meta])* $kind:ident $key:ident($id:ty) => $table:ident.$field:ident($column:ident), $select:expr, $large:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub AccountId, pub $id);

        impl Loader<$key> for Rows {
            type Value = load_rows!(@value $kind $table::Model);
            type Error = Arc<Error>;

            async fn load(&self, keys: &[$key]) -> Loaded<$key, load_rows!(@value $kind $table::Model)> {
                let select: fn(AccountId) -> Select<$table::Entity> = $select;
                let mut found = HashMap::with_capacity(keys.len());
                for (account, ids) in by_account(keys.iter().map(|key| (key.0, key.1))) {
                    let rows = select(account).filter($table::Column::$column.is_in(ids));
                    for row in self.all_large(rows, $large).await? {
                        if let Some(id) = Option::<$id>::from(row.$field) {
                            load_rows!(@add $kind found, $key(account, id), row);
                        }
                    }
                }
                Ok(load_rows!(@done $kind found))
            }
        }
    )+};
}

load_rows! {
    /// A partner.
    one PartnerRow(PartnerId) => partner.id(Id), partner::Entity::in_account, &[];
    /// A source that was not removed.
    one SourceRow(SourceId) => source.id(Id), source::Entity::in_account, source::Entity::LARGE;
    /// A flow, also a deleted one: leads keep pointing to it.
    one FlowRow(FlowId) => flow.id(Id), flow::Entity::ever_in_account, flow::Entity::LARGE;
    /// A distribution profile.
    one ProfileRow(ProfileId) => profile.id(Id), profile::Entity::in_account, profile::Entity::LARGE;
    /// A version of a partner's delivery settings.
    one SettingsRow(SettingsId) => delivery_settings.id(Id), delivery_settings::Entity::in_account, delivery_settings::Entity::LARGE;
    /// An invitation that the account sent.
    one InvitationSent(InvitationId) => invitation.id(Id), invitation::Entity::sent_by, &[];
    /// The BUYER step that was added with an invitation.
    one StepInvitedBy(InvitationId) => step.invitation_id(InvitationId), step::Entity::in_account, step::Entity::LARGE;
    /// What the account records about a connection.
    one SideOf(ConnectionId) => connection_side.connection_id(ConnectionId), connection_side::Entity::in_account, &[];
    /// The recorded failures of a partner's destination.
    one FailuresOf(PartnerId) => destination.partner_id(PartnerId), destination::Entity::in_account, &[];
    /// The sources of a flow, in order.
    many SourcesOf(FlowId) => source.flow_id(FlowId), |account| source::Entity::in_account(account).order_by_asc(source::Column::Position).order_by_asc(source::Column::Id), source::Entity::LARGE;
    /// The steps of a flow, in order.
    many StepsOf(FlowId) => step.flow_id(FlowId), |account| step::Entity::in_account(account).order_by_asc(step::Column::Position), step::Entity::LARGE;
    /// The BUYER steps that deliver over a connection, oldest first.
    many StepsOver(ConnectionId) => step.connection_id(ConnectionId), |account| step::Entity::in_account(account).order_by_asc(step::Column::Id), step::Entity::LARGE;
    /// The sources that submit over a connection, oldest first.
    many SourcesOver(ConnectionId) => source.connection_id(ConnectionId), |account| source::Entity::in_account(account).order_by_asc(source::Column::Id), source::Entity::LARGE;
    /// The other side's sources that the account may now submit through over a connection, oldest first.
    many OpenSourcesOver(ConnectionId) => source.connection_id(ConnectionId), |account| source::Entity::opened_to(account).order_by_asc(source::Column::Id), &[];
    /// The reads of the docs of a source.
    many DocsReadersOf(SourceId) => docs_read.source_id(SourceId), docs_read::Entity::in_account, &[];
    /// The portal users of a partner, in the order of their invitations.
    many PortalUsersOf(PartnerId) => portal_user.partner_id(PartnerId), |account| portal_user::Entity::in_account(account).order_by_asc(portal_user::Column::Id), &[];
    /// The assignments of a profile, best rank first.
    many AssignmentsIn(ProfileId) => assignment.profile_id(ProfileId), assignment::Entity::in_account, assignment::Entity::LARGE;
    /// The assignments of a partner, best rank first.
    many AssignmentsOf(PartnerId) => assignment.partner_id(PartnerId), assignment::Entity::in_account, assignment::Entity::LARGE;
}
