//! A client that says that it sends no more, and reads the answer.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, SUBMIT, ana};

fn body(flow: &Flow, key: &str) -> String {
    let input = json!({ "flowId": flow.id, "fields": ana(), "idempotencyKey": key });
    json!({ "query": SUBMIT, "variables": { "input": input } }).to_string()
}

fn head(owner: &Account, length: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{length}\r\n\r\n",
        owner.key
    )
}

fn with_length(owner: &Account, body: &str) -> String {
    head(owner, &format!("Content-Length: {}", body.len())) + body
}

fn chunked(owner: &Account, body: &str) -> String {
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    head(owner, "Transfer-Encoding: chunked") + &chunk
}

/// Sends the parts, closes that half, and reads to the end.
async fn exchange(app: &TestApp, parts: &[&str]) -> String {
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    for part in parts {
        socket.write_all(part.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.expect("no end").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

both!(a_client_that_sends_no_more_is_answered_and_its_lead_is_stored, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    for round in 0..4 {
        let key = |way: &str| body(&flow, &format!("{way}-{round}"));
        let whole = with_length(&owner, &key("length"));
        let (one, two) = whole.split_at(whole.len() / 2);
        for answer in [
            exchange(&app, &[&whole]).await,
            exchange(&app, &[&with_length(&owner, &key("other"))]).await,
            exchange(&app, &[one, two]).await,
            exchange(&app, &[&chunked(&owner, &key("chunked"))]).await,
        ] {
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("\"ACCEPTED\""), "{answer}");
        }
        let pipelined = with_length(&owner, &key("first")) + &with_length(&owner, &key("second"));
        let answer = exchange(&app, &[&pipelined]).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    }
    let data = app
        .data(&owner.token, "{ leads(first: 100) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(data["leads"]["nodes"].as_array().map(Vec::len), Some(4 * 5), "{data:#}");
    let unfinished = with_length(&owner, &body(&flow, "half"));
    let answer = exchange(&app, &[&unfinished[..unfinished.len() - 9]]).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let data: Value = app
        .data(&owner.token, "{ leads(first: 100) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        data["leads"]["nodes"].as_array().map(Vec::len),
        Some(4 * 5),
        "half a request was stored"
    );
});
