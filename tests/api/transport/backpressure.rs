//! Slow readers and busy streams (traps 7 and 8, as far as the transport can lose events).

use std::time::Duration;

use serde_json::json;

use super::server::{Server, Socket, complete, next, soon};

/// Subscribes to an endless stream and waits, without reading, until it has filled everything in between.
async fn stuck(server: &Server, socket: &mut Socket, id: &str) {
    socket.subscribe(id, "subscription { endless }").await;
    let mut before = usize::MAX;
    while server.probe.produced() != before || before == 0 {
        before = server.probe.produced();
        assert!(before < 50_000, "{before} events of a kilobyte are not buffered");
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_slows_its_streams_loses_nothing_and_is_still_read() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    stuck(&server, &mut socket, "1").await;
    let expected = server.probe.produced();
    for number in 0..expected.min(500) {
        let message = socket.json().await;
        let text = message["payload"]["data"]["endless"].as_str().unwrap().to_owned();
        assert_eq!(text.split(' ').next().unwrap().parse(), Ok(number));
    }
    socket.send(complete("1")).await;
    socket.send(json!({"type": "ping"})).await;
    soon(async { while socket.json().await["type"] != "pong" {} }).await;
    socket.subscribe("2", "{ hello }").await;
    let message = soon(async {
        loop {
            let message = socket.json().await;
            if message["id"] == "2" {
                return message;
            }
        }
    })
    .await;
    assert_eq!(message, next("2", &json!({"hello": "hello world"})));
}

#[tokio::test]
async fn a_reader_that_stalls_past_pings_gets_everything_and_one_that_never_reads_is_dropped() {
    let server = Server::with(|endpoint, _| {
        endpoint.sockets.ping = Duration::from_millis(400);
        endpoint.sockets.close = Duration::from_millis(100);
    })
    .await;
    let mut socket = server.ready_socket().await;
    stuck(&server, &mut socket, "1").await;
    // Three pings, none of which it can have seen.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let expected = server.probe.produced();
    for number in 0..expected {
        let message = socket.json().await;
        let text = message["payload"]["data"]["endless"].as_str().unwrap().to_owned();
        assert_eq!(text.split(' ').next().unwrap().parse(), Ok(number));
    }
    let mut dead = server.ready_socket().await;
    dead.subscribe("1", "subscription { endless }").await;
    server.streams(2).await;
    drop(socket);
    server.streams(0).await;
    drop(dead);
}

#[tokio::test]
async fn messages_are_read_while_nothing_can_be_written() {
    let server = Server::start().await;
    let mut socket = server.ready_socket().await;
    stuck(&server, &mut socket, "stuck").await;
    // A duplicate ends the socket, and its streams end although their reader still does not read.
    assert_eq!(server.probe.streams(), 1);
    socket.subscribe("stuck", "{ hello }").await;
    server.streams(0).await;
    assert_eq!(socket.closed().await.0, 4409);
}

#[tokio::test]
async fn a_busy_stream_does_not_starve_the_others() {
    let server = Server::start().await;
    let push = server.probe.pusher().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("quiet", "subscription { pushed }").await;
    socket.subscribe("busy 1", "subscription { endless }").await;
    socket.subscribe("busy 2", "subscription { endless }").await;
    for number in 0..20 {
        push.send(number).unwrap();
        let waited = soon(async {
            let mut others = 0;
            loop {
                let message = socket.json().await;
                if message["id"] == "quiet" {
                    assert_eq!(message["payload"]["data"]["pushed"], number);
                    return others;
                }
                others += 1;
            }
        });
        // What was already under way in the buffers of the connection comes first.
        let others = waited.await;
        assert!(others < 20_000, "{others} other events came before");
    }
}
