//! Explains why a database cannot be reached, and what to set.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Says what is wrong and what to set. Repeats nothing of the address, which holds a password.
pub fn explain(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause)) => explain_cause(cause),
        DbErr::ConnectionAcquire(_) => no_answer(),
        DbErr::Conn(_) => "DATABASE_URL is not the address of a database: percent-encode everything but letters and digits in its user and password, such as %40 for @ and %23 for #".to_owned(),
        other => other.to_string(),
    }
}

fn explain_cause(cause: &SqlxError) -> String {
    match cause {
        SqlxError::Database(refusal) => {
            let advice = match refusal.code().as_deref() {
                Some("28P01" | "28000") => "set user and password in DATABASE_URL as the database knows them, percent-encoded",
                Some("3D000") => "create that database, or name another one in DATABASE_URL",
                Some("53300") => {
                    "lower LEADMESH_DATABASE_CONNECTIONS of all processes together, or raise max_connections of PostgreSQL"
                }
                Some("57P03") => "the database is starting or stopping: try again in a moment",
                Some("42501") => "give the user of DATABASE_URL the right to connect",
                Some("14") => "set LEADMESH_DATA_DIR (or DATABASE_URL) to a directory that this user can write",
                _ => "set DATABASE_URL to a database that this user may use",
            };
            format!("the database answers: {}; {advice}", refusal.message())
        }
        SqlxError::Io(error) => format!(
            "nothing answers at the host and port of DATABASE_URL ({error}): start the database, or set its right address"
        ),
        SqlxError::Tls(error) => format!(
            "there is no encrypted connection to the database ({error}): set sslmode and sslrootcert in DATABASE_URL as it needs them"
        ),
        SqlxError::PoolTimedOut => no_answer(),
        SqlxError::Configuration(_) => {
            "DATABASE_URL cannot be read: percent-encode everything but letters and digits in its user and password, such as %40 for @ and %23 for #".to_owned()
        }
        other => format!("{other}: set DATABASE_URL to a database that is running"),
    }
}

fn no_answer() -> String {
    "nothing answers in time at the host and port of DATABASE_URL: start the database, or set its right address"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_cause_has_its_own_advice() {
        let told = |cause: SqlxError| explain(&DbErr::Conn(RuntimeErr::SqlxError(cause.into())));
        let refused = told(SqlxError::Io(io::ErrorKind::ConnectionRefused.into()));
        assert!(refused.contains("start the database"), "{refused}");
        let unreadable = told(SqlxError::Configuration("postgres://ann:secret@host".into()));
        assert!(
            unreadable.contains("percent-encode") && !unreadable.contains("secret"),
            "{unreadable}"
        );
        assert!(told(SqlxError::PoolTimedOut).contains("in time"));
    }
}
