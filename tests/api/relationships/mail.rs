//! Letters of invitations, through a real mail server (N4, N8, N9), and notices.

use chrono::TimeDelta;
use leadmesh::housekeeping;
use leadmesh::server::Role;
use serde_json::{Value, json};

use super::{accept, by_id, decline, send};
use crate::support::app::{Mode, TestApp, mailed};
use crate::support::mail::ReceivedMail;
use crate::support::make::{Account, PASSWORD, accepted, text};
use crate::support::smtp_receiver::{Reply, Step};
use crate::support::wait::{eventually, until};

const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) {
    session { accessToken refreshToken } viewer { account { id plan pendingInvitationCount } } userErrors { code message path } } }";
const PREVIEW: &str = "query($token: String!) { invitationPreview(token: $token) {
    from { name } relationshipType message toEmail status hasAccount } }";

/// The token of the link in a letter.
fn token(mail: &ReceivedMail) -> String {
    let body = mail.text().unwrap();
    let (_, rest) = body
        .split_once("http://leadmesh.test/invitation?token=")
        .unwrap_or_else(|| panic!("no link: {body}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

fn company(email: &str, token: &str) -> Value {
    json!({ "input": { "accountName": "New Company", "name": "Nia", "email": email, "password": PASSWORD, "invitationToken": token } })
}

/// An invitation's letter once it stands so.
async fn mail_at(app: &TestApp, reader: &Account, id: &Value, status: &str, attempts: i32) -> Value {
    let read = async || app.invitation(reader, id).await["mail"].take();
    eventually(read, |mail| mail["status"] == status && mail["attempts"] == attempts).await
}

mailed!(
    /// N8: a letter with a link, a preview, an account with the invited address and plan, and a connection by an explicit act.
    a_new_company_comes_by_its_letter, |app, receiver| {
        let a = app.account_called("Alpha", "Alpha & Söhne").await;
        let input = json!({ "email": "Nia@Company.test", "relationshipType": "SEND_LEADS", "message": "Dear <Nia>,\nlet us begin." });
        let sent = app.done(&a.token, &send(), input).await["invitation"].take();
        let mail = receiver.wait_for(1).await[0].clone();
        assert_eq!((mail.recipients.as_slice(), mail.subject().as_str()), (&["nia@company.test".to_owned()][..], "Alpha & Söhne invites you to connect on Leadmesh"));
        let (body, html) = (mail.text().unwrap(), mail.html().unwrap());
        assert!(body.contains("Alpha & Söhne wants to send leads to you.") && body.contains("> Dear <Nia>,\n> let us begin."), "{body}");
        assert!(html.contains("Dear &lt;Nia&gt;,<br>") && html.contains("Alpha &amp; Söhne"), "{html}");
        let told = mail_at(&app, &a, &sent["id"], "SENT", 1).await;
        assert_eq!((told["error"].is_null(), told["sentAt"].is_null()), (true, false));

        let token = token(&mail);
        assert!(!app.dump().await.contains(&token), "only a hash of the token is kept");
        let preview = |token: String| {
            let app = &app;
            async move { app.ask(None, PREVIEW, json!({ "token": token })).await["data"]["invitationPreview"].take() }
        };
        let expected = json!({ "from": { "name": "Alpha & Söhne" }, "relationshipType": "RECEIVE_LEADS", "message": "Dear <Nia>,\nlet us begin.",
            "toEmail": "nia@company.test", "status": "PENDING", "hasAccount": false });
        assert_eq!(preview(token.clone()).await, expected);
        assert_eq!(preview("lmt_unknown".into()).await, Value::Null);

        let code = |answer: Value| text(&answer["data"]["signUp"]["userErrors"][0]["code"]);
        assert_eq!(code(app.ask(None, SIGN_UP, company("other@company.test", &token)).await), "EMAIL_MISMATCH");
        assert_eq!(code(app.ask(None, SIGN_UP, company("nia@company.test", "lmt_unknown")).await), "NOT_FOUND");
        let answer = app.ask(None, SIGN_UP, company("nia@company.test", &token)).await;
        let signed_up = accepted(&answer, "signUp");
        let account = &signed_up["viewer"]["account"];
        assert_eq!((&account["plan"], &account["pendingInvitationCount"]), (&json!("FREE"), &json!(1)));
        assert_eq!(app.invitation(&a, &sent["id"]).await["status"], "PENDING", "signing up answers nothing");
        assert_eq!(app.invitation(&a, &sent["id"]).await["to"], Value::Null);
        assert_eq!(preview(token.clone()).await["hasAccount"], true);

        let other = app.account("Other").await;
        let answer = json!({ "input": { "token": token } });
        assert_eq!(app.codes(&other.token, &accept(), answer.clone()).await, ["EMAIL_MISMATCH"]);
        assert_eq!(app.codes(&a.token, &accept(), answer.clone()).await, ["EMAIL_MISMATCH"]);
        let nia = text(&signed_up["session"]["accessToken"]);
        let connected = app.done(&nia, &accept(), json!({ "token": token })).await["connection"].take();
        assert_eq!((&connected["partner"]["name"], &connected["relationshipType"]), (&json!("Alpha & Söhne"), &json!("RECEIVE_LEADS")));
        assert_eq!(app.codes(&nia, &accept(), answer).await, ["INVITATION_CLOSED"]);
        assert_eq!(preview(token.clone()).await["status"], "ACCEPTED");
        assert_eq!(app.invitation(&a, &sent["id"]).await["to"]["name"], "New Company");
        assert_eq!(code(app.ask(None, SIGN_UP, company("nia@company.test", &token)).await), "INVITATION_CLOSED");
    }
);

mailed!(
    /// N4 and N5: one letter however often; a new letter kills the old link.
    a_letter_is_written_once_and_again_only_when_asked, |app, receiver| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let sent = app.invited(&a, &b, "BOTH").await;
        app.invited(&a, &b, "BOTH").await;
        let first = receiver.wait_for(1).await[0].clone();
        assert_eq!(first.recipients, std::slice::from_ref(&b.email));
        mail_at(&app, &a, &sent["id"], "SENT", 1).await;
        app.done_to(&a.token, &by_id("resendInvitation", "invitation"), &sent["id"]).await;
        let mails = receiver.wait_for(2).await;
        assert_eq!(mails.len(), 2, "nothing was sent for the second invitation");
        let (old, new) = (token(&mails[0]), token(&mails[1]));
        assert_ne!(old, new);
        assert_eq!(app.codes(&b.token, &accept(), json!({ "input": { "token": old } })).await, ["NOT_FOUND"]);
        assert_eq!(app.ask(None, PREVIEW, json!({ "token": old })).await["data"]["invitationPreview"], Value::Null);
        app.done(&b.token, &accept(), json!({ "token": new })).await;
        // The letter's fate is still told after sent mails are forgotten.
        mail_at(&app, &a, &sent["id"], "SENT", 1).await;
        app.clock.advance(TimeDelta::days(31));
        housekeeping::forget(&app.app).await.unwrap();
        let a = app.sign_in(&a).await;
        assert_eq!(app.invitation(&a, &sent["id"]).await["mail"]["status"], "SENT");
    }
);

mailed!(
    /// N9: given up with the reason after its tries; sending again works once the server is back.
    a_letter_that_no_server_takes_is_given_up_and_can_be_sent_again, |app, receiver| {
        receiver.respond(|_, step| matches!(step, Step::Mail(_)).then(|| Reply::Say("451 come back later")));
        let a = app.account("Alpha").await;
        let sent = app.done(&a.token, &send(), json!({ "email": "nia@company.test", "relationshipType": "BOTH" })).await["invitation"].take();
        assert_eq!(sent["mail"]["status"], "QUEUED");
        for (tries, pause) in [(1, 1), (2, 5), (3, 30)] {
            let waiting = mail_at(&app, &a, &sent["id"], "QUEUED", tries).await;
            assert!(tries == 1 || text(&waiting["error"]).contains("451"), "{waiting}");
            until("the error is told", async || !app.invitation(&a, &sent["id"]).await["mail"]["error"].is_null()).await;
            app.clock.advance(TimeDelta::minutes(pause));
            app.app.mail_bell.notify_one();
        }
        let a = app.sign_in(&a).await;
        let failed = mail_at(&app, &a, &sent["id"], "FAILED", 4).await;
        assert!(text(&failed["error"]).contains("451"), "{failed}");
        assert_eq!(app.invitation(&a, &sent["id"]).await["status"], "PENDING");
        receiver.respond(|_, _| None);
        app.done_to(&a.token, &by_id("resendInvitation", "invitation"), &sent["id"]).await;
        receiver.wait_for(1).await;
        mail_at(&app, &a, &sent["id"], "SENT", 1).await;
    }
);

mailed!(
    owners_who_want_it_are_told_by_mail_what_a_partner_does,
    |app, receiver| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let first = app.invited(&a, &b, "BOTH").await;
        app.done(&b.token, &decline(), json!({ "id": first["id"], "reason": "not now" }))
            .await;
        let mails = receiver.wait_for(1).await;
        let declined = mails.iter().find(|mail| mail.recipients == [a.email.clone()]).cloned();
        let declined = match declined {
            Some(mail) => mail,
            None => receiver
                .wait_for(2)
                .await
                .iter()
                .find(|mail| mail.recipients == [a.email.clone()])
                .unwrap()
                .clone(),
        };
        assert_eq!(declined.subject(), "Beta declined your invitation");
        assert!(declined.text().unwrap().contains("They say: not now"));
        let update = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { id } userErrors { code message path } } }";
        app.done(&a.token, update, json!({ "notifyByMail": false })).await;
        let before = receiver.count();
        let second = app.invited(&a, &b, "BOTH").await;
        let link = app.done(&b.token, &accept(), json!({ "id": second["id"] })).await["connection"]["id"].take();
        app.done_to(&a.token, &by_id("suspendConnection", "connection"), &link)
            .await;
        // Beta is told of the suspension after whatever Alpha would have been told of before.
        until("Beta is told", async || {
            let mails = receiver.wait_for(before + 1).await;
            mails
                .iter()
                .any(|mail| mail.subject() == "Alpha suspended your connection")
        })
        .await;
        assert!(
            !receiver
                .mails()
                .iter()
                .any(|mail| mail.subject() == "Beta accepted your invitation"),
            "Alpha wants no mails"
        );
    }
);

mailed!(
    /// C5: what one account does to a connection is told in the log each time, and by mail only so often.
    what_a_partner_does_fills_no_mailbox, |app, _receiver| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let connection = json!(app.connected(&a, &b, "BOTH").await);
        let told = async || {
            use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter};
            let held_up = entity::mail::Column::Subject.eq("Alpha suspended your connection");
            let resumed = entity::mail::Column::Subject.eq("Alpha resumed your connection");
            #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
            let mails = entity::mail::Entity::find().filter(Condition::any().add(held_up).add(resumed));
            mails.count(app.app.db.read()).await.unwrap()
        };
        for _ in 0..12 {
            for action in ["suspendConnection", "resumeConnection"] {
                app.done_to(&a.token, &by_id(action, "connection"), &connection).await;
            }
        }
        assert!((19..=20).contains(&told().await), "the invitation may be among the twenty: {}", told().await);
        app.clock.advance(TimeDelta::hours(1));
        let a = app.sign_in(&a).await;
        app.done_to(&a.token, &by_id("suspendConnection", "connection"), &connection).await;
        assert!((20..=21).contains(&told().await), "the next hour");
    }
);

/// An API process writes letters, a worker sends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_sent_by_whichever_process_works() {
    let (mut app, receiver) = TestApp::with_mail(Mode::Server).await;
    app.stop().await;
    let (api, server) = app.another(Role::Api).await;
    (app.app, app.address) = (api, server.address());
    let a = app.account("Alpha").await;
    app.done(
        &a.token,
        &send(),
        json!({ "email": "nia@company.test", "relationshipType": "BOTH" }),
    )
    .await;
    assert_eq!(receiver.count(), 0);
    let (_worker, working) = app.another(Role::Worker).await;
    receiver.wait_for(1).await;
    working.stop().await;
    server.stop().await;
}
