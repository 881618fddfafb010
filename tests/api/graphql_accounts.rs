//! Accounts, people, keys, the audit trail and the portal as clients see them.

mod portal;
mod schema;

use serde_json::{Value, json};

use crate::identity_use_cases::support::{PASSWORD, api_with_mail, mailed_token};
use crate::support::app::{TestApp, both};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

const SIGN_UP: &str = "mutation($email: EmailAddress!, $password: String!) {
    signUp(input: {accountName: \"Acme\", name: \"Ann\", email: $email, password: $password, timezone: \"Europe/Berlin\"}) {
        session { accessToken refreshToken expiresAt }
        viewer { user { id email role } apiKey { id } portalUser { id } account { id plan timezone listed users { email } apiKeys { id } } }
        userErrors { code path }
    } }";

/// The API as somebody uses it.
struct Api<'a> {
    app: &'a TestApp,
    token: Option<String>,
}

impl<'a> Api<'a> {
    /// As nobody.
    fn new(app: &'a TestApp) -> Self {
        Self { app, token: None }
    }

    /// As the bearer of that token.
    fn with_token(&self, token: &str) -> Self {
        Self {
            app: self.app,
            token: Some(token.to_owned()),
        }
    }

    /// What is answered where there is no error.
    async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.app.ask(self.token.as_deref(), query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    /// The code of the one error that is answered.
    async fn code(&self, query: &str) -> String {
        self.app.error_code(self.token.as_deref(), query, json!({})).await
    }
}

/// The API as the OWNER of a new account uses it.
async fn signed_up<'a>(app: &'a TestApp, email: &str) -> Api<'a> {
    let api = Api::new(app);
    let data = api.data(SIGN_UP, json!({"email": email, "password": PASSWORD})).await;
    api.with_token(data["signUp"]["session"]["accessToken"].as_str().unwrap())
}

both!(
    whoever_signs_up_is_the_viewer_of_the_answer,
    api_with_mail,
    |app: TestApp| {
        let api = Api::new(&app);
        let data = api
            .data(SIGN_UP, json!({"email": "Ann@Example.com", "password": PASSWORD}))
            .await;
        let viewer = &data["signUp"]["viewer"];
        assert_eq!(viewer["user"]["email"], "ann@example.com");
        assert_eq!(viewer["account"]["users"], json!([{"email": "ann@example.com"}]));
        assert_eq!(viewer["account"]["timezone"], "Europe/Berlin");
        assert_eq!((&viewer["apiKey"], &viewer["portalUser"]), (&json!(null), &json!(null)));
        assert_eq!(data["signUp"]["userErrors"], json!([]));

        let again = api
            .data(SIGN_UP, json!({"email": "ann@example.com", "password": PASSWORD}))
            .await;
        let expected = json!({"session": null, "viewer": null,
        "userErrors": [{"code": "TAKEN", "path": ["input", "email"]}]});
        assert_eq!(again["signUp"], expected);
        assert_eq!(
            api.data("{ viewer { user { id } } }", json!({})).await,
            json!({"viewer": null})
        );
    }
);

both!(
    without_the_right_there_is_an_error_and_never_an_answer,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let nobody = Api::new(&app);
        for query in [
            "{ account { id } }",
            "{ auditEvents { nodes { id } } }",
            "{ portal { partnerName } }",
        ] {
            assert_eq!(nobody.code(query).await, "UNAUTHENTICATED", "{query}");
        }
        assert_eq!(owner.code("{ portal { partnerName } }").await, "FORBIDDEN");
        let made = owner
        .data(
            "mutation { createApiKey(input: {name: \"CRM\", scopes: [LEADS_SUBMIT]}) { secret apiKey { id hint scopes } } }",
            json!({}),
        )
        .await;
        let secret = made["createApiKey"]["secret"].as_str().unwrap();
        assert!(secret.ends_with(made["createApiKey"]["apiKey"]["hint"].as_str().unwrap()));
        let key = owner.with_token(secret);
        let seen = key
            .data("{ viewer { apiKey { name } account { id } user { id } } }", json!({}))
            .await;
        assert_eq!(
            seen["viewer"],
            json!({"apiKey": {"name": "CRM"}, "account": null, "user": null})
        );
        assert_eq!(key.code("{ account { id } }").await, "FORBIDDEN");
        let id = made["createApiKey"]["apiKey"]["id"].as_str().unwrap();
        let revoke =
            format!("mutation {{ revokeApiKey(id: \"{id}\") {{ apiKey {{ revokedAt }} userErrors {{ code }} }} }}");
        let stranger = signed_up(&app, "bob@example.com").await;
        let denied = stranger.data(&revoke, json!({})).await;
        assert_eq!(
            denied["revokeApiKey"],
            json!({"apiKey": null, "userErrors": [{"code": "NOT_FOUND"}]})
        );
        assert!(owner.data(&revoke, json!({})).await["revokeApiKey"]["apiKey"]["revokedAt"].is_string());
        assert_eq!(key.code("{ viewer { apiKey { id } } }").await, "UNAUTHENTICATED");
    }
);

both!(people_are_invited_changed_and_removed, api_with_mail, |app: TestApp| {
    let owner = signed_up(&app, "ann@example.com").await;
    let invite = "mutation { inviteUser(input: {email: \"cy@example.com\", name: \"Cy\", role: VIEWER}) { user { id role lastSeenAt } userErrors { code } } }";
    let invited = owner.data(invite, json!({})).await;
    let id = &invited["inviteUser"]["user"]["id"];
    let token = mailed_token(&app, "cy@example.com").await;
    let reset = "mutation($token: String!) { resetPassword(input: {token: $token, password: \"correct horse\"}) { session { accessToken } viewer { user { name } } } }";
    let cy = Api::new(&app).data(reset, json!({"token": token})).await;
    assert_eq!(cy["resetPassword"]["viewer"]["user"]["name"], "Cy");
    let cy = owner.with_token(cy["resetPassword"]["session"]["accessToken"].as_str().unwrap());
    assert_eq!(cy.code("{ auditEvents { nodes { id } } }").await, "FORBIDDEN");

    let role = "mutation($id: ID!) { updateUserRole(input: {id: $id, role: ADMIN}) { user { role } userErrors { code path } } }";
    assert_eq!(
        owner.data(role, json!({"id": id})).await["updateUserRole"]["user"]["role"],
        "ADMIN"
    );
    let unknown = owner.data(role, json!({"id": "nonsense"})).await;
    let expected = json!({"user": null, "userErrors": [{"code": "NOT_FOUND", "path": ["input", "id"]}]});
    assert_eq!(unknown["updateUserRole"], expected);
    let remove = "mutation($id: ID!) { removeUser(id: $id) { deletedId userErrors { code } } }";
    assert_eq!(
        &owner.data(remove, json!({"id": id})).await["removeUser"]["deletedId"],
        id
    );
    assert_eq!(cy.code("{ viewer { user { id } } }").await, "UNAUTHENTICATED");
});

both!(the_audit_trail_is_paged_and_filtered, api_with_mail, |app: TestApp| {
    let owner = signed_up(&app, "ann@example.com").await;
    let changed = owner
        .data(
            "mutation { updateAccount(input: {website: \"https://acme.test\", contactEmail: \"Hello@Acme.test\"}) { account { id website contactEmail } } }",
            json!({}),
        )
        .await;
    assert_eq!(changed["updateAccount"]["account"]["website"], "https://acme.test");
    assert_eq!(changed["updateAccount"]["account"]["contactEmail"], "hello@acme.test");
    let none = "mutation { updateAccount(input: {contactEmail: null}) { account { id } userErrors { code path } } }";
    let refused = json!({"account": null, "userErrors": [{"code": "REQUIRED", "path": ["input", "contactEmail"]}]});
    assert_eq!(owner.data(none, json!({})).await["updateAccount"], refused);
    let page = "query($after: String, $action: String, $subject: ID) { auditEvents(first: 1, after: $after, action: $action, subjectId: $subject) {
        nodes { action subjectType actor { kind name } changes ip } edges { cursor } pageInfo { hasNextPage endCursor } } }";
    let first = owner.data(page, json!({})).await["auditEvents"].clone();
    assert_eq!(first["nodes"][0]["action"], "account.updated");
    assert_eq!(first["nodes"][0]["actor"], json!({"kind": "USER", "name": "Ann"}));
    assert_eq!(first["nodes"][0]["changes"]["after"]["website"], "https://acme.test");
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let second = owner.data(page, json!({"after": first["pageInfo"]["endCursor"]})).await;
    assert_eq!(second["auditEvents"]["nodes"][0]["action"], "account.created");
    let none = owner.data(page, json!({"action": "account.deleted"})).await;
    assert_eq!(none["auditEvents"]["nodes"], json!([]));
    let account = &changed["updateAccount"]["account"]["id"];
    let of_account = owner.data(page, json!({"subject": account})).await;
    assert_eq!(of_account["auditEvents"]["nodes"][0]["subjectType"], "Account");
    let range =
        "{ auditEvents(range: {from: \"2020-01-02T00:00:00Z\", to: \"2020-01-01T00:00:00Z\"}) { nodes { id } } }";
    assert_eq!(owner.code(range).await, "BAD_USER_INPUT");
});

both!(
    a_test_mail_goes_through_the_accounts_own_server_and_its_outcome_stays,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let send = "mutation { sendTestEmail(to: \"cy@example.com\") { ok message userErrors { code } } }";
        let early = owner.data(send, json!({})).await;
        assert_eq!(
            early["sendTestEmail"]["userErrors"],
            json!([{"code": "NOT_CONFIGURED"}])
        );

        let receiver = SmtpReceiver::start().await;
        let set =
            "mutation($host: String!, $port: Int!) { setSmtpSettings(input: {host: $host, port: $port, security: NONE,
        username: \"ann\", password: \"hunter22\", fromAddress: \"leads@acme.test\"}) {
        account { smtpSettings { host username verifiedAt lastError } } userErrors { code message } } }";
        let set = owner
            .data(set, json!({"host": receiver.host(), "port": receiver.port()}))
            .await;
        assert_eq!(
            set["setSmtpSettings"]["account"]["smtpSettings"]["verifiedAt"],
            json!(null)
        );
        let taken = owner.data(send, json!({})).await["sendTestEmail"].clone();
        assert_eq!(
            (&taken["ok"], &taken["userErrors"]),
            (&json!(true), &json!([])),
            "{taken}"
        );
        let mails = receiver.mails();
        assert_eq!(mails[0].subject(), "Test mail from Leadmesh");
        assert_eq!(mails[0].user.as_deref(), Some("ann"));
        assert_eq!(mails[0].recipients, ["cy@example.com"]);

        receiver.respond(|_, step| matches!(step, Step::Rcpt(_)).then_some(Reply::Say("550 no such user")));
        let refused = owner.data(send, json!({})).await["sendTestEmail"].clone();
        assert_eq!(refused["ok"], false);
        let kept = "{ account { smtpSettings { verifiedAt lastError } } }";
        let kept = owner.data(kept, json!({})).await["account"]["smtpSettings"].clone();
        assert!(
            kept["verifiedAt"].is_string() && kept["lastError"].as_str().unwrap().contains("no such user"),
            "{kept}"
        );
        let cleared = owner
            .data(
                "mutation { clearSmtpSettings { account { smtpSettings { host } } userErrors { code } } }",
                json!({}),
            )
            .await;
        assert_eq!(
            cleared["clearSmtpSettings"],
            json!({"account": {"smtpSettings": null}, "userErrors": []})
        );
    }
);

#[test]
fn everything_has_a_description() {
    assert_eq!(schema::undescribed(), Vec::<String>::new());
}
