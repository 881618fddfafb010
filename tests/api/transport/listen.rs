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
        server.streams(2).await;
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

/// An HTTP/2 connection that has sent its preface and settings, and answers every ping.
async fn ponging(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    stream
}

/// HEADERS of `GET /healthz`-like requests by the static table (RFC 7541): `:method GET`, `:scheme http`, `:path /`.
const GET_ROOT: &[u8] = &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];

/// Answers pings until the server closes.
async fn pong_until_closed(mut stream: TcpStream) {
    loop {
        let mut header = [0; 9];
        if stream.read_exact(&mut header).await.is_err() {
            return;
        }
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        if header[3] == 6 && header[4] & 1 == 0 {
            let answer = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &payload].concat();
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_only_answers_pings_is_closed() {
    let server = Server::with(|_, limits| {
        limits.header = Duration::from_millis(500);
        limits.idle = Duration::from_millis(200);
    })
    .await;
    let mut stream = ponging(server.address).await;
    stream.write_all(GET_ROOT).await.unwrap();
    soon(pong_until_closed(stream)).await;
}

#[tokio::test]
async fn a_client_that_pipelines_and_reads_nothing_is_closed() {
    let server = Server::with(|_, limits| limits.stall = Duration::from_millis(300)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request =
        b"GET /graphql?query=%7B__schema%7Btypes%7Bname%20description%7D%7D%7D HTTP/1.1\r\nhost: a\r\n\r\n".repeat(64);
    // Until the server neither reads nor writes; then it closes, and the write fails.
    let flood = async { while stream.write_all(&request).await.is_ok() {} };
    soon(flood).await;
}

#[tokio::test]
async fn one_address_leaves_places_for_others() {
    let server = Server::with(|_, limits| limits.per_address = 2).await;
    let held = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(soon(third.read(&mut [0; 1])).await.unwrap_or(0), 0, "closed at once");
    // Linux answers on all of 127.0.0.0/8: another of these addresses is another caller.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(server.address).await.unwrap();
    other
        .write_all(b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    soon(other.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(held);
}

#[tokio::test]
async fn a_socket_keeps_its_place_after_the_upgrade() {
    let server = Server::with(|_, limits| limits.per_address = 1).await;
    let socket = server.ready_socket().await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(
        soon(second.read(&mut [0; 1])).await.unwrap_or(0),
        0,
        "the socket has the place"
    );
    drop(socket);
    server.streams(0).await;
}
