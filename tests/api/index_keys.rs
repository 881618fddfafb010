//! Every text under an index of PostgreSQL is short, whatever people send: an entry of an index has at most 2,704 bytes, and what is
//! longer fails the statement, and with it everything that is stored by the same statement.

use leadmesh_forms::fields::{MAX_EMAIL_BYTES, MAX_SEARCH_KEY_CHARS};
use leadmesh_leads::intake::MAX_KEY_CHARS;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::support::app::{Mode, TestApp};

/// Why a text is short.
#[derive(Clone, Copy)]
enum Bound {
    /// A hash, of one length.
    Hash,
    /// One of few words, or an identifier, that Leadmesh itself chooses.
    Ours,
    /// At most so many characters, or bytes of ASCII: whoever sends more gets an error, or is found by the beginning.
    Characters(usize),
}

use Bound::{Characters, Hash, Ours};

/// Characters of the name of a field.
const FIELD_NAME: usize = 64;
/// Characters of a name of anything.
const NAME: usize = 120;

/// Every text under an index. Add a column here only with what keeps it short; `submission/long_values.rs` sends texts of a megabyte
/// to all that people fill.
const KEYS: [(&str, &str, Bound); 20] = [
    ("account", "contact_email", Characters(MAX_EMAIL_BYTES)),
    ("account", "name", Characters(NAME)),
    ("account_key", "purpose", Ours),
    ("api_key", "secret_hash", Hash),
    ("audit_event", "subject_id", Ours),
    ("delivery", "status", Ours),
    ("duplicate_memory", "key_hash", Hash),
    ("former_field", "name", Characters(FIELD_NAME)),
    ("idempotency", "key", Characters(MAX_KEY_CHARS)),
    ("instance", "name", Ours),
    ("invitation", "to_email", Characters(MAX_EMAIL_BYTES)),
    ("invitation", "token_hash", Hash),
    ("known_network", "network", Hash),
    ("lead", "email_key", Characters(MAX_SEARCH_KEY_CHARS)),
    ("lead", "name_key", Characters(MAX_SEARCH_KEY_CHARS)),
    ("lead", "phone_key", Characters(MAX_SEARCH_KEY_CHARS)),
    ("mail_count", "counted", Characters(MAX_EMAIL_BYTES + NAME)),
    ("one_time_token", "token_hash", Hash),
    ("portal_user", "email", Characters(MAX_EMAIL_BYTES)),
    ("session", "token_hash", Hash),
];
/// These have a row of their own, which keeps the table above in order.
const MORE: [(&str, &str, Bound); 2] = [
    ("seaql_migrations", "version", Ours),
    ("user", "email", Characters(MAX_EMAIL_BYTES)),
];

/// Columns of indexes, those in expressions too; conditions of partial indexes are not kept in them.
const INDEXED: &str = "
SELECT DISTINCT c.relname::text AS of, a.attname::text AS name
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'public'::regnamespace AND a.atttypid::regtype::text IN ('text', 'character varying', 'json', 'jsonb', 'bytea')
    AND (a.attnum = ANY (i.indkey::int2[])
        OR i.indexprs IS NOT NULL AND pg_get_indexdef(i.indexrelid) LIKE '%(' || a.attname || ')%')
ORDER BY 1, 2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_under_an_index_is_short() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let rows = Statement::from_string(DatabaseBackend::Postgres, INDEXED);
    let rows = app.app.db.write().query_all_raw(rows).await.unwrap();
    let column = |row: &sea_orm::QueryResult| {
        let of = |name| row.try_get::<String>("", name).unwrap();
        (of("of"), of("name"))
    };
    let found: Vec<(String, String)> = rows.iter().map(column).collect();
    let known = KEYS.iter().chain(&MORE);
    let mut known: Vec<_> = known
        .map(|(of, name, _)| ((*of).to_owned(), (*name).to_owned()))
        .collect();
    known.sort();
    assert_eq!(
        found, known,
        "left: what the database has; right: what is known to be short"
    );
    for (of, name, bound) in KEYS.iter().chain(&MORE) {
        let bytes = match bound {
            Hash => 64,
            Ours => 255,
            Characters(most) => 4 * most,
        };
        // With up to three identifiers beside it.
        assert!(bytes + 3 * 16 + 64 < 2_704, "{of}.{name}");
    }
}
