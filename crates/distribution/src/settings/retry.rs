//! Settings of a webhook's retries and of how its answers are read.

use std::ops::RangeInclusive;

use async_graphql::InputObject;
use entity::delivery_config::{ResponseRule, RetryPolicy};

use crate::check;
use leadmesh_core::error::{UserError, UserErrorCode};
use leadmesh_delivery::response::is_pointer;

const ATTEMPTS: RangeInclusive<i32> = 1..=20;
/// Milliseconds: a tenth of a second, and an hour.
const INITIAL_DELAY: RangeInclusive<i32> = 100..=3_600_000;
/// Milliseconds: a tenth of a second, and a day.
const MAX_DELAY: RangeInclusive<i32> = 100..=86_400_000;
/// Minutes: one, and a week.
const MAX_AGE: RangeInclusive<i32> = 1..=10_080;
const MAX_VALUES: usize = 100;
const MAX_VALUE: usize = 200;
const MAX_POINTER: usize = 500;

/// When and how often a failed request is retried. Omitted fields get their defaults.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "RetryPolicyInput")]
pub struct RetryInput {
    /// Total attempts, including the first, 1 to 20. Defaults to 6.
    pub attempts: Option<i32>,
    /// Milliseconds between the first and the second attempt, 100 to 3,600,000. Defaults to 10,000.
    pub initial_delay_ms: Option<i32>,
    /// The most milliseconds between two attempts, from `initialDelayMs` to 86,400,000. Defaults to 7,200,000.
    pub max_delay_ms: Option<i32>,
    /// Minutes after which no further attempt is made, 1 to 10,080. Defaults to 1,440.
    pub max_age_minutes: Option<i32>,
    /// HTTP statuses from 400 to 599 that fail the delivery immediately. Defaults to none.
    pub give_up_on: Option<Vec<i32>>,
}

/// Reads acceptance or refusal from a 2xx answer. Pointers are JSON pointers (RFC 6901) into the answer's body, at most
/// 500 bytes each.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ResponseRuleInput {
    /// Pointer to the value that says whether the lead was accepted, such as `/result/status`.
    pub pointer: String,
    /// Values that mean accepted, 1 to 100. Every other value means refused.
    pub accepted_values: Vec<String>,
    /// Pointer to the recipient's identifier for the lead.
    pub external_id_pointer: Option<String>,
    /// Pointer to the reason for a refusal.
    pub reason_pointer: Option<String>,
}

pub(super) fn policy(given: Option<RetryInput>, path: &str) -> Result<RetryPolicy, UserError> {
    let given = given.unwrap_or_default();
    let default = RetryPolicy::default();
    let number = |value: Option<i32>, default: u32, bounds, field: &str| match value {
        Some(value) => check::number(value, bounds, &format!("{path}.{field}")).map(i32::unsigned_abs),
        None => Ok(default),
    };
    let initial_delay_ms = number(
        given.initial_delay_ms,
        default.initial_delay_ms,
        INITIAL_DELAY,
        "initialDelayMs",
    )?;
    let longest = default.max_delay_ms.max(initial_delay_ms);
    let max_delay_ms = number(given.max_delay_ms, longest, MAX_DELAY, "maxDelayMs")?;
    if max_delay_ms < initial_delay_ms {
        let message = "this must not be less than initialDelayMs";
        return Err(UserError::new(
            UserErrorCode::Invalid,
            &format!("{path}.maxDelayMs"),
            message,
        ));
    }
    Ok(RetryPolicy {
        attempts: number(given.attempts, default.attempts, ATTEMPTS, "attempts")?,
        initial_delay_ms,
        max_delay_ms,
        max_age_minutes: number(given.max_age_minutes, default.max_age_minutes, MAX_AGE, "maxAgeMinutes")?,
        give_up_on: give_up_on(given.give_up_on.unwrap_or_default(), &format!("{path}.giveUpOn"))?,
    })
}

fn give_up_on(given: Vec<i32>, path: &str) -> Result<Vec<u16>, UserError> {
    let mut statuses = Vec::new();
    for (index, status) in given.into_iter().enumerate() {
        let path = format!("{path}.{index}");
        let status = check::number(status, 400..=599, &path)?;
        statuses.extend(u16::try_from(status));
    }
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses)
}

pub(super) fn response_rule(given: ResponseRuleInput, path: &str) -> Result<ResponseRule, UserError> {
    let at = |field: &str| format!("{path}.{field}");
    pointer(&given.pointer, &at("pointer"))?;
    let optional = [
        (&given.external_id_pointer, "externalIdPointer"),
        (&given.reason_pointer, "reasonPointer"),
    ];
    for (given, field) in optional {
        given.as_deref().map_or(Ok(()), |text| pointer(text, &at(field)))?;
    }
    if given.accepted_values.is_empty() {
        let message = "give at least one value that means accepted";
        return Err(UserError::new(UserErrorCode::Required, &at("acceptedValues"), message));
    }
    if given.accepted_values.len() > MAX_VALUES || given.accepted_values.iter().any(|value| value.len() > MAX_VALUE) {
        let message = "give 100 values at most, of 200 bytes each at most";
        return Err(UserError::new(UserErrorCode::TooLong, &at("acceptedValues"), message));
    }
    Ok(ResponseRule {
        pointer: given.pointer,
        accepted_values: given.accepted_values,
        external_id_pointer: given.external_id_pointer,
        reason_pointer: given.reason_pointer,
    })
}

fn pointer(text: &str, path: &str) -> Result<(), UserError> {
    if is_pointer(text) && text.len() <= MAX_POINTER {
        return Ok(());
    }
    let message =
        "give a JSON pointer such as /result/status, of 500 bytes at most; ~ is written ~0 and / in a name ~1";
    Err(UserError::new(UserErrorCode::Invalid, path, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change that breaks a rule, and where.
    type Case<T> = (fn(&mut T), &'static str);

    #[test]
    fn an_absent_policy_is_the_documented_one() {
        let expected = RetryPolicy {
            attempts: 6,
            initial_delay_ms: 10_000,
            max_delay_ms: 7_200_000,
            max_age_minutes: 1_440,
            give_up_on: vec![],
        };
        assert_eq!(policy(None, "retry"), Ok(expected));
    }

    #[test]
    fn a_policy_within_its_bounds_is_kept_with_its_statuses_sorted() {
        let given = RetryInput {
            attempts: Some(1),
            initial_delay_ms: Some(100),
            max_delay_ms: Some(100),
            max_age_minutes: Some(10_080),
            give_up_on: Some(vec![422, 400, 599, 422]),
        };
        let policy = policy(Some(given), "retry").unwrap();
        assert_eq!(policy.give_up_on, [400, 422, 599]);
        assert_eq!((policy.initial_delay_ms, policy.max_delay_ms), (100, 100));
    }

    #[test]
    fn what_leaves_the_bounds_is_refused_where_it_stands() {
        let cases: [Case<RetryInput>; 9] = [
            (|given| given.attempts = Some(0), "retry.attempts"),
            (|given| given.attempts = Some(21), "retry.attempts"),
            (|given| given.initial_delay_ms = Some(-1), "retry.initialDelayMs"),
            (|given| given.initial_delay_ms = Some(3_600_001), "retry.initialDelayMs"),
            (|given| given.max_delay_ms = Some(9_999), "retry.maxDelayMs"),
            (|given| given.max_delay_ms = Some(i32::MAX), "retry.maxDelayMs"),
            (|given| given.max_age_minutes = Some(0), "retry.maxAgeMinutes"),
            (|given| given.give_up_on = Some(vec![400, 200]), "retry.giveUpOn.1"),
            (|given| given.give_up_on = Some(vec![600]), "retry.giveUpOn.0"),
        ];
        for (change, path) in cases {
            let mut given = RetryInput::default();
            change(&mut given);
            assert_eq!(policy(Some(given), "retry").unwrap_err().path.join("."), path);
        }
    }

    #[test]
    fn a_response_rule_has_pointers_and_values() {
        let good = ResponseRuleInput {
            pointer: "/a~1b/0".into(),
            accepted_values: vec!["ok".into()],
            external_id_pointer: Some(String::new()),
            reason_pointer: Some("/why".into()),
        };
        assert!(response_rule(good.clone(), "rule").is_ok());
        let cases: [Case<ResponseRuleInput>; 5] = [
            (|rule| rule.pointer = "a".into(), "rule.pointer"),
            (|rule| rule.pointer = "/~2".into(), "rule.pointer"),
            (
                |rule| rule.external_id_pointer = Some("id".into()),
                "rule.externalIdPointer",
            ),
            (|rule| rule.reason_pointer = Some("#/why".into()), "rule.reasonPointer"),
            (|rule| rule.accepted_values.clear(), "rule.acceptedValues"),
        ];
        for (change, path) in cases {
            let mut rule = good.clone();
            change(&mut rule);
            assert_eq!(response_rule(rule, "rule").unwrap_err().path.join("."), path);
        }
    }
}
