//! P7: a right that is lost ends its streams at once, with a code that says so; and nobody holds more open than their share.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use leadmesh::server::Role;
use serde_json::{Value, json};

use super::{Sold, with_mail};
use crate::support::app::{Mode, TestApp};
use crate::support::make::{Account, ana, text};
use crate::support::stream::Stream;

const FOLLOW: &str = "subscription($after: String) { portalLeads(after: $after) { cursor lead { id } } }";
const LEADS: &str = "subscription { leads(after: \"0\") { cursor lead { id } } }";
const ACCESS: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
const USERS: &str = "query($id: ID!) { partner(id: $id) { portalAccess { users { id email } } } }";
const REMOVE: &str = "mutation($id: ID!) { removePortalUser(id: $id) { deletedId userErrors { code message path } } }";
const HEARTBEAT: &str = "subscription { heartbeat(count: 2, intervalMs: 60000) { sequence } }";
/// Well below the 5 s after which everybody is looked at without being told.
const AT_ONCE: Duration = Duration::from_millis(2_500);

impl Sold {
    /// A stream that has told its first lead.
    async fn follow(&self, app: &TestApp) -> Stream {
        let mut stream = app.subscribe(&self.pat, FOLLOW, json!({ "after": "0" })).await;
        app.submit(&self.owner, &self.flow, ana()).await;
        stream.skip(1).await;
        stream
    }
}

/// No event with data came any more.
fn is_silent(messages: &[Value]) {
    let told: Vec<_> = messages
        .iter()
        .filter(|message| message["payload"]["data"].is_object())
        .collect();
    assert!(told.is_empty(), "told after the right was lost: {told:?}");
}

with_mail!(
    /// A portal user who is removed, in a portal that is switched off, sees no lead that comes afterwards; also on another node.
    a_removed_portal_user_and_a_closed_portal_end_the_stream_at_once,
    |app| {
        let sold = Sold::new(&app).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let address = second.as_ref().map_or(app.address, |server| server.address());
        let lou = app.portal_user(&sold.owner, &sold.partner, "lou@buyer.test").await;
        let pats = sold.follow(&app).await;
        let mut lous = Stream::open(address, &lou, FOLLOW, json!({ "after": "0" })).await;
        lous.skip(1).await;
        let users = app.data(&sold.owner.token, USERS, json!({ "id": sold.partner })).await;
        let users = users["partner"]["portalAccess"]["users"].as_array().unwrap().clone();
        let pat = users.iter().find(|user| user["email"] == "pat@buyer.test").unwrap();

        let begin = Instant::now();
        app.data(&sold.owner.token, REMOVE, json!({ "id": pat["id"] })).await;
        let lead = text(&app.submit(&sold.owner, &sold.flow, ana()).await["id"]);
        let (messages, code) = pats.ended().await;
        is_silent(&messages);
        assert_eq!(code, 4403);
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
        let told = lous.event().await["portalLeads"]["lead"]["id"].clone();
        assert_eq!(told, app.deliveries(&sold.owner, &lead).await[0]["id"], "others go on");

        let begin = Instant::now();
        app.done(&sold.owner.token, ACCESS, json!({ "partnerId": sold.partner, "enabled": false })).await;
        app.submit(&sold.owner, &sold.flow, ana()).await;
        let (messages, code) = lous.ended().await;
        is_silent(&messages);
        assert_eq!(code, 4403);
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
        if let Some(server) = second {
            server.stop().await;
        }
    }
);

with_mail!(
    /// A token that runs out, a log-out, a revoked key and a removed permission.
    every_end_of_a_right_ends_the_stream,
    |app| {
        let sold = Sold::new(&app).await;
        let stream = sold.follow(&app).await;
        app.advance(TimeDelta::minutes(16));
        app.submit(&sold.owner, &sold.flow, ana()).await;
        let (messages, code) = stream.ended().await;
        is_silent(&messages);
        assert_eq!(code, 4403, "a token that has run out");

        let owner = app.account("Bolt").await;
        let flow = app.flow(&owner, json!({})).await;
        let follow = async |token: &str| {
            let mut stream = app.subscribe(token, LEADS, json!({})).await;
            app.submit(&owner, &flow, ana()).await;
            stream.skip(1).await;
            stream
        };
        let stream = follow(&owner.token).await;
        let begin = Instant::now();
        let log_out = "mutation($token: String!) { logOut(refreshToken: $token) { ok userErrors { code message path } } }";
        app.data(&owner.token, log_out, json!({ "token": owner.refresh_token })).await;
        assert_eq!(stream.ended().await.1, 4403, "logged out");
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    }
);

with_mail!(
    /// A permission that is gone holds from the next event on, although the session goes on.
    a_lost_permission_ends_the_stream_at_the_next_event,
    |app| {
        let sold = Sold::new(&app).await;
        let mut stream = sold.follow(&app).await;
        permissions(&app, &sold.owner).await;
        app.submit(&sold.owner, &sold.flow, ana()).await;
        let told = stream.message().await.unwrap();
        assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN", "{told:#}");
        assert_eq!(stream.message().await.unwrap(), json!({ "type": "complete", "id": "1" }));
    }
);

/// Takes every permission from the only portal user of an account.
async fn permissions(app: &TestApp, owner: &Account) {
    use entity::portal_user::{Entity, Permissions};
    use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
    let mine = Entity::in_account(owner.id.parse().unwrap());
    let mut row = mine.one(app.app.db.read()).await.unwrap().unwrap().into_active_model();
    row.permissions = Set(Permissions(Vec::new()));
    row.update(app.app.db.write()).await.unwrap();
}

with_mail!(
    /// The documented shares: 100 sockets and 1,000 subscriptions of one person or key in one process; others are not touched.
    nobody_holds_more_open_than_their_share,
    |app| {
        let (owner, other) = (app.account("Acme").await, app.account("Bolt").await);
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(app.subscribe(&owner.key, HEARTBEAT, json!({})).await);
        }
        let refused = Stream::introduced(app.address, &owner.key).await;
        assert_eq!(refused.ended().await.1, 1013);
        app.subscribe(&other.key, HEARTBEAT, json!({})).await.skip(1).await;

        for (place, stream) in open.iter_mut().enumerate() {
            stream.skip(1).await;
            for number in 0..9 {
                stream.also(&format!("{place}-{number}"), HEARTBEAT, json!({})).await;
                stream.skip(1).await;
            }
        }
        let last = open.last_mut().unwrap();
        last.also("more", HEARTBEAT, json!({})).await;
        let refused = last.message().await.unwrap();
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("more")));
        assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    }
);
