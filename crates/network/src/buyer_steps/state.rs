//! The state of a buyer step.

use entity::account;
use entity::connection::{self, ConnectionStatus};
use entity::flow;
use entity::ids::AccountId;
use entity::source;
use sea_orm::ConnectionTrait;

use leadmesh_core::error::Result;
use leadmesh_flows::sellers;

/// Whether a buyer step delivers and, if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum BuyerStepState {
    /// The buyer has not accepted the invitation. The step cannot be enabled.
    AwaitingAcceptance,
    /// Ready to deliver, but not enabled.
    Ready,
    /// The step delivers.
    Enabled,
    /// The buyer cannot take leads now: its receiving flow is disabled or deleted, or it has disabled the source for
    /// your leads.
    BuyerNotSetUp,
    /// The connection is suspended or has ended, or does not allow leads in this direction. Leads skip the step.
    Disconnected,
}

/// What a step's state follows from.
#[derive(Clone, Copy, Debug)]
pub struct BuyerStepFacts<'a> {
    pub seller: AccountId,
    pub enabled: bool,
    /// Its connection, once there is one.
    pub connection: Option<&'a connection::Model>,
    pub receiving: bool,
}

pub fn state(facts: BuyerStepFacts<'_>) -> BuyerStepState {
    match facts.connection {
        None => BuyerStepState::AwaitingAcceptance,
        Some(connection) if !connection.lets_send(facts.seller) => BuyerStepState::Disconnected,
        Some(_) if !facts.receiving => BuyerStepState::BuyerNotSetUp,
        Some(_) if facts.enabled => BuyerStepState::Enabled,
        Some(_) => BuyerStepState::Ready,
    }
}

/// Whether the buyer can take a seller's leads.
pub async fn receiving(db: &impl ConnectionTrait, connection: &connection::Model, seller: AccountId) -> Result<bool> {
    if connection.status == ConnectionStatus::Terminated {
        return Ok(false);
    }
    let buyer = account::Entity::by_id(connection.partner_of(seller)).one(db).await?;
    let Some(buyer) = buyer else { return Ok(false) };
    let Some(flow) = sellers::receiving_flow(db, &buyer, connection.id).await? else {
        return Ok(false);
    };
    let enabled = flow::Entity::by_id(flow)
        .one(db)
        .await?
        .is_some_and(|flow| flow.enabled);
    let source = source::Entity::of_seller(flow, connection.id).one(db).await?;
    // A missing source is made with the first lead.
    let open = source.is_none_or(|source| source.enabled || source.deleted_at.is_some());
    Ok(enabled && open)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::ids::ConnectionId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_first_thing_that_is_missing_is_told() {
        let seller = AccountId(Uuid::from_u128(1));
        let connection = |status, low_sends| connection::Model {
            id: ConnectionId(Uuid::nil()),
            low_account_id: seller,
            high_account_id: AccountId(Uuid::from_u128(2)),
            low_sends,
            high_sends: true,
            status,
            low_suspends: false,
            high_suspends: false,
            requested_by: None,
            wanted_low_sends: false,
            wanted_high_sends: false,
            invitation_id: None,
            connected_at: DateTime::UNIX_EPOCH,
            terminated_at: None,
            terminated_by: None,
            termination_reason: None,
            cancelling: false,
        };
        let state = |connection: Option<connection::Model>, receiving, enabled| {
            state(BuyerStepFacts {
                seller,
                enabled,
                connection: connection.as_ref(),
                receiving,
            })
        };
        let active = || Some(connection(ConnectionStatus::Active, true));
        assert_eq!(state(None, true, true), BuyerStepState::AwaitingAcceptance);
        for closed in [
            connection(ConnectionStatus::Suspended, true),
            connection(ConnectionStatus::Terminated, true),
            connection(ConnectionStatus::Active, false),
        ] {
            assert_eq!(state(Some(closed), true, true), BuyerStepState::Disconnected);
        }
        assert_eq!(state(active(), false, true), BuyerStepState::BuyerNotSetUp);
        assert_eq!(state(active(), true, true), BuyerStepState::Enabled);
        assert_eq!(state(active(), true, false), BuyerStepState::Ready);
    }
}
