use proptest::prelude::*;

use super::*;
use crate::email::Reply;
use crate::guard::Blocked;
use crate::webhook::BodyEnd;

fn now() -> DateTime<Utc> {
    "1994-11-06T08:49:37Z".parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the judge takes a result")]
fn answer(status: u16, body: &str) -> Result<Answer, Failure> {
    Ok(Answer {
        status,
        retry_after: None,
        body: body.as_bytes().to_vec(),
        end: BodyEnd::Complete,
    })
}

fn asking(status: u16, wait: &str) -> Result<Answer, Failure> {
    answer(status, "").map(|answer| Answer {
        retry_after: Some(wait.to_owned()),
        ..answer
    })
}

fn rule() -> ResponseRule {
    ResponseRule {
        pointer: "/result".into(),
        accepted_values: vec!["OK".into(), "true".into(), "1".into()],
        external_id_pointer: Some("/id".into()),
        reason_pointer: Some("/errors/0/text".into()),
    }
}

fn plain(result: &Result<Answer, Failure>) -> Verdict {
    judge(result, None, &[422], now())
}

fn ruled(body: &str) -> Verdict {
    judge(&answer(200, body), Some(&rule()), &[], now())
}

fn wait_of(verdict: &Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry { retry_after, .. } => *retry_after,
        other => panic!("{other:?} is no retry"),
    }
}

#[test]
fn every_2xx_is_a_delivery_without_a_rule() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(
            plain(&answer(status, "{}")),
            Verdict::Delivered {
                external_id: None,
                note: None
            }
        );
    }
}

#[test]
fn other_statuses_are_retried() {
    for status in [101, 199, 301, 307, 400, 401, 404, 429, 500, 503, 599] {
        assert_eq!(wait_of(&plain(&answer(status, ""))), None, "{status}");
    }
}

#[test]
fn a_redirect_says_what_to_do() {
    assert!(matches!(plain(&answer(302, "")), Verdict::Retry { message, .. } if message.contains("set the final URL")));
}

#[test]
fn listed_statuses_fail_at_once_and_410_means_gone_unless_listed() {
    assert!(matches!(
        plain(&answer(422, "")),
        Verdict::Fail {
            code: DeliveryErrorCode::HttpStatus,
            ..
        }
    ));
    assert!(matches!(plain(&answer(410, "")), Verdict::Gone { .. }));
    assert!(matches!(
        judge(&answer(410, ""), None, &[410], now()),
        Verdict::Fail { .. }
    ));
}

#[test]
fn a_listed_2xx_is_still_a_delivery() {
    assert!(matches!(
        judge(&answer(200, ""), None, &[200], now()),
        Verdict::Delivered { .. }
    ));
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    assert_eq!(wait_of(&plain(&asking(429, "7"))), Some(Duration::from_secs(7)));
    assert_eq!(
        wait_of(&plain(&asking(503, " 864000 "))),
        Some(Duration::from_hours(240))
    );
    let date = "Sun, 06 Nov 1994 08:50:07 GMT";
    assert_eq!(wait_of(&plain(&asking(429, date))), Some(Duration::from_secs(30)));
}

#[test]
fn garbage_and_past_dates_in_retry_after_are_ignored() {
    for text in [
        "abc",
        "",
        "-7",
        "7.5",
        "+7",
        "99999999999999999999999",
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "Mon, 06 Nov 1994 09:49:37 GMT",
        "Sunday, 06-Nov-94 09:49:37 GMT",
    ] {
        assert_eq!(wait_of(&plain(&asking(429, text))), None, "{text}");
    }
}

#[test]
fn failures_are_retried_except_the_ones_that_cannot_change() {
    for (failure, expected) in [
        (Failure::Timeout, DeliveryErrorCode::Timeout),
        (Failure::Network("x".into()), DeliveryErrorCode::Network),
        (Failure::Tls("x".into()), DeliveryErrorCode::Tls),
    ] {
        assert!(matches!(plain(&Err(failure)), Verdict::Retry { code, .. } if code == expected));
    }
    let blocked = Failure::Blocked(Blocked::Address {
        address: [10, 0, 0, 1].into(),
        range: "private",
    });
    assert!(matches!(
        plain(&Err(blocked)),
        Verdict::Fail {
            code: DeliveryErrorCode::DestinationBlocked,
            ..
        }
    ));
    assert!(matches!(
        plain(&Err(Failure::Unsendable("x".into()))),
        Verdict::Fail { .. }
    ));
}

#[test]
fn a_rule_accepts_texts_numbers_and_booleans_in_any_case() {
    for body in [
        r#"{"result":"ok"}"#,
        r#"{"result":" Ok "}"#,
        r#"{"result":true}"#,
        r#"{"result":1}"#,
    ] {
        assert!(matches!(ruled(body), Verdict::Delivered { .. }), "{body}");
    }
    assert!(
        matches!(ruled("\u{feff}{\"result\":\"OK\"}"), Verdict::Delivered { .. }),
        "byte order mark"
    );
}

#[test]
fn an_accepted_lead_brings_its_external_id() {
    for (body, id) in [
        (r#"{"result":"ok","id":"A-17"}"#, Some("A-17")),
        (r#"{"result":"ok","id":17}"#, Some("17")),
        (
            r#"{"result":"ok","id":123456789012345678901234,"score":1e400,"note":"\ud83d"}"#,
            Some("123456789012345678901234"),
        ),
        (r#"{"result":"ok","id":null}"#, None),
        (r#"{"result":"ok","id":"\u0000\n"}"#, None),
        (r#"{"result":"ok"}"#, None),
    ] {
        assert_eq!(
            ruled(body),
            Verdict::Delivered {
                external_id: id.map(str::to_owned),
                note: None
            }
        );
    }
}

#[test]
fn another_value_is_a_refusal_with_its_reason() {
    let body = r#"{"result":"dup","id":9,"errors":[{"text":"seen\nbefore"}]}"#;
    assert_eq!(
        ruled(body),
        Verdict::Refused {
            reason: "seen before".into(),
            external_id: Some("9".into())
        }
    );
    assert_eq!(
        ruled(r#"{"result":"dup"}"#),
        Verdict::Refused {
            reason: "dup".into(),
            external_id: None
        }
    );
    let structured = ruled(r#"{"result":{"code":5}}"#);
    assert_eq!(
        structured,
        Verdict::Refused {
            reason: r#"{"code":5}"#.into(),
            external_id: None
        }
    );
}

#[test]
fn a_body_that_does_not_answer_the_rule_is_a_failed_attempt() {
    for body in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"result":null}"#,
        r#"{"result":"ok""#,
        r#""ok""#,
    ] {
        assert_eq!(wait_of(&ruled(body)), None, "{body}");
    }
}

#[test]
fn null_may_be_listed_as_accepted() {
    let rule = ResponseRule {
        pointer: "/error".into(),
        accepted_values: vec!["null".into()],
        ..rule()
    };
    let verdict = judge(&answer(200, r#"{"error":null}"#), Some(&rule), &[], now());
    assert!(matches!(verdict, Verdict::Delivered { .. }));
}

#[test]
fn pointers_follow_rfc_6901() {
    let body = r#"{"a/b":{"m~n":["x","OK"]},"":"OK"}"#;
    for pointer in ["/a~1b/m~0n/1", "/"] {
        let rule = ResponseRule {
            pointer: pointer.into(),
            ..rule()
        };
        assert!(
            matches!(
                judge(&answer(200, body), Some(&rule), &[], now()),
                Verdict::Delivered { .. }
            ),
            "{pointer}"
        );
    }
    for (text, is) in [
        ("", true),
        ("/", true),
        ("/a~1b/0", true),
        ("a", false),
        ("/a~", false),
        ("/a~2", false),
    ] {
        assert_eq!(is_pointer(text), is, "{text}");
    }
}

#[test]
fn a_rule_does_not_touch_other_statuses() {
    let verdict = judge(&answer(500, r#"{"result":"ok"}"#), Some(&rule()), &[], now());
    assert!(matches!(verdict, Verdict::Retry { .. }));
}

fn refused(address: &str, code: u16) -> RefusedRecipient {
    RefusedRecipient {
        address: address.into(),
        reply: Reply {
            code,
            text: "no".into(),
        },
    }
}

#[test]
fn mail_replies_decide_by_their_first_digit() {
    let outcome = |code| MailOutcome::Refused {
        reply: Reply { code, text: "x".into() },
        refused: Vec::new(),
    };
    assert!(matches!(
        judge_mail(&outcome(451)),
        Verdict::Retry {
            code: DeliveryErrorCode::SmtpTemporary,
            ..
        }
    ));
    assert!(matches!(
        judge_mail(&outcome(550)),
        Verdict::Fail {
            code: DeliveryErrorCode::SmtpRejected,
            ..
        }
    ));
}

#[test]
fn a_recipient_refused_among_others_is_told_in_a_note() {
    let reply = Reply {
        code: 250,
        text: "ok".into(),
    };
    let outcome = MailOutcome::Accepted {
        reply,
        refused: vec![refused("b@x.test", 550)],
    };
    match judge_mail(&outcome) {
        Verdict::Delivered { note: Some(note), .. } => assert_eq!(note, "b@x.test was refused: 550 no"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_temporary_refusal_among_permanent_ones_is_worth_a_retry() {
    let both = vec![refused("a@x.test", 550), refused("b@x.test", 450)];
    let outcome = MailOutcome::Refused {
        reply: both[0].reply.clone(),
        refused: both,
    };
    assert!(matches!(judge_mail(&outcome), Verdict::Retry { message, .. } if message.contains("a@x.test")));
}

proptest! {
    #[test]
    fn no_answer_can_make_the_judge_fail(status: u16, body: Vec<u8>, wait: Option<String>) {
        let result = Ok(Answer { status, retry_after: wait, body, end: BodyEnd::Complete });
        let _ = judge(&result, Some(&rule()), &[], now());
    }
}
