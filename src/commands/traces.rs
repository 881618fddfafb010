//! Exports spans by OpenTelemetry, as OTLP over HTTP (protobuf).
//!
//! Nothing waits for a collector: spans queue in bounded memory, one task sends them, and what does not fit or is not taken is
//! dropped and counted.

use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanExporter, SpanProcessor,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Layer;
use uuid::Uuid;

use leadmesh_core::config::ConfigError;
use leadmesh_core::config::traces::{Collector, TraceSettings};
use leadmesh_core::spans;
use leadmesh_delivery::webhook::bundled_roots;

/// Spans that may wait to be sent.
const QUEUE: usize = 4_096;
/// Spans of one export.
const BATCH: usize = 512;
/// How long spans are gathered for one export.
const GATHERED: Duration = Duration::from_secs(1);
/// How long a stopping process waits for what is left to be sent.
const FLUSH: Duration = Duration::from_secs(3);
/// A batch of leads has as many links.
const MAX_LINKS: u32 = 256;

/// The part of the process' subscriber that exports spans.
pub(super) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// A running export.
pub(super) struct Export {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

/// Starts the export, if the settings name a collector.
///
/// # Errors
///
/// When the settings cannot be used.
pub(super) fn start(settings: &TraceSettings) -> Result<Option<(SpanLayer, Export)>, ConfigError> {
    let Some(collector) = settings.collector()? else {
        return Ok(None);
    };
    let resource = resource(&settings.service_name);
    let mut exporter = exporter(&collector)?;
    exporter.set_resource(&resource);
    let (spans, waiting) = mpsc::channel(QUEUE);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue(spans))
        .with_sampler(Share(settings.trace_ratio))
        .with_max_links_per_span(MAX_LINKS)
        .with_resource(resource)
        .build();
    let scope = InstrumentationScope::builder("leadmesh").with_version(env!("CARGO_PKG_VERSION"));
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer_with_scope(scope.build()))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    // Without the hint every disabled line of every library would be looked at.
    let ours = FilterFn::new(|of| of.is_span() && of.target() == spans::TARGET);
    let layer = layer.with_filter(ours.with_max_level_hint(LevelFilter::INFO));
    let stop = CancellationToken::new();
    let sender = Sender {
        exporter,
        waiting,
        stop: stop.clone(),
        timeout: collector.timeout,
        is_failing: false,
    };
    let sending = tokio::spawn(sender.run());
    Ok(Some((layer.boxed(), Export { stop, sending })))
}

impl Export {
    /// Sends what is left, for a short time.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let abort = self.sending.abort_handle();
        if timeout(FLUSH, self.sending).await.is_err() {
            abort.abort();
            tracing::warn!("the collector has not taken the last spans in time: they are lost");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the name of a process has nothing to do with the time that tests set"
)]
fn resource(service: &str) -> Resource {
    Resource::builder()
        .with_service_name(service.to_owned())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
        ])
        .build()
}

/// Trusts the authorities that webhooks trust.
fn exporter(collector: &Collector) -> Result<opentelemetry_otlp::SpanExporter, ConfigError> {
    let failed = |error: &dyn std::fmt::Display| ConfigError::Set(format!("spans cannot be exported: {error}"));
    let client = || {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(collector.timeout)
    };
    let http = client().build();
    let http = http.or_else(|_| client().tls_certs_only(bundled_roots()).build());
    opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(http.map_err(|error| failed(&error))?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(collector.url.as_str())
        .with_headers(collector.headers.clone())
        .with_timeout(collector.timeout)
        .build()
        .map_err(|error| failed(&error))
}

/// Samples a share of traces by their last 32 bits, which are random in a UUID of version 7 as well; the SDK's own sampler goes by bits
/// that are alike in all of these. Neither a parent nor a caller decides: otherwise a stranger could have everything exported.
#[derive(Clone, Debug)]
struct Share(f64);

impl ShouldSample for Share {
    fn should_sample(
        &self,
        _parent: Option<&Context>,
        trace: TraceId,
        _name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let [.., a, b, c, d] = trace.to_bytes();
        let of_trace = f64::from(u32::from_be_bytes([a, b, c, d])) / 2_f64.powi(32);
        SamplingResult {
            decision: if of_trace < self.0 {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            },
            attributes: Vec::new(),
            trace_state: TraceState::NONE,
        }
    }
}

/// Takes spans that have ended, if there is room for them.
#[derive(Debug)]
struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _parent: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        span.span_kind = kind(&span.name);
        make_root(&mut span);
        if self.0.try_send(span).is_err() {
            spans::COUNTS.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn kind(name: &str) -> SpanKind {
    match name {
        spans::SUBMIT => SpanKind::Server,
        spans::ATTEMPT | spans::MAIL => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

/// Gives the first span of a lead the ID that all others name as their parent. The SDK lets nobody choose the ID of a span, but the
/// trace of a parent: so far that span was below itself.
fn make_root(span: &mut SpanData) {
    let (trace, flags) = (span.span_context.trace_id(), span.span_context.trace_flags());
    let root = spans::root_of(trace);
    if span.name == spans::SUBMIT && span.parent_span_id == root {
        span.span_context = SpanContext::new(trace, root, flags, false, TraceState::NONE);
        span.parent_span_id = SpanId::INVALID;
        span.parent_span_is_remote = false;
    }
}

/// Sends what waits, one export at a time.
struct Sender {
    exporter: opentelemetry_otlp::SpanExporter,
    waiting: mpsc::Receiver<SpanData>,
    stop: CancellationToken,
    timeout: Duration,
    is_failing: bool,
}

impl Sender {
    async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let batch = self.gather().await;
            self.send(batch).await;
        }
        self.waiting.close();
        let mut batch = Vec::with_capacity(BATCH);
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    /// The spans of one export: those of a second, unless there are enough before; fewer where the process stops.
    async fn gather(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut until: Option<Instant> = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let enough = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = enough => break,
                _some = self.waiting.recv_many(&mut batch, room) => {}
            }
            until = until.or_else(|| Some(Instant::now() + GATHERED));
        }
        batch
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let failed = match timeout(self.timeout, self.exporter.export(batch)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(elapsed) => Some(elapsed.to_string()),
        };
        let Some(error) = failed else {
            spans::COUNTS.exported.inc_by(spans);
            if std::mem::take(&mut self.is_failing) {
                tracing::info!("the collector takes spans again");
            }
            return;
        };
        spans::COUNTS.dropped.inc_by(spans);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                error,
                "the collector does not take spans: they are dropped until it does; see OTEL_EXPORTER_OTLP_ENDPOINT"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use leadmesh_core::clock::Clock;

    use super::*;

    fn is_sampled(share: f64, trace: TraceId) -> bool {
        let result = Share(share).should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_share_of_the_leads_is_sampled() {
        let clock = Clock::system();
        let traces: Vec<TraceId> = (0..10_000).map(|_| clock.id::<Uuid>().as_u128().into()).collect();
        for (share, least, most) in [(0.0, 0, 0), (0.25, 2_200, 2_800), (1.0, 10_000, 10_000)] {
            let sampled = traces.iter().filter(|trace| is_sampled(share, **trace)).count();
            assert!((least..=most).contains(&sampled), "{sampled} for {share}");
        }
    }
}
