//! Deliveries by webhook, email and portal: what partners get, and what becomes of it.

mod answers;
mod bounded;
mod channels;
mod discretion;
mod email;
mod encryption;
mod exactly;
mod exhaustion;
mod forbidden;
mod log;
mod mail_server;
mod poison;
mod secrets;
mod shapes;
mod sharing;
mod signatures;
mod unruly;
mod updates;
mod waiting;
mod warnings;
mod webhook;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::Account;
use crate::support::smtp_receiver::SmtpReceiver;

const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id status } userErrors { code message path } } }";
const USED: &str = "query($id: ID!) { partner(id: $id) { caps { limit used } } }";
/// Changes how a partner gets its leads.
const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) {
    partner { id } userErrors { code message path } } }";

impl TestApp {
    /// Gives an account that mail server.
    pub(crate) async fn set_smtp(&self, owner: &Account, server: &SmtpReceiver) {
        let input = json!({
            "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test", "fromName": "Acme",
        });
        self.done(&owner.token, SET_SMTP, input).await;
    }

    /// Makes a partner get its next leads so.
    async fn set_delivery(&self, owner: &Account, partner: &str, delivery: Value) {
        let input = json!({ "partnerId": partner, "delivery": delivery });
        self.done(&owner.token, SET_DELIVERY, input).await;
    }

    /// Moves the clock to when the first of a lead's deliveries is tried again.
    async fn advance_to_retry(&self, owner: &Account, lead: &str) {
        let deliveries = self.deliveries(owner, lead).await;
        let due = deliveries
            .iter()
            .find_map(|delivery| delivery["nextAttemptAt"].as_str())
            .expect("nothing is due");
        let due: chrono::DateTime<chrono::Utc> = due.parse().unwrap();
        self.advance(due - self.clock.now());
    }

    /// How many leads count on a partner's only cap.
    async fn used(&self, owner: &Account, partner: &str) -> i64 {
        let data = self.data(&owner.token, USED, json!({ "id": partner })).await;
        data["partner"]["caps"][0]["used"].as_i64().unwrap()
    }
}

/// Email settings with more said.
fn email(recipients: &[&str], more: Value) -> Value {
    let mut email = json!({ "recipients": recipients, "subject": "New lead {{ lead.first_name }}" });
    crate::support::make::merge(&mut email, more);
    json!({ "email": email })
}
