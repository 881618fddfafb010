//! Several people who claim one address.

use serde_json::json;

use super::*;
use crate::relationships::send;

proven!(of_eight_proofs_of_one_address_at_once_one_succeeds, |app| {
    let mut links = Vec::new();
    for number in 0..8 {
        app.claims(&format!("Company {number}"), "ann@acme.test", PASSWORD)
            .await;
        links.push(app.mailed_token("ann@acme.test").await);
    }
    let proofs = links.iter().map(|link| app.ask(None, VERIFY, json!({ "token": link })));
    let answers = futures::future::join_all(proofs).await;
    let proven = answers
        .iter()
        .filter(|answer| answer["data"]["verifyEmail"]["ok"] == true);
    assert_eq!(proven.count(), 1, "{answers:#?}");
    for answer in answers
        .iter()
        .filter(|answer| answer["data"]["verifyEmail"]["ok"] != true)
    {
        assert_eq!(broken(answer)[0], ("TAKEN".to_owned(), "token".to_owned()));
    }
});

proven!(
    the_password_tells_namesakes_apart_and_the_proven_one_goes_first,
    |app| {
        let first = app.claims("First", "ann@acme.test", "the first password").await;
        let second = app.claims("Second", "ann@acme.test", "the second password").await;
        let log_in = async |password: &str, more: serde_json::Value| app.enters("Ann@acme.test", password, more).await;
        assert_eq!(log_in("the first password", json!({})).await, Some(first.id.clone()));
        assert_eq!(log_in("the second password", json!({})).await, Some(second.id.clone()));
        assert_eq!(log_in("neither of them", json!({})).await, None);

        let third = app.owns("Third", "ann@acme.test").await;
        // However many claim it afterwards, with whichever password.
        let mut last = None;
        for number in 0..5 {
            last = Some(app.claims(&format!("Flood {number}"), "ann@acme.test", PASSWORD).await);
        }
        assert_eq!(log_in(PASSWORD, json!({})).await, Some(third.id.clone()));
        let last = last.unwrap();
        assert_eq!(
            log_in(PASSWORD, json!({ "accountId": last.id })).await,
            Some(last.id.clone())
        );
        assert_eq!(
            log_in("the first password", json!({ "accountId": first.id })).await,
            Some(first.id.clone())
        );
        assert_eq!(
            log_in("the first password", json!({ "accountId": second.id })).await,
            None
        );
        assert_eq!(log_in(PASSWORD, json!({ "accountId": "acct_x" })).await, None);
    }
);

proven!(
    whoever_signs_up_by_the_mailed_invitation_has_proven_the_address,
    |app| {
        let alpha = app.owns("Alpha", "ann@alpha.test").await;
        let thief = app.claims("Thief", "nia@company.test", PASSWORD).await;
        app.done(
            &alpha.token,
            &send(),
            json!({ "email": "Nia@company.test", "relationshipType": "BOTH" }),
        )
        .await;
        let token = app.mailed_token("nia@company.test").await;
        let preview = "query($token: String!) { invitationPreview(token: $token) { hasAccount } }";
        let shown = app.ask(None, preview, json!({ "token": token })).await;
        assert_eq!(
            shown["data"]["invitationPreview"]["hasAccount"], false,
            "a claim is no account"
        );
        let by_token = json!({ "input": { "accountName": "Company", "name": "Nia", "email": "nia@company.test", "password": "a password of my own", "invitationToken": token } });
        let answer = app.ask(None, SIGN_UP, by_token.clone()).await;
        let nia = text(&accepted(&answer, "signUp")["session"]["accessToken"]);
        let me = app.data(&nia, ME, json!({})).await;
        assert!(
            me["viewer"]["user"]["emailVerifiedAt"].is_string() && me["account"]["contactEmailVerifiedAt"].is_string()
        );
        assert_eq!(me["account"]["pendingInvitationCount"], 1);
        let late = tokens(&app.mails_to("nia@company.test").await[0])[0].clone();
        assert_eq!(
            app.not_proven(&late).await,
            "TAKEN",
            "the link of the one who signed up before"
        );
        assert!(app.data(&thief.token, ME, json!({})).await["viewer"]["user"]["emailVerifiedAt"].is_null());
        let again = app.ask(None, SIGN_UP, by_token).await;
        assert_eq!(
            broken(&again),
            [("TAKEN".to_owned(), "input.email".to_owned())],
            "who reads the mail may know it"
        );
    }
);
