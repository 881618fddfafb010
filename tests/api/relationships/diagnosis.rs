//! Why a partner cannot be reached (N23).

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use super::usage::opened;
use super::{accept, by_id, by_input, decline, send};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, text};

const DIAGNOSE: &str = "query($partner: ID!, $flow: ID) { diagnoseConnection(partnerId: $partner, flowId: $flow) { ok checks { name passed message remedy } } }";
const SET_ENABLED: &str = "mutation($id: ID!, $enabled: Boolean!) { setFlowEnabled(id: $id, enabled: $enabled) { flow { id } userErrors { code message path } } }";

/// What failed, with its message and remedy; nothing when all is well.
async fn cause(app: &TestApp, who: &Account, partner: &str, flow: Option<&str>) -> Vec<(String, String, String)> {
    let answer = app
        .data(&who.token, DIAGNOSE, json!({ "partner": partner, "flow": flow }))
        .await["diagnoseConnection"]
        .take();
    let checks = answer["checks"].as_array().unwrap();
    let failed: Vec<&Value> = checks.iter().filter(|check| check["passed"] == false).collect();
    assert_eq!(answer["ok"], failed.is_empty(), "{answer:#}");
    assert!(
        checks.iter().all(|check| check["passed"] == check["remedy"].is_null()),
        "{answer:#}"
    );
    failed
        .iter()
        .map(|check| (text(&check["name"]), text(&check["message"]), text(&check["remedy"])))
        .collect()
}

/// The one thing that failed, whose message and remedy say these.
async fn finds(
    app: &TestApp,
    (who, partner, flow): (&Account, &str, Option<&str>),
    name: &str,
    message: &str,
    remedy: &str,
) {
    let found = cause(app, who, partner, flow).await;
    assert_eq!(found.first().map(|(name, ..)| name.as_str()), Some(name), "{found:?}");
    assert!(found[0].1.contains(message), "{found:?}");
    assert!(found[0].2.contains(remedy), "{found:?}");
}

both!(
    /// N23: each cause by name, with its remedy.
    every_cause_is_named_with_its_remedy, |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let flow = app.flow(&a, json!({})).await;
        let ours = (&a, b.id.as_str(), Some(flow.id.as_str()));
        finds(&app, ours, "invitation", "neither an invitation nor a connection", "sendInvitation").await;

        let first = app.invited(&a, &b, "SEND_LEADS").await;
        finds(&app, ours, "invitation", "Beta has not answered your invitation yet", "resendInvitation").await;
        assert!(cause(&app, &a, &b.id, None).await.iter().any(|(name, message, _)| name == "mail" && message.contains("LEADMESH_SMTP_URL")));
        finds(&app, (&b, &a.id, None), "invitation", "Alpha invited you", "acceptInvitation").await;
        app.clock.advance(TimeDelta::days(14));
        let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
        let ours = (&a, b.id.as_str(), Some(flow.id.as_str()));
        finds(&app, ours, "invitation", "expired unanswered", "resendInvitation").await;
        app.done_to(&a.token, &by_id("resendInvitation", "invitation"), &first["id"]).await;
        app.done(&b.token, &decline(), json!({ "id": first["id"] })).await;
        finds(&app, ours, "invitation", "Beta declined your invitation", "sendInvitation").await;
        let second = app.invited(&a, &b, "SEND_LEADS").await;
        let link = text(&app.done(&b.token, &accept(), json!({ "id": second["id"] })).await["connection"]["id"]);

        finds(&app, ours, "direction", "lets no leads of Beta come to you", "requestRelationshipType").await;
        let (request, answer) = (by_input("requestRelationshipType", "RelationshipTypeInput"), by_input("answerRelationshipType", "AnswerRelationshipTypeInput"));
        app.done(&a.token, &request, json!({ "connectionId": link, "relationshipType": "BOTH" })).await;
        app.done(&b.token, &answer, json!({ "connectionId": link, "accept": true })).await;
        finds(&app, ours, "source", "is not a source of your flow Solar", "addSource").await;
        let theirs = (&b, a.id.as_str(), Some(flow.id.as_str()));
        finds(&app, theirs, "flow", "none that the partner has opened to you", "ask them to add you").await;
        let source = opened(&app, &a, &flow, &b, json!({ "enabled": false })).await;
        finds(&app, ours, "source", "is disabled", "updateSource").await;
        finds(&app, theirs, "source", "has disabled you", "ask them").await;
        let mut source = source.into_active_model();
        source.enabled = Set(true);
        source.update(app.app.db.write()).await.unwrap();
        app.data(&a.token, SET_ENABLED, json!({ "id": flow.id, "enabled": false })).await;
        finds(&app, ours, "flow", "Solar is disabled", "setFlowEnabled").await;
        app.data(&a.token, SET_ENABLED, json!({ "id": flow.id, "enabled": true })).await;
        for asked in [ours, theirs, (&a, b.id.as_str(), None)] {
            let found = cause(&app, asked.0, asked.1, asked.2).await;
            assert!(found.is_empty(), "all is well: {found:?}");
        }
        let key = json!(link);
        app.done_to(&b.token, &by_id("suspendConnection", "connection"), &key).await;
        finds(&app, ours, "suspension", "Beta holds the connection up", "ask them").await;
        finds(&app, theirs, "suspension", "you hold the connection up", "resumeConnection").await;
        app.done_to(&a.token, &by_id("terminateConnection", "connection"), &key).await;
        finds(&app, theirs, "connection", "Alpha terminated it", "sendInvitation").await;
        app.invited(&a, &b, "BOTH").await;
        finds(&app, ours, "invitation", "has not answered", "resendInvitation").await;
    }
);

both!(a_diagnosis_tells_nothing_of_strangers, |app| {
    let (a, b, c) = (
        app.account("Alpha").await,
        app.account("Beta").await,
        app.account("Gamma").await,
    );
    let theirs = app.flow(&b, json!({})).await;
    let unknown = cause(&app, &a, "acct_01h455vb4pex5vsknk084sn02q", Some(&theirs.id)).await;
    assert_eq!(cause(&app, &a, &b.id, Some(&theirs.id)).await, unknown);
    assert_eq!(cause(&app, &a, "nobody", None).await, unknown);
    // Whose address it is, the inviter learns with the answer.
    app.done(
        &a.token,
        &send(),
        json!({ "email": b.email, "relationshipType": "BOTH" }),
    )
    .await;
    assert_eq!(cause(&app, &a, &b.id, None).await, unknown);
    let link = app.connected(&a, &c, "BOTH").await;
    let (real, made_up) = (
        cause(&app, &a, &c.id, Some(&theirs.id)).await,
        cause(&app, &a, &c.id, Some(&link)).await,
    );
    assert_eq!(real, made_up, "a flow of a third account is none");
});
