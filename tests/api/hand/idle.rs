//! Trying many again where there is nothing to try: it is only looked, and nobody waits for that.

use std::time::Duration;

use serde_json::json;

use crate::support::app::both;

const RETRY_ALL: &str = "mutation { retryDeliveries(filter: {}) { requeued userErrors { code message } } }";

both!(a_retry_with_nothing_to_do_takes_no_writers_turn, |app| {
    let owner = app.account("Acme").await;
    // On SQLite nobody else writes before this ends.
    let writer = app.app.db.begin().await.unwrap();
    let asked = app.data(&owner.token, RETRY_ALL, json!({}));
    let answer = tokio::time::timeout(Duration::from_secs(4), asked).await;
    let answer = answer.expect("the retry waited for the writer");
    assert_eq!(answer["retryDeliveries"]["requeued"], 0, "{answer}");
    writer.rollback().await.unwrap();
});
