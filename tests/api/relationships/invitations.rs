//! Inviting, answering, expiring (N1 to N5).

use chrono::{DateTime, TimeDelta, Utc};
use leadmesh_network::expiry::expire_overdue;
use serde_json::{Value, json};

use super::{accept, by_id, decline, pick, send};
use crate::support::app::both;
use crate::support::make::text;

both!(
    /// N1: both sides read it in their own words, and a stranger reads nothing.
    an_invitation_is_read_by_its_two_sides_in_their_own_words, |app| {
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let input = json!({ "accountId": b.id, "relationshipType": "SEND_LEADS", "message": "Hello\r\nBeta" });
        let sent = app.done(&a.token, &send(), input).await["invitation"].take();

        let fields = ["status", "direction", "relationshipType", "message", "toEmail"];
        let expected = json!({ "status": "PENDING", "direction": "SENT", "relationshipType": "SEND_LEADS", "message": "Hello\nBeta", "toEmail": null });
        assert_eq!(pick(&sent, &fields), expected);
        assert_eq!(sent["to"], json!({ "id": b.id, "name": "Beta" }));
        assert_eq!(sent["mail"]["status"], "FAILED", "there is no mail server");
        let expires: DateTime<Utc> = text(&sent["expiresAt"]).parse().unwrap();
        assert_eq!(expires - app.clock.now(), TimeDelta::days(14));

        let received = app.invitation(&b, &sent["id"]).await;
        let expected = json!({ "status": "PENDING", "direction": "RECEIVED", "relationshipType": "RECEIVE_LEADS", "message": "Hello\nBeta", "toEmail": null });
        assert_eq!(pick(&received, &fields), expected);
        assert_eq!((&received["from"]["name"], &received["mail"]), (&json!("Alpha"), &Value::Null));
        let listed = |direction: &str| json!({ "direction": direction, "status": ["PENDING"] });
        assert_eq!(app.invitations(&a, listed("SENT")).await.len(), 1);
        assert_eq!(app.invitations(&a, listed("RECEIVED")).await, Vec::<Value>::new());
        assert_eq!(app.invitations(&b, listed("RECEIVED")).await, [received]);
        let count = "{ account { pendingInvitationCount activeConnectionCount } }";
        assert_eq!(app.data(&b.token, count, json!({})).await["account"], json!({ "pendingInvitationCount": 1, "activeConnectionCount": 0 }));

        assert_eq!(app.invitation(&c, &sent["id"]).await, Value::Null);
        assert_eq!(app.invitations(&c, json!({})).await, Vec::<Value>::new());
        let node = "query($id: ID!) { node(id: $id) { __typename id } }";
        assert_eq!(app.data(&c.token, node, json!({ "id": sent["id"] })).await["node"], Value::Null);
        assert_eq!(app.data(&b.token, node, json!({ "id": sent["id"] })).await["node"]["__typename"], "Invitation");
    }
);

both!(
    /// N2: one active connection, in each side's words, in both trails.
    accepting_connects_both_sides, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let invitation = app.invited(&a, &b, "RECEIVE_LEADS").await;
        let accepted = app.done(&b.token, &accept(), json!({ "id": invitation["id"] })).await["connection"].take();
        assert_eq!(pick(&accepted, &["status", "relationshipType"]), json!({ "status": "ACTIVE", "relationshipType": "SEND_LEADS" }));
        let id = text(&accepted["id"]);

        let (mine, theirs) = (app.links(&a, json!({})).await, app.links(&b, json!({})).await);
        assert_eq!((mine.len(), theirs.len()), (1, 1));
        assert_eq!((&mine[0]["id"], &mine[0]["relationshipType"]), (&json!(id), &json!("RECEIVE_LEADS")));
        assert_eq!((&mine[0]["partner"]["name"], &theirs[0]["partner"]["name"]), (&json!("Beta"), &json!("Alpha")));
        let answered = app.invitation(&a, &invitation["id"]).await;
        assert_eq!((&answered["status"], &answered["connection"]["id"]), (&json!("ACCEPTED"), &json!(id)));

        let invitation = text(&invitation["id"]);
        for (account, invited, kind) in [(&a, "invitation.sent", "PARTNER_ACCOUNT"), (&b, "invitation.received", "USER")] {
            let trail = app.trail(account).await;
            let told: Vec<_> = trail.iter().filter(|(_, subject, _)| *subject == invitation || *subject == id).collect();
            let actions: Vec<_> = told.iter().map(|(action, ..)| action.as_str()).collect();
            assert_eq!(actions, [invited, "invitation.accepted", "connection.established"]);
            assert_eq!(told[1].2, kind, "who accepted, as {invited} tells it");
        }
        let audit = "query($id: ID!) { connection(id: $id) { audit { nodes { action actor { name } ip } } } }";
        let entries = app.data(&a.token, audit, json!({ "id": id })).await["connection"]["audit"]["nodes"].take();
        assert_eq!(entries[0], json!({ "action": "connection.established", "actor": { "name": "Beta" }, "ip": null }));
        assert_eq!(entries.as_array().unwrap().len(), 3);

        assert_eq!(app.codes(&a.token, &send(), json!({ "input": { "accountId": b.id, "relationshipType": "BOTH" } })).await, ["ALREADY_CONNECTED"]);
        assert_eq!(app.codes(&b.token, &accept(), json!({ "input": { "id": invitation } })).await, ["INVITATION_CLOSED"]);
    }
);

both!(
    /// N3: no connection; a new invitation can be accepted.
    declining_connects_nothing_and_does_not_stand_in_the_way_of_another, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let first = app.invited(&a, &b, "BOTH").await;
        let declined = app.done(&b.token, &decline(), json!({ "id": first["id"], "reason": "not now" })).await;
        assert_eq!(declined["invitation"]["status"], "DECLINED");
        assert_eq!(app.invitation(&a, &first["id"]).await["status"], "DECLINED");
        assert_eq!(app.links(&a, json!({})).await, Vec::<Value>::new());
        let second = app.invited(&a, &b, "BOTH").await;
        assert_ne!(second["id"], first["id"]);
        app.done(&b.token, &accept(), json!({ "id": second["id"] })).await;
        assert_eq!(app.links(&a, json!({ "status": ["ACTIVE"] })).await.len(), 1);
    }
);

both!(
    /// N4: a fact of time, told once by housekeeping; resending makes a new time.
    an_invitation_expires_by_time_alone_and_can_be_sent_again, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let sent = app.invited(&a, &b, "BOTH").await;
        app.clock.advance(TimeDelta::days(14));
        let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
        assert_eq!(app.invitation(&b, &sent["id"]).await["status"], "EXPIRED");
        assert_eq!(app.invitations(&b, json!({ "status": ["PENDING"] })).await, Vec::<Value>::new());
        assert_eq!(app.invitations(&b, json!({ "status": ["EXPIRED"] })).await.len(), 1);
        assert_eq!(app.codes(&b.token, &accept(), json!({ "input": { "id": sent["id"] } })).await, ["EXPIRED"]);
        assert_eq!(app.codes(&a.token, &by_id("cancelInvitation", "invitation"), json!({ "id": sent["id"] })).await, ["EXPIRED"]);
        assert_eq!(app.links(&a, json!({})).await, Vec::<Value>::new());

        let resend = by_id("resendInvitation", "invitation");
        let again = app.done_to(&a.token, &resend, &sent["id"]).await["invitation"].take();
        assert_eq!((&again["id"], &again["status"]), (&sent["id"], &json!("PENDING")));
        let expires: DateTime<Utc> = text(&again["expiresAt"]).parse().unwrap();
        assert_eq!(expires - app.clock.now(), TimeDelta::days(14));
        assert_eq!(expire_overdue(&app.app).await.unwrap(), 0);
        app.done(&b.token, &accept(), json!({ "id": sent["id"] })).await;
        assert_eq!(app.codes(&a.token, &resend, json!({ "id": sent["id"] })).await, ["INVITATION_CLOSED"]);
    }
);

both!(an_expired_invitation_makes_room_for_another, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    let sent = app.invited(&a, &b, "BOTH").await;
    app.clock.advance(TimeDelta::days(15));
    let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
    let other = app.invited(&a, &b, "SEND_LEADS").await;
    assert_ne!(other["id"], sent["id"]);
    assert_eq!(app.invitation(&a, &sent["id"]).await["status"], "EXPIRED");
    let resend = by_id("resendInvitation", "invitation");
    assert_eq!(
        app.codes(&a.token, &resend, json!({ "id": sent["id"] })).await,
        ["CONFLICT"]
    );
    app.clock.advance(TimeDelta::days(15));
    assert_eq!(expire_overdue(&app.app).await.unwrap(), 1);
    assert_eq!(expire_overdue(&app.app).await.unwrap(), 0, "told once");
});

both!(
    /// N5: nothing is sent twice, and nothing tells whether an address has an account.
    inviting_again_sends_nothing_and_reveals_nothing, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let first = app.invited(&a, &b, "BOTH").await;
        assert_eq!(app.invited(&a, &b, "SEND_LEADS").await, first);
        let code = |input: Value| {
            let (app, a) = (&app, &a);
            async move { app.refused(&a.token, &send(), input).await }
        };
        let refusal = |code: &str, path: &str| vec![(code.to_owned(), path.to_owned())];
        assert_eq!(code(json!({ "accountId": a.id, "relationshipType": "BOTH" })).await, refusal("SELF_INVITE", "input.accountId"));
        assert_eq!(code(json!({ "email": a.email, "relationshipType": "BOTH" })).await, refusal("SELF_INVITE", "input.email"));
        for id in ["acct_01h455vb4pex5vsknk084sn02q", &b.id.replace("acct_", "flow_"), ""] {
            assert_eq!(code(json!({ "accountId": id, "relationshipType": "BOTH" })).await, refusal("NOT_FOUND", "input.accountId"));
        }
        assert_eq!(code(json!({ "relationshipType": "BOTH" })).await, refusal("INVALID", "input.accountId"));
        assert_eq!(code(json!({ "accountId": b.id, "email": "x@y.test", "relationshipType": "BOTH" })).await, refusal("INVALID", "input.accountId"));
        assert_eq!(code(json!({ "email": "nobody", "relationshipType": "BOTH" })).await, refusal("INVALID", "input.email"));
        let long = "x".repeat(1_001);
        assert_eq!(code(json!({ "email": "x@y.test", "relationshipType": "BOTH", "message": long })).await, refusal("TOO_LONG", "input.message"));

        // An address with an account, and one without: the same answer.
        let of = |email: &str| json!({ "email": email, "relationshipType": "BOTH" });
        let known = app.done(&a.token, &send(), of(&b.email)).await["invitation"].take();
        let unknown = app.done(&a.token, &send(), of("new@company.test")).await["invitation"].take();
        let shape = ["status", "direction", "relationshipType", "to", "mail", "expiresAt", "answeredAt"];
        assert_eq!(pick(&known, &shape), pick(&unknown, &shape));
        assert_eq!(known["to"], Value::Null);
        // But the account sees it, and says who it was by answering.
        assert_eq!(app.invitation(&b, &known["id"]).await["to"]["name"], "Beta");
        // By the mailed link only: that somebody signs in with an address does not prove that it is theirs.
        let by_id = json!({ "input": { "id": known["id"] } });
        assert_eq!(app.codes(&b.token, &accept(), by_id).await, ["EMAIL_MISMATCH"]);
        app.done(&b.token, &accept(), app.answer(known["id"].as_str().unwrap()).await).await;
        assert_eq!(app.invitation(&a, &known["id"]).await["to"]["name"], "Beta");
        // The one by identifier is closed by that.
        assert_eq!(app.invitation(&b, &first["id"]).await["status"], "CANCELLED");
        assert_eq!(app.invitations(&a, json!({ "status": ["PENDING"] })).await.len(), 1, "the other address's");
        assert_eq!(code(of(&b.email)).await, refusal("ALREADY_CONNECTED", "input.email"));
    }
);

both!(
    who_signs_up_later_with_an_invited_address_does_not_see_the_invitation,
    |app| {
        let a = app.account("Alpha").await;
        let sent = app
            .done(
                &a.token,
                &send(),
                json!({ "email": "owner@beta.test", "relationshipType": "BOTH" }),
            )
            .await;
        app.clock.advance(TimeDelta::seconds(1));
        let b = app.account("Beta").await;
        assert_eq!(b.email, "owner@beta.test");
        assert_eq!(app.invitation(&b, &sent["invitation"]["id"]).await, Value::Null);
        assert_eq!(
            app.codes(
                &b.token,
                &accept(),
                json!({ "input": { "id": sent["invitation"]["id"] } })
            )
            .await,
            ["NOT_FOUND"]
        );
    }
);

both!(an_invitation_is_taken_back_by_its_inviter_alone, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    let sent = app.invited(&a, &b, "BOTH").await;
    let cancel = by_id("cancelInvitation", "invitation");
    assert_eq!(
        app.codes(&b.token, &cancel, json!({ "id": sent["id"] })).await,
        ["NOT_FOUND"]
    );
    assert_eq!(
        app.codes(&a.token, &accept(), json!({ "input": { "id": sent["id"] } }))
            .await,
        ["NOT_FOUND"]
    );
    assert_eq!(
        app.done_to(&a.token, &cancel, &sent["id"]).await["invitation"]["status"],
        "CANCELLED"
    );
    assert_eq!(
        app.codes(&a.token, &cancel, json!({ "id": sent["id"] })).await,
        ["INVITATION_CLOSED"]
    );
    assert_eq!(
        app.codes(&b.token, &accept(), json!({ "input": { "id": sent["id"] } }))
            .await,
        ["INVITATION_CLOSED"]
    );
});
