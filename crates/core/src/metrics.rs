//! The metrics of one process, for Prometheus. No name, address or value of a person is a label.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::delivery::DeliveryStatus;
use entity::delivery_config::Channel;
use entity::lead::LeadOutcome;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sea_orm::ActiveEnum;
use tokio_util::task::TaskTracker;

use crate::database::{PoolUse, TransactionTimes};
use crate::spans::COUNTS;

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Gauges = Family<Labels<1>, Gauge>;
type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// The counters of one App. Clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    /// Open sockets.
    pub sockets: TaskTracker,
    leads: Counters<1>,
    batches: Histogram,
    batch_bytes: Histogram,
    deliveries: Counters<2>,
    attempts: Counters<1>,
    /// Wake-ups of workers that Redis did not take.
    pub wakes_failed: Counter,
    latency: Histogram,
    requests: Counters<2>,
    slots_used: Gauge,
    slots_total: Gauge,
    due: Number,
    due_age: Number,
    paused: Number,
    clock_ahead: Number,
    set_aside: Counter,
    panics: Counter,
    sockets_open: Gauge,
    writes: Gauge,
    pool_sizes: Gauges,
    pool_uses: Gauges,
    pool_waits: Gauges,
    held: TransactionTimes,
    registry: Arc<Registry>,
}

/// What is looked up when metrics are read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub slots_used: u32,
    pub slots_total: u32,
    /// Due deliveries, and how long the first of them has been due; none if the database does not answer.
    pub backlog: Option<(u64, TimeDelta)>,
    /// Endpoints with an open circuit; none if the database does not answer.
    pub paused: Option<u64>,
    pub writes: usize,
    pub pools: Vec<PoolUse>,
    pub clock_ahead: TimeDelta,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::of(TransactionTimes::default())
    }
}

impl Metrics {
    pub fn of(held: TransactionTimes) -> Self {
        let mut registry = Registry::with_prefix("leadmesh");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which Leadmesh this is", build);
        let mut metrics = Self {
            sockets: TaskTracker::new(),
            leads: Family::default(),
            batches: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            batch_bytes: Histogram::new(exponential_buckets(4_096.0, 4.0, 8)),
            deliveries: Family::default(),
            attempts: Family::default(),
            wakes_failed: Counter::default(),
            latency: Histogram::new(exponential_buckets(0.001, 4.0, 13)),
            requests: Family::default(),
            slots_used: Gauge::default(),
            slots_total: Gauge::default(),
            due: Number::default(),
            due_age: Number::default(),
            paused: Number::default(),
            clock_ahead: Number::default(),
            set_aside: Counter::default(),
            panics: Counter::default(),
            sockets_open: Gauge::default(),
            writes: Gauge::default(),
            pool_sizes: Family::default(),
            pool_uses: Family::default(),
            pool_waits: Family::default(),
            held,
            registry: Arc::default(),
        };
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let text = "Leads stored, by outcome";
        registry.register("leads", text, self.leads.clone());
        let text = "Leads stored in one transaction";
        registry.register("intake_batch_size", text, self.batches.clone());
        let text = "Bytes that the leads of one transaction hold";
        registry.register("intake_batch_bytes", text, self.batch_bytes.clone());
        let text = "Deliveries that have come to an end, by channel and status";
        registry.register("deliveries", text, self.deliveries.clone());
        let text = "Attempts to deliver, by whether they succeeded";
        registry.register("delivery_attempts", text, self.attempts.clone());
        let text =
            "Calls to workers of other processes that Redis did not take; they find the work up to a second later";
        registry.register("redis_wake_failures", text, self.wakes_failed.clone());
        let text = "Seconds from routing to delivery";
        registry.register("delivery_latency_seconds", text, self.latency.clone());
        let text = "GraphQL requests over HTTP, by operation (refused if none was run) and status";
        registry.register("http_requests", text, self.requests.clone());
        let text = "Deliveries under way in this process";
        registry.register("delivery_slots_used", text, self.slots_used.clone());
        let text = "Deliveries that may be under way in this process";
        registry.register("delivery_slots", text, self.slots_total.clone());
        let text = "Deliveries that are due on this server, counted up to 10,000; NaN without a database";
        registry.register("due_deliveries", text, self.due.clone());
        let text = "Seconds for which the first of them has been due; NaN without a database";
        registry.register("due_oldest_age_seconds", text, self.due_age.clone());
        let text = "Webhook endpoints and mail servers that are paused on this server; NaN without a database";
        registry.register("paused_destinations", text, self.paused.clone());
        let text = "Seconds by which this machine's clock is ahead of the database's, which deliveries go by; negative when behind";
        registry.register("clock_offset_seconds", text, self.clock_ahead.clone());
        let text = "Deliveries given up because processes died again and again while they attempted them";
        registry.register("deliveries_set_aside", text, self.set_aside.clone());
        let text = "Panics of attempts and loops of this process, which have gone on";
        registry.register("panics", text, self.panics.clone());
        let text = "Spans that the OpenTelemetry collector has taken from this process";
        registry.register("spans_exported", text, COUNTS.exported.clone());
        let text = "Spans lost because too many waited for the OpenTelemetry collector or it did not take them";
        registry.register("spans_dropped", text, COUNTS.dropped.clone());
        let text = "WebSocket connections that are open in this process";
        registry.register("websocket_connections", text, self.sockets_open.clone());
        let text = "Mutations and other writes of requests that run in this process";
        registry.register("running_writes", text, self.writes.clone());
        let text = "Database connections that this process may have, by pool";
        registry.register("database_connections", text, self.pool_sizes.clone());
        let text = "Statements and transactions that run in this process, by pool";
        registry.register("database_connections_in_use", text, self.pool_uses.clone());
        let text = "Statements and transactions of this process that wait for a connection, by pool";
        registry.register("database_connections_waiting", text, self.pool_waits.clone());
        let text = "Seconds for which writing transactions of this process were held, by kind of work";
        registry.register("write_transaction_seconds", text, self.held.0.clone());
    }

    pub fn lead_stored(&self, outcome: LeadOutcome) {
        self.leads.get_or_create(&[("outcome", outcome.to_value())]).inc();
    }

    /// Leads stored in one transaction, and their bytes.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a batch has a few hundred leads and some megabytes"
    )]
    pub fn batch(&self, leads: usize, bytes: usize) {
        self.batches.observe(leads as f64);
        self.batch_bytes.observe(bytes as f64);
    }

    /// Records an attempt, with the delivery's status after it.
    pub fn attempted(&self, channel: Channel, status: DeliveryStatus, age: TimeDelta) {
        let ok = status == DeliveryStatus::Delivered;
        self.attempts.get_or_create(&[("ok", ok.to_string())]).inc();
        if status.is_settled() {
            self.ended(channel, status, age);
        }
    }

    /// Deliveries into portals end when they are made.
    pub fn delivered_in_portals(&self, count: usize) {
        for _ in 0..count {
            self.ended(Channel::Portal, DeliveryStatus::Delivered, TimeDelta::zero());
        }
    }

    pub fn ended(&self, channel: Channel, status: DeliveryStatus, age: TimeDelta) {
        let labels = [("channel", channel.to_value()), ("status", status.to_value())];
        self.deliveries.get_or_create(&labels).inc();
        if status == DeliveryStatus::Delivered {
            self.latency.observe(age.as_seconds_f64());
        }
    }

    /// Deliveries given up because processes died during their attempts.
    pub fn set_aside(&self, deliveries: usize) {
        self.set_aside.inc_by(u64::try_from(deliveries).unwrap_or(u64::MAX));
    }

    pub fn panicked(&self) {
        self.panics.inc();
    }

    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// An answered request, also one that was refused.
    pub fn request(&self, operation: &str, status: u16) {
        let labels = [("operation", operation.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
    }

    /// In the text format of `OpenMetrics` 1.0.
    pub fn text(&self, snapshot: Snapshot) -> String {
        self.slots_used.set(snapshot.slots_used.into());
        self.slots_total.set(snapshot.slots_total.into());
        let (due, age) = match snapshot.backlog {
            Some((due, age)) => (u32::try_from(due).unwrap_or(u32::MAX).into(), age.as_seconds_f64()),
            None => (f64::NAN, f64::NAN),
        };
        self.due.set(due);
        self.due_age.set(age);
        let paused = snapshot.paused.map(|paused| u32::try_from(paused).unwrap_or(u32::MAX));
        self.paused.set(paused.map_or(f64::NAN, f64::from));
        self.sockets_open.set(to_i64(self.sockets.len()));
        self.writes.set(to_i64(snapshot.writes));
        for pool in snapshot.pools {
            let labels = [("pool", pool.pool.to_owned())];
            self.pool_sizes.get_or_create(&labels).set(to_i64(pool.size));
            self.pool_uses.get_or_create(&labels).set(to_i64(pool.in_use));
            self.pool_waits.get_or_create(&labels).set(to_i64(pool.waiting));
        }
        self.clock_ahead.set(snapshot.clock_ahead.as_seconds_f64());
        let mut text = String::new();
        // Writing to a string fails only by the fault of a metric's own encoder.
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "cannot write the metrics");
                String::new()
            }
        }
    }
}

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_and_two_apps_count_apart() {
        let (metrics, other) = (Metrics::default(), Metrics::default());
        let second = TimeDelta::seconds(1);
        metrics.lead_stored(LeadOutcome::Accepted);
        metrics.batch(3, 9_000);
        metrics.attempted(Channel::Webhook, DeliveryStatus::Retrying, second);
        metrics.attempted(Channel::Webhook, DeliveryStatus::Delivered, second);
        metrics.delivered_in_portals(1);
        metrics.request("mutation", 200);
        metrics.set_aside(2);
        let snapshot = Snapshot {
            slots_used: 2,
            slots_total: 64,
            backlog: Some((7, second)),
            paused: Some(3),
            writes: 5,
            pools: vec![PoolUse {
                pool: "readers",
                size: 8,
                in_use: 6,
                waiting: 4,
            }],
            clock_ahead: TimeDelta::milliseconds(-1_500),
        };
        let text = metrics.text(snapshot.clone());
        for line in [
            "leadmesh_build_info{version=\"",
            "leadmesh_leads_total{outcome=\"ACCEPTED\"} 1\n",
            "leadmesh_intake_batch_size_sum 3.0\n",
            "leadmesh_intake_batch_bytes_sum 9000.0\n",
            "leadmesh_deliveries_total{channel=\"WEBHOOK\",status=\"DELIVERED\"} 1\n",
            "leadmesh_deliveries_total{channel=\"PORTAL\",status=\"DELIVERED\"} 1\n",
            "leadmesh_delivery_attempts_total{ok=\"false\"} 1\n",
            "leadmesh_delivery_latency_seconds_count 2\n",
            "leadmesh_http_requests_total{operation=\"mutation\",status=\"200\"} 1\n",
            "leadmesh_delivery_slots_used 2\n",
            "leadmesh_delivery_slots 64\n",
            "leadmesh_due_deliveries 7.0\n",
            "leadmesh_due_oldest_age_seconds 1.0\n",
            "leadmesh_paused_destinations 3.0\n",
            "leadmesh_websocket_connections 0\n",
            "leadmesh_running_writes 5\n",
            "leadmesh_database_connections{pool=\"readers\"} 8\n",
            "leadmesh_database_connections_in_use{pool=\"readers\"} 6\n",
            "leadmesh_database_connections_waiting{pool=\"readers\"} 4\n",
            "leadmesh_clock_offset_seconds -1.5\n",
            "leadmesh_deliveries_set_aside_total 2\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("RETRYING"), "{text}");
        assert!(!other.text(snapshot).contains("ACCEPTED"));
    }

    #[test]
    fn without_a_database_the_backlog_is_not_said_to_be_empty() {
        let snapshot = Snapshot {
            slots_used: 0,
            slots_total: 1,
            backlog: None,
            paused: None,
            writes: 0,
            pools: Vec::new(),
            clock_ahead: TimeDelta::zero(),
        };
        assert!(
            Metrics::default()
                .text(snapshot)
                .contains("leadmesh_due_deliveries NaN\n")
        );
    }
}
