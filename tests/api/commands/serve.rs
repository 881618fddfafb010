use std::process::Command;

use serde_json::Value;

use super::process::{Run, leadmesh, run};
use crate::support::app::client;

fn with(dir: &std::path::Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = leadmesh(dir, arguments);
    command.envs(variables.iter().copied());
    command
}

#[tokio::test]
async fn a_server_says_where_it_is_and_ends_in_order_at_a_signal() {
    leadmesh_core::tls::install_tls();
    let dir = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let variables = [("LEADMESH_LISTEN", "127.0.0.1:0"), ("LEADMESH_LOG_FORMAT", "json")];
        let server = Run::start(with(dir.path(), &["serve"], &variables));
        let log: Vec<Value> = server
            .logs("\"ready\"")
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ready = log.last().unwrap();
        assert_eq!(
            (&ready["mode"], &ready["redis"]),
            (&"embedded".into(), &"none".into()),
            "{ready}"
        );
        let graphiql = ready["graphiql"].as_str().unwrap();
        let text = reqwest::get(format!("{graphiql}metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(
            text.contains("leadmesh_due_deliveries 0.0\n") && text.ends_with("# EOF\n"),
            "{text}"
        );
        server.signal(signal);
        server.logs("stopped");
        server.end().succeeded();
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_told_in_the_log_with_what_to_set() {
    leadmesh_core::tls::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let variables = [("LEADMESH_LISTEN", "127.0.0.1:0"), ("LEADMESH_LOG_FORMAT", "json")];
    let server = Run::start(with(dir.path(), &["serve"], &variables));
    let ready: Value = serde_json::from_str(server.logs("\"ready\"").last().unwrap()).unwrap();
    let url = format!("{}graphql", ready["graphiql"].as_str().unwrap());
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap();
    let post = async |token: &str, query: &str| -> Value {
        let request = client.post(&url).json(&serde_json::json!({ "query": query }));
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        request.send().await.unwrap().json().await.unwrap()
    };
    let sign_up = r#"mutation { signUp(input: { accountName: "Acme", name: "Ada", email: "ada@acme.test", password: "correct horse battery" }) { session { accessToken } } }"#;
    let signed_up = post("", sign_up).await;
    let token = signed_up["data"]["signUp"]["session"]["accessToken"].as_str().unwrap();
    let invite =
        r#"mutation { inviteUser(input: { email: "bo@acme.test", name: "Bo", role: ADMIN }) { user { id } } }"#;
    let invited = post(token, invite).await;
    assert!(invited["data"]["inviteUser"]["user"]["id"].is_string(), "{invited}");
    server.logs("set LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM");
}

#[test]
fn an_embedded_database_has_one_server_and_commands_run_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let listen = [("LEADMESH_LISTEN", "127.0.0.1:0")];
    let first = Run::start(with(dir.path(), &["serve"], &listen));
    first.logs("ready");
    for command in ["serve", "api", "worker"] {
        // Its log tells nothing yet at this level.
        let quiet = [listen[0], ("RUST_LOG", "off")];
        let refused = run(with(dir.path(), &[command], &quiet)).failed(2);
        assert!(refused.contains("another server uses"), "{refused}");
    }
    run(with(dir.path(), &["account", "list"], &[("RUST_LOG", "off")])).succeeded();
    first.signal("KILL");
    drop(first);
    let second = Run::start(with(dir.path(), &["serve"], &listen));
    second.logs("ready");
}

#[test]
fn settings_that_cannot_be_used_are_told_with_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[("LEADMESH_SIGNUP", "secret")], "did you mean LEADMESH_SIGN_UP?"),
        (
            &[("REDIS_URL", "redis://:12#secret@h")],
            "REDIS_URL cannot be read as an address",
        ),
        (
            &[("LEADMESH_METRICS_LISTEN", "192.0.2.1:80")],
            "set LEADMESH_METRICS_LISTEN",
        ),
        (
            &[("DATABASE_URL", "mysql://u:secret@h/db")],
            "DATABASE_URL starts with \"mysql\"",
        ),
        (
            &[("DATABASE_URL", "postgres://u:secret@h/db")],
            "LEADMESH_MASTER_KEY is needed with PostgreSQL",
        ),
        (&[("REDIS_URL", "http://secret")], "REDIS_URL starts with \"http\""),
        (
            &[("LEADMESH_MASTER_KEY", "secret")],
            "LEADMESH_MASTER_KEY must be 32 bytes in base64",
        ),
        (
            &[("LEADMESH_SMTP_URL", "smtp://h")],
            "LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM go together",
        ),
        (
            &[
                ("LEADMESH_SMTP_URL", "http://u:secret@h"),
                ("LEADMESH_MAIL_FROM", "a@a.example"),
            ],
            "LEADMESH_SMTP_URL must be smtp://",
        ),
        (
            &[("LEADMESH_PUBLIC_URL", "leads.example")],
            "LEADMESH_PUBLIC_URL is \"leads.example\"",
        ),
        (&[("RUST_LOG", "leadmesh=loud")], "RUST_LOG is \"leadmesh=loud\""),
        (&[("LEADMESH_LISTEN", "192.0.2.1:80")], "set LEADMESH_LISTEN"),
    ];
    for (variables, said) in cases {
        let mut all = vec![("LEADMESH_LISTEN", "127.0.0.1:0")];
        all.extend(variables);
        let error = run(with(dir.path(), &["serve"], &all)).failed(2);
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let unreachable = [
        ("LEADMESH_LISTEN", "127.0.0.1:0"),
        ("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/db"),
        ("LEADMESH_MASTER_KEY", key),
        ("LEADMESH_TOKEN_SECRET", key),
    ];
    let error = run(with(dir.path(), &["serve"], &unreachable)).failed(1);
    assert!(
        error.starts_with("cannot connect to the database that DATABASE_URL names"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    let usage = run(with(dir.path(), &["serve"], &[("LEADMESH_CONCURRENCY", "0")]));
    assert_eq!(usage.code(), 2, "{usage:?}");
    let by_name = run(with(dir.path(), &["serve"], &[("LEADMESH_LISTEN", "localhost:8080")]));
    assert_eq!(by_name.code(), 2, "{by_name:?}");
    assert!(by_name.errors.contains("such as 127.0.0.1:8080"), "{by_name:?}");
}

/// sqlx and `SeaORM` repeat an address that they cannot read, and a parsed one may have its password in other parts.
#[test]
fn no_command_repeats_any_part_of_a_password_in_an_address() {
    let passwords = [
        "top#secret",
        "12#secret",
        "top@secret",
        "12@secret",
        "12/secret",
        "12?secret",
        "12%secret",
    ];
    // Each command waits for a while for the database.
    std::thread::scope(|scope| {
        for password in passwords {
            scope.spawn(move || is_repeated_by_no_command(password));
        }
    });
}

fn is_repeated_by_no_command(password: &str) {
    let dir = tempfile::tempdir().unwrap();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let address = format!("postgres://u:{password}@127.0.0.1:1/db");
    let variables = [
        ("LEADMESH_LISTEN", "127.0.0.1:0"),
        ("DATABASE_URL", address.as_str()),
        ("LEADMESH_MASTER_KEY", key),
        ("LEADMESH_TOKEN_SECRET", key),
    ];
    for command in [
        &["migrate"][..],
        &["check"],
        &["serve"],
        &["account", "list"],
        &["keys", "rotate"],
    ] {
        let ended = run(with(dir.path(), command, &variables));
        assert_ne!(ended.code(), 0, "{ended:?}");
        let all = format!("{}{}", ended.out, ended.errors);
        assert!(
            !all.contains("secret") && !all.contains("top"),
            "{command:?} {password}: {all}"
        );
        assert!(
            !all.contains("u:12") && !all.contains(password),
            "{command:?} {password}: {all}"
        );
    }
}

#[test]
fn an_embedded_server_with_keys_of_its_own_makes_its_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let variables = [
        ("LEADMESH_LISTEN", "127.0.0.1:0"),
        ("LEADMESH_DATA_DIR", "a/b"),
        ("LEADMESH_MASTER_KEY", key),
        ("LEADMESH_TOKEN_SECRET", key),
    ];
    Run::start(with(dir.path(), &["serve"], &variables)).logs("ready");
    assert!(dir.path().join("a/b/leadmesh.db").exists());
}

#[tokio::test]
async fn metrics_are_for_direct_callers_on_this_machine_or_have_an_address_of_their_own() {
    leadmesh_core::tls::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let metrics = format!("127.0.0.1:{port}");
    let variables = [
        ("LEADMESH_LISTEN", "127.0.0.1:0"),
        ("LEADMESH_METRICS_LISTEN", &metrics),
        ("LEADMESH_LOG_FORMAT", "json"),
    ];
    let server = Run::start(with(dir.path(), &["serve"], &variables));
    let ready: Value = serde_json::from_str(server.logs("\"ready\"").last().unwrap()).unwrap();
    let public = format!("{}metrics", ready["graphiql"].as_str().unwrap());
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap();
    for header in ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"] {
        let forwarded = client.get(&public).header(header, "127.0.0.1").send().await.unwrap();
        assert_eq!(forwarded.status(), 404, "{header}");
        let elsewhere = client
            .get(format!("http://{metrics}/metrics"))
            .header(header, "203.0.113.9");
        let text = elsewhere.send().await.unwrap().text().await.unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
    assert_eq!(client.get(&public).send().await.unwrap().status(), 200);
    let api = client.get(format!("http://{metrics}/graphql")).send().await.unwrap();
    assert_eq!(api.status(), 404, "nothing else is served there");
}

#[test]
fn settings_come_from_a_file_too_and_a_bad_line_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "LEADMESH_SMTP_URL=smtp://h\n").unwrap();
    let error = run(leadmesh(dir.path(), &["serve"])).failed(2);
    assert!(error.contains("go together"), "{error}");
    std::fs::write(
        dir.path().join(".env"),
        "LEADMESH_LISTEN=127.0.0.1:0\nLEADMESH_MASTER_KEY=my secret key\n",
    )
    .unwrap();
    let error = run(leadmesh(dir.path(), &["serve"])).failed(2);
    assert!(
        error.contains("after LEADMESH_LISTEN") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn the_schema_is_printed_without_any_settings() {
    let dir = tempfile::tempdir().unwrap();
    let printed = run(leadmesh(dir.path(), &["schema"])).succeeded();
    assert_eq!(printed.trim_end(), leadmesh_graphql::schema::sdl().trim_end());
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "it leaves nothing behind"
    );
}

#[test]
fn a_check_says_what_is_right_and_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let listen = ("LEADMESH_LISTEN", "127.0.0.1:0");
    let fine = run(with(dir.path(), &["check"], &[listen])).succeeded();
    assert!(fine.contains("ok    settings   embedded mode"), "{fine}");
    assert!(fine.contains("ok    database   sqlite:"), "{fine}");
    assert!(fine.contains("note  mail       none"), "{fine}");
    let mail = [
        listen,
        ("LEADMESH_SMTP_URL", "smtp+plain://127.0.0.1:1"),
        ("LEADMESH_MAIL_FROM", "a@a.example"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
    ];
    let wrong = run(with(dir.path(), &["check"], &mail));
    assert_eq!(wrong.code(), 2, "{wrong:?}");
    for said in ["WRONG mail       127.0.0.1:1: ", "WRONG redis      cannot connect"] {
        assert!(wrong.out.contains(said), "{}", wrong.out);
    }
    let bad = run(with(dir.path(), &["check"], &[("LEADMESH_PUBLIC_URL", "x")]));
    assert!(
        bad.code() == 2 && bad.out.starts_with("WRONG settings   LEADMESH_PUBLIC_URL"),
        "{bad:?}"
    );
}

const MAIL: [(&str, &str); 2] = [
    ("LEADMESH_SMTP_URL", "smtp+plain://127.0.0.1:9"),
    ("LEADMESH_MAIL_FROM", "leads@leadmesh.test"),
];

/// What is kept of the first person's address, and how many changes of the schema the database has.
async fn kept(dir: &std::path::Path) -> (bool, i64) {
    use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
    let url = format!("sqlite://{}", dir.join("leadmesh-data/leadmesh.db").display());
    let db = Database::connect(url).await.unwrap();
    let sql = "SELECT (SELECT holds_email FROM \"user\"), (SELECT count(*) FROM seaql_migrations)";
    let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Sqlite, sql));
    let row = row.await.unwrap().unwrap();
    let kept = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    db.close().await.unwrap();
    kept
}

/// Signs somebody up, whose address is not proven.
async fn sign_up(ready: &Value) {
    let url = format!("{}graphql", ready["graphiql"].as_str().unwrap());
    let sign_up = r#"mutation { signUp(input: { accountName: "Thief", name: "Eve", email: "ceo@bigcorp.test", password: "correct horse battery" }) { session { accessToken } } }"#;
    let client = client();
    let request = client.post(&url).json(&serde_json::json!({ "query": sign_up }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(
        answer["data"]["signUp"]["session"]["accessToken"].is_string(),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_refused_changes_nothing_for_the_server_that_runs() {
    leadmesh_core::tls::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let plain = [("LEADMESH_LISTEN", "127.0.0.1:0"), ("LEADMESH_LOG_FORMAT", "json")];
    let with_mail = [&plain[..], &MAIL[..]].concat();
    let server = Run::start(with(dir.path(), &["serve"], &with_mail));
    let ready: Value = serde_json::from_str(server.logs("\"ready\"").last().unwrap()).unwrap();
    sign_up(&ready).await;
    let before = kept(dir.path()).await;
    assert!(!before.0, "an address that is only claimed is not held");
    for role in ["serve", "api", "worker"] {
        let refused = run(with(dir.path(), &[role], &plain)).failed(2);
        assert!(refused.contains("another server uses"), "{refused}");
        assert_eq!(kept(dir.path()).await, before, "{role}");
    }

    // As an older server has it: neither a second one nor a command changes the schema under it.
    let url = format!("sqlite://{}", dir.path().join("leadmesh-data/leadmesh.db").display());
    let db = leadmesh_core::database::Db::connect(&url, 5).await.unwrap();
    let older = "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)";
    sea_orm::ConnectionTrait::execute_unprepared(db.write(), older)
        .await
        .unwrap();
    drop(db);
    let older = (before.0, before.1 - 1);
    for command in [
        &["serve"][..],
        &["api"],
        &["migrate"],
        &["account", "list"],
        &["keys", "rotate"],
    ] {
        let refused = run(with(dir.path(), command, &plain)).failed(2);
        assert!(refused.contains("server uses"), "{command:?}: {refused}");
        assert_eq!(kept(dir.path()).await, older, "{command:?}");
    }
    server.signal("TERM");
    server.end().succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_mail_settings_do_not_let_claimed_addresses_count() {
    leadmesh_core::tls::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let plain = [("LEADMESH_LISTEN", "127.0.0.1:0"), ("LEADMESH_LOG_FORMAT", "json")];
    let with_mail = [&plain[..], &MAIL[..]].concat();
    let server = Run::start(with(dir.path(), &["serve"], &with_mail));
    let ready: Value = serde_json::from_str(server.logs("\"ready\"").last().unwrap()).unwrap();
    sign_up(&ready).await;
    server.signal("TERM");
    server.end().succeeded();

    let refused = run(with(dir.path(), &["serve"], &plain)).failed(2);
    assert!(refused.contains("LEADMESH_SMTP_URL is not set"), "{refused}");
    assert!(!kept(dir.path()).await.0);
    let checked = run(with(dir.path(), &["check"], &plain));
    assert!(
        checked.code() == 2 && checked.out.contains("WRONG proof"),
        "{checked:?}"
    );

    let off = [&plain[..], &[("LEADMESH_PROOF_OF_ADDRESS", "off")]].concat();
    let server = Run::start(with(dir.path(), &["serve"], &off));
    server.logs("\"ready\"");
    assert!(kept(dir.path()).await.0);
    server.signal("TERM");
    server.end().succeeded();
}
