//! Connections (trap 12) and shutdown.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::server::{Server, soon};

/// Sends `begin` and nothing more; what is answered until the server closes.
async fn stalled(server: &Server, begin: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is a way of closing, too.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_connection_that_stalls_is_closed_wherever_it_stalls() {
    let server = Server::with(|_, limits| limits.header = Duration::from_millis(50)).await;
    for begin in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /gra",
        "GET /graphql HTTP/1.1\r\nhost: a\r\n",
    ] {
        let answer = stalled(&server, begin).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408") || begin.starts_with("PRI"),
            "{begin:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_takes_longer_than_its_header_may_is_served() {
    let server = Server::with(|endpoint, limits| {
        limits.header = Duration::from_millis(20);
        endpoint.timeouts.execution = Duration::from_millis(200);
    })
    .await;
    assert_eq!(server.query("{ never }").await.0, 504);
}

#[tokio::test]
async fn a_socket_outlives_the_limits_of_a_request() {
    let server = Server::with(|_, limits| limits.header = Duration::from_millis(20)).await;
    let push = server.probe.pusher().await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { pushed }").await;
    // Another connection that stalls shows that the limit has passed meanwhile.
    stalled(&server, "").await;
    push.send(7).unwrap();
    assert_eq!(socket.json().await["payload"], json!({"data": {"pushed": 7}}));
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let server = Server::with(|_, limits| {
        limits.connections = 1;
        limits.header = Duration::from_millis(50);
    })
    .await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    // Served once the idle connection has been closed.
    assert_eq!(server.query("{ hello }").await.0, 200);
    drop(idle);
}

#[tokio::test]
async fn a_shutdown_refuses_new_connections_and_waits_for_the_rest() {
    let server = Server::with(|endpoint, _| endpoint.timeouts.execution = Duration::from_millis(200)).await;
    let mut socket = server.ready_socket().await;
    socket.subscribe("1", "subscription { silent }").await;
    let under_way = server.query("{ never }");
    let (answer, closed) = tokio::join!(under_way, async {
        super::server::until(|| server.probe.streams() == 2).await;
        server.shutdown.cancel();
        socket.closed().await
    });
    assert_eq!(closed, (1012, "Service restart".to_owned()));
    assert_eq!(answer.0, 504);
    soon(server.serving).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.probe.streams(), 0);
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let server = Server::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let request = client.post(server.url()).json(&json!({"query": "{ hello }"}));
    let response = soon(request.send()).await.unwrap();
    assert_eq!(
        (response.version(), response.status().as_u16()),
        (reqwest::Version::HTTP_2, 200)
    );
}
