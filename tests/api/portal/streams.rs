//! P5, P6 and P8: nothing is missed or told twice, whoever writes, however slowly somebody reads, and on whichever node.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use leadmesh::server::Role;
use serde_json::{Value, json};

use super::with_mail;
use crate::support::app::{Mode, TestApp, ask};
use crate::support::make::{Account, Flow, SUBMIT, text};
use crate::support::stream::Stream;

const WRITERS: usize = 16;
const EACH: usize = 63;
const LEADS: usize = WRITERS * EACH;
/// Events after which a reader loses its connection.
const CUT: usize = 90;
const FOLLOW: &str = "subscription($after: String) { portalLeads(after: $after) { cursor kind lead { title } } }";

/// Submits [`LEADS`] leads from [`WRITERS`] writers, to all addresses in turn; their names are told apart by a number.
async fn write(addresses: &[std::net::SocketAddr], owner: &Account, flow: &Flow, filler: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let writer = async |writer: usize| {
        for number in 0..EACH {
            let place = writer * EACH + number;
            let fields = json!({ "first_name": format!("L{place}"), "company": filler });
            let input = json!({ "input": { "flowId": flow.id, "fields": fields } });
            let address = addresses[place % addresses.len()];
            let answer = ask(&client, address, Some(&owner.key), SUBMIT, input).await;
            assert_eq!(
                answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED",
                "{answer:#}"
            );
        }
    };
    join_all((0..WRITERS).map(writer)).await;
}

/// What a reader was told, in order.
#[derive(Default)]
struct Told {
    names: BTreeSet<String>,
    last: i64,
}

impl Told {
    fn take(&mut self, event: &Value) {
        let cursor: i64 = text(&event["cursor"]).parse().unwrap();
        assert!(cursor > self.last, "{cursor} after {}", self.last);
        self.last = cursor;
        assert_eq!(event["kind"], "DELIVERED");
        assert!(self.names.insert(text(&event["lead"]["title"])), "told twice: {event}");
    }

    fn is_all(&self) {
        let all: BTreeSet<String> = (0..LEADS).map(|number| format!("L{number}")).collect();
        assert_eq!(self.names, all);
    }
}

async fn seller(app: &TestApp) -> (Account, Flow, String) {
    let owner = app.account("Acme").await;
    let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
    let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
    (owner, flow, pat)
}

with_mail!(
    /// P5 and P8: the connection is lost again and again, and opened on another node where there is one.
    a_stream_that_is_cut_again_and_again_misses_nothing_and_tells_nothing_twice,
    |app| {
        let (owner, flow, pat) = seller(&app).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let addresses = [app.address, second.as_ref().map_or(app.address, |server| server.address())];
        let reading = async {
            let mut told = Told::default();
            let mut connections = 0;
            while told.names.len() < LEADS {
                let after = json!({ "after": told.last.to_string() });
                let mut stream = Stream::open(addresses[connections % 2], &pat, FOLLOW, after).await;
                connections += 1;
                for _ in 0..CUT.min(LEADS - told.names.len()) {
                    told.take(&stream.event().await["portalLeads"]);
                }
                stream.cut();
            }
            told
        };
        let (told, ()) = join(reading, write(&addresses, &owner, &flow, "")).await;
        told.is_all();
        if let Some(server) = second {
            server.stop().await;
        }
    }
);

with_mail!(
    /// P6: what a reader does not take waits in the database, not in memory.
    a_reader_that_stalls_costs_no_memory_and_gets_everything_later,
    |app| {
        let (owner, flow, pat) = seller(&app).await;
        // 40 kB an event, 40 MB in all: more than the buffers of a connection hold.
        let copies: String = (0..20).map(|number| format!(" c{number}: fields")).collect();
        let query = format!("subscription {{ portalLeads(after: \"0\") {{ cursor kind lead {{ title{copies} }} }} }}");
        let mut stalled = app.subscribe(&pat, &query, json!({})).await;
        let mut lively = app.subscribe(&pat, FOLLOW, json!({ "after": "0" })).await;
        let begin = crate::portal::csv::resident();
        let reading = async {
            let mut told = Told::default();
            for _ in 0..LEADS {
                told.take(&lively.event().await["portalLeads"]);
            }
            told
        };
        let (told, ()) = join(reading, write(&[app.address], &owner, &flow, &"x".repeat(1_900))).await;
        told.is_all();
        let grown = crate::portal::csv::resident().saturating_sub(begin);
        assert!(grown < 36_000_000, "a stalled reader of 40 MB took {grown} bytes");

        let mut told = Told::default();
        for _ in 0..LEADS {
            told.take(&stalled.event().await["portalLeads"]);
        }
        told.is_all();
    }
);
