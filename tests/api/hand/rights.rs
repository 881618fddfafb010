//! Who may do what to deliveries, and what belongs to somebody else.

use serde_json::{Value, json};

use super::{DIAGNOSE, RESOLVE, RETRY_MANY, TRY};
use crate::support::app::both;
use crate::support::make::{ana, broken, text};

const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id } userErrors { code message path } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelDelivery(id: $id) { delivery { id } userErrors { code message path } } }";

both!(
    /// A VIEWER, keys without the scope, a portal user, nobody: refused. Another account: as if it did not exist.
    deliveries_are_changed_by_whom_they_belong_to,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries(&owner, &lead).await[0]["id"]);
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let viewer = app.colleague(&owner, "vic@acme.test", "VIEWER").await;
        let mut keys = Vec::new();
        for scope in ["LEADS_SUBMIT", "LEADS_READ", "NETWORK_READ"] {
            let key = app.done(&owner.token, KEY, json!({ "name": scope, "scopes": [scope] })).await;
            keys.push(text(&key["secret"]));
        }
        let settle = json!({ "input": { "id": id, "delivered": true } });
        let try_it = json!({ "input": { "partnerId": partner, "fields": {} } });
        let changes: [(&str, Value); 5] = [
            (RETRY_MANY, json!({ "filter": {} })),
            (RESOLVE, settle),
            (TRY, try_it),
            (RETRY, json!({ "id": id })),
            (CANCEL, json!({ "id": id })),
        ];
        for (change, variables) in &changes {
            for token in [&viewer, &pat, &keys[0], &keys[1], &keys[2]] {
                assert_eq!(app.error_code(Some(token), change, variables.clone()).await, "FORBIDDEN", "{change}");
            }
            assert_eq!(app.error_code(None, change, variables.clone()).await, "UNAUTHENTICATED", "{change}");
            let answer = app.ask(Some(&stranger.token), change, variables.clone()).await;
            if *change == RETRY_MANY {
                assert_eq!(answer["data"]["retryDeliveries"]["requeued"], 0);
            } else {
                assert_eq!(broken(&answer)[0].0, "NOT_FOUND", "{change}");
            }
        }
        for token in [&viewer, &keys[1]] {
            app.data(token, DIAGNOSE, json!({ "id": id })).await;
        }
        for token in [&pat, &keys[0], &keys[2]] {
            assert_eq!(app.error_code(Some(token), DIAGNOSE, json!({ "id": id })).await, "FORBIDDEN");
        }
    }
);
