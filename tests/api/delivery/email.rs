//! Mails.

use serde_json::{Value, json};

use super::{RETRY, email};
use crate::support::app::both;
use crate::support::make::{accepted, ana, text};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

both!(
    /// D1: one message for both recipients, by templates.
    a_mail_reaches_every_recipient_with_subject_and_body_of_the_lead,
    |app| {
        let server = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let settings = json!({ "format": "HTML", "body": "<p>{{ lead.first_name }} in <b>{{ lead.state }}</b></p>" });
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test", "b@buyer.test"], settings)).await;

        let receipt = app.submit(&owner, &flow, ana()).await;

        let deliveries = app.deliveries_at(&owner, receipt["id"].as_str().unwrap(), &["DELIVERED"]).await;
        assert_eq!((&deliveries[0]["channel"], &deliveries[0]["attempts"][0]["smtpCode"]), (&json!("EMAIL"), &json!(250)));
        let mails = server.wait_for(1).await;
        assert_eq!(mails.len(), 1, "one message for all");
        let mail = &mails[0];
        assert_eq!(mail.from, "leads@acme.test");
        assert_eq!(mail.recipients, ["a@buyer.test", "b@buyer.test"]);
        assert_eq!(mail.subject(), "New lead Ana");
        assert_eq!(mail.html().unwrap(), "<p>Ana in <b>CA</b></p>");
        assert!(mail.text().unwrap().contains("Ana in CA"));
        assert_eq!(mail.header("webhook-id").as_deref(), deliveries[0]["id"].as_str());
    }
);

both!(
    /// D2: without a mail server a delivery fails at once and stays the one that a retry sends.
    a_mail_without_a_server_fails_at_once_and_goes_out_when_retried_with_one,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test"], json!({}))).await;
        let receipt = app.submit(&owner, &flow, ana()).await;
        let lead = receipt["id"].as_str().unwrap();

        let failed = app.deliveries_at(&owner, lead, &["FAILED"]).await;
        assert_eq!(failed[0]["failure"]["code"], "SMTP_NOT_CONFIGURED");
        assert!(failed[0]["failure"]["message"].as_str().unwrap().contains("setSmtpSettings"));
        assert_eq!((&failed[0]["attemptCount"], &failed[0]["nextAttemptAt"]), (&json!(1), &Value::Null));

        let server = SmtpReceiver::start().await;
        app.set_smtp(&owner, &server).await;
        let retried = app.ask(Some(&owner.token), RETRY, json!({ "id": failed[0]["id"] })).await;
        assert_eq!(accepted(&retried, "retryDelivery")["delivery"]["id"], failed[0]["id"]);

        let delivered = app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
        assert_eq!((delivered.len(), &delivered[0]["id"], &delivered[0]["failure"]), (1, &failed[0]["id"], &Value::Null));
        assert_eq!(server.wait_for(1).await.len(), 1);
    }
);

both!(
    /// D3: 451 asks to come back.
    a_mail_that_is_put_off_is_sent_again_under_the_same_message_id,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|mail, step| {
            (mail == 1 && matches!(step, Step::Content(_))).then_some(Reply::Say("451 come back later"))
        });
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test"], json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);

        let waiting = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        assert_eq!((&waiting[0]["attemptCount"], server.count()), (&json!(1), 0));
        app.advance_to_retry(&owner, &lead).await;

        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let attempts = delivered[0]["attempts"].as_array().unwrap();
        let told: Vec<_> = attempts.iter().map(|attempt| (&attempt["smtpCode"], &attempt["errorCode"])).collect();
        assert_eq!(told, [(&json!(451), &json!("SMTP_TEMPORARY")), (&json!(250), &Value::Null)]);
        let mail = &server.wait_for(1).await[0];
        assert!(mail.header("Message-ID").unwrap().contains(delivered[0]["id"].as_str().unwrap()));
    }
);

both!(
    /// D3: 550 is final.
    a_mail_that_is_refused_fails_after_one_attempt,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|_, step| matches!(step, Step::Rcpt(_)).then_some(Reply::Say("550 no such user")));
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test"], json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);

        let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!((&failed[0]["failure"]["code"], &failed[0]["attemptCount"]), (&json!("SMTP_REJECTED"), &json!(1)));
        assert!(failed[0]["failure"]["message"].as_str().unwrap().contains("550 no such user"));
        assert_eq!(failed[0]["nextAttemptAt"], Value::Null);
        assert_eq!(server.count(), 0);
    }
);

both!(
    /// D3: one of two recipients refused is told, and the other is not mailed twice.
    a_recipient_who_is_refused_is_named_on_the_delivery,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|_, step| (step == Step::Rcpt("b@buyer.test")).then_some(Reply::Say("550 no such user")));
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test", "b@buyer.test"], json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);

        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let attempt = &delivered[0]["attempts"][0];
        let message = attempt["message"].as_str().unwrap();
        assert!(message.contains("b@buyer.test") && message.contains("550 no such user"), "{message}");
        assert_eq!(attempt["ok"], true);
        let mails = server.wait_for(1).await;
        assert_eq!((mails.len(), &mails[0].recipients[..]), (1, &["a@buyer.test".to_owned()][..]));
    }
);

both!(
    /// D4: what a lead says starts no header and no tag, by template as by the table that is made without one.
    a_lead_adds_neither_a_header_nor_a_tag_to_a_mail,
    |app| {
        let server = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let own = json!({ "format": "HTML", "body": "<p>{{ lead.first_name }} of {{ lead.company }}</p>" });
        let (flow, partner, _) = app.flow_to(&owner, email(&["a@buyer.test"], own)).await;
        let lead = json!({ "first_name": "Ana\r\nBcc: x@y.test", "company": "<script>alert(1)</script>" });

        app.submit(&owner, &flow, lead.clone()).await;
        server.wait_for(1).await;
        app.set_delivery(&owner, &partner, email(&["a@buyer.test"], json!({ "format": "HTML" }))).await;
        app.submit(&owner, &flow, lead).await;

        for mail in server.wait_for(2).await {
            assert!(!mail.header_names().iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{}", mail.content);
            assert_eq!(mail.recipients, ["a@buyer.test"]);
            assert_eq!(mail.subject(), "New lead Ana Bcc: x@y.test");
            let html = mail.html().unwrap();
            assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        }
    }
);
