//! Fault 17: clients that hang up, by the hundreds and at every stage of a request, while others submit. No connection to the
//! database is left in a transaction, so nothing that follows is written where nobody sees it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ledger::Ledger;
use super::load::{Load, Seen, Submitter};
use super::world::{World, until};
use crate::support::app::Mode;
use crate::support::http_receiver::Answer;
use crate::support::make::{SUBMIT, ana, standard_fields};
use crate::support::stream::Stream;

const CREATE: &str = "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } } }";
const CONCURRENCY: usize = 32;
/// Clients that hang up, each so often.
const CLIENTS: usize = 16;
const TIMES: usize = 40;
/// Longest time from the last byte that is sent to the hang-up, in microseconds.
const LATEST: u64 = 12_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hang_ups_lose_and_repeat_nothing_embedded() {
    hang_ups_lose_and_repeat_nothing(Mode::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hang_ups_lose_and_repeat_nothing_server() {
    hang_ups_lose_and_repeat_nothing(Mode::Server).await;
}

async fn hang_ups_lose_and_repeat_nothing(mode: Mode) {
    let world = World::start(mode, &["serve"], 1, CONCURRENCY).await;
    world
        .receiver
        .answer(Answer::status(200).after(Duration::from_millis(20)));
    let load = Load::start(&world);
    let hung_up = join_all((0..CLIENTS).map(|client| hang_up_often(&world, client))).await;
    let mut seen = load.finish().await;
    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());

    // What may have been stored is asked for again: its receipt stands for it.
    let submitter = Submitter::new(&world);
    let mut tries = Vec::new();
    for key in hung_up.into_iter().flatten() {
        submitter.until_acknowledged(&key, &mut tries).await;
    }
    seen.0.extend(tries);
    let figures = Ledger::at_rest(&world, &Seen(seen.0)).await.check(0);
    println!("{mode:?}: {figures:?}");
    if mode == Mode::Server {
        nothing_is_idle_in_a_transaction(&world).await;
    }
}

async fn nothing_is_idle_in_a_transaction(world: &World) {
    let database = world.stores.database().await;
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()";
    until("nothing is idle in a transaction", async || {
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let row = database.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap() == 0
    })
    .await;
}

/// Where a client hangs up.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Headers,
    Body,
    AfterBody,
    HalfClosed,
    Answer,
    Http2,
    Events,
    Socket,
    Change,
}

const STAGES: [Stage; 9] = [
    Stage::Headers,
    Stage::Body,
    Stage::AfterBody,
    Stage::HalfClosed,
    Stage::Answer,
    Stage::Http2,
    Stage::Events,
    Stage::Socket,
    Stage::Change,
];

/// One client; answers the keys under which leads may be stored.
async fn hang_up_often(world: &World, client: usize) -> Vec<String> {
    let mut keys = Vec::new();
    for time in 0..TIMES {
        let stage = STAGES[(client + time) % STAGES.len()];
        let key = format!("gone-{client}-{time}");
        let input = json!({ "input": { "flowId": world.flow, "fields": ana(), "idempotencyKey": key } });
        hang_up(world, stage, input).await;
        if !matches!(stage, Stage::Headers | Stage::Body | Stage::Change) {
            keys.push(key);
        }
    }
    keys
}

async fn pause() {
    tokio::time::sleep(Duration::from_micros(rand::random_range(0..LATEST))).await;
}

async fn hang_up(world: &World, stage: Stage, input: Value) {
    match stage {
        Stage::Http2 => over_http2(world, &input).await,
        Stage::Socket => {
            let stream = Stream::open(world.address(), &world.key, SUBMIT, input).await;
            pause().await;
            stream.cut();
        }
        Stage::Change => {
            // A change by the owner, which begins its transaction in its request.
            let input = json!({ "input": { "name": "Gone", "fields": standard_fields() } });
            let (head, body) = request((&world.owner, CREATE), &input, "application/json");
            let socket = send(world.address(), &[&head, &body]).await;
            pause().await;
            drop(socket);
        }
        _ => over_http1(world, stage, &input).await,
    }
}

async fn over_http2(world: &World, input: &Value) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let request = client
        .post(format!("http://{}/graphql", world.address()))
        .bearer_auth(&world.key)
        .json(&json!({ "query": SUBMIT, "variables": input }));
    // Ends the stream, and with its client the connection.
    tokio::select! {
        _ = request.send() => {}
        () = pause() => {}
    }
}

async fn over_http1(world: &World, stage: Stage, input: &Value) {
    let accept = match stage {
        Stage::Events => "text/event-stream",
        _ => "application/json",
    };
    let (head, body) = request((&world.key, SUBMIT), input, accept);
    let (half_head, half_body) = (&head[..head.len() / 2], &body[..body.len() / 2]);
    let mut socket = match stage {
        Stage::Headers => send(world.address(), &[half_head]).await,
        Stage::Body => send(world.address(), &[&head, half_body]).await,
        _ => send(world.address(), &[&head, &body]).await,
    };
    if matches!(stage, Stage::HalfClosed) {
        socket.shutdown().await.unwrap();
    }
    if matches!(stage, Stage::Answer) {
        let mut first = [0; 16];
        socket.read_exact(&mut first).await.unwrap();
    } else {
        pause().await;
    }
    drop(socket);
}

fn request((token, query): (&str, &str), input: &Value, accept: &str) -> (String, String) {
    let body = json!({ "query": query, "variables": input }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token,
        body.len()
    );
    (head, body)
}

async fn send(address: SocketAddr, parts: &[&str]) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    for part in parts {
        socket.write_all(part.as_bytes()).await.unwrap();
    }
    socket
}
