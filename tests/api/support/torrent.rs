//! More than a thousand leads from many writers at once, and readers who lose their connection again and again meanwhile.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures::future::join_all;
use serde_json::{Value, json};

use super::app::ask;
use super::app::client;
use super::make::{SUBMIT, text};
use super::stream::Stream;

pub(crate) const WRITERS: usize = 16;
const EACH: usize = 63;
/// Leads in all.
pub(crate) const LEADS: usize = WRITERS * EACH;
/// Events after which a reader loses its connection.
const CUT: usize = 90;

/// A subscription that tells every lead once.
#[derive(Clone, Copy)]
pub(crate) struct Followed {
    query: &'static str,
    field: &'static str,
    /// Where in an event it stands which lead it is.
    lead: &'static str,
}

/// By title.
pub(crate) const PORTAL_LEADS: Followed = Followed {
    query: "subscription($after: String) { portalLeads(after: $after) { cursor kind lead { title } } }",
    field: "portalLeads",
    lead: "/lead/title",
};
/// By identifier.
pub(crate) const ARRIVALS: Followed = Followed {
    query: "subscription($after: String) { leads(after: $after) { cursor lead { id } } }",
    field: "leads",
    lead: "/lead/id",
};
/// By identifier, where each lead has one delivery that is settled at once.
pub(crate) const UPDATES: Followed = Followed {
    query: "subscription($after: String) { deliveries(after: $after) { cursor status delivery { lead { id } } } }",
    field: "deliveries",
    lead: "/delivery/lead/id",
};

/// What was written.
pub(crate) struct Written {
    pub(crate) titles: BTreeSet<String>,
    pub(crate) ids: BTreeSet<String>,
}

/// Submits [`LEADS`] leads from [`WRITERS`] writers with that key, to all addresses in turn; their names are told apart by a number.
pub(crate) async fn write(addresses: &[SocketAddr], key: &str, flow: &str, filler: &str) -> Written {
    let client = client();
    let writer = async |writer: usize| {
        let mut ids = Vec::new();
        for number in 0..EACH {
            let place = writer * EACH + number;
            let fields = json!({ "first_name": format!("L{place}"), "company": filler });
            let input = json!({ "input": { "flowId": flow, "fields": fields } });
            let address = addresses[place % addresses.len()];
            let answer = ask(&client, address, Some(key), SUBMIT, input).await;
            let receipt = &answer["data"]["submitLead"]["receipt"];
            assert_eq!(receipt["outcome"], "ACCEPTED", "{answer:#}");
            ids.push(text(&receipt["id"]));
        }
        ids
    };
    let ids = join_all((0..WRITERS).map(writer)).await;
    Written {
        titles: (0..LEADS).map(|number| format!("L{number}")).collect(),
        ids: ids.into_iter().flatten().collect(),
    }
}

/// What a reader was told: each lead once, in the order of the log.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) leads: BTreeSet<String>,
    last: i64,
}

impl Told {
    /// Takes the data of an event.
    pub(crate) fn take(&mut self, followed: Followed, data: &Value) {
        let event = &data[followed.field];
        let cursor: i64 = text(&event["cursor"]).parse().unwrap();
        assert!(cursor > self.last, "{cursor} after {}", self.last);
        self.last = cursor;
        let lead = text(event.pointer(followed.lead).unwrap());
        assert!(self.leads.insert(lead), "told twice: {event}");
    }

    /// Takes the next events of a stream.
    pub(crate) async fn read(&mut self, followed: Followed, stream: &mut Stream, count: usize) {
        for _ in 0..count {
            self.take(followed, &stream.event().await);
        }
    }
}

/// Follows until every lead was told; the connection is cut every [`CUT`] events and opened at the next address.
pub(crate) async fn follow(addresses: &[SocketAddr], token: &str, followed: Followed) -> Told {
    let mut told = Told::default();
    for connection in 0.. {
        let after = json!({ "after": told.last.to_string() });
        let address = addresses[connection % addresses.len()];
        let mut stream = Stream::open(address, token, followed.query, after).await;
        let count = CUT.min(LEADS - told.leads.len());
        told.read(followed, &mut stream, count).await;
        stream.cut();
        if told.leads.len() == LEADS {
            break;
        }
    }
    told
}
