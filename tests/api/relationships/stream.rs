//! Following what happens to relationships.

use chrono::TimeDelta;
use leadmesh_network::expiry::expire_overdue;
use serde_json::{Value, json};

use super::{accept, by_id, by_input};
use crate::support::app::both;
use crate::support::stream::Stream;

const FOLLOW: &str = "subscription($after: String) { network(after: $after) {
    cursor kind at invitation { id status direction } connection { id status partner { name } relationshipType } submissionDocs { flowId } } }";

async fn next(stream: &mut Stream) -> Value {
    stream.event().await["network"].take()
}

both!(
    /// Each side is told what concerns it, in its own words, live and again after its cursor.
    each_side_follows_its_relationships_live_and_from_a_cursor, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let mut ours = app.subscribe(&a.token, FOLLOW, json!({ "after": "0" })).await;
        let mut theirs = app.subscribe(&b.key, FOLLOW, json!({ "after": "0" })).await;
        let sent = app.invited(&a, &b, "SEND_LEADS").await;
        let received = next(&mut theirs).await;
        assert_eq!((&received["kind"], &received["invitation"]), (&json!("INVITATION_RECEIVED"), &json!({ "id": sent["id"], "status": "PENDING", "direction": "RECEIVED" })));
        let id = app.done(&b.token, &accept(), json!({ "id": sent["id"] })).await["connection"]["id"].take();
        let accepted = next(&mut ours).await;
        assert_eq!((&accepted["kind"], &accepted["connection"]["id"]), (&json!("INVITATION_ACCEPTED"), &id));
        for (stream, partner, kind) in [(&mut ours, "Beta", "SEND_LEADS"), (&mut theirs, "Alpha", "RECEIVE_LEADS")] {
            let established = next(stream).await;
            assert_eq!(established["kind"], "CONNECTION_ESTABLISHED");
            assert_eq!(established["connection"], json!({ "id": id, "status": "ACTIVE", "partner": { "name": partner }, "relationshipType": kind }));
        }
        let request = by_input("requestRelationshipType", "RelationshipTypeInput");
        app.done(&a.token, &request, json!({ "connectionId": id, "relationshipType": "BOTH" })).await;
        for name in ["suspendConnection", "resumeConnection", "terminateConnection"] {
            app.done_to(&b.token, &by_id(name, "connection"), &id).await;
        }
        let expected = ["CONNECTION_CHANGED", "CONNECTION_SUSPENDED", "CONNECTION_RESUMED", "CONNECTION_TERMINATED"];
        for stream in [&mut ours, &mut theirs] {
            for kind in expected {
                assert_eq!(next(stream).await["kind"], kind);
            }
        }
        ours.cut();
        let mut again = app.subscribe(&a.token, FOLLOW, json!({ "after": accepted["cursor"] })).await;
        assert_eq!(next(&mut again).await["kind"], "CONNECTION_ESTABLISHED");
        for kind in expected {
            assert_eq!(next(&mut again).await["kind"], kind);
        }
    }
);

both!(
    /// Reading never depends on it; following does.
    that_an_invitation_expired_is_told_once, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let sent = app.invited(&a, &b, "BOTH").await;
        app.clock.advance(TimeDelta::days(14));
        let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
        let (mut ours, mut theirs) = (app.subscribe(&a.token, FOLLOW, json!({ "after": "0" })).await, app.subscribe(&b.token, FOLLOW, json!({ "after": "1" })).await);
        expire_overdue(&app.app).await.unwrap();
        for stream in [&mut ours, &mut theirs] {
            let expired = next(stream).await;
            assert_eq!((&expired["kind"], &expired["invitation"]["id"]), (&json!("INVITATION_EXPIRED"), &sent["id"]));
        }
        app.invited(&a, &b, "BOTH").await;
        assert_eq!(next(&mut theirs).await["kind"], "INVITATION_RECEIVED", "and nothing between");
    }
);
