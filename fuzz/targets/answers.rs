//! What a partner's server answered: the verdict's texts are short and printable, and the next attempt is never early.
#![no_main]

use std::time::Duration;

use chrono::DateTime;
use entity::delivery_config::{ResponseRule, RetryPolicy};
use leadmesh_delivery::response::{Verdict, judge};
use leadmesh_delivery::retry::{self, Next};
use leadmesh_delivery::webhook::{Answer, BodyEnd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [high, low, attempt, rest @ ..] = data else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (header, body) = rest.split_at(end);
    let answer = Answer {
        status: 100 + u16::from_be_bytes([*high, *low]) % 500,
        retry_after: std::str::from_utf8(header).ok().map(str::to_owned),
        body: body.to_vec(),
        end: BodyEnd::Complete,
    };
    let rule = ResponseRule {
        pointer: "/result".to_owned(),
        accepted_values: vec!["ok".to_owned()],
        external_id_pointer: Some("/id".to_owned()),
        reason_pointer: Some("/errors/0".to_owned()),
    };
    let now = DateTime::from_timestamp(1_790_000_000, 0).expect("a time");
    for rule in [None, Some(&rule)] {
        let verdict = judge(&Ok(answer.clone()), rule, &[422], now);
        printable(&verdict);
        punctual(&verdict, u32::from(*attempt));
    }
});

fn printable(verdict: &Verdict) {
    let texts = match verdict {
        Verdict::Delivered { external_id, note } => [external_id.clone(), note.clone()],
        Verdict::Refused { reason, external_id } => [Some(reason.clone()), external_id.clone()],
        Verdict::Retry { message, .. } | Verdict::Fail { message, .. } | Verdict::Gone { message } => {
            [Some(message.clone()), None]
        }
    };
    for text in texts.into_iter().flatten() {
        assert!(
            text.chars().count() <= 600 && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }
}

fn punctual(verdict: &Verdict, attempt: u32) {
    let policy = RetryPolicy::default();
    let age = Duration::from_secs(u64::from(attempt) * 500);
    let Next::After(wait) = retry::next(&policy, attempt, age, verdict, 0.5) else {
        return;
    };
    let left = retry::max_age(&policy).saturating_sub(age);
    let Verdict::Retry { retry_after, .. } = verdict else {
        panic!("only a retry waits");
    };
    let asked = retry_after.unwrap_or_default().max(retry::delay(&policy, attempt));
    assert!(wait >= asked.min(left) && wait <= left, "{wait:?}");
}
