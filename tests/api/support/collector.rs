//! An OpenTelemetry collector: takes spans by OTLP over HTTP, and keeps them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{self, status::StatusCode};
use prost::Message;

use super::http_receiver::{HttpReceiver, Received};

/// How long a test waits for spans.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running collector. It stops when it is dropped.
pub(crate) struct Collector {
    pub(crate) receiver: HttpReceiver,
}

/// A span that has arrived. IDs are hexadecimal; a missing parent is empty.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// As text.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The trace and the span of each.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) has_failed: bool,
    /// The name of the service.
    pub(crate) service: String,
    /// The process that made it.
    pub(crate) process: String,
}

impl Collector {
    /// Starts one that accepts everything.
    pub(crate) async fn start() -> Self {
        Self {
            receiver: HttpReceiver::start().await,
        }
    }

    /// The same over TLS, with its certificate as PEM.
    pub(crate) async fn start_tls() -> (Self, String) {
        let (receiver, certificate) = HttpReceiver::start_tls().await;
        (Self { receiver }, certificate)
    }

    /// What the setting names.
    pub(crate) fn url(&self) -> String {
        self.receiver.url("")
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.receiver.requests();
        requests.iter().flat_map(|request| spans(request)).collect()
    }

    /// Waits for a span of that name in that trace.
    pub(crate) async fn span(&self, name: &str, trace: &str) -> Span {
        self.span_where(name, |span| span.trace == trace).await
    }

    /// Waits for a span of that name of which something holds.
    pub(crate) async fn span_where(&self, name: &str, holds: impl Fn(&Span) -> bool) -> Span {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.spans().into_iter().find(|span| span.name == name && holds(span));
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < deadline, "no such {name} in {:#?}", self.spans());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Span {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.get(name);
        found.unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }
}

fn spans(request: &Received) -> Vec<Span> {
    assert_eq!(request.path(), "/v1/traces");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    let export = ExportTraceServiceRequest::decode(request.body.clone()).unwrap();
    let mut all = Vec::new();
    for group in export.resource_spans {
        let resource = group.resource.unwrap_or_default();
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| of(span, &resource)));
    }
    all
}

fn of(span: v1::Span, resource: &Resource) -> Span {
    let resource = attributes(&resource.attributes);
    Span {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        links: span
            .links
            .iter()
            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
            .collect(),
        has_failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        service: resource["service.name"].clone(),
        process: resource["service.instance.id"].clone(),
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        other => panic!("no attribute of ours: {other:?}"),
    };
    of.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
