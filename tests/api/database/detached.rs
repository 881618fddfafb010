//! Mutations whose clients go away while they run: the database is held, the client leaves, the database is let go.

use std::time::Duration;

use leadmesh_core::database::Transaction;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::at_rest;
use crate::support::app::{Mode, TestApp, both};
use crate::support::make::{Account, standard_fields};
use crate::support::stream::Stream;
use crate::support::wait::until;

const CREATE: &str =
    "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } userErrors { message } } }";

fn variables(name: &str) -> Value {
    json!({ "input": { "name": name, "fields": standard_fields() } })
}

/// Keeps all writers waiting until it is dropped.
async fn hold(app: &TestApp) -> Transaction {
    let tx = app
        .app
        .for_workload(leadmesh_core::database::Workload::Worker)
        .db
        .begin()
        .await
        .unwrap();
    if app.mode == Mode::Server {
        tx.execute_unprepared("LOCK TABLE account, flow IN SHARE ROW EXCLUSIVE MODE")
            .await
            .unwrap();
    }
    tx
}

async fn is_made(app: &TestApp, owner: &Account, name: &str) -> bool {
    let data = app
        .data(&owner.token, "{ flows(first: 50) { nodes { name } } }", json!({}))
        .await;
    let flows = data["flows"]["nodes"].as_array().unwrap();
    flows.iter().any(|flow| flow["name"] == name)
}

/// Lets a client leave while its mutation waits for the database, and looks whether it is made all the same.
async fn leave(app: &TestApp, owner: &Account, name: &str, client: impl Future<Output = ()>) {
    let held = hold(app).await;
    // The client runs until its mutation has begun, and is dropped.
    let begun = until("the mutation runs", async || app.app.writes.running() > 0);
    let mut client = Box::pin(client);
    tokio::select! {
        () = begun => {}
        () = &mut client => panic!("{name} was answered while the database was held"),
    }
    let running = app.app.writes.running();
    assert_eq!(running, 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client);
    drop(held);
    until(name, async || is_made(app, owner, name).await).await;
    until("it has ended", async || app.app.writes.running() == 0).await;
    at_rest(&app.app.db).await;
}

async fn raw(app: &TestApp, owner: &Account, name: &str, accept: &str) {
    let body = json!({ "query": CREATE, "variables": variables(name) }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        owner.token,
        body.len()
    );
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    // Of events the headers come at once; what matters is that the event does not.
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 1024];
        let read = socket.read(&mut part).await.unwrap();
        answer.extend_from_slice(&part[..read]);
        if read == 0 || String::from_utf8_lossy(&answer).contains("createFlow") {
            return;
        }
    }
}

async fn over_http2(app: &TestApp, owner: &Account, name: &str) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let request = client
        .post(format!("http://{}/graphql", app.address))
        .bearer_auth(&owner.token)
        .json(&json!({ "query": CREATE, "variables": variables(name) }));
    drop(request.send().await);
}

async fn over_a_socket(app: &TestApp, owner: &Account, name: &str) {
    let mut stream = Stream::open(app.address, &owner.token, CREATE, variables(name)).await;
    stream.message().await;
}

async fn completed(app: &TestApp, owner: &Account, name: &str) {
    let mut stream = Stream::open(app.address, &owner.token, CREATE, variables(name)).await;
    until("it runs", async || app.app.writes.running() > 0).await;
    stream.complete("1").await;
    stream.message().await;
}

both!(a_client_that_leaves_does_not_end_its_mutation, |app| {
    let owner = app.account("Acme").await;
    leave(&app, &owner, "http/1", raw(&app, &owner, "http/1", "application/json")).await;
    leave(&app, &owner, "http/2", over_http2(&app, &owner, "http/2")).await;
    leave(&app, &owner, "events", raw(&app, &owner, "events", "text/event-stream")).await;
    leave(&app, &owner, "socket", over_a_socket(&app, &owner, "socket")).await;
    leave(&app, &owner, "completed", completed(&app, &owner, "completed")).await;
});

both!(a_process_that_stops_waits_for_what_is_being_written, |app| {
    let mut app = app;
    let owner = app.account("Acme").await;
    let held = hold(&app).await;
    let stream = Stream::open(app.address, &owner.token, CREATE, variables("last")).await;
    until("the mutation runs", async || app.app.writes.running() > 0).await;
    stream.cut();
    let letting_go = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    tokio::join!(app.stop(), letting_go);
    assert_eq!(app.app.writes.running(), 0);
    app.restart().await;
    assert!(is_made(&app, &owner, "last").await);
});
