//! `leadmesh check` where something does not answer.

use std::net::TcpListener;

use sea_orm::{ConnectionTrait, Database};

use super::process::{Run, leadmesh, run};
use crate::support::app::{Mode, TestApp};

#[test]
fn each_check_is_told_as_it_ends() {
    let (dir, silent) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut command = leadmesh(dir.path(), &["check"]);
    command.env("LEADMESH_LISTEN", "127.0.0.1:0");
    command.env("REDIS_URL", format!("redis://{}", silent.local_addr().unwrap()));
    let check = Run::start(command);
    let _unanswered = silent.accept().unwrap();
    // It waits for Redis, and does not go on: what is read now was told before.
    check.signal("STOP");
    assert!(check.says("database").iter().any(|line| line.contains("settings")));
    check.signal("CONT");
    let ended = check.end();
    assert_eq!(ended.code(), 2, "{ended:?}");
    let told = ended.out.lines().find(|line| line.starts_with("WRONG redis"));
    assert!(
        told.is_some_and(|line| line.ends_with("; set REDIS_URL to a Redis that is running")),
        "{ended:?}"
    );
    assert!(ended.out.contains("note  mail"), "the others follow: {ended:?}");
}

#[test]
fn a_database_that_does_not_answer_is_not_waited_for() {
    let (dir, silent) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut command = leadmesh(dir.path(), &["check"]);
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    command.env("LEADMESH_LISTEN", "127.0.0.1:0");
    command.envs([("LEADMESH_MASTER_KEY", key), ("LEADMESH_TOKEN_SECRET", key)]);
    command.env(
        "DATABASE_URL",
        format!("postgres://a:b@{}/c", silent.local_addr().unwrap()),
    );
    let ended = run(command);
    assert_eq!(ended.code(), 2, "{ended:?}");
    let told = ended.out.lines().find(|line| line.starts_with("WRONG database"));
    assert!(
        told.is_some_and(|line| line.contains("nothing answers in time at the host and port of DATABASE_URL")),
        "{ended:?}"
    );
    assert!(
        !ended.out.contains("clock") && ended.out.contains("note  redis"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_somebody_holds_is_not_waited_for() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let holder = Database::connect(&app.app.config.database_url).await.unwrap();
    holder
        .execute_unprepared("BEGIN; LOCK TABLE seaql_migrations")
        .await
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut command = leadmesh(dir.path(), &["check"]);
    command.env("LEADMESH_LISTEN", "127.0.0.1:0");
    command.envs([("LEADMESH_MASTER_KEY", key), ("LEADMESH_TOKEN_SECRET", key)]);
    command.env("DATABASE_URL", &app.app.config.database_url);
    let ended = tokio::task::block_in_place(|| run(command));
    assert_eq!(ended.code(), 2, "{ended:?}");
    let told = ended.out.lines().find(|line| line.starts_with("WRONG database"));
    assert!(
        told.is_some_and(|line| line.contains("no answer within 5 seconds") && line.contains("locks its tables")),
        "{ended:?}"
    );
    assert!(ended.out.contains("ok    clock"), "the others follow: {ended:?}");
}
