use entity::delivery::Reservations;
use entity::delivery_config::Channel;
use uuid::Uuid;

use super::*;
use leadmesh_core::error::Outage;

fn delivery(attempt_count: i32, attempts_before: i32) -> delivery::Model {
    delivery::Model {
        id: Uuid::from_u128(1).into(),
        account_id: Uuid::from_u128(7).into(),
        lead_id: Uuid::nil().into(),
        flow_id: Uuid::nil().into(),
        step_id: None,
        profile_id: None,
        assignment_id: None,
        partner_id: Some(Uuid::from_u128(8).into()),
        buyer_account_id: None,
        connection_id: None,
        settings_id: Uuid::from_u128(9).into(),
        channel: Channel::Email,
        status: DeliveryStatus::Sending,
        test: false,
        attempt_count,
        attempts_before,
        budget_since: DateTime::UNIX_EPOCH,
        due_at: None,
        lease_owner: None,
        failure_code: None,
        failure_message: None,
        external_id: None,
        price_e4: None,
        price_currency: None,
        review: None,
        review_by: None,
        review_at: None,
        review_reason: None,
        reservations: Reservations::default(),
        created_at: DateTime::UNIX_EPOCH,
        settled_at: None,
        suspended_for: None,
        follows: None,
        erased_at: None,
    }
}

fn deferred() -> AttemptResult {
    let verdict = Verdict::Retry {
        code: DeliveryErrorCode::SmtpTemporary,
        message: "450 later".into(),
        retry_after: None,
    };
    AttemptResult::judged(verdict, retry::default_policy())
}

fn status(attempt_count: i32, attempts_before: i32) -> DeliveryStatus {
    let delivery = delivery(attempt_count, attempts_before);
    deferred().outcome(&delivery, DateTime::UNIX_EPOCH).status
}

#[test]
fn fewer_attempts_than_do_not_count_leave_the_whole_budget() {
    for (count, before) in [(1, 2), (1, 1), (3, 3), (0, i32::MAX)] {
        assert_eq!(status(count, before), DeliveryStatus::Retrying, "{count} - {before}");
    }
    assert_eq!(status(6, 0), DeliveryStatus::Failed);
    assert_eq!(status(8, 2), DeliveryStatus::Failed);
}

#[test]
fn a_mail_that_somebody_has_is_not_failed_whatever_comes_of_the_next_attempt() {
    let somebody = ["a@buyer.test".to_owned()];
    let of = |reached: &[String]| {
        let failed = AttemptResult::failed(DeliveryErrorCode::SmtpNotConfigured, "no server");
        failed
            .with_reached(reached)
            .outcome(&delivery(2, 0), DateTime::UNIX_EPOCH)
    };
    assert_eq!(
        (of(&somebody).status, of(&somebody).failure),
        (DeliveryStatus::Delivered, None)
    );
    assert_eq!(of(&[]).status, DeliveryStatus::Failed);
}

#[test]
fn what_we_cannot_do_for_now_spends_no_attempts_and_a_fault_of_ours_does() {
    let of = |error: &Error, attempt_count| {
        let outcome = AttemptResult::deferred_by(error).outcome(&delivery(attempt_count, 0), DateTime::UNIX_EPOCH);
        (outcome.status, outcome.spends)
    };
    let passing = [
        Error::Outage(Outage::Unreachable),
        Error::Outage(Outage::GaveWay),
        Error::Unavailable("the accounts are being changed too quickly"),
    ];
    for error in passing {
        assert_eq!(of(&error, 99), (DeliveryStatus::Retrying, false), "{error:?}");
    }
    let fault = Error::Internal(anyhow::anyhow!("a row cannot be read"));
    assert_eq!(of(&fault, 1), (DeliveryStatus::Retrying, true));
    assert_eq!(of(&fault, 6), (DeliveryStatus::Failed, true));
}
