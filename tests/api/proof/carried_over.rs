//! Databases from before addresses were proven.

use entity::proof::AddressProof;
use entity::{account, portal_user, user};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use uuid::Uuid;

/// Everybody as they were: Ann has signed up, Bo was invited, Cy has signed up and reset the password, Di has signed up by an
/// invitation, Ed was invited and has not come yet; Pat is active in a portal, Quin is not.
async fn fill(db: &DatabaseConnection, id: impl Fn(u128) -> String) {
    let at = "'2026-01-02 03:04:05+00:00'";
    let mut text = String::new();
    for (number, name, contact) in [
        (1, "Alpha", "ann@a.test"),
        (3, "Gamma", "cy@c.test"),
        (4, "Delta", "sales@d.test"),
    ] {
        text += &format!(
            "INSERT INTO account (id, name, plan, timezone, contact_email, listed, notify_by_mail, config_version, created_at, updated_at)
             VALUES ({}, '{name}', 'PAID', 'UTC', '{contact}', false, true, 1, {at}, {at});",
            id(number)
        );
    }
    for (number, account, email, password) in [
        (11, 1, "ann@a.test", "'hash'"),
        (12, 1, "bo@a.test", "'hash'"),
        (13, 3, "cy@c.test", "'hash'"),
        (14, 4, "di@d.test", "'hash'"),
        (15, 1, "ed@a.test", "NULL"),
    ] {
        text += &format!(
            "INSERT INTO \"user\" (id, account_id, name, email, password_hash, role, created_at)
             VALUES ({}, {}, 'X', '{email}', {password}, 'OWNER', {at});",
            id(number),
            id(account)
        );
    }
    let cy = entity::ids::UserId(Uuid::from_u128(13));
    text += &format!(
        "INSERT INTO audit_event (id, account_id, at, actor_kind, actor_name, action, subject_type, subject_id)
         VALUES ({}, {}, {at}, 'USER', 'Cy', 'password.reset', 'User', '{cy}');",
        id(21),
        id(3)
    );
    text += &format!(
        "INSERT INTO invitation (id, from_account_id, to_account_id, to_email, inviter_sends, invitee_sends, status, expires_at, created_at)
         VALUES ({}, {}, {}, 'di@d.test', true, true, 'PENDING', {at}, {at});",
        id(31),
        id(1),
        id(4)
    );
    for (number, email, activated) in [(41, "pat@b.test", at), (42, "quin@b.test", "NULL")] {
        text += &format!(
            "INSERT INTO portal_user (id, account_id, partner_id, email, permissions, activated_at)
             VALUES ({}, {}, {}, '{email}', '[]', {activated});",
            id(number),
            id(1),
            id(51)
        );
    }
    db.execute_unprepared(&text).await.unwrap();
}

async fn is_carried_over(db: DatabaseConnection, id: impl Fn(u128) -> String) {
    let all = Migrator::migrations();
    let before = all
        .iter()
        .position(|step| step.name() == "m0025_proof_of_address")
        .unwrap();
    Migrator::up(&db, Some(before.try_into().unwrap())).await.unwrap();
    fill(&db, id).await;
    Migrator::up(&db, None).await.unwrap();

    for (email, proven) in [
        ("ann@a.test", false),
        ("bo@a.test", true),
        ("cy@c.test", true),
        ("di@d.test", true),
        ("ed@a.test", false),
    ] {
        let row = user::Entity::claiming(email).one(&db).await.unwrap().unwrap();
        assert_eq!(
            (row.holds_email, row.email_verified_at.is_some()),
            (true, proven),
            "{email}"
        );
    }
    for (email, active) in [("pat@b.test", true), ("quin@b.test", false)] {
        let row = portal_user::Entity::claiming(email).one(&db).await.unwrap().unwrap();
        assert_eq!(row.email_verified_at.is_some(), active, "{email}");
    }
    for (number, proven) in [(1, false), (3, true), (4, false)] {
        let account = account::Entity::by_id(Uuid::from_u128(number).into())
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (account.contact_counts, account.contact_verified_at.is_some()),
            (true, proven),
            "{number}"
        );
    }
    for (email, confirmed) in [("ann@a.test", false), ("bo@a.test", true), ("cy@c.test", true)] {
        let row = user::Entity::claiming(email).one(&db).await.unwrap().unwrap();
        assert_eq!(row.confirmed_at.is_some(), confirmed, "{email}");
    }
    // With proof asked for, only what is proven is held.
    user::Entity::drop_unproven().exec(&db).await.unwrap();
    let ann = user::Entity::claiming("ann@a.test").one(&db).await.unwrap().unwrap();
    assert!(
        !ann.holds_email
            && user::Entity::holder_of("cy@c.test", AddressProof::NotRequired)
                .one(&db)
                .await
                .unwrap()
                .is_some()
    );
    user::Entity::assume_unproven().exec(&db).await.unwrap();
    assert!(
        user::Entity::holder_of("ann@a.test", AddressProof::NotRequired)
            .one(&db)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        user::Entity::holder_of("ed@a.test", AddressProof::NotRequired)
            .one(&db)
            .await
            .unwrap()
            .is_none(),
        "nobody signs in with it yet"
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn who_has_used_a_mailed_link_is_proven_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("old.db").display());
    let db = Database::connect(url).await.unwrap();
    is_carried_over(db, |number| format!("X'{number:032x}'")).await;
}

#[tokio::test]
async fn who_has_used_a_mailed_link_is_proven_server() {
    let server = std::env::var("LEADMESH_TEST_DATABASE_URL").expect("run scripts/test");
    let maintenance = Database::connect(&server).await.unwrap();
    let name = format!("carried_{:x}", rand::random::<u128>());
    maintenance
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let db = Database::connect(url.as_str()).await.unwrap();
    is_carried_over(db, |number| format!("'{number:032x}'::uuid")).await;
    maintenance
        .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}
