//! N20 and P7: a sender that follows its network while the connection ends.

use std::time::{Duration, Instant};

use futures::future::join;
use leadmesh::server::Role;
use serde_json::{Value, json};

use crate::support::app::{Mode, both};
use crate::support::stream::Stream;

const FOLLOW: &str =
    "subscription { network(after: \"0\") { cursor kind connection { status } submissionDocs { sourceId } } }";
const UPDATE_FLOW: &str = "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { version } userErrors { code message path } } }";
const CHANGES: usize = 20;
/// Well below the 15 s after which a stream looks by itself, without having been told.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What a stream tells until somebody invites again.
async fn told(mut stream: Stream) -> Vec<Value> {
    let (mut events, mut invitations) = (Vec::new(), 0);
    loop {
        let event = stream.event().await["network"].take();
        invitations += usize::from(event["kind"] == "INVITATION_RECEIVED");
        events.push(event);
        if invitations == 2 {
            return events;
        }
    }
}

both!(
    /// The end is told once, and after it nothing of what the other side does, however its changes race with it; on two nodes.
    nothing_over_a_connection_is_told_after_its_end,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let far = second.as_ref().map_or(app.address, |server| server.address());
        let invitation = app.invite(&a, &b, "RECEIVE_LEADS").await;
        let connection = app.accept(&b, &invitation).await;
        let flow = app.flow(&a, json!({})).await;
        app.source(&a, &flow, json!({ "connectionId": connection })).await;
        let streams = [
            Stream::open(app.address, &b.token, FOLLOW, json!({})).await,
            Stream::open(far, &b.key, FOLLOW, json!({})).await,
        ];
        let change = async |number: usize| {
            let rule = json!({ "condition": { "field": "score", "operator": "GREATER_THAN", "value": number } });
            app.done(&a.token, UPDATE_FLOW, json!({ "id": flow.id, "acceptanceRule": rule })).await;
        };
        let changing = async {
            for number in 0..CHANGES {
                change(number).await;
            }
        };
        join(changing, app.change(&b, "terminate", &connection)).await;
        change(CHANGES).await;
        app.invite(&a, &b, "RECEIVE_LEADS").await;

        for stream in streams {
            let events = told(stream).await;
            let ends: Vec<usize> = (0..events.len()).filter(|place| events[*place]["kind"] == "CONNECTION_TERMINATED").collect();
            assert_eq!(ends.len(), 1, "{events:#?}");
            let after = &events[ends[0] + 1..];
            assert!(after.iter().all(|event| event["submissionDocs"].is_null()), "{after:#?}");
            assert_eq!(after.last().unwrap()["kind"], "INVITATION_RECEIVED", "a new invitation works");
        }
        if let Some(server) = second {
            server.stop().await;
        }
    }
);

both!(
    /// P7: the partner's stream is its account's own. It tells the end at once, on every node, and goes on.
    the_end_of_a_connection_is_told_at_once_and_the_stream_goes_on,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let far = second.as_ref().map_or(app.address, |server| server.address());
        let connection = app.connect(&a, &b, "BOTH").await;
        let follow = "subscription { network(after: \"0\") { kind connection { id status } invitation { id } } }";
        let mut streams = [
            Stream::open(app.address, &b.token, follow, json!({})).await,
            Stream::open(far, &b.key, follow, json!({})).await,
        ];
        for stream in &mut streams {
            while stream.event().await["network"]["kind"] != "CONNECTION_ESTABLISHED" {}
        }

        let begin = Instant::now();
        app.change(&a, "terminate", &connection).await;
        let ended = json!({ "kind": "CONNECTION_TERMINATED", "connection": { "id": connection, "status": "TERMINATED" }, "invitation": null });
        for stream in &mut streams {
            assert_eq!(stream.event().await["network"], ended);
        }
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
        let again = app.invite(&a, &b, "BOTH").await;
        for stream in &mut streams {
            assert_eq!(stream.event().await["network"]["invitation"]["id"], json!(again));
        }
        if let Some(server) = second {
            server.stop().await;
        }
    }
);
