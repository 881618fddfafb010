use std::path::Path;
use std::process::Command;

use super::process::{Run, leadmesh, run};
use crate::support::app::{Mode, TestApp, both};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use leadmesh_core::config::Secret;
use leadmesh_core::crypto::{Vault, master_key};
use leadmesh_core::identity::data_keys;
use serde_json::json;

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "HwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4=";

fn secret(text: &str) -> Secret {
    Secret(STANDARD.decode(text).unwrap().try_into().unwrap())
}

both!(after_a_rotation_new_values_have_a_new_key_and_old_ones_open, |test| {
    let account = test.account("Acme").await;
    let owner = Some(account.id.parse().unwrap());
    let (app, other) = (&test.app, test.command().await);
    for owner in [owner, None] {
        let before = app.vault.keys(app.db.write(), &app.clock, owner).await.unwrap();
        let old = before.seal("here", b"old").unwrap();
        let index = before.index("email", "a@example.com");
        assert_eq!(data_keys::rotate_all(app).await.unwrap(), 1);

        let now = app.vault.keys(app.db.write(), &app.clock, owner).await.unwrap();
        let new = now.seal("here", b"new").unwrap();
        assert_eq!(now.open("here", &old).unwrap(), b"old");
        assert_eq!(
            now.index("email", "a@example.com"),
            index,
            "hashes are compared over time"
        );
        // The beginning of a sealed value names its key.
        assert_ne!(old[..20], new[..20]);
        assert!(before.open("here", &new).is_err());
        let reloaded = other.vault.reload(other.db.read(), &other.clock, owner).await.unwrap();
        assert_eq!(reloaded.open("here", &new).unwrap(), b"new");
    }
    let trail = test.dump().await;
    assert!(trail.contains("account.key_rotated"));
});

const SECRET_FIELDS: &str =
    r#"[{ "name": "first_name", "type": "TEXT" }, { "name": "ssn", "type": "TEXT", "encrypted": true }]"#;

both!(
    /// A server that knows both master keys goes on while the command moves the data keys, and so does whoever it lets in meanwhile.
    the_master_key_moves_while_leads_flow,
    ["--previous-master-key", NEW],
    |test| {
        let (old, new) = (Vault::new(&secret(OLD)), Vault::new(&secret(NEW)));
        let app = &test.app;
        let owner = test.account("Acme").await;
        let fields: serde_json::Value = serde_json::from_str(SECRET_FIELDS).unwrap();
        let flow = test.flow(&owner, json!({ "fields": fields })).await;
        let mut leads = Vec::new();
        for round in 0..3 {
            let submissions = (0..8).map(|place| test.submit(&owner, &flow, json!({ "ssn": format!("ssn {round}-{place}") })));
            let (receipts, moved) = tokio::join!(join_all(submissions), master_key::rewrap(&app.db, &app.clock, &new, &old));
            assert!(moved.unwrap() >= 4);
            leads.extend(receipts.into_iter().enumerate().map(|(place, receipt)| (format!("ssn {round}-{place}"), receipt)));
            app.vault.forget(Some(owner.id.parse().unwrap())).await;
        }
        let reveal = "query($id: ID!) { lead(id: $id) { fields(reveal: true) } }";
        for (expected, receipt) in leads {
            let lead = test.data(&owner.token, reveal, json!({ "id": receipt["id"] })).await;
            assert_eq!(lead["lead"]["fields"]["ssn"], expected);
        }
        let late = test.account("Late").await;
        let late = Some(late.id.parse().unwrap());
        new.reload(app.db.write(), &app.clock, late).await.expect("its keys are under the new master key");
        for owner in [Some(owner.id.parse().unwrap()), None] {
            new.reload(app.db.write(), &app.clock, owner).await.unwrap();
            assert!(old.reload(app.db.write(), &app.clock, owner).await.is_err());
        }
        master_key::check(&app.db, &new).await.unwrap();
        assert!(master_key::check(&app.db, &old).await.is_err(), "a server with the old key alone does not start");

        use entity::account_key::{ActiveModel, KeyPurpose};
        use sea_orm::ActiveModelTrait;
        use sea_orm::ActiveValue::Set;
        let stray = old.new_key(app.db.write(), &app.clock, late, KeyPurpose::Seal).await.unwrap();
        let stray = ActiveModel { active: Set(false), ..stray };
        stray.insert(app.db.write()).await.unwrap();
        let refused = master_key::check(&app.db, &new).await.unwrap_err().to_string();
        assert!(refused.starts_with("1 data keys are not under LEADMESH_MASTER_KEY"), "{refused}");
        master_key::rewrap(&app.db, &app.clock, &new, &old).await.unwrap();
        master_key::check(&app.db, &new).await.unwrap();
    }
);

/// A command on a data directory by a master key, and maybe the one before it.
fn command(dir: &Path, arguments: &[&str], master: &str, previous: Option<&str>) -> Command {
    let mut command = leadmesh(dir, arguments);
    command
        .env("LEADMESH_MASTER_KEY", master)
        .env("LEADMESH_LISTEN", "127.0.0.1:0");
    command.envs(previous.map(|key| ("LEADMESH_PREVIOUS_MASTER_KEY", key)));
    command
}

#[test]
fn the_operator_rotates_keys_and_moves_them_to_a_new_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let command =
        |arguments: &[&str], master: &str, previous: Option<&str>| command(dir.path(), arguments, master, previous);
    let nothing = run(command(&["keys", "rotate"], OLD, None)).failed(2);
    assert!(nothing.contains("there is no database"), "{nothing}");
    let server = Run::start(command(&["serve"], OLD, None));
    server.logs("ready");
    let rotated = run(command(&["keys", "rotate"], OLD, None)).succeeded();
    assert!(
        rotated.starts_with("new data keys for 0 accounts and the instance"),
        "{rotated}"
    );
    server.signal("TERM");
    server.end().succeeded();

    let wanted = run(command(&["keys", "rewrap"], NEW, None)).failed(2);
    assert!(wanted.contains("set LEADMESH_PREVIOUS_MASTER_KEY"), "{wanted}");
    let wrong = run(command(&["keys", "rewrap"], NEW, Some(NEW))).failed(2);
    assert!(wrong.contains("LEADMESH_PREVIOUS_MASTER_KEY is not the key"), "{wrong}");
    for _again in 0..2 {
        let moved = run(command(&["keys", "rewrap"], NEW, Some(OLD))).succeeded();
        assert!(
            moved.starts_with("3 data keys are under LEADMESH_MASTER_KEY now"),
            "{moved}"
        );
    }
    let old = run(command(&["serve"], OLD, None)).failed(2);
    assert!(
        old.contains("LEADMESH_MASTER_KEY is not the key that this database was made with"),
        "{old}"
    );
    let listed = run(command(&["account", "list"], NEW, None)).succeeded();
    assert!(listed.starts_with("no account yet"), "{listed}");
}

#[test]
fn keys_are_not_moved_from_under_a_server_that_does_not_know_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let command =
        |arguments: &[&str], master: &str, previous: Option<&str>| command(dir.path(), arguments, master, previous);
    let server = Run::start(command(&["serve"], OLD, None));
    server.logs("ready");
    let refused = run(command(&["keys", "rewrap"], NEW, Some(OLD))).failed(2);
    assert!(
        refused.contains("1 running server processes do not know the new master key"),
        "{refused}"
    );
    server.signal("TERM");
    server.end().succeeded();

    let server = Run::start(command(&["serve"], OLD, Some(NEW)));
    server.logs("ready");
    let moved = run(command(&["keys", "rewrap"], NEW, Some(OLD))).succeeded();
    assert!(moved.contains("data keys are under LEADMESH_MASTER_KEY now"), "{moved}");
}

both!(
    a_server_whose_keys_were_moved_to_an_unknown_master_key_is_not_ready,
    |test| {
        use sea_orm::ActiveModelTrait;
        use sea_orm::ActiveValue::{Set, Unchanged};
        assert_eq!(test.get("/readyz").await.status(), 200);
        let moved = entity::instance::ActiveModel {
            name: Unchanged("master_key_check".to_owned()),
            value: Set(Vault::new(&secret(NEW)).check_value().unwrap()),
        };
        moved.update(test.app.db.write()).await.unwrap();
        let answer = test.get("/readyz").await;
        assert_eq!(answer.status(), 503);
        let text = answer.text().await.unwrap();
        assert!(text.contains("LEADMESH_MASTER_KEY does not open the keys"), "{text}");
    }
);

#[tokio::test]
async fn the_operator_sees_accounts_and_changes_their_plans() {
    let test = TestApp::start_with(Mode::Embedded, &[]).await;
    let account = test.account("Acme").await;
    let data_dir = test.app.config.settings.data_dir.to_str().unwrap().to_owned();
    let command = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--data-dir", &data_dir, "--master-key", OLD]);
        leadmesh(std::path::Path::new(&data_dir), &all)
    };
    let listed = run(command(&["account", "list"])).succeeded();
    assert!(
        listed.starts_with(&format!("{}  PAID  ", account.id)) && listed.ends_with("  Acme\n"),
        "{listed}"
    );
    let set = run(command(&["account", "set-plan", &account.id, "free"])).succeeded();
    assert_eq!(set, format!("Acme ({}) is FREE now\n", account.id));
    let unknown = run(command(&[
        "account",
        "set-plan",
        "acct_00000000000000000000000000",
        "FREE",
    ]))
    .failed(1);
    assert_eq!(unknown, "no such account");
    assert_eq!(run(command(&["account", "set-plan", "Acme", "FREE"])).code(), 2);
}
