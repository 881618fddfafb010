//! Databases of a test's own, on the PostgreSQL that `scripts/test` starts.

use leadmesh_core::database::Db;
use sea_orm::{ConnectionTrait, Database};

/// A database that goes with the test.
pub(crate) struct TestDatabase {
    server: String,
    pub(crate) name: String,
    pub(crate) url: String,
}

impl TestDatabase {
    /// One without any tables.
    pub(crate) async fn bare() -> Self {
        let server = std::env::var("LEADMESH_TEST_DATABASE_URL")
            .expect("LEADMESH_TEST_DATABASE_URL is not set: run scripts/test");
        let name = format!("test_{:x}", rand::random::<u128>());
        let maintenance = Database::connect(&server).await.unwrap();
        maintenance
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        maintenance.close().await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        let url = url.to_string();
        Self { server, name, url }
    }

    /// One whose schema is up to date.
    pub(crate) async fn migrated() -> Self {
        let database = Self::bare().await;
        Db::connect(&database.url, 2).await.unwrap().migrate().await.unwrap();
        database
    }
}

impl Drop for TestDatabase {
    /// The cluster goes away with the run; this only keeps it small meanwhile.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                if let Ok(maintenance) = Database::connect(&server).await {
                    drop(
                        maintenance
                            .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
                            .await,
                    );
                }
            });
        };
        drop(std::thread::spawn(dropping).join());
    }
}
