//! Many at once (N6).

use futures::future::join_all;
use serde_json::json;

use super::{accept, by_id, decline, send};
use crate::support::app::both;
use crate::support::make::text;

both!(
    /// N6: of crossing invitations and many answers one wins, and every caller gets a consistent answer.
    of_crossing_invitations_and_many_answers_one_makes_the_connection, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        for _ in 0..3 {
            let (ours, theirs) = (app.invited(&a, &b, "BOTH").await, app.invited(&b, &a, "BOTH").await);
            let answers = (0..16).map(|place| {
                let (caller, invitation) = if place % 2 == 0 { (&b, &ours) } else { (&a, &theirs) };
                let input = json!({ "input": { "id": invitation["id"] } });
                let app = &app;
                async move { app.ask(Some(&caller.token), &accept(), input).await }
            });
            let answers = join_all(answers).await;
            let payloads: Vec<_> = answers.iter().map(|answer| &answer["data"]["acceptInvitation"]).collect();
            let won: Vec<_> = payloads.iter().filter(|payload| !payload["connection"].is_null()).collect();
            assert_eq!(won.len(), 1, "{answers:#?}");
            let lost = payloads.iter().filter(|payload| payload["userErrors"][0]["code"] == "INVITATION_CLOSED").count();
            assert_eq!(lost, 15, "{answers:#?}");
            for account in [&a, &b] {
                assert!(app.invitations(account, json!({ "status": ["PENDING"] })).await.is_empty());
                assert_eq!(app.links(account, json!({ "status": ["ACTIVE"] })).await.len(), 1);
            }
            app.done_to(&a.token, &by_id("terminateConnection", "connection"), &won[0]["connection"]["id"]).await;
        }
    }
);

both!(of_an_acceptance_a_refusal_and_a_withdrawal_one_holds, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    for _ in 0..4 {
        let sent = app.invited(&a, &b, "BOTH").await;
        let (id, input) = (json!({ "id": sent["id"] }), json!({ "input": { "id": sent["id"] } }));
        let (accepting, declining, cancelling) = (accept(), decline(), by_id("cancelInvitation", "invitation"));
        let answers = tokio::join!(
            app.codes(&b.token, &accepting, input.clone()),
            app.codes(&b.token, &declining, input),
            app.codes(&a.token, &cancelling, id),
        );
        let all = [&answers.0, &answers.1, &answers.2];
        assert_eq!(all.iter().filter(|codes| codes.is_empty()).count(), 1, "{answers:?}");
        assert!(
            all.iter()
                .all(|codes| codes.is_empty() || *codes == &["INVITATION_CLOSED"]),
            "{answers:?}"
        );
        let links = app.links(&a, json!({ "status": ["ACTIVE"] })).await;
        assert_eq!(links.len(), usize::from(answers.0.is_empty()));
        for link in links {
            app.done_to(&b.token, &by_id("terminateConnection", "connection"), &link["id"])
                .await;
        }
    }
});

both!(many_who_invite_the_same_get_the_same_invitation, |app| {
    let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
    for input in [
        json!({ "accountId": b.id, "relationshipType": "BOTH" }),
        json!({ "email": "new@company.test", "relationshipType": "BOTH" }),
    ] {
        let sending = (0..8).map(|_| {
            let (app, a, input) = (&app, &a, input.clone());
            async move { text(&app.done(&a.token, &send(), input).await["invitation"]["id"]) }
        });
        let mut ids = join_all(sending).await;
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }
});

both!(
    /// Both sides change the same connections at once, in every order of locks; nothing waits for ever.
    both_sides_change_their_connections_at_once_without_a_deadlock, |app| {
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let links = [
            (app.connected(&a, &b, "BOTH").await, &a, &b),
            (app.connected(&b, &c, "BOTH").await, &b, &c),
            (app.connected(&c, &a, "BOTH").await, &c, &a),
        ];
        let changes = (0..24).map(|place| {
            let (id, one, other) = &links[place % 3];
            let caller = if place % 2 == 0 { one } else { other };
            let name = if place % 4 < 2 { "suspendConnection" } else { "resumeConnection" };
            let app = &app;
            async move { app.ask(Some(&caller.token), &by_id(name, "connection"), json!({ "id": id })).await }
        });
        for answer in join_all(changes).await {
            assert!(answer.get("errors").is_none(), "{answer:#}");
        }
    }
);
