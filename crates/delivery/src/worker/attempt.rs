//! One attempt of one delivery: rendered, sent with no transaction open, judged.

use std::time::{Duration, Instant};

use entity::delivery::{self, DeliveryErrorCode};

use super::attempt_result::{AttemptResult, Timing};
use super::mail::{self, MailAttempt};
use super::outcome::AttemptRecord;
use super::prepared::{Prepared, Webhook};
use super::tools::Tools;
use crate::payload::{Body, PayloadError};
use crate::redact::Secrets;
use crate::response::judge;
use crate::webhook::{Answer, Request};
use leadmesh_core::error::Result;
use leadmesh_core::queue::{Claimed, LeadContent};

/// A partner whose settings ask for signatures never gets an unsigned request.
const NO_SECRET: &str =
    "the partner has no signing secret, nothing was sent: make one with rotateSigningSecret, then retry the delivery";

/// Makes one attempt. Errors become results that are recorded. None where the delivery was put back to wait for a send slot.
pub(super) async fn attempt(tools: &Tools, claimed: &mut Claimed) -> Option<AttemptRecord> {
    let (started_at, started) = (tools.app.clock.now(), Instant::now());
    let Claimed { delivery, lead, slot } = claimed;
    let result = match mail::reached(&tools.app, delivery).await {
        Err(error) => AttemptResult::deferred_by_outage(&error),
        Ok(reached) => try_once(tools, delivery, lead, &reached).await?.with_reached(&reached),
    };
    slot.leave_destination();
    let result = result.redacted(&Secrets::of_fields(&lead.definitions, &lead.fields));
    let timing = Timing {
        started_at,
        duration: started.elapsed(),
        now: tools.app.clock.now(),
    };
    Some(result.into_record(delivery, &timing))
}

/// Sends it if that is possible; none where it waits for a send slot. `reached` are the recipients who have the mail already.
async fn try_once(
    tools: &Tools,
    delivery: &delivery::Model,
    lead: &LeadContent,
    reached: &[String],
) -> Option<AttemptResult> {
    let prepared = match tools.prepared.get(&tools.app, delivery, lead).await {
        Ok(prepared) => prepared,
        Err(error) => return Some(AttemptResult::internal_failure(&error)),
    };
    let sent = match &*prepared {
        Prepared::Webhook(webhook) => send_webhook(tools, delivery, lead, webhook).await.map(Some),
        Prepared::Email(email) => {
            let mail = MailAttempt {
                delivery,
                lead,
                email,
                reached,
            };
            mail.send(tools).await
        }
        Prepared::Unusable(error) => Ok(Some(AttemptResult::unrendered(error))),
        Prepared::Nothing => Ok(Some(AttemptResult::failed(
            DeliveryErrorCode::BuyerNotReady,
            "the channel takes no deliveries here",
        ))),
    };
    sent.unwrap_or_else(|error| Some(AttemptResult::internal_failure(&error)))
}

async fn send_webhook(
    tools: &Tools,
    delivery: &delivery::Model,
    lead: &LeadContent,
    webhook: &Webhook,
) -> Result<AttemptResult> {
    let config = &webhook.config;
    let timeout = Duration::from_millis(u64::from(config.timeout_ms));
    let body = match body(tools, webhook, lead, timeout).await? {
        Ok(body) => body,
        Err(error) => return Ok(AttemptResult::unrendered(&error)),
    };
    let secrets = match delivery.partner_id {
        Some(partner) if config.sign => tools.prepared.secrets(&tools.app, partner).await?,
        _ => Vec::new(),
    };
    if config.sign && secrets.is_empty() {
        return Ok(AttemptResult::failed(DeliveryErrorCode::Template, NO_SECRET));
    }
    let now = tools.app.clock.now();
    let request = Request {
        method: webhook.method.clone(),
        url: webhook.url.clone(),
        headers: webhook.headers.clone(),
        content_type: body.content_type,
        body: body.bytes.into(),
        id: delivery.id.to_string(),
        lead: lead.id.to_string(),
        sent_at: now,
        secrets,
        test: delivery.test,
        timeout,
    };
    let exchange = tools.sender.send(&request).await;
    let answer = exchange.result.as_ref().ok();
    let headers = Secrets::new(webhook.headers.iter().map(|(_, value)| value.clone()));
    let verdict = judge(
        &exchange.result,
        config.response_rule.as_ref(),
        &config.retry.give_up_on,
        now,
    );
    let result = AttemptResult {
        http_status: answer.map(|answer| answer.status),
        excerpt: answer.map(Answer::excerpt).filter(|text| !text.is_empty()),
        ..AttemptResult::judged(verdict, config.retry.clone())
    };
    Ok(result.redacted(&headers))
}

/// Templates are rendered on their own threads, so that they do not delay the threads that serve requests.
async fn body(
    tools: &Tools,
    webhook: &Webhook,
    lead: &LeadContent,
    within: Duration,
) -> Result<std::result::Result<Body, PayloadError>> {
    let rendering = &tools.app.rendering;
    if webhook.payload.is_plain() {
        return Ok(webhook.payload.render(&lead.fields, &rendering.budget()));
    }
    let (payload, fields) = (webhook.payload.clone(), lead.fields.clone());
    rendering
        .run(within, move |budget| payload.render(&fields, budget))
        .await
}
