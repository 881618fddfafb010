//! Databases of a test's own. The schema is migrated once a run, in a template of each kind; tests get copies.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use leadmesh_core::database::Db;
use sea_orm::{ConnectionTrait, Database};

/// A `PostgreSQL` database that ends with the test.
pub(crate) struct TestDatabase {
    server: String,
    pub(crate) name: String,
    pub(crate) url: String,
}

impl TestDatabase {
    /// One without any tables.
    pub(crate) async fn bare() -> Self {
        let name = format!("test_{:x}", rand::random::<u128>());
        Self::create(&name, "").await
    }

    /// One whose schema is up to date.
    pub(crate) async fn migrated() -> Self {
        let template = run().file_name().unwrap().to_str().unwrap().to_lowercase();
        let template = template.replace(['.', '-'], "_");
        once(&run().join("postgres-template"), async |_| {
            let database = Self::create(&template, "").await;
            Db::connect(&database.url, 2).await.unwrap().migrate().await.unwrap();
            // The template stays.
            std::mem::forget(database);
        })
        .await;
        let name = format!("test_{:x}", rand::random::<u128>());
        // Half of the work of copying by the log, as checkpoints cost nothing without syncing.
        Self::create(&name, &format!("TEMPLATE {template} STRATEGY file_copy")).await
    }

    async fn create(name: &str, options: &str) -> Self {
        let server = std::env::var("LEADMESH_TEST_DATABASE_URL")
            .expect("LEADMESH_TEST_DATABASE_URL is not set: run scripts/test");
        execute(&server, &format!("CREATE DATABASE {name} {options}"))
            .await
            .unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(name);
        Self {
            server,
            name: name.to_owned(),
            url: url.to_string(),
        }
    }
}

impl Drop for TestDatabase {
    /// The cluster ends with the run; this only keeps it small meanwhile.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            drop(runtime.block_on(execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)"))));
        };
        drop(std::thread::spawn(dropping).join());
    }
}

async fn execute(server: &str, statement: &str) -> Result<(), sea_orm::DbErr> {
    let server = Database::connect(server).await?;
    server.execute_unprepared(statement).await?;
    server.close().await
}

/// Puts a `SQLite` database whose schema is up to date into a data directory, under the name that a server looks for. Without
/// `scripts/test` there is no place for the template, and the server makes the database.
pub(crate) async fn copy_migrated(data_dir: &Path) {
    if std::env::var_os(RUN).is_none() {
        return;
    }
    let template = run().join("sqlite-template");
    once(&template, async |path| {
        let made = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", made.path().join("made.db").display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.migrate().await.unwrap();
        // Unlike a copy of the file, this has what is still in the log beside it.
        let copy = format!("VACUUM INTO '{}'", path.display());
        db.write().execute_unprepared(&copy).await.unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    })
    .await;
    std::fs::copy(&template, data_dir.join("leadmesh.db")).unwrap();
}

const RUN: &str = "LEADMESH_TEST_SERVICES_DIR";

/// The folder of this run of `scripts/test`.
fn run() -> PathBuf {
    let path = std::env::var_os(RUN).expect("LEADMESH_TEST_SERVICES_DIR is not set: run scripts/test");
    PathBuf::from(path)
}

/// Makes something that `done` stands for, once a run, however many processes want it at the same time. The file is there once
/// `make`, which gets another path, has written it or succeeded without.
async fn once(done: &Path, make: impl AsyncFnOnce(&Path)) {
    if done.exists() {
        return;
    }
    let lock = File::create(done.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if done.exists() {
        return;
    }
    let unfinished = done.with_extension("new");
    make(&unfinished).await;
    if !unfinished.exists() {
        File::create(&unfinished).unwrap();
    }
    std::fs::rename(&unfinished, done).unwrap();
}
