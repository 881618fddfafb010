//! `graphql-transport-ws` (traps 6, 7, 10 and 11).

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::server::{Got, Server, code, complete, next, soon};

#[tokio::test]
async fn subscriptions_queries_and_mutations_run_to_their_end() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("s", "subscription { count(to: 2) }").await;
    for expected in [
        next("s", &json!({"count": 1})),
        next("s", &json!({"count": 2})),
        complete("s"),
    ] {
        assert_eq!(socket.json().await, expected);
    }
    socket.subscribe("q", "{ actor }").await;
    assert_eq!(socket.json().await, next("q", &json!({"actor": "ann"})));
    assert_eq!(socket.json().await, complete("q"));
    socket.subscribe("m", "mutation { bump }").await;
    assert_eq!(socket.json().await, next("m", &json!({"bump": 1})));
    assert_eq!(socket.json().await, complete("m"));
    // An id is free again once its operation is complete.
    socket.subscribe("s", "subscription { actor }").await;
    assert_eq!(socket.json().await, next("s", &json!({"actor": "ann"})));
}

#[tokio::test]
async fn the_token_may_be_in_the_header_of_the_upgrade() {
    let server = Server::start().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let mut socket = server.socket_with(&[protocol, ("authorization", "Bearer bob")]).await;
    socket.introduce(json!({})).await;
    socket.subscribe("1", "{ actor }").await;
    assert_eq!(socket.json().await, next("1", &json!({"actor": "bob"})));
    let mut socket = server.socket_with(&[protocol, ("authorization", "Bearer bob")]).await;
    socket
        .introduce(json!({"headers": {"Authorization": "Bearer ann"}}))
        .await;
    socket.subscribe("1", "{ actor }").await;
    assert_eq!(socket.json().await, next("1", &json!({"actor": "ann"})));
}

#[tokio::test]
async fn request_errors_come_as_error_and_nothing_follows() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    for (query, expected) in [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: 1) silent }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription ($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
        ("subscription { refused }", "FORBIDDEN"),
        ("subscription { broken }", "INTERNAL_SERVER_ERROR"),
    ] {
        socket.subscribe("1", query).await;
        let message = socket.json().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!("1")),
            "{query}: {message}"
        );
        assert_eq!(code(&json!({"errors": message["payload"]})), expected, "{query}");
        assert!(!message.to_string().contains("secret"));
    }
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.json().await["type"], "next");
}

#[tokio::test]
async fn errors_of_fields_and_events_come_as_next() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "{ required }").await;
    let message = socket.json().await;
    assert_eq!(
        (&message["type"], code(&message["payload"])),
        (&json!("next"), "FORBIDDEN")
    );
    assert_eq!(socket.json().await, complete("1"));
    socket.subscribe("2", "subscription { flaky }").await;
    assert_eq!(socket.json().await, next("2", &json!({"flaky": 1})));
    let message = socket.json().await;
    assert_eq!(
        (&message["type"], code(&message["payload"])),
        (&json!("next"), "INTERNAL_SERVER_ERROR")
    );
    assert!(!message.to_string().contains("secret"));
    // A first event that fails is an event, too, as long as others follow.
    socket.send(complete("2")).await;
    socket.subscribe("3", "subscription { late }").await;
    let message = soon(async {
        loop {
            let message = socket.json().await;
            if message["id"] == "3" {
                return message;
            }
        }
    });
    let message = message.await;
    assert_eq!(
        (&message["type"], code(&message["payload"])),
        (&json!("next"), "NOT_FOUND")
    );
    assert_eq!(socket.json().await, next("3", &json!({"late": 2})));
    assert_eq!(socket.json().await, complete("3"));
}

#[tokio::test]
async fn a_panic_ends_its_operation_and_not_the_socket() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { panicking }").await;
    assert_eq!(socket.json().await, next("1", &json!({"panicking": 1})));
    assert_eq!(code(&socket.json().await["payload"]), "INTERNAL_SERVER_ERROR");
    assert_eq!(socket.json().await, complete("1"));
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.json().await["type"], "next");
}

#[tokio::test]
async fn a_field_in_a_fragment_is_subscribed_to() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket
        .subscribe(
            "1",
            "subscription { ...F } fragment F on Events { ... { count(to: 1) } }",
        )
        .await;
    assert_eq!(socket.json().await, next("1", &json!({"count": 1})));
}

#[tokio::test]
async fn a_complete_from_the_client_ends_the_stream_and_is_not_echoed() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { silent }").await;
    server.streams(1).await;
    socket.send(complete("1")).await;
    server.streams(0).await;
    socket.send(complete("unknown")).await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.json().await["type"], "next");
}

#[tokio::test]
async fn pings_are_answered_with_their_payload_before_and_after_the_introduction() {
    let server = Server::start().await;
    let mut socket = server.socket().await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.json().await, json!({"type": "pong"}));
    socket.introduce(json!({})).await;
    socket.send(json!({"type": "ping", "payload": {"a": [1]}})).await;
    assert_eq!(socket.json().await, json!({"type": "pong", "payload": {"a": [1]}}));
    socket.send(json!({"type": "pong"})).await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.json().await["type"], "next");
}

#[tokio::test]
async fn invalid_messages_are_4400() {
    let server = Server::start().await;
    for text in [
        "",
        "x",
        "[]",
        r#"{"type":"start"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
    ] {
        let mut socket = server.ready_socket().await;
        socket.send_text(text).await;
        assert_eq!(socket.closed().await.0, 4400, "{text}");
    }
    let mut socket = server.ready_socket().await;
    soon(socket.0.send(Message::Binary(vec![1].into()))).await.unwrap();
    assert_eq!(socket.closed().await.0, 4400);
    let mut socket = server.ready_socket().await;
    socket.send(json!({"type": "x".repeat(500)})).await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn subscribing_before_the_acknowledgement_is_4401() {
    let server = Server::start().await;
    let mut socket = server.socket().await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));
    let mut socket = server.socket().await;
    socket
        .send(json!({"type": "connection_init", "payload": {"authorization": "Bearer slow"}}))
        .await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.closed().await.0, 4401);
}

#[tokio::test]
async fn refused_credentials_are_4403_and_passing_trouble_is_1013() {
    let server = Server::start().await;
    for (authorization, expected) in [
        ("Bearer bad", 4403),
        ("Basic x", 4403),
        ("Bearer limited", 1013),
        ("Bearer broken", 1013),
    ] {
        let mut socket = server.socket().await;
        socket
            .send(json!({"type": "connection_init", "payload": {"authorization": authorization}}))
            .await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, expected, "{authorization}");
        assert!(!reason.contains("secret"));
    }
}

#[tokio::test]
async fn a_right_that_ends_closes_the_socket() {
    let server = Server::start().await;
    let mut socket = server.socket().await;
    socket.introduce(json!({"authorization": "Bearer short"})).await;
    assert_eq!(
        socket.closed().await,
        (4403, "Forbidden: the token has expired".to_owned())
    );
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { silent }").await;
    server.streams(1).await;
    server.tokens.revoked.cancel();
    assert_eq!(
        socket.closed().await,
        (4403, "Forbidden: access was revoked".to_owned())
    );
    assert_eq!(server.probe.streams(), 0);
}

#[tokio::test]
async fn another_protocol_is_4406() {
    let server = Server::start().await;
    let mut socket = server.socket_with(&[]).await;
    assert!(matches!(socket.get().await, Got::Closed(4406, _)));
    // A client library refuses an answer without the protocol it asked for, so this one is done by hand.
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = "GET /graphql HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-ws\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(async {
        while !answer.windows(2).any(|bytes| bytes == 4406_u16.to_be_bytes()) {
            assert_ne!(
                stream.read_buf(&mut answer).await.unwrap(),
                0,
                "closed without the code"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn no_introduction_is_4408_also_while_authentication_takes_long() {
    let server = Server::with(|endpoint, _| endpoint.sockets.init = Duration::from_millis(50)).await;
    assert_eq!(server.socket().await.closed().await.0, 4408);
    let mut socket = server.socket().await;
    socket
        .send(json!({"type": "connection_init", "payload": {"authorization": "Bearer slow"}}))
        .await;
    assert_eq!(socket.closed().await.0, 4408);
}

#[tokio::test]
async fn an_id_in_use_is_4409_with_a_reason_that_fits() {
    let server = Server::start().await;
    let id = "ü".repeat(64);
    let mut socket = server.ready_socket().await;
    for _ in 0..2 {
        socket.subscribe(&id, "subscription { silent }").await;
    }
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4409);
    assert!(
        reason.starts_with("Subscriber for ü") && reason.len() <= 123,
        "{reason}"
    );
    server.streams(0).await;
}

#[tokio::test]
async fn a_second_introduction_is_4429() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.closed().await.0, 4429);
    let mut socket = server.socket().await;
    for _ in 0..2 {
        socket
            .send(json!({"type": "connection_init", "payload": {"authorization": "Bearer slow"}}))
            .await;
    }
    assert_eq!(socket.closed().await.0, 4429);
}

#[tokio::test]
async fn long_messages_are_1009() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket
        .send(json!({"type": "ping", "payload": {"a": "x".repeat(60_000)}}))
        .await;
    assert_eq!(socket.json().await["type"], "pong");
    socket
        .send(json!({"type": "ping", "payload": {"a": "x".repeat(70_000)}}))
        .await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn operations_of_a_socket_are_bounded() {
    let server = Server::with(|endpoint, _| endpoint.sockets.operations = 3).await;
    let mut socket = server.ready_socket().await;
    for id in ["1", "2", "3", "4"] {
        socket.subscribe(id, "subscription { silent }").await;
    }
    let message = socket.json().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("4")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    socket.send(complete("1")).await;
    socket.subscribe("4", "{ hello }").await;
    assert_eq!(socket.json().await["type"], "next");
}

#[tokio::test]
async fn sockets_of_a_process_are_bounded() {
    let server = Server::with(|endpoint, _| endpoint.quotas.all = 1).await;
    let first = server.ready_socket().await;
    let upgrade = server
        .request("GET")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let upgrade = upgrade
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(soon(upgrade.send()).await.unwrap().status(), 503);
    drop(first);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped_and_one_that_does_is_kept() {
    let server = Server::with(|endpoint, _| {
        endpoint.sockets.ping = Duration::from_millis(40);
        endpoint.sockets.close = Duration::from_millis(40);
    })
    .await;
    let mut silent = server.ready_socket().await;
    silent.subscribe("1", "subscription { silent }").await;
    server.streams(1).await;
    // Nobody reads this socket, so nobody answers its pings.
    server.streams(0).await;
    let mut lively = server.ready_socket().await;
    let mut pings = 0;
    while pings < 4 {
        if let Message::Ping(_) = soon(lively.0.next()).await.unwrap().unwrap() {
            pings += 1;
        }
    }
    lively.subscribe("1", "{ hello }").await;
    assert_eq!(lively.json().await["type"], "next");
}

#[tokio::test]
async fn the_closing_handshake_is_finished_for_a_client_that_leaves() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { silent }").await;
    server.streams(1).await;
    let normal = CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    };
    soon(socket.0.close(Some(normal))).await.unwrap();
    assert_eq!(socket.closed().await.0, 1000);
    server.streams(0).await;
}

#[tokio::test]
async fn the_close_code_reaches_a_client_that_is_still_sending() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    let long = json!({"type": "ping", "payload": {"a": "x".repeat(60_000)}}).to_string();
    soon(socket.0.feed(Message::Text("invalid".into()))).await.unwrap();
    for _ in 0..100 {
        soon(socket.0.feed(Message::Text(long.as_str().into()))).await.unwrap();
    }
    soon(socket.0.flush()).await.unwrap();
    assert_eq!(socket.closed().await.0, 4400);
}
