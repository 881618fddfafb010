use RelationshipType::{Both, ReceiveLeads, SendLeads};
use uuid::Uuid;

use super::*;

const LOW: AccountId = AccountId(Uuid::from_u128(1));
const HIGH: AccountId = AccountId(Uuid::from_u128(2));

/// A connection as its low side sees it.
fn link(kind: RelationshipType) -> Model {
    Model {
        id: Uuid::from_u128(3).into(),
        low_account_id: LOW,
        high_account_id: HIGH,
        low_sends: kind.sends(),
        high_sends: kind.receives(),
        status: ConnectionStatus::Active,
        low_suspends: false,
        high_suspends: false,
        requested_by: None,
        wanted_low_sends: kind.sends(),
        wanted_high_sends: kind.receives(),
        invitation_id: None,
        connected_at: DateTime::UNIX_EPOCH,
        terminated_at: None,
        terminated_by: None,
        termination_reason: None,
        cancelling: false,
    }
}

fn after(before: &Model, me: AccountId, step: &ConnectionAction) -> Model {
    apply(before, me, DateTime::UNIX_EPOCH, step).unwrap().unwrap().after
}

fn refused(before: &Model, me: AccountId, step: &ConnectionAction) -> UserErrorCode {
    apply(before, me, DateTime::UNIX_EPOCH, step).unwrap_err().code
}

fn nothing(before: &Model, me: AccountId, step: &ConnectionAction) -> bool {
    apply(before, me, DateTime::UNIX_EPOCH, step).unwrap().is_none()
}

#[test]
fn narrowing_holds_at_once_for_either_side() {
    let low = after(&link(Both), LOW, &ConnectionAction::Request(ReceiveLeads));
    assert_eq!((low.type_for(LOW), low.type_for(HIGH)), (ReceiveLeads, SendLeads));
    let high = after(&link(Both), HIGH, &ConnectionAction::Request(ReceiveLeads));
    assert_eq!((high.type_for(HIGH), high.type_for(LOW)), (ReceiveLeads, SendLeads));
    assert!(!low.lets_send(LOW) && low.lets_send(HIGH));
}

#[test]
fn widening_waits_for_the_others_yes() {
    let asked = after(&link(SendLeads), HIGH, &ConnectionAction::Request(Both));
    assert_eq!(asked.type_for(LOW), SendLeads);
    assert_eq!((asked.requested_for(LOW), asked.requested_by), (Some(Both), Some(HIGH)));
    assert_eq!(
        refused(&asked, HIGH, &ConnectionAction::Answer(true)),
        UserErrorCode::Conflict
    );
    let agreed = after(&asked, LOW, &ConnectionAction::Answer(true));
    assert_eq!((agreed.type_for(HIGH), agreed.requested_by), (Both, None));
    let declined = after(&asked, LOW, &ConnectionAction::Answer(false));
    assert_eq!(declined, link(SendLeads));
    assert_eq!(
        refused(&declined, LOW, &ConnectionAction::Answer(true)),
        UserErrorCode::NotFound
    );
}

#[test]
fn turning_the_direction_round_waits_as_a_whole() {
    let asked = after(&link(SendLeads), LOW, &ConnectionAction::Request(ReceiveLeads));
    assert_eq!(
        (asked.type_for(LOW), asked.requested_for(LOW)),
        (SendLeads, Some(ReceiveLeads))
    );
    assert_eq!(
        after(&asked, HIGH, &ConnectionAction::Answer(true)).type_for(LOW),
        ReceiveLeads
    );
}

#[test]
fn asking_for_the_same_as_the_partner_is_agreeing() {
    let asked = after(&link(SendLeads), LOW, &ConnectionAction::Request(Both));
    assert!(nothing(&asked, LOW, &ConnectionAction::Request(Both)));
    assert_eq!(
        after(&asked, HIGH, &ConnectionAction::Request(Both)).type_for(HIGH),
        Both
    );
    // Each asks for another direction; one request may be open at a time.
    assert_eq!(
        refused(&asked, HIGH, &ConnectionAction::Request(SendLeads)),
        UserErrorCode::Conflict
    );
}

#[test]
fn what_stands_so_already_is_no_change_and_takes_a_request_back() {
    assert!(nothing(&link(Both), LOW, &ConnectionAction::Request(Both)));
    let asked = after(&link(SendLeads), LOW, &ConnectionAction::Request(Both));
    assert_eq!(
        after(&asked, LOW, &ConnectionAction::Request(SendLeads)),
        link(SendLeads)
    );
    assert!(nothing(&asked, HIGH, &ConnectionAction::Request(ReceiveLeads)));
}

#[test]
fn it_goes_on_only_when_neither_side_holds_it_up() {
    let one = after(&link(Both), LOW, &ConnectionAction::Suspend(None));
    assert_eq!(one.status, ConnectionStatus::Suspended);
    assert!(!one.lets_send(LOW) && !one.lets_send(HIGH));
    assert!(nothing(&one, LOW, &ConnectionAction::Suspend(None)));
    assert_eq!(refused(&one, HIGH, &ConnectionAction::Resume), UserErrorCode::Conflict);
    let both = after(&one, HIGH, &ConnectionAction::Suspend(None));
    let still = after(&both, LOW, &ConnectionAction::Resume);
    assert_eq!(still.status, ConnectionStatus::Suspended);
    assert_eq!(after(&still, HIGH, &ConnectionAction::Resume), link(Both));
    assert!(nothing(&link(Both), LOW, &ConnectionAction::Resume));
}

#[test]
fn after_its_end_nothing_can_be_done_with_it() {
    let asked = after(&link(SendLeads), LOW, &ConnectionAction::Request(Both));
    let ended = after(&asked, HIGH, &ConnectionAction::Terminate(Some("over".into())));
    assert_eq!((ended.terminated_by, ended.requested_by), (Some(HIGH), None));
    assert_eq!(ended.termination_reason.as_deref(), Some("over"));
    for step in [
        ConnectionAction::Request(Both),
        ConnectionAction::Answer(true),
        ConnectionAction::Suspend(None),
        ConnectionAction::Resume,
        ConnectionAction::Terminate(None),
    ] {
        assert_eq!(refused(&ended, LOW, &step), UserErrorCode::NotConnected);
    }
}
