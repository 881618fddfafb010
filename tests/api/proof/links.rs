//! The link that proves an address.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::support::app::client;

const RESEND: &str = "mutation { resendVerification { ok userErrors { code message path } } }";
const CHANGE: &str = "mutation($input: ChangeEmailInput!) { changeEmail(input: $input) {
    user { email emailVerifiedAt } userErrors { code message path } } }";

proven!(a_link_works_once_for_three_days_and_for_its_own_address_only, |app| {
    let ann = app.claims("Acme", "ann@acme.test", PASSWORD).await;
    let first = app.mailed_token("ann@acme.test").await;
    assert!(!app.dump().await.contains(&first), "only a hash of the token is kept");
    assert_eq!(app.not_proven("lmt_unknown").await, "INVALID");
    app.asks_reset("ann@acme.test").await;
    let reset = app.mailed_token("ann@acme.test").await;
    assert_eq!(app.not_proven(&reset).await, "INVALID", "it sets a password");
    let input = json!({ "token": first, "password": "a password of my own" });
    let answer = app.ask(None, RESET, json!({ "input": input })).await;
    assert_eq!(broken(&answer)[0].0, "INVALID", "it proves an address");
    app.prove(&first).await;
    assert_eq!(app.not_proven(&first).await, "EXPIRED");
    assert!(
        app.trail(&ann)
            .await
            .iter()
            .any(|(action, ..)| action == "user.address_proven")
    );

    let bo = app.claims("Beta", "bo@beta.test", PASSWORD).await;
    let late = app.mailed_token("bo@beta.test").await;
    let input = json!({ "email": "Bo@New.test", "currentPassword": "wrong password" });
    assert_eq!(
        app.refused(&bo.token, CHANGE, input).await[0].1,
        "input.currentPassword"
    );
    let input = json!({ "email": "Bo@New.test", "currentPassword": PASSWORD });
    let changed = app.done(&bo.token, CHANGE, input).await;
    assert_eq!(
        changed["user"],
        json!({ "email": "bo@new.test", "emailVerifiedAt": null })
    );
    assert_eq!(app.not_proven(&late).await, "INVALID", "the address is another one now");
    let newest = app.mailed_token("bo@new.test").await;
    app.clock.advance(TimeDelta::days(3));
    assert_eq!(app.not_proven(&newest).await, "EXPIRED");
});

proven!(a_link_is_mailed_again_a_few_times_an_hour, |app| {
    let ann = app.claims("Acme", "ann@acme.test", PASSWORD).await;
    for _ in 0..5 {
        accepted(
            &app.ask(Some(&ann.token), RESEND, json!({})).await,
            "resendVerification",
        );
    }
    assert_eq!(app.mails_to("ann@acme.test").await.len(), 6);
    assert_eq!(
        app.error_code(Some(&ann.token), RESEND, json!({})).await,
        "RATE_LIMITED"
    );
    assert_eq!(app.error_code(None, RESEND, json!({})).await, "UNAUTHENTICATED");
    app.prove(&app.mailed_token("ann@acme.test").await).await;
    // One address gets only so many mails by sign-ups, whoever signs up; the accounts are made all the same.
    for _ in 0..12 {
        app.claims("Flood", "victim@bigcorp.test", PASSWORD).await;
    }
    assert_eq!(app.mails_to("victim@bigcorp.test").await.len(), 10);
});

proven!(opening_the_page_proves_nothing_and_its_button_does, |app| {
    let ann = app.claims("A<b> & Co", "ann@acme.test", PASSWORD).await;
    let token = app.mailed_token("ann@acme.test").await;
    let page = app.get(&format!("/verify-email?token={token}")).await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let page = page.text().await.unwrap();
    assert!(
        page.contains("A&lt;b&gt; &amp; Co") && page.contains("ann@acme.test") && page.contains(&token),
        "{page}"
    );
    assert!(app.data(&ann.token, ME, json!({})).await["viewer"]["user"]["emailVerifiedAt"].is_null());
    let client = client();
    let address = format!("http://{}/verify-email", app.address);
    let post = async |token: &str| {
        let form = format!("token={token}");
        let kind = "application/x-www-form-urlencoded";
        client
            .post(&address)
            .header("content-type", kind)
            .body(form)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(post(&token).await, 200);
    assert!(app.data(&ann.token, ME, json!({})).await["viewer"]["user"]["emailVerifiedAt"].is_string());
    assert_eq!(post(&token).await, 422);
    assert_eq!(app.get("/verify-email?token=lmt_x").await.status().as_u16(), 422);
});

crate::support::app::both!(
    without_mail_a_link_is_answered_once_to_who_invites_and_proves_nothing,
    |app| {
        let ann = app.account("Acme").await;
        let input = json!({ "email": "bo@acme.test", "name": "Bo", "role": "OWNER" });
        let invited = app.done(&ann.token, INVITE_USER, input).await;
        let link = text(&invited["oneTimeLink"]);
        assert!(
            link.starts_with("http://leadmesh.test/set-password?token=lmt_"),
            "{link}"
        );
        let token = tokens(&link)[0].clone();
        assert!(
            !app.dump().await.contains(&token),
            "it is kept nowhere, the trail included"
        );
        let input = json!({ "token": token, "password": "a password of my own" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        let bo = text(&accepted(&answer, "resetPassword")["session"]["accessToken"]);
        assert!(app.data(&bo, ME, json!({})).await["viewer"]["user"]["emailVerifiedAt"].is_null());
        let answer = app.ask(Some(&bo), RESEND, json!({})).await;
        assert_eq!(broken(&answer)[0].0, "NOT_CONFIGURED");
    }
);
