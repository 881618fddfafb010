//! What a diagnosis advises where a destination fails.

use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook_with};

const DIAGNOSE: &str = "query($id: ID!) { diagnoseDelivery(id: $id) { checks { name remedy } } }";

/// The remedies of each look at a delivery to that URL, which has come to one of these ends.
async fn advised(app: &TestApp, owner: &Account, url: &str, end: &str) -> Value {
    let settings = webhook_with(url, json!({ "retry": { "attempts": 2, "giveUpOn": [422] } }));
    let (flow, ..) = app.flow_to(owner, settings).await;
    let lead = text(&app.submit(owner, &flow, ana()).await["id"]);
    let id = text(&app.deliveries_at(owner, &lead, &[end]).await[0]["id"]);
    let found = app.data(&owner.token, DIAGNOSE, json!({ "id": id })).await;
    let checks = found["diagnoseDelivery"]["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| (text(&check["name"]), check["remedy"].clone()))
        .collect()
}

both!(
    /// Waiting ends no 410, nothing can have reached a port on which nobody listens, and what is said of one lead is not waited out.
    advice_fits_what_happened,
    |app| {
        let receiver = HttpReceiver::start().await;
        for (answer, end, look, says, not) in [
            (410, "FAILED", "destination", "resumeDestination", "wait until"),
            (410, "FAILED", "last attempt", "new address", "excerpt"),
            (429, "RETRYING", "last attempt", "openUntil", "excerpt"),
            (429, "RETRYING", "destination", "wait until 20", "recovers"),
            (422, "FAILED", "destination", "no delivery is suspended", "recovers"),
        ] {
            receiver.answer(Answer::status(answer));
            let owner = app.account(&format!("Acme {answer} {look}")).await;
            let url = receiver.url(&format!("/{answer}/{}", look.len()));
            let advice = text(&advised(&app, &owner, &url, end).await[look]);
            assert!(advice.contains(says) && !advice.contains(not), "{answer} {look}: {advice}");
        }

        let owner = app.account("Acme unreached").await;
        let advice = advised(&app, &owner, "https://127.0.0.1:1/in", "RETRYING").await;
        let last = text(&advice["last attempt"]);
        assert!(last.contains("nothing was sent") && !last.contains("resolveDelivery"), "{last}");
        let plain = receiver.url("/").replace("http:", "https:");
        let owner = app.account("Acme plain").await;
        let advice = advised(&app, &owner, &plain, "RETRYING").await;
        let last = text(&advice["last attempt"]);
        assert!(last.contains("scheme") && !last.contains("certificate"), "{last}");
    }
);
