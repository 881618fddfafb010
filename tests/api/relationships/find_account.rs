//! Finding an account before inviting it.

use serde_json::{Value, json};

use crate::support::app::both;

const FIND: &str = "query($id: ID, $email: EmailAddress, $name: String) { findAccount(id: $id, email: $email, name: $name) { id name } }";
const UPDATE: &str = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { listed notifyByMail } userErrors { code message path } } }";

both!(an_account_is_found_exactly_or_by_a_name_that_wants_to_be_found, |app| {
    let (a, b) = (
        app.account("Alpha").await,
        app.account_called("Beta", "Beta_100% Solar").await,
    );
    let find = |search: Value| {
        let (app, a) = (&app, &a);
        async move { app.data(&a.token, FIND, search).await["findAccount"].take() }
    };
    let beta = json!([{ "id": b.id, "name": "Beta_100% Solar" }]);
    assert_eq!(find(json!({ "id": b.id })).await, beta);
    assert_eq!(find(json!({ "email": b.email.to_uppercase() })).await, beta);
    let none = json!([]);
    assert_eq!(find(json!({ "id": "acct_01h455vb4pex5vsknk084sn02q" })).await, none);
    assert_eq!(find(json!({ "email": "nobody@beta.test" })).await, none);
    assert_eq!(find(json!({ "email": "nobody" })).await, none);
    assert_eq!(find(json!({ "name": "Beta" })).await, none, "it is not listed");
    let listed = app
        .done(&b.token, UPDATE, json!({ "listed": true, "notifyByMail": false }))
        .await;
    assert_eq!(listed["account"], json!({ "listed": true, "notifyByMail": false }));
    assert_eq!(find(json!({ "name": "bETA_1" })).await, beta);
    for other in ["100%", "%%%", "___", "eta"] {
        assert_eq!(find(json!({ "name": other })).await, none, "{other}");
    }
    for search in [
        json!({ "name": "Be" }),
        json!({}),
        json!({ "id": b.id, "name": "Beta" }),
    ] {
        assert_eq!(app.error_code(Some(&a.token), FIND, search).await, "BAD_USER_INPUT");
    }
});

both!(looking_accounts_up_is_limited, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    for _ in 0..60 {
        app.data(&a.token, FIND, json!({ "id": b.id })).await;
    }
    assert_eq!(
        app.error_code(Some(&a.token), FIND, json!({ "id": b.id })).await,
        "RATE_LIMITED"
    );
    app.data(&b.token, FIND, json!({ "id": a.id })).await;
});
