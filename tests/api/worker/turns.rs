//! However a mail ends that waits for its turn at its account's mail server, nothing is left of its turn.

use chrono::TimeDelta;
use entity::delivery::DeliveryStatus;
use entity::send_slot;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, ana};
use crate::support::smtp_receiver::SmtpReceiver;
use crate::support::wait::until;

const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";

impl TestApp {
    #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
    async fn turns(&self) -> usize {
        send_slot::Entity::find().all(self.app.db.read()).await.unwrap().len()
    }

    /// A mail that was sent, and one that waits for its turn, a minute later.
    async fn one_waits_for_its_turn(&self, mail: &SmtpReceiver, more: Value) -> (Account, Flow) {
        let owner = self.account("Acme").await;
        let server = json!({ "host": mail.host(), "port": mail.port(), "security": "NONE", "fromAddress": "leads@acme.test",
            "mailsPerMinute": 1 });
        self.done(&owner.token, SET_SMTP, server).await;
        let mut email = json!({ "recipients": ["a@buyer.test"], "subject": "New lead" });
        crate::support::make::merge(&mut email, more);
        let (flow, ..) = self.flow_to(&owner, json!({ "email": email })).await;
        self.submit(&owner, &flow, ana()).await;
        until("the first is sent", async || {
            self.standing_at(DeliveryStatus::Delivered).await == 1
        })
        .await;
        self.submit(&owner, &flow, ana()).await;
        until("the second waits", async || self.turns().await == 1).await;
        (owner, flow)
    }
}

both!(
    /// Its lead cannot be read when its turn has come.
    a_mail_whose_lead_cannot_be_read_leaves_no_turn,
    |app| {
        let mut app = app;
        let mail = SmtpReceiver::start().await;
        app.one_waits_for_its_turn(&mail, json!({})).await;
        app.stop().await;
        let damage = "UPDATE lead SET fields = '\"x\"' WHERE id IN (SELECT lead_id FROM delivery WHERE status = 'QUEUED')";
        assert_eq!(app.app.db.write().execute_unprepared(damage).await.unwrap().rows_affected(), 1);
        app.restart().await;
        app.advance(TimeDelta::minutes(1));
        until("it has failed", async || app.standing_at(DeliveryStatus::Failed).await == 1).await;
        assert_eq!(app.turns().await, 0);
    }
);

both!(
    /// Its settings are damaged meanwhile: it fails before it asks for its turn.
    a_mail_that_fails_before_its_turn_is_used_leaves_none,
    |app| {
        let mut app = app;
        let mail = SmtpReceiver::start().await;
        app.one_waits_for_its_turn(&mail, json!({})).await;
        app.stop().await;
        app.app.db.write().execute_unprepared("UPDATE delivery_settings SET config = '{}'").await.unwrap();
        app.restart().await;
        app.advance(TimeDelta::minutes(1));
        until("it has failed", async || app.standing_at(DeliveryStatus::Failed).await == 1).await;
        assert_eq!(app.turns().await, 0);
    }
);

both!(
    /// The mail server is paused until the mail is too old.
    a_mail_that_has_become_too_old_leaves_no_turn,
    |app| {
        let mail = SmtpReceiver::start().await;
        app.one_waits_for_its_turn(&mail, json!({})).await;
        let row = app.rows().await.into_iter().find(|row| row.status == DeliveryStatus::Queued).unwrap();
        let held = entity::endpoint::Model {
            id: row.endpoint().unwrap(),
            account_id: row.account_id,
            partner_id: None,
            failures: 10,
            open_reason: Some(entity::endpoint::OpenReason::Gone),
            opened_at: Some(app.clock.now()),
            open_until: None,
            pauses: 1,
            probe_id: None,
            last_error: "it failed".to_owned(),
            notified: true,
        };
        entity::endpoint::Entity::keep(app.app.db.write(), held).await.unwrap();
        app.advance(TimeDelta::days(2));
        until("it has failed", async || app.standing_at(DeliveryStatus::Failed).await == 1).await;
        assert_eq!(app.turns().await, 0);
    }
);
