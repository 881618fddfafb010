//! Who may erase, and what is refused.

use futures::future::join_all;
use serde_json::json;

use super::{ERASE, flow, person};
use crate::support::app::both;
use crate::support::make::{broken, text};

const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";

both!(
    /// An OWNER or ADMIN of the account; for everybody else refused, or as if there were no such lead. Of eight at once one erases.
    only_who_answers_for_the_account_erases,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let flow = flow(&app, &owner).await;
        let partners = crate::erasure::routed(&app, &owner, &flow, vec![json!({ "portal": {} })]).await;
        let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
        let variables = json!({ "id": lead, "reason": "asked" });
        let member = app.colleague(&owner, "meg@acme.test", "MEMBER").await;
        let viewer = app.colleague(&owner, "vic@acme.test", "VIEWER").await;
        let admin = app.colleague(&owner, "ada@acme.test", "ADMIN").await;
        let pat = app.portal_user(&owner, &partners[0], "pat@buyer.test").await;
        let key = app.done(&owner.token, KEY, json!({ "name": "k", "scopes": ["MANAGE"] })).await;
        for token in [&member, &viewer, &pat, &text(&key["secret"]), &owner.key] {
            assert_eq!(app.error_code(Some(token), ERASE, variables.clone()).await, "FORBIDDEN");
        }
        assert_eq!(app.error_code(None, ERASE, variables.clone()).await, "UNAUTHENTICATED");
        for (token, id, reason, expected) in [
            (&stranger.token, lead.as_str(), "asked", ("NOT_FOUND", "id")),
            (&owner.token, "lead_x", "asked", ("NOT_FOUND", "id")),
            (&owner.token, &lead, " ", ("REQUIRED", "reason")),
            (&owner.token, &lead, "mail of ZULOQUI.ana@example.com", ("INVALID", "reason")),
        ] {
            let answer = app.ask(Some(token), ERASE, json!({ "id": id, "reason": reason })).await;
            assert_eq!(broken(&answer), [(expected.0.to_owned(), expected.1.to_owned())], "{reason}");
        }
        let all = join_all((0..8).map(|_| app.ask(Some(&admin), ERASE, variables.clone()))).await;
        for answer in &all {
            assert_eq!(answer["data"]["eraseLead"]["lead"], all[0]["data"]["eraseLead"]["lead"], "{answer}");
        }
        assert_eq!(app.audited(&owner, &lead).await, ["lead.erased"]);
        crate::erasure::assert_nobody_in(&app.dump().await);
    }
);
