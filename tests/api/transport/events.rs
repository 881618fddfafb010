//! GraphQL over server-sent events, in the mode of distinct connections.

use std::time::Duration;

use serde_json::json;

use super::server::{Server, code};
use crate::support::event_stream::{Ask, Event, EventStream, ask};

fn wanted(query: &str) -> Ask<'_> {
    Ask {
        token: Some("ann"),
        query,
        ..Ask::default()
    }
}

fn end() -> Option<Event> {
    let kind = "complete".to_owned();
    Some(Event {
        kind,
        ..Event::default()
    })
}

#[tokio::test]
async fn results_come_as_next_and_the_end_as_complete() {
    let server = Server::start().await;
    for get in [false, true] {
        let query = Ask {
            get,
            ..wanted("subscription { count(to: 2) }")
        };
        let mut events = EventStream::open(server.address, query).await;
        for number in 1..3 {
            assert_eq!(events.data().await, json!({ "count": number }));
        }
        assert_eq!((events.next().await, events.next().await), (end(), None));
    }
    for (query, data) in [
        ("{ actor }", json!({ "actor": "ann" })),
        ("mutation { bump }", json!({ "bump": 1 })),
    ] {
        let mut events = EventStream::open(server.address, wanted(query)).await;
        assert_eq!(events.data().await, data);
        assert_eq!((events.next().await, events.next().await), (end(), None));
    }
}

#[tokio::test]
async fn who_takes_json_too_gets_events_for_subscriptions_alone() {
    let server = Server::start().await;
    let accept = Some("application/graphql-response+json, application/json, text/event-stream");
    let answer = ask(
        server.address,
        Ask {
            accept,
            ..wanted("{ actor }")
        },
    )
    .await;
    assert!(answer.headers()["content-type"].to_str().unwrap().contains("json"));
    let mut events = EventStream::open(
        server.address,
        Ask {
            accept,
            ..wanted("subscription { count(to: 1) }")
        },
    )
    .await;
    assert_eq!(events.data().await, json!({ "count": 1 }));
    let refused = ask(
        server.address,
        Ask {
            accept: Some("application/json"),
            ..wanted("subscription { count(to: 1) }")
        },
    )
    .await;
    let body = refused.json().await.unwrap();
    assert_eq!(code(&body), "BAD_USER_INPUT");
    assert!(body.to_string().contains("text/event-stream"));
}

#[tokio::test]
async fn what_is_wrong_with_the_operation_is_an_event_and_with_the_request_a_status() {
    let server = Server::start().await;
    for (query, expected) in [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: 1) silent }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { refused }", "FORBIDDEN"),
        ("subscription { broken }", "INTERNAL_SERVER_ERROR"),
    ] {
        let mut events = EventStream::open(server.address, wanted(query)).await;
        let result = events.next().await.unwrap();
        assert_eq!(code(&result.json()), expected, "{query}");
        assert!(!result.data.contains("secret"));
        assert_eq!((events.next().await, events.next().await), (end(), None), "{query}");
    }
    for (token, status) in [("bad", 401), ("limited", 429), ("broken", 500)] {
        let answer = ask(
            server.address,
            Ask {
                token: Some(token),
                ..wanted("subscription { count(to: 1) }")
            },
        )
        .await;
        assert_eq!(answer.status(), status, "{token}");
    }
    let answer = ask(
        server.address,
        Ask {
            get: true,
            ..wanted("mutation { bump }")
        },
    )
    .await;
    assert_eq!(answer.status(), 405);
    assert_eq!(server.probe.mutations(), 0);
}

#[tokio::test]
async fn a_quiet_stream_is_kept_open_by_comments_and_ends_with_its_client() {
    let server = Server::with(|endpoint, _| endpoint.sockets.ping = Duration::from_millis(40)).await;
    let mut events = EventStream::open(server.address, wanted("subscription { silent }")).await;
    for _ in 0..3 {
        events.comment().await;
    }
    assert_eq!(server.probe.streams(), 1);
    drop(events);
    server.streams(0).await;
}

#[tokio::test]
async fn a_right_that_ends_ends_the_stream_with_an_error() {
    let server = Server::start().await;
    let short = Ask {
        token: Some("short"),
        ..wanted("subscription { silent }")
    };
    let mut events = EventStream::open(server.address, short).await;
    assert_eq!(code(&events.next().await.unwrap().json()), "UNAUTHENTICATED");
    assert_eq!((events.next().await, events.next().await), (end(), None));
    let mut events = EventStream::open(server.address, wanted("subscription { silent }")).await;
    server.streams(1).await;
    server.tokens.revoked.cancel();
    assert_eq!(code(&events.next().await.unwrap().json()), "UNAUTHENTICATED");
    assert_eq!(events.next().await, end());
    server.streams(0).await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_without_complete_so_that_clients_come_again() {
    let server = Server::start().await;
    let mut events = EventStream::open(server.address, wanted("subscription { silent }")).await;
    events.comment().await;
    server.shutdown.cancel();
    assert_eq!(events.next().await, None);
    server.serving.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_slows_its_stream() {
    let server = Server::start().await;
    let mut events = EventStream::open(server.address, wanted("subscription { endless }")).await;
    let mut before = usize::MAX;
    while server.probe.produced() != before || before == 0 {
        before = server.probe.produced();
        assert!(before < 50_000, "{before} events of a kilobyte are not buffered");
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
    }
    for number in 0..before.min(500) {
        let event = events.data().await;
        let text = event["endless"].as_str().unwrap();
        assert_eq!(text.split(' ').next().unwrap().parse(), Ok(number));
    }
}

#[tokio::test]
async fn streams_of_a_process_are_bounded_with_its_sockets() {
    let server = Server::with(|endpoint, _| endpoint.quotas.all = 1).await;
    let first = server.ready_socket().await;
    assert_eq!(
        ask(server.address, wanted("subscription { silent }")).await.status(),
        503
    );
    drop(first);
}
