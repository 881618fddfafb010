//! Mail over TLS, by a program that trusts the authorities of its system: who is not vouched for gets no password and no mail.

use serde_json::{Value, json};

use super::world::World;
use crate::support::app::both;
use crate::support::smtp_receiver::SmtpReceiver;

const SET: &str =
    "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { userErrors { code message path } } }";
const SEND: &str = "mutation { sendTestEmail(to: \"cy@example.com\") { ok message userErrors { message } } }";

both!(mail_goes_over_tls_to_servers_that_are_vouched_for, |mode: Mode| {
    let (upgraded, first) = SmtpReceiver::start_tls(false).await;
    let (implicit, second) = SmtpReceiver::start_tls(true).await;
    let (stranger, _) = SmtpReceiver::start_tls(false).await;
    let world = World::start_trusting(mode, &(first + &second)).await;

    for (receiver, security) in [(&upgraded, "STARTTLS"), (&implicit, "TLS")] {
        let sent = send(&world, receiver, security).await;
        assert_eq!(sent["ok"], true, "{sent}");
        let mails = receiver.mails();
        assert_eq!((mails.len(), mails[0].secured), (1, true));
        assert_eq!(mails[0].user.as_deref(), Some("ann"));
    }
    for (receiver, security, told) in [
        (&stranger, "STARTTLS", "certificate"),
        (&upgraded, "NONE", "no login"),
        (&upgraded, "TLS", "TLS"),
    ] {
        let sent = send(&world, receiver, security).await;
        assert_eq!(sent["ok"], false, "{sent}");
        assert!(sent["message"].as_str().unwrap().contains(told), "{security}: {sent}");
    }
    assert_eq!((stranger.count(), upgraded.count()), (0, 1));
});

/// What a test mail through that server tells.
async fn send(world: &World, receiver: &SmtpReceiver, security: &str) -> Value {
    let input = json!({ "host": receiver.host(), "port": receiver.port(), "security": security, "username": "ann",
        "password": "hunter22", "fromAddress": "leads@acme.test" });
    world.changed("setSmtpSettings", SET, json!({ "input": input })).await;
    world.changed("sendTestEmail", SEND, json!({})).await
}
