//! What a hostile or unlucky request must not achieve (traps 1, 2, 5, 15 and masking).

use std::time::Duration;

use futures::stream;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::server::{GRAPHQL, Server, code, read, soon};

#[tokio::test]
async fn doubling_fragments_cost_nothing() {
    let server = Server::start().await;
    for leaf in ["hello", "__typename"] {
        let doubling = |level| format!("fragment F{level} on Query {{ ...F{0} ...F{0} }}", level + 1);
        let fragments: Vec<String> = (0..28).map(doubling).collect();
        let last = format!("fragment F28 on Query {{ {leaf} }}");
        let query = format!("{{ ...F0 }} {} {last}", fragments.join(" "));
        let begun = Instant::now();
        let (status, body) = server.query(&query).await;
        assert_eq!((status, code(&body)), (400, "QUERY_TOO_COMPLEX"));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn deep_brackets_are_not_followed() {
    let server = Server::start().await;
    for (query, told) in [
        // Nothing begins with this bracket, so the reading ends there.
        ("[".repeat(30_000), "GRAPHQL_PARSE_FAILED"),
        ("{a".repeat(1_900), "QUERY_TOO_COMPLEX"),
        (format!("{{ hello(name: {}", "[".repeat(1_900)), "QUERY_TOO_COMPLEX"),
    ] {
        let (status, body) = server.query(&query).await;
        assert_eq!((status, code(&body)), (400, told));
    }
}

#[tokio::test]
async fn errors_are_few_short_and_without_the_document() {
    let server = Server::start().await;
    let unknown: Vec<String> = (0..900).map(|n| format!("unknown{n}")).collect();
    let unknown = unknown.join(" ");
    let (_, body) = server.query(&format!("{{ lead {{ {unknown} }} }}")).await;
    assert_eq!(body["errors"].as_array().unwrap().len(), 10);
    let (_, body) = server
        .query(&format!("{{ hello(name: \"{}\" }}", "secret".repeat(4_000)))
        .await;
    assert_eq!(code(&body), "GRAPHQL_PARSE_FAILED");
    assert!(
        body.to_string().len() < 500 && !body.to_string().contains("secret"),
        "{body}"
    );
    let (_, body) = server
        .query(&format!("{{ {}: hello @nope }}", "a".repeat(20_000)))
        .await;
    assert!(body.to_string().len() < 2_000, "{body}");
}

#[tokio::test]
async fn internal_errors_carry_a_request_id_and_nothing_else() {
    let server = Server::start().await;
    for query in [
        "{ hello database }",
        "{ hello internal }",
        "{ hello handMade }",
        "{ panics }",
    ] {
        let (_, body) = server.query(query).await;
        let error = &body["errors"][0];
        assert_eq!(error["message"], "internal error", "{query}");
        let mut extensions = error["extensions"].as_object().unwrap().clone();
        assert!(extensions.remove("requestId").is_some());
        assert_eq!(Value::Object(extensions), json!({"code": "INTERNAL_SERVER_ERROR"}));
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    assert_eq!(server.query("{ hello }").await.0, 200);
}

#[tokio::test]
async fn an_execution_that_does_not_end_is_ended() {
    let server = Server::with(|endpoint, _| endpoint.timeouts.execution = Duration::from_millis(50)).await;
    let (status, body) = server.query("{ never }").await;
    assert_eq!((status, code(&body)), (504, "TIMEOUT"));
    let request = server.post(&json!({"query": "{ hello }"})).bearer_auth("slow");
    let (status, body) = read(soon(request.send()).await.unwrap()).await;
    assert_eq!((status, code(&body)), (504, "TIMEOUT"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_however_it_is_sent() {
    let server = Server::with(|endpoint, _| endpoint.body_limit = 10_000).await;
    let body = json!({"query": "{ hello }", "variables": {"a": "x".repeat(100_000)}}).to_string();
    let chunks: Vec<_> = body
        .as_bytes()
        .chunks(1_000)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect();
    for body in [
        reqwest::Body::from(body),
        reqwest::Body::wrap_stream(stream::iter(chunks)),
    ] {
        let request = server
            .request("POST")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, GRAPHQL)
            .body(body);
        let (status, answer) = read(soon(request.send()).await.unwrap()).await;
        assert_eq!((status, code(&answer)), (413, "BAD_USER_INPUT"));
    }
    let fits = json!({"query": "{ hello }", "variables": {"a": "x".repeat(9_900)}});
    assert_eq!(soon(server.post(&fits).send()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n{CONTENT_LENGTH}: 9000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::with(|endpoint, _| endpoint.timeouts.body = Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn the_standard_introspection_query_passes() {
    let server = Server::start().await;
    let query = include_str!("introspection.graphql");
    let (status, body) = server.query(query).await;
    assert_eq!((status, body.get("errors")), (200, None));
    let circle = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert_eq!(code(&server.query(circle).await.1), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn a_request_that_is_seen_again_is_checked_with_its_own_variables() {
    let server = Server::start().await;
    let query = "query ($n: Int!) { ids(first: $n) { nodes { similar { similar { similar { similar { id } } } } } } }";
    for n in [3, 100, 3] {
        assert_eq!(server.query_with(query, json!({"n": n})).await.0, 200);
    }
    let nested = "query ($n: Int!) { ids(first: $n) { edges { node { ids: similar { id } } } } }";
    assert_eq!(server.query_with(nested, json!({})).await.0, 400);
}
