//! Connections that the database has ended, and a file that another holds.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;

use super::number;
use crate::support::app::{Mode, TestApp};
use crate::support::make::{SUBMIT, ana};

/// A connection that is not the app's.
async fn other(app: &TestApp) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(app.app.config.database_url.clone());
    options.max_connections(1);
    Database::connect(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_connections_in_the_pools_cost_no_request_an_error() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let ann = app.account("Ann").await;
    let flow = app.flow(&ann, json!({})).await;
    let other = other(&app).await;
    for round in 0..5 {
        // All pools have several connections open.
        let queries = (0..10).map(|_| app.data(&ann.token, "{ leads(first: 5) { nodes { id } } }", json!({})));
        futures::future::join_all(queries).await;
        number(
            &other,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        for number in 0..8 {
            let receipt = app
                .submit_with(
                    &ann,
                    &flow,
                    ana(),
                    json!({ "idempotencyKey": format!("{round}-{number}") }),
                )
                .await;
            assert_eq!(receipt["replayed"], false, "{receipt:#}");
            app.data(&ann.token, "{ leads(first: 5) { nodes { id } } }", json!({}))
                .await;
            app.flow(&ann, json!({ "name": format!("{round}-{number}") })).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_finds_the_file_held_keeps_the_lease() {
    let app = TestApp::start_with(Mode::Embedded, &[]).await;
    let ann = app.account("Ann").await;
    let flow = app.flow(&ann, json!({})).await;
    let (owner, other) = (app.app.queue.owner(), other(&app).await);
    assert!(owner.is_some());
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let input = json!({ "flowId": flow.id, "fields": ana() });
    let answer = app.ask(Some(&ann.key), SUBMIT, json!({ "input": input })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
    assert_eq!(app.app.queue.owner(), owner, "the lease was given up");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(app.submit(&ann, &flow, ana()).await["outcome"], "ACCEPTED");
    assert_eq!(app.app.queue.owner(), owner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_has_its_time_limits() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let shown = async |db: &leadmesh_core::database::Db, name: &str| {
        let sql = format!("SELECT EXTRACT(EPOCH FROM current_setting('{name}')::interval)::bigint");
        number(db.read(), &sql).await
    };
    let db = &app.app.db;
    for lane in [
        leadmesh_core::database::Workload::Requests,
        leadmesh_core::database::Workload::Intake,
        leadmesh_core::database::Workload::Worker,
        leadmesh_core::database::Workload::Lease,
    ] {
        let db = db.for_workload(lane);
        assert_eq!(shown(&db, "idle_in_transaction_session_timeout").await, 30, "{lane:?}");
        assert!((1..=60).contains(&shown(&db, "statement_timeout").await), "{lane:?}");
        assert!((1..=10).contains(&shown(&db, "lock_timeout").await), "{lane:?}");
    }
    assert_eq!(shown(db, "statement_timeout").await, 30);
}

/// What is told of a database at that address.
async fn told(url: &str) -> String {
    leadmesh_core::database::explain(&leadmesh_core::database::Db::connect(url, 5).await.unwrap_err())
}

/// A server that refuses whoever comes as `PostgreSQL` refuses a wrong password.
async fn refusing() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut startup = [0; 1024];
            drop(socket.read(&mut startup).await);
            let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"ann\"\0\0";
            let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            drop(socket.write_all(&[b"E", length.as_slice(), fields].concat()).await);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_connected_to_is_told_with_what_to_set() {
    let refusing = refusing().await;
    let wrong = told(&format!("postgres://ann:secret@{refusing}/db?sslmode=disable")).await;
    assert!(
        wrong.contains("password authentication failed") && wrong.contains("set user and password"),
        "{wrong}"
    );
    let mut url = url::Url::parse(&std::env::var("LEADMESH_TEST_DATABASE_URL").unwrap()).unwrap();
    url.set_path("nothing_here");
    let missing = told(url.as_str()).await;
    assert!(missing.contains("create that database"), "{missing}");
    let away = told("postgres://ann:secret@127.0.0.1:1/db").await;
    assert!(away.contains("nothing answers"), "{away}");
    for text in [wrong, missing, away] {
        assert!(!text.contains("secret"), "{text}");
    }
}
