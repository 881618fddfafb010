//! An account that submits steadily and minds its own business, and how long its leads take.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::faults::load::{Answer, Clients, Load, Pace, Seen};
use crate::faults::target::Target;
use crate::support::http_receiver::HttpReceiver;

/// Ten leads a second.
const CLIENTS: usize = 4;
const EVERY: Duration = Duration::from_millis(400);

/// Starts submitting.
pub(super) fn submit(target: &Target, name: &'static str) -> Load {
    let clients = Clients {
        name,
        count: CLIENTS,
        pace: Pace::Every(EVERY),
    };
    Load::of(target, clients)
}

/// How long it took, in the middle and at the far end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    leads: usize,
    /// From sending the request to the arrival at the partner's.
    pub(super) whole: [Duration; 3],
    /// From the receipt to the arrival; nothing where the lead arrived first.
    pub(super) after_receipt: [Duration; 3],
    receipt: [Duration; 3],
}

impl Times {
    pub(super) fn of(seen: &Seen, receiver: &HttpReceiver) -> Self {
        let mut arrivals: HashMap<String, Instant> = HashMap::new();
        for request in receiver.requests() {
            let lead = request.header("leadmesh-lead-id").unwrap_or_default().to_owned();
            arrivals.entry(lead).or_insert(request.at);
        }
        let (mut whole, mut after_receipt, mut receipt) = (Vec::new(), Vec::new(), Vec::new());
        for one in &seen.0 {
            if let Answer::Receipt(lead) = &one.answer {
                let arrived = arrivals[lead];
                whole.push(arrived - one.began);
                after_receipt.push(arrived.saturating_duration_since(one.ended));
                receipt.push(one.ended - one.began);
            }
        }
        Self {
            leads: whole.len(),
            whole: percentiles(whole),
            after_receipt: percentiles(after_receipt),
            receipt: percentiles(receipt),
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |[p50, p95, p99]: [Duration; 3]| format!("{p50:.1?} / {p95:.1?} / {p99:.1?}");
        write!(
            f,
            "{} leads; p50 / p95 / p99 from sending to arrival {}, to the receipt {}, from the receipt to arrival {}",
            self.leads,
            shown(self.whole),
            shown(self.receipt),
            shown(self.after_receipt)
        )
    }
}

fn percentiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    [50, 95, 99].map(|percent| times[(times.len() - 1) * percent / 100])
}
