//! A mail server that is down holds up the mails of its account, and nothing else.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};
use crate::support::wait::until;

const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const CLEAR_SMTP: &str = "mutation { clearSmtpSettings { userErrors { code } } }";

fn mail_server(host: &str, port: u16) -> Value {
    json!({ "host": host, "port": port, "security": "NONE", "fromAddress": "leads@acme.test", "fromName": "Acme" })
}

both!(
    /// New settings of the mail server send at once what waited for the old ones.
    a_mail_server_that_is_down_pauses_the_mails_of_its_account,
    |app| {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let (works, q) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        let mail = json!({ "email": { "recipients": ["buyer@partner.test"], "subject": "Lead" } });
        let (acme, other) = (app.account("Acme").await, app.account("Other").await);
        app.done(&acme.token, SET_SMTP, mail_server("127.0.0.1", port)).await;
        app.done(&other.token, SET_SMTP, mail_server(&works.host(), works.port())).await;
        let all = app.to_all(&acme).await;
        let mut partners = Vec::new();
        for name in ["M", "N"] {
            let (partner, _) = app.partner(&acme, name, mail.clone(), json!({})).await;
            app.assign(&acme, &all.profile, &partner, json!({})).await;
            partners.push(partner);
        }
        let web = app.behind(&acme, &all, "Q", &q).await;
        let elsewhere = app.to_all(&other).await;
        let (theirs, _) = app.partner(&other, "M", mail, json!({})).await;
        app.assign(&other, &elsewhere.profile, &theirs, json!({})).await;

        let leads = app.leads(&acme, &all, 5).await;
        for partner in &partners {
            app.health_until(&acme, partner, |health| health["state"] == "PAUSED").await;
        }
        let waiting = app.leads(&acme, &all, 2).await;
        for lead in &waiting {
            assert_eq!(app.at(&acme, lead, &partners[0]).await.0, "QUEUED");
        }
        q.wait_for(7).await;
        assert_eq!(app.health(&acme, &web).await["state"], "HEALTHY");
        let lead = app.leads(&other, &elsewhere, 1).await;
        app.deliveries_at(&other, &lead[0], &["DELIVERED"]).await;

        app.done(&acme.token, SET_SMTP, mail_server(&works.host(), works.port())).await;
        for lead in &waiting {
            app.deliveries_at(&acme, lead, &["DELIVERED"]).await;
        }
        app.advance(chrono::TimeDelta::seconds(15));
        for lead in &leads {
            app.deliveries_at(&acme, lead, &["DELIVERED"]).await;
        }
    }
);

both!(
    /// The mail that tries it does not wait for a turn behind those that wait for the pause, and spends no attempt.
    a_mail_server_with_a_limit_is_tried_after_its_pause,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|_, step| matches!(step, Step::Connect).then_some(Reply::Say("421 down")));
        let acme = app.account("Acme").await;
        let mut slow = mail_server(&server.host(), server.port());
        slow["mailsPerMinute"] = json!(1);
        app.done(&acme.token, SET_SMTP, slow).await;
        let all = app.to_all(&acme).await;
        let mail = json!({ "email": { "recipients": ["buyer@partner.test"], "subject": "Lead" } });
        let (partner, _) = app.partner(&acme, "M", mail, json!({})).await;
        app.assign(&acme, &all.profile, &partner, json!({})).await;

        let leads = app.leads(&acme, &all, 30).await;
        for failures in 1..=9 {
            app.health_until(&acme, &partner, |health| health["consecutiveFailures"] == failures).await;
            app.advance(TimeDelta::minutes(1));
        }
        app.paused(&acme, &partner).await;
        server.respond(|_, step| matches!(step, Step::Rcpt(_)).then_some(Reply::Say("450 later")));
        // The eleventh has missed its turn by then.
        app.advance(TimeDelta::seconds(70));
        let tried = app.health_until(&acme, &partner, |health| health["lastError"] == "buyer@partner.test was refused: 450 later").await;
        assert_eq!(tried["state"], "DEGRADED", "not paused any more");
        for lead in &leads {
            assert_ne!(app.at(&acme, lead, &partner).await.0, "FAILED");
        }
    }
);

both!(
    /// Without the mail server, what waited for it fails at once and says why.
    mails_that_wait_for_a_mail_server_fail_when_it_is_taken_away,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|_, step| matches!(step, Step::Connect).then_some(Reply::Say("421 down")));
        let acme = app.account("Acme").await;
        app.done(&acme.token, SET_SMTP, mail_server(&server.host(), server.port())).await;
        let all = app.to_all(&acme).await;
        let mail = json!({ "email": { "recipients": ["buyer@partner.test"], "subject": "Lead" } });
        let (partner, _) = app.partner(&acme, "M", mail, json!({})).await;
        app.assign(&acme, &all.profile, &partner, json!({})).await;
        app.fail_until_paused(&acme, &all, &partner).await;
        let waiting = app.leads(&acme, &all, 2).await;
        app.health_until(&acme, &partner, |health| health["waiting"].as_i64() >= Some(2)).await;

        app.data(&acme.token, CLEAR_SMTP, json!({})).await;
        for lead in &waiting {
            let failed = app.deliveries_at(&acme, lead, &["FAILED"]).await;
            assert_eq!(failed[0]["failure"]["code"], "SMTP_NOT_CONFIGURED");
        }
    }
);

both!(
    /// However many partners get mails: those who get them otherwise are not held up, nor are other accounts.
    a_mail_server_that_hangs_is_asked_by_few_at_once,
    ["--concurrency", "64", "--destination-concurrency", "4"],
    |app| {
        let (hangs, works, q) = (SmtpReceiver::start().await, SmtpReceiver::start().await, HttpReceiver::start().await);
        hangs.respond(|_, step| matches!(step, Step::Connect).then_some(Reply::Hang));
        let mail = json!({ "email": { "recipients": ["buyer@partner.test"], "subject": "Lead" } });
        let (acme, other) = (app.account("Acme").await, app.account("Other").await);
        app.done(&acme.token, SET_SMTP, mail_server(&hangs.host(), hangs.port())).await;
        app.done(&other.token, SET_SMTP, mail_server(&works.host(), works.port())).await;
        let (all, elsewhere) = (app.to_all(&acme).await, app.to_all(&other).await);
        for name in ["M1", "M2", "M3", "M4", "M5"] {
            let (partner, _) = app.partner(&acme, name, mail.clone(), json!({})).await;
            app.assign(&acme, &all.profile, &partner, json!({})).await;
        }
        app.behind(&acme, &all, "Q", &q).await;
        let (theirs, _) = app.partner(&other, "M", mail, json!({})).await;
        app.assign(&other, &elsewhere.profile, &theirs, json!({})).await;

        app.leads(&acme, &all, 10).await;
        q.wait_for(10).await;
        app.leads(&other, &elsewhere, 3).await;
        works.wait_for(3).await;
        until("four connections hang", async || hangs.connections() >= 4).await;
        assert_eq!((hangs.connections(), app.app.queue.slots.full_destinations(false).len()), (4, 1));
    }
);
