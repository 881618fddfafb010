//! What people are told has to be true of what they sent.

use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::make::text;

const MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) { userErrors { message } } }";
const ACCEPT: &str =
    "mutation($input: AnswerInvitationInput!) { acceptInvitation(input: $input) { userErrors { message } } }";

both!(messages_fit_what_was_sent, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;

    let receipt = app
        .submit(&owner, &flow, json!({ "first_name": "Ana", "phone": "call me" }))
        .await;
    let warning = text(&receipt["warnings"][0]["message"]);
    assert!(
        warning.ends_with(". It was kept as sent.") && !warning.contains(".;"),
        "{warning}"
    );

    let none = json!({ "input": { "flowId": flow.id, "leads": [] } });
    let none = app.data(&owner.key, MANY, none).await["submitLeads"]["userErrors"][0]["message"].take();
    assert!(
        text(&none).contains("at least one") && !text(&none).contains("split"),
        "{none}"
    );

    let never = app
        .ask(Some("never-a-token"), "{ viewer { account { id } } }", Value::Null)
        .await;
    let never = text(&never["errors"][0]["message"]);
    assert!(never.contains("invalid or expired"), "{never}");

    for (answer, mailed) in [
        (json!({ "id": "inv_00000000000000000000000000" }), false),
        (json!({ "token": "x" }), true),
    ] {
        let told = app.data(&owner.token, ACCEPT, json!({ "input": answer })).await;
        let told = text(&told["acceptInvitation"]["userErrors"][0]["message"]);
        assert_eq!(told.contains("mailed"), mailed, "{told}");
    }
});
