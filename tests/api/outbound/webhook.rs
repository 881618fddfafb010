use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use entity::delivery_config::ResponseRule;
use futures::future::join_all;
use leadmesh_delivery::failure::Failure;
use leadmesh_delivery::guard::{Blocked, Guard};
use leadmesh_delivery::response::{self, Verdict};
use leadmesh_delivery::retry::{self, Next};
use leadmesh_delivery::signing::{self, Secret};
use leadmesh_delivery::webhook::{Answer as Got, BODY_LIMIT, BodyEnd, Exchange, Method, Request, Sender};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{LOOPBACK, closed_port, permissive, strict, untrusted_tls_server};
use crate::support::http_receiver::{Answer, HttpReceiver};

const PATIENT: Duration = Duration::from_secs(10);
const HASTY: Duration = Duration::from_millis(300);

fn request(url: &str) -> Request {
    Request {
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: Vec::new(),
        content_type: "application/json",
        body: r#"{"name":"Ana"}"#.into(),
        id: "dlv_1".into(),
        sent_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        secrets: Vec::new(),
        lead: "lead_1".into(),
        test: false,
        timeout: PATIENT,
    }
}

async fn send(request: &Request) -> Exchange {
    Sender::new(permissive()).unwrap().send(request).await
}

fn answer(exchange: Exchange) -> Got {
    exchange.result.unwrap()
}

fn failure(exchange: Exchange) -> Failure {
    exchange.result.unwrap_err()
}

#[tokio::test]
async fn a_request_arrives_as_asked_and_signed() {
    let receiver = HttpReceiver::start().await;
    let secrets = vec![Secret::from_random([1; 32]), Secret::from_random([2; 32])];
    let headers = vec![("X-API-Key".into(), "k1".into()), ("X-API-Key".into(), "k2".into())];
    let request = Request {
        secrets: secrets.clone(),
        headers,
        test: true,
        ..request(&receiver.url("/hook?a=b"))
    };
    assert_eq!(answer(send(&request).await).status, 200);

    let got = receiver.next().await;
    assert_eq!(
        (got.method.as_str(), got.path(), got.uri.query()),
        ("POST", "/hook", Some("a=b"))
    );
    assert_eq!(got.json(), json!({"name": "Ana"}));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("webhook-id"), Some("dlv_1"));
    assert_eq!(got.header("idempotency-key"), Some("dlv_1"));
    assert_eq!(got.header("webhook-timestamp"), Some("1767323045"));
    let signature = signing::signature(&secrets, "dlv_1", 1_767_323_045, got.text().as_bytes());
    assert_eq!(got.header("webhook-signature"), Some(signature.as_str()));
    assert_eq!(got.header("leadmesh-test"), Some("true"));
    assert_eq!(
        got.headers.get_all("x-api-key").iter().collect::<Vec<_>>(),
        ["k1", "k2"]
    );
    assert!(got.header("user-agent").unwrap().starts_with("Leadmesh/"));
    assert!(
        got.header("accept-encoding").is_none(),
        "a compressed answer could not be read"
    );
}

#[tokio::test]
async fn an_unsigned_request_has_its_id_but_no_signature() {
    let receiver = HttpReceiver::start().await;
    send(&request(&receiver.url("/"))).await;
    let got = receiver.next().await;
    assert_eq!(got.header("webhook-id"), Some("dlv_1"));
    assert!(got.header("webhook-signature").is_none() && got.header("leadmesh-test").is_none());
}

#[tokio::test]
async fn custom_headers_replace_the_content_type_but_nothing_reserved() {
    let receiver = HttpReceiver::start().await;
    let own = [
        ("Content-Type", "text/json"),
        ("Host", "evil.test"),
        ("Webhook-Id", "x"),
        ("Content-Length", "1"),
        ("A b", "c"),
    ];
    let headers = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    send(&Request {
        headers,
        ..request(&receiver.url("/"))
    })
    .await;
    let got = receiver.next().await;
    assert_eq!(got.header("content-type"), Some("text/json"));
    assert_eq!(got.header("host"), Some(receiver.address.to_string().as_str()));
    assert_eq!(got.header("webhook-id"), Some("dlv_1"));
    assert_eq!(got.body.len(), 14);
}

#[tokio::test]
async fn put_and_patch_go_out_as_such() {
    let receiver = HttpReceiver::start().await;
    for method in [Method::PUT, Method::PATCH] {
        send(&Request {
            method: method.clone(),
            ..request(&receiver.url("/"))
        })
        .await;
        assert_eq!(receiver.next().await.method, method);
    }
}

#[tokio::test]
async fn status_retry_after_and_body_come_back() {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::json(&json!({"result": "dup"})).header("retry-after", "7"));
    let got = answer(send(&request(&receiver.url("/"))).await);
    assert_eq!(
        (got.status, got.retry_after.as_deref(), got.end),
        (200, Some("7"), BodyEnd::Complete)
    );
    assert_eq!(got.excerpt(), r#"{"result":"dup"}"#);
}

#[tokio::test]
async fn connections_are_reused() {
    let receiver = HttpReceiver::start().await;
    let sender = Sender::new(permissive()).unwrap();
    for _ in 0..10 {
        answer(sender.send(&request(&receiver.url("/"))).await);
    }
    assert_eq!((receiver.count(), receiver.connections()), (10, 1));
    let requests = receiver.requests();
    assert!(requests.iter().all(|got| got.peer == requests[0].peer));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_gets_nothing() {
    let (receiver, target) = (HttpReceiver::start().await, HttpReceiver::start().await);
    for status in [301, 302, 303, 307, 308] {
        receiver.answer(Answer::status(status).header("location", &target.url("/")));
        assert_eq!(answer(send(&request(&receiver.url("/"))).await).status, status);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn forbidden_addresses_are_not_dialled_however_they_are_written() {
    let receiver = HttpReceiver::start().await;
    let sender = Sender::new(strict()).unwrap();
    let port = receiver.address.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[::ffff:10.0.0.1]",
        "localhost",
        "any.name.test",
    ] {
        let exchange = sender.send(&request(&format!("http://{host}:{port}/"))).await;
        assert!(
            matches!(exchange.result, Err(Failure::Blocked(_))),
            "{host}: {exchange:?}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_that_turns_inwards_after_the_check_is_not_dialled() {
    let receiver = HttpReceiver::start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let guard = Guard::with_lookup(Vec::new(), move |_| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move { Ok(vec![if first { [1, 1, 1, 1].into() } else { LOOPBACK }]) }
    });
    guard.vet("rebind.test").await.unwrap();
    let url = format!("http://rebind.test:{}/", receiver.address.port());
    let exchange = Sender::new(guard).unwrap().send(&request(&url)).await;
    assert!(matches!(failure(exchange), Failure::Blocked(Blocked::Name { host }) if host == "rebind.test"));
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn of_mixed_addresses_only_the_permitted_are_dialled() {
    let receiver = HttpReceiver::start().await;
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    let guard = Guard::with_lookup(allowed, async |_| {
        Ok(vec![[169, 254, 169, 254].into(), [10, 0, 0, 1].into(), LOOPBACK])
    });
    let url = format!("http://mixed.test:{}/", receiver.address.port());
    let exchange = Sender::new(guard).unwrap().send(&request(&url)).await;
    assert_eq!(answer(exchange).status, 200);
    assert!(receiver.next().await.header("host").unwrap().starts_with("mixed.test:"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_a_time_out() {
    let receiver = HttpReceiver::start().await;
    for silent in [Answer::hang(), Answer::status(200).after(PATIENT)] {
        receiver.answer(silent);
        let exchange = send(&Request {
            timeout: HASTY,
            ..request(&receiver.url("/"))
        })
        .await;
        assert!(
            exchange.duration >= HASTY && exchange.duration < PATIENT / 2,
            "{:?}",
            exchange.duration
        );
        assert_eq!(failure(exchange), Failure::Timeout);
    }
}

#[tokio::test]
async fn the_deadline_covers_name_resolution() {
    let guard = Guard::with_lookup(Vec::new(), |_| std::future::pending());
    let request = Request {
        timeout: HASTY,
        ..request("http://slow.test/")
    };
    assert_eq!(
        failure(Sender::new(guard).unwrap().send(&request).await),
        Failure::Timeout
    );
}

#[tokio::test]
async fn a_dripping_body_ends_at_the_deadline_and_the_status_counts() {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::drip(201, Duration::from_millis(20), 100_000));
    let exchange = send(&Request {
        timeout: HASTY,
        ..request(&receiver.url("/"))
    })
    .await;
    assert!(exchange.duration < PATIENT / 2);
    let got = answer(exchange);
    assert_eq!((got.status, got.end), (201, BodyEnd::TimedOut));
    assert!(got.body.len() < 100, "{}", got.body.len());
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn endless_and_huge_bodies_are_cut_at_the_limit() {
    let receiver = HttpReceiver::start().await;
    for endless in [Answer::endless(200), Answer::status(200).body(vec![b'x'; 20_000_000])] {
        receiver.answer(endless);
        let got = answer(send(&request(&receiver.url("/"))).await);
        assert_eq!(
            (got.status, got.end, got.body.len()),
            (200, BodyEnd::Capped, BODY_LIMIT)
        );
        assert_eq!(got.excerpt().len(), 4_096);
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_complete() {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::status(200).body(vec![b'x'; BODY_LIMIT]));
    let got = answer(send(&request(&receiver.url("/"))).await);
    assert_eq!((got.end, got.body.len()), (BodyEnd::Complete, BODY_LIMIT));
}

#[tokio::test]
async fn broken_connections_are_network_failures_in_plain_words() {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::reset());
    let reset = failure(send(&request(&receiver.url("/"))).await);
    assert_eq!(reset, Failure::Network("the destination broke the connection".into()));
    let refused = failure(send(&request(&format!("http://{}/", closed_port()))).await);
    assert!(refused.to_string().contains("refused the connection"), "{refused}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let guard = Guard::with_lookup(Vec::new(), async |_| Err(std::io::Error::other("no such host")));
    let failed = failure(Sender::new(guard).unwrap().send(&request("http://gone.test/")).await);
    assert_eq!(
        failed,
        Failure::Network("the host name gone.test could not be resolved: no such host".into())
    );
}

#[tokio::test]
async fn failures_do_not_repeat_what_is_secret_in_the_url() {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::reset());
    let (open, closed) = (receiver.address, closed_port());
    let tls = untrusted_tls_server();
    for url in [
        format!("http://user:hunter2@{open}/?token=hunter2"),
        format!("http://user:hunter2@{closed}/hunter2"),
        format!("https://user:hunter2@{tls}/hunter2"),
        "ftp://hunter2@example.com/".to_owned(),
    ] {
        let failed = failure(send(&request(&url)).await);
        assert!(!format!("{failed} {failed:?}").contains("hunter2"), "{failed:?}");
    }
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_explained() {
    let address = untrusted_tls_server();
    match failure(send(&request(&format!("https://localhost:{}/", address.port()))).await) {
        Failure::Tls(text) => assert!(text.contains("not trusted"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plain_server_behind_https_is_explained() {
    let receiver = HttpReceiver::start().await;
    let failed = failure(send(&request(&format!("https://{}/", receiver.address))).await);
    assert!(
        matches!(&failed, Failure::Tls(text) if text.contains("did not answer with TLS")),
        "{failed:?}"
    );
}

#[tokio::test]
async fn hanging_destinations_do_not_delay_others() {
    let (hanging, healthy) = (HttpReceiver::start().await, HttpReceiver::start().await);
    let release = Arc::new(Semaphore::new(0));
    hanging.answer(Answer::status(202).hold(release.clone()));
    let sender = Sender::new(permissive()).unwrap();
    let stuck = Request {
        timeout: Duration::from_mins(1),
        ..request(&hanging.url("/"))
    };
    let (sender_, stuck) = (sender.clone(), Arc::new(stuck));
    let waiting = tokio::spawn(async move { join_all((0..100).map(|_| sender_.send(&stuck))).await });
    hanging.wait_for(100).await;
    let started = Instant::now();
    answer(sender.send(&request(&healthy.url("/"))).await);
    assert!(started.elapsed() < PATIENT / 2);
    assert_eq!(hanging.most_active(), 100);
    release.add_permits(100);
    for exchange in waiting.await.unwrap() {
        assert_eq!(answer(exchange).status, 202);
    }
}

#[tokio::test]
async fn a_destination_that_fails_in_every_way_is_tried_until_it_takes_the_lead() {
    let receiver = HttpReceiver::start().await;
    let taken = Answer::json(&json!({"ok": true, "id": 7}));
    receiver.answers([
        Answer::status(500),
        Answer::status(404),
        Answer::hang(),
        Answer::reset(),
        taken,
    ]);
    let rule = ResponseRule {
        pointer: "/ok".into(),
        accepted_values: vec!["true".into()],
        external_id_pointer: Some("/id".into()),
        reason_pointer: None,
    };
    let sender = Sender::new(permissive()).unwrap();
    let request = Request {
        timeout: HASTY,
        ..request(&receiver.url("/"))
    };
    let (mut attempt, mut waits) = (1, Vec::new());
    let verdict = loop {
        let exchange = sender.send(&request).await;
        let verdict = response::judge(&exchange.result, Some(&rule), &[], request.sent_at);
        match retry::next(&retry::default_policy(), attempt, Duration::ZERO, &verdict, 0.5) {
            Next::After(wait) => waits.push(wait.as_secs()),
            Next::Delivered => break verdict,
            other => panic!("{other:?} after {verdict:?}"),
        }
        attempt += 1;
    };
    assert_eq!(
        verdict,
        Verdict::Delivered {
            external_id: Some("7".into()),
            note: None
        }
    );
    assert_eq!((attempt, waits), (5, vec![11, 66, 330, 1_980]));
    assert!(
        receiver
            .requests()
            .iter()
            .all(|got| got.header("webhook-id") == Some("dlv_1"))
    );
}

#[tokio::test]
async fn two_thousand_requests_at_once_all_arrive() {
    let receiver = HttpReceiver::start().await;
    let sender = Sender::new(permissive()).unwrap();
    let requests: Vec<Request> = (0..2_000)
        .map(|n| Request {
            id: format!("dlv_{n}"),
            timeout: 6 * PATIENT,
            ..request(&receiver.url("/"))
        })
        .collect();
    for batch in requests.chunks(200) {
        for exchange in join_all(batch.iter().map(|request| sender.send(request))).await {
            assert_eq!(answer(exchange).status, 200);
        }
    }
    assert_eq!(receiver.count(), 2_000);
    assert!(receiver.requests().is_sorted_by_key(|got| got.at));
    assert!(receiver.most_active() <= 200 && receiver.connections() <= 2_000);
}
