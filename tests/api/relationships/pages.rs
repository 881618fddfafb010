//! The pages behind mailed links.

use serde_json::json;

use super::send;
use crate::support::app::{both, client};
use crate::support::make::{PASSWORD, text};

const POLICY: &str = "content-security-policy";

both!(
    the_page_of_an_invitation_shows_it_and_says_how_to_answer,
    [
        "--smtp-url",
        "smtp+plain://127.0.0.1:9",
        "--mail-from",
        "leads@leadmesh.test"
    ],
    |app| {
        let a = app.account_called("Alpha", "Alpha <script>alert(1)</script>").await;
        let input =
            json!({ "email": "nia@company.test", "relationshipType": "RECEIVE_LEADS", "message": "<img src=x>\nBye" });
        app.done(&a.token, &send(), input).await;
        let token = app.mailed_token("nia@company.test").await;
        let response = app.get(&format!("/invitation?token={token}")).await;
        assert_eq!(response.status(), 200);
        let policy = response.headers()[POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(
            (
                &response.headers()["cache-control"],
                &response.headers()["referrer-policy"]
            ),
            (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
        );
        let html = response.text().await.unwrap();
        for part in [
            "&lt;script&gt;alert(1)&lt;/script&gt; wants to receive leads from you.",
            "&lt;img src=x&gt;<br>",
            "signUp(input: $input)",
            "acceptInvitation",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        for path in ["/invitation?token=lmt_unknown", "/invitation"] {
            let unknown = app.get(path).await;
            assert_eq!(unknown.status(), 404);
            assert!(unknown.text().await.unwrap().contains("No such invitation"));
        }
    }
);

both!(
    a_password_is_set_by_a_form_without_scripts,
    [
        "--smtp-url",
        "smtp+plain://127.0.0.1:9",
        "--mail-from",
        "leads@leadmesh.test"
    ],
    |app| {
        let a = app.account("Alpha").await;
        let ask = "mutation($email: EmailAddress!) { requestPasswordReset(email: $email) { ok } }";
        app.ask(None, ask, json!({ "email": a.email })).await;
        let token = app.mailed_token(&a.email).await;
        let path = format!("/set-password?token={token}");
        let form = app.get(&path).await.text().await.unwrap();
        assert!(
            form.contains(&format!("<input type=\"hidden\" name=\"token\" value=\"{token}\">")),
            "{form}"
        );
        let injected = app
            .get("/set-password?token=%22%3E%3Cscript%3E")
            .await
            .text()
            .await
            .unwrap();
        assert!(!injected.contains("<script"), "{injected}");

        let client = client();
        let post = |path: &str, password: &str| {
            let url = format!("http://{}{path}", app.address);
            client
                .post(url)
                .form(&[("token", token.as_str()), ("password", password), ("confirm", "yes")])
                .send()
        };
        let weak = post("/set-password", "short").await.unwrap();
        assert_eq!(weak.status(), 422);
        assert!(weak.text().await.unwrap().contains("role=\"alert\""));
        let activate = "mutation($input: ActivatePortalUserInput!) {
          activatePortalUser(input: $input) { session { accessToken } userErrors { code } }
        }";
        let input = json!({ "input": { "token": token, "password": "another good phrase" } });
        let answer = app.ask(None, activate, input).await;
        assert_eq!(
            answer["data"]["activatePortalUser"]["userErrors"][0]["code"], "INVALID",
            "the portal's is another scope: {answer}"
        );
        let set = post("/set-password", "another good phrase").await.unwrap();
        assert_eq!(set.status(), 200);
        assert!(set.text().await.unwrap().contains("Your password is set"));
        assert_eq!(
            post("/set-password", "yet another phrase").await.unwrap().status(),
            422,
            "a link works once"
        );
        let log_in =
            "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } userErrors { code } } }";
        let sign_in = |password: &str| {
            app.ask(
                None,
                log_in,
                json!({ "input": { "email": a.email, "password": password } }),
            )
        };
        assert!(sign_in(PASSWORD).await["data"]["logIn"]["session"].is_null());
        text(&sign_in("another good phrase").await["data"]["logIn"]["session"]["accessToken"]);
    }
);
