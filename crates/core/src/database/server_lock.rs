//! An embedded database has one server, because a second one would claim the same deliveries and miss all events. Permanent changes
//! of the database before serving (the schema, the effect of operator settings on rows) are made by that server, or while none
//! runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use super::sqlite_file;
use crate::config::ConfigError;

/// The right to be the server of a database. It ends when dropped, and with the process however that ends.
#[derive(Debug)]
pub struct ServerLock {
    /// Locks the open file. PostgreSQL and databases in memory need none.
    _lock: Option<File>,
}

impl ServerLock {
    /// Takes the right, or says that another process has it. The lock is on a file beside the database's, so that it does not
    /// depend on other settings.
    pub fn of(database_url: &str) -> Result<Self, ConfigError> {
        let lock = lock(database_url, File::try_lock, |database| {
            format!(
                "another server uses {database} already, and an embedded database has one only: stop it, set another LEADMESH_DATA_DIR, or set DATABASE_URL to a PostgreSQL for several"
            )
        })?;
        Ok(Self { _lock: lock })
    }
}

/// The certainty that no server uses a database, for commands that change its schema. Any number of processes may have it.
#[derive(Debug)]
pub struct NoServerLock {
    _lock: Option<File>,
}

impl NoServerLock {
    /// Keeps servers away until it is dropped, or says that there is one.
    pub fn of(database_url: &str) -> Result<Self, ConfigError> {
        let lock = lock(database_url, File::try_lock_shared, |database| {
            format!(
                "a server uses {database}, whose schema is to be changed: stop it first, or let the next start of the server change it"
            )
        })?;
        Ok(Self { _lock: lock })
    }
}

/// Locks the file beside an embedded database; none for others.
fn lock(
    database_url: &str,
    kind: impl FnOnce(&File) -> Result<(), TryLockError>,
    in_use: impl FnOnce(&str) -> String,
) -> Result<Option<File>, ConfigError> {
    let Some(database) = sqlite_file(database_url) else {
        return Ok(None);
    };
    let path = format!("{database}.lock");
    let unusable =
        |error: std::io::Error| ConfigError::Set(format!("cannot lock {path}: {error}; make its directory writable"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(unusable)?;
    match kind(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(ConfigError::Set(in_use(database))),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leadmesh.db");
        let url = format!("sqlite://{}", path.display());
        let first = ServerLock::of(&url).unwrap();
        let error = ServerLock::of(&format!("{url}?mode=rwc")).unwrap_err().to_string();
        assert!(
            error.contains("another server uses") && error.contains("leadmesh.db already"),
            "{error}"
        );
        assert!(NoServerLock::of(&url).is_err());
        drop(first);
        let commands = (NoServerLock::of(&url).unwrap(), NoServerLock::of(&url).unwrap());
        assert!(ServerLock::of(&url).is_err());
        drop(commands);
        let again = ServerLock::of(&url).unwrap();
        assert!(ServerLock::of("postgres://h/db").is_ok() && ServerLock::of("sqlite::memory:").is_ok());
        drop(again);
    }
}
