//! P7: a right that is lost ends its streams at once, with a code that says so; and nobody holds more open than their share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use leadmesh::server::Role;
use serde_json::{Value, json};

use super::{Sold, with_mail};
use crate::support::app::{Mode, TestApp};
use crate::support::make::{Account, Flow, PASSWORD, accepted, ana, text};
use crate::support::stream::Stream;

const FOLLOW: &str = "subscription($after: String) { portalLeads(after: $after) { cursor lead { id } } }";
const LEADS: &str = "subscription { leads(after: \"0\") { cursor lead { id } } }";
const ACCESS: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
const PERMIT: &str = "mutation($input: UpdatePortalUserInput!) { updatePortalUser(input: $input) {
    portalUser { permissions } userErrors { code message path } } }";
const CREATE_KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { code message path } } }";
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
        let pat = app.in_portal(&sold.owner, &sold.partner, "pat@buyer.test").await;

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
    /// A token that runs out, and a log-out.
    every_end_of_a_session_ends_the_stream,
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
        let stream = follow_leads(&app, &owner, &flow, &owner.token).await;
        let begin = Instant::now();
        let log_out = "mutation($token: String!) { logOut(refreshToken: $token) { ok userErrors { code message path } } }";
        app.data(&owner.token, log_out, json!({ "token": owner.refresh_token })).await;
        assert_eq!(stream.ended().await.1, 4403, "logged out");
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    }
);

with_mail!(
    /// An event that comes after a token's end says what is wrong, and what to do.
    a_token_that_has_run_out_is_told_by_name,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let mut token = owner.token.clone();
        // Whoever stays is looked at every 5 s, too: a look that comes before the event closes the socket without these words.
        for _ in 0..4 {
            let stream = follow_leads(&app, &owner, &flow, &token).await;
            app.advance(TimeDelta::minutes(16));
            app.submit(&owner, &flow, ana()).await;
            let (messages, code) = stream.ended().await;
            is_silent(&messages);
            assert_eq!(code, 4403);
            if let Some(told) = messages.first() {
                let error = &told["payload"]["errors"][0];
                assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED", "{told:#}");
                assert!(text(&error["message"]).starts_with("the access token has expired"), "{told:#}");
                return;
            }
            let log_in = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } userErrors { code message path } } }";
            let input = json!({ "email": owner.email, "password": PASSWORD });
            token = text(&app.done(&owner.key, log_in, input).await["session"]["accessToken"]);
        }
        panic!("never told");
    }
);

/// A stream of an account's leads that has told all that there are.
async fn follow_leads(app: &TestApp, owner: &Account, flow: &Flow, token: &str) -> Stream {
    follow_leads_at(app, app.address, (owner, flow), token).await
}

async fn follow_leads_at(app: &TestApp, at: SocketAddr, (owner, flow): (&Account, &Flow), token: &str) -> Stream {
    let mut stream = Stream::open(at, token, LEADS, json!({})).await;
    let newest = app.submit(owner, flow, ana()).await;
    while stream.event().await["leads"]["lead"]["id"] != newest["id"] {}
    stream
}

with_mail!(
    /// A revoked key, a removed person and a new password, on another node where there is one. A role that changes does not: every
    /// role reads leads.
    what_takes_a_right_away_ends_the_stream_at_once,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let address = second.as_ref().map_or(app.address, |server| server.address());
        let key = app.done(&owner.token, CREATE_KEY, json!({ "name": "Reader", "scopes": ["LEADS_READ"] })).await;
        let (removed, mia) = person(&app, &owner, "mia@acme.test").await;
        let (_, rob) = person(&app, &owner, "rob@acme.test").await;
        let mut streams = Vec::new();
        for token in [&text(&key["secret"]), &mia, &rob] {
            streams.push(follow_leads_at(&app, address, (&owner, &flow), token).await);
        }
        let role = "mutation($input: UpdateUserRoleInput!) { updateUserRole(input: $input) { user { role } userErrors { code message path } } }";
        let changed = app.done(&owner.token, role, json!({ "id": removed, "role": "VIEWER" })).await;
        assert_eq!(changed["user"]["role"], "VIEWER");
        let lead = app.submit(&owner, &flow, ana()).await;
        for (stream, earlier) in streams.iter_mut().zip([2, 1, 0]) {
            stream.skip(earlier).await;
            assert_eq!(stream.event().await["leads"]["lead"]["id"], lead["id"]);
        }

        // The lead of each turn is told to those whose turn comes later.
        for (others, (what, stream)) in ["a key", "a person", "a password"].into_iter().zip(streams).enumerate() {
            let begin = Instant::now();
            match what {
                "a key" => {
                    let revoke = "mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id } userErrors { code message path } } }";
                    app.data(&owner.token, revoke, json!({ "id": key["apiKey"]["id"] })).await;
                }
                "a person" => {
                    let remove = "mutation($id: ID!) { removeUser(id: $id) { deletedId userErrors { code message path } } }";
                    app.data(&owner.token, remove, json!({ "id": removed })).await;
                }
                _ => {
                    let request = "mutation($email: EmailAddress!) { requestPasswordReset(email: $email) { ok } }";
                    app.data(&owner.token, request, json!({ "email": "rob@acme.test" })).await;
                    set_password(&app, "rob@acme.test").await;
                }
            }
            app.submit(&owner, &flow, ana()).await;
            let (messages, code) = stream.ended().await;
            let elapsed = begin.elapsed();
            let late = messages.iter().filter(|message| message["payload"]["data"].is_object()).count();
            assert!(late <= others, "{what}: told after the right was lost: {messages:?}");
            assert_eq!(code, 4403, "{what}");
            assert!(elapsed < AT_ONCE, "{what}: {elapsed:?}");
        }
        if let Some(server) = second {
            server.stop().await;
        }
    }
);

/// Somebody of the account, and their access token.
async fn person(app: &TestApp, owner: &Account, email: &str) -> (String, String) {
    let invite = "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } userErrors { code message path } } }";
    let input = json!({ "email": email, "name": email, "role": "MEMBER" });
    let id = text(&app.done(&owner.token, invite, input).await["user"]["id"]);
    (id, set_password(app, email).await)
}

/// Uses the link that was mailed to somebody of an account; their access token.
async fn set_password(app: &TestApp, email: &str) -> String {
    let reset = "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { session { accessToken } userErrors { code message path } } }";
    let input = json!({ "input": { "token": app.mailed_token(email).await, "password": PASSWORD } });
    let answer = app.ask(None, reset, input).await;
    text(&accepted(&answer, "resetPassword")["session"]["accessToken"])
}

with_mail!(
    /// A permission that is taken away ends the streams that need it although nothing happens, on another node too, and although
    /// the session goes on. What does not need it goes on.
    a_lost_permission_ends_the_stream_at_once,
    |app| {
        let sold = Sold::new(&app).await;
        let second = match app.mode {
            Mode::Server => Some(app.another(Role::Api).await.1),
            Mode::Embedded => None,
        };
        let address = second.as_ref().map_or(app.address, |server| server.address());
        let lou = app.portal_user(&sold.owner, &sold.partner, "lou@buyer.test").await;
        app.permit(&sold.owner, (&sold.partner, "lou@buyer.test"), json!(["VIEW_LEADS", "EDIT_DELIVERY"])).await;
        let mut pats = sold.follow(&app).await;
        let mut lous = Stream::open(address, &lou, FOLLOW, json!({ "after": "0" })).await;
        lous.skip(1).await;

        let begin = Instant::now();
        app.permit(&sold.owner, (&sold.partner, "pat@buyer.test"), json!(["REVIEW"])).await;
        ends_forbidden(&mut pats, begin).await;
        pats.also("2", HEARTBEAT, json!({})).await;
        pats.skip(1).await;
        app.submit(&sold.owner, &sold.flow, ana()).await;
        lous.skip(1).await;

        let begin = Instant::now();
        let access = json!({ "partnerId": sold.partner, "enabled": true, "permissions": ["REVIEW", "EXPORT"] });
        app.done(&sold.owner.token, ACCESS, access).await;
        ends_forbidden(&mut lous, begin).await;
        for (email, left) in [("pat@buyer.test", json!(["REVIEW"])), ("lou@buyer.test", json!([]))] {
            assert_eq!(app.in_portal(&sold.owner, &sold.partner, email).await["permissions"], left, "{email}");
        }
        if let Some(server) = second {
            server.stop().await;
        }
    }
);

/// The stream is told why, and ends, without an event that would make it look.
async fn ends_forbidden(stream: &mut Stream, begin: Instant) {
    let told = stream.message().await.unwrap();
    assert_eq!(
        told["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "{told:#}"
    );
    assert_eq!(
        stream.message().await.unwrap(),
        json!({ "type": "complete", "id": "1" })
    );
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

with_mail!(
    /// The account says what one person may do, each thing once, more than the partner's people usually may as well; the trail
    /// tells each change, and nobody else changes anything.
    one_person_is_given_and_loses_permissions,
    |app| {
        let sold = Sold::new(&app).await;
        let pat = app.in_portal(&sold.owner, &sold.partner, "pat@buyer.test").await;
        assert_eq!(pat["permissions"], json!(["VIEW_LEADS", "EXPORT", "REVIEW", "RETURN", "EDIT_CONTACT"]));
        let input = |permissions: Value| json!({ "id": pat["id"], "permissions": permissions });
        for _ in 0..2 {
            let twice = input(json!(["VIEW_LEADS", "EDIT_DELIVERY", "VIEW_LEADS"]));
            let changed = app.done(&sold.owner.key, PERMIT, twice).await;
            assert_eq!(changed["portalUser"]["permissions"], json!(["VIEW_LEADS", "EDIT_DELIVERY"]));
        }
        let changed = app.done(&sold.owner.token, PERMIT, input(json!([]))).await;
        assert_eq!(changed["portalUser"]["permissions"], json!([]));

        let stranger = app.account("Bolt").await;
        let refused = app.refused(&stranger.token, PERMIT, input(json!(["VIEW_LEADS"]))).await;
        assert_eq!(refused, [("NOT_FOUND".to_owned(), "input.id".to_owned())]);
        let wanted = json!({ "input": input(json!(["VIEW_LEADS"])) });
        assert_eq!(app.error_code(Some(&sold.pat), PERMIT, wanted.clone()).await, "FORBIDDEN");
        assert_eq!(app.error_code(None, PERMIT, wanted).await, "UNAUTHENTICATED");

        let query = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action actor { kind } changes } } }";
        let trail = app.data(&sold.owner.token, query, json!({ "id": pat["id"] })).await;
        let told = trail["auditEvents"]["nodes"].as_array().unwrap();
        let set: Vec<_> = told.iter().filter(|entry| entry["action"] == "portal_user.permissions_set").collect();
        let more = json!(["VIEW_LEADS", "EDIT_DELIVERY"]);
        assert_eq!(set.len(), 2, "{told:#?}");
        assert_eq!((&set[0]["actor"]["kind"], &set[0]["changes"]["permissions"]), (&json!("USER"), &json!({ "from": more, "to": [] })));
        assert_eq!((&set[1]["actor"]["kind"], &set[1]["changes"]["permissions"]["to"]), (&json!("API_KEY"), &more));
    }
);

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
