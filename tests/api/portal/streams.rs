//! P5, P6 and P8: nothing is missed or told twice, whoever writes, however slowly somebody reads, and on whichever node.

use futures::future::join;
use leadmesh::server::Role;
use serde_json::json;

use super::with_mail;
use crate::support::app::{Mode, TestApp};
use crate::support::make::{Account, Flow};
use crate::support::torrent::{ARRIVALS, LEADS, PORTAL_LEADS, Told, UPDATES, follow, write};

const FOLLOW: &str = "subscription { portalLeads(after: \"0\") { cursor kind lead { title } } }";

async fn seller(app: &TestApp) -> (Account, Flow, String) {
    let owner = app.account("Acme").await;
    let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
    let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
    (owner, flow, pat)
}

with_mail!(
    /// P5 and P8: the connections are lost again and again, and opened on another node where there is one.
    streams_that_are_cut_again_and_again_miss_nothing_and_tell_nothing_twice,
    |app| {
        let (owner, flow, pat) = seller(&app).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let nodes = [app.address, second.as_ref().map_or(app.address, |server| server.address())];
        let (written, portal, arrivals, updates) = tokio::join!(
            write(&nodes, &owner.key, &flow.id, ""),
            follow(&nodes, &pat, PORTAL_LEADS),
            follow(&nodes, &owner.key, ARRIVALS),
            follow(&nodes, &owner.key, UPDATES),
        );
        assert_eq!(portal.leads, written.titles);
        assert_eq!(arrivals.leads, written.ids);
        assert_eq!(updates.leads, written.ids);
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
        // 100 kB an event, 100 MB in all: more than the buffers of a connection hold.
        let copies: String = (0..50).map(|number| format!(" c{number}: fields")).collect();
        let query = format!("subscription {{ portalLeads(after: \"0\") {{ cursor kind lead {{ title{copies} }} }} }}");
        let mut stalled = app.subscribe(&pat, &query, json!({})).await;
        let mut lively = app.subscribe(&pat, FOLLOW, json!({})).await;
        let begin = crate::portal::csv::resident();
        let reading = async {
            let mut told = Told::default();
            told.read(PORTAL_LEADS, &mut lively, LEADS).await;
            told
        };
        let (told, written) = join(
            reading,
            write(&[app.address], &owner.key, &flow.id, &"x".repeat(1_900)),
        )
        .await;
        assert_eq!(told.leads, written.titles);
        let grown = crate::portal::csv::resident().saturating_sub(begin);
        assert!(grown < 36_000_000, "a stalled reader of 100 MB took {grown} bytes");

        let mut told = Told::default();
        told.read(PORTAL_LEADS, &mut stalled, LEADS).await;
        assert_eq!(told.leads, written.titles);
    }
);
