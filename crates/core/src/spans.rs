//! The spans of a lead, from the request that submits it to the attempts that deliver it: for logs and for OpenTelemetry.
//!
//! All spans of a lead are in one trace, whose ID is the lead's. So a process that attempts a delivery knows the trace, and its first
//! span, from the row alone: docs/adr/0011-traces.md. Attributes are identifiers, counts and codes, never values of a lead.

use std::sync::{Arc, LazyLock};

use entity::delivery;
use entity::delivery_outcome::Outcome;
use entity::ids::{AccountId, LeadId};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use prometheus_client::metrics::counter::Counter;
use sea_orm::ActiveEnum;
use tokio::task_local;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of these spans, and of no others: they alone are exported.
pub const TARGET: &str = "leadmesh::spans";
/// The name of the first span of each lead.
pub const SUBMIT: &str = "lead.submit";
/// The name of spans that store a batch of leads.
pub const BATCH: &str = "intake.batch";
/// The name of spans of attempts.
pub const ATTEMPT: &str = "delivery.attempt";
/// The name of spans of mails.
pub const MAIL: &str = "mail.send";

/// What this process has done with its spans. The subscriber of spans is one for the process, and so are these.
pub static COUNTS: LazyLock<Counts> = LazyLock::new(Counts::default);

/// Counts of spans.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Taken by the collector.
    pub exported: Counter,
    /// Lost because too many waited or the collector did not take them.
    pub dropped: Counter,
}

task_local! {
    static REQUEST: RequestContext;
}

/// What the spans of leads say about the request that submits them.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The name of the request.
    pub id: Arc<str>,
    /// The caller's own span, from the `traceparent` header. It becomes a link and decides nothing.
    pub caller: Option<SpanContext>,
}

/// Does the work of a request, so that leads submitted meanwhile name that request.
pub fn in_request<W: Future>(request: RequestContext, work: W) -> impl Future<Output = W::Output> {
    REQUEST.scope(request, work)
}

/// The first span of a lead. Its ID follows from the trace's, which is the lead's.
pub fn root(lead: LeadId) -> SpanContext {
    let trace = TraceId::from(lead.0.as_u128());
    SpanContext::new(trace, root_of(trace), TraceFlags::SAMPLED, true, TraceState::NONE)
}

/// The ID of a trace's first span: the second half of the trace's ID. That of a UUID is never zero, for it begins with the variant.
pub fn root_of(trace: TraceId) -> SpanId {
    let [_, _, _, _, _, _, _, _, second_half @ ..] = trace.to_bytes();
    SpanId::from_bytes(second_half)
}

/// The span of a submission, which is to be stored as that lead. None without an account: strangers make no spans.
pub fn submit(lead: LeadId, account: Option<AccountId>) -> Span {
    let Some(account) = account else { return Span::none() };
    let span = tracing::info_span!(target: TARGET, SUBMIT, %account, %lead, outcome = Empty);
    join(&span, lead);
    // An error is impossible but for leads that no request submits.
    let _without_request = REQUEST.try_with(|request| {
        span.set_attribute("request", request.id.to_string());
        if let Some(caller) = &request.caller {
            span.add_link(caller.clone());
        }
    });
    span
}

/// Says that a submission repeats an earlier one, of that lead.
pub fn repeats(span: &Span, lead: LeadId) {
    span.add_link(root(lead));
}

/// Says that what a span stands for has failed.
pub fn failed(span: &Span) {
    span.set_status(Status::error(""));
}

/// The first span of a lead that a delivery has brought into another account, with a link to the lead that it comes from.
pub fn handed_on(lead: LeadId, account: AccountId, from: LeadId) -> Span {
    let span = tracing::info_span!(target: TARGET, parent: None, SUBMIT, %account, %lead, outcome = Empty);
    join(&span, lead);
    span.add_link(root(from));
    span
}

/// The span of a transaction that stores leads. It belongs to all of them, so it has a trace of its own and links to theirs.
pub fn batch(leads: impl ExactSizeIterator<Item = LeadId>) -> Span {
    let span = tracing::info_span!(target: TARGET, parent: None, BATCH, leads = leads.len());
    leads.for_each(|lead| span.add_link(root(lead)));
    span
}

/// The span of an attempt, in whichever process it is made.
pub fn attempt(row: &delivery::Model) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        ATTEMPT,
        account = %row.account_id,
        lead = %row.lead_id,
        delivery = %row.id,
        attempt = row.attempt_count,
        channel = row.channel.to_value(),
        status = Empty,
        error = Empty,
    );
    join(&span, row.lead_id);
    span
}

/// Says what an attempt has come to.
pub fn attempted(span: &Span, outcome: &Outcome) {
    span.record("status", outcome.status.to_value());
    if let Some((code, _message)) = &outcome.failure {
        span.record("error", code.to_value());
        failed(span);
    }
}

/// The span of an exchange with a mail server about a mail, by the first part of its Message-ID.
pub fn mail(message_id: &str, recipients: usize) -> Span {
    let id = message_id.trim_start_matches('<');
    let id = id.split_once('@').map_or(id, |(id, _)| id);
    tracing::info_span!(target: TARGET, MAIL, mail = id, recipients, smtp_code = Empty)
}

/// Says what a mail server has answered, and whether it took the mail for anybody.
pub fn mailed(span: &Span, code: Option<u16>, taken: bool) {
    span.record("smtp_code", code);
    if !taken {
        failed(span);
    }
}

/// Puts a span into the trace of a lead, below the lead's first span. Without an exporter there is nothing to put it into.
fn join(span: &Span, lead: LeadId) {
    let _not_exported = span.set_parent(Context::new().with_remote_span_context(root(lead)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_first_span_of_a_lead_follows_from_its_trace() {
        let lead: LeadId = Clock::system().id();
        let root = root(lead);
        assert!(root.is_valid() && root.is_sampled());
        assert_eq!(root.trace_id().to_string(), lead.0.simple().to_string());
        assert_eq!(root.span_id(), root_of(root.trace_id()));
        assert!(root.trace_id().to_string().ends_with(&root.span_id().to_string()));
    }
}
