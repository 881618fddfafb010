//! Leads that are given back to the account that delivered them.

use serde_json::{Value, json};

use super::selling::statuses;
use crate::support::app::both;
use crate::support::make::ana;

const RETURN: &str = "mutation($input: ReturnLeadInput!) { returnLead(input: $input) {
    lead { id timeline { kind message } } userErrors { code message path } } }";
const ANSWER: &str = "mutation($input: AnswerReturnInput!) { answerReturn(input: $input) {
    delivery { id review { status by reason } } userErrors { code message path } } }";
const AUDIT: &str = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action actor { kind name } } } }";

fn kinds(lead: &Value) -> Vec<&str> {
    lead["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect()
}

both!(
    /// The buyer asks by its own lead's identifier, the seller answers; both see it, nobody else does, and not twice.
    a_lead_is_given_back_once,
    |app| {
        let (seller, buyer, stranger) = (app.account("Seller").await, app.account("Buyer").await, app.account("Stranger").await);
        let (flow, _, _) = app.selling(&seller, &buyer, json!({})).await;
        let sold = app.submit(&seller, &flow, ana()).await;
        let got = app.leads_of(&buyer, None).await.swap_remove(0);
        let input = json!({ "leadId": got["id"], "reason": "wrong number" });
        let delivery = app.sold(&seller, &sold["id"]).await["deliveries"][0]["id"].clone();
        let answer = |approve| json!({ "deliveryId": delivery, "approve": approve, "reason": "sorry" });

        assert_eq!(app.refused(&seller.token, ANSWER, answer(true)).await[0].0, "CONFLICT");
        for (who, input) in [(&stranger, input.clone()), (&seller, input.clone()), (&buyer, json!({ "leadId": sold["id"], "reason": "x" }))] {
            let refused = app.refused(&who.token, RETURN, input).await;
            assert_eq!(refused, [("NOT_FOUND".to_owned(), "input.leadId".to_owned())]);
        }
        let own = json!({ "leadId": sold["id"], "reason": "x" });
        assert_eq!(app.refused(&seller.token, RETURN, own).await[0].0, "CONFLICT");
        assert_eq!(app.refused(&buyer.token, RETURN, json!({ "leadId": got["id"], "reason": " " })).await[0].0, "REQUIRED");

        let asked = app.done(&buyer.token, RETURN, input.clone()).await;
        assert!(kinds(&asked["lead"]).contains(&"RETURN_REQUESTED"));
        assert_eq!(app.refused(&buyer.token, RETURN, input.clone()).await[0].0, "CONFLICT");
        let seen = app.sold(&seller, &sold["id"]).await;
        let review = json!({ "status": "RETURN_REQUESTED", "by": "Buyer", "reason": "wrong number" });
        assert_eq!((statuses(&seen), &seen["deliveries"][0]["review"]), (vec!["DELIVERED".to_owned()], &review));
        assert!(kinds(&seen).contains(&"RETURN_REQUESTED"));

        let answered = app.done(&seller.token, ANSWER, answer(true)).await;
        assert_eq!(answered["delivery"]["review"], json!({ "status": "RETURNED", "by": "Seller", "reason": "sorry" }));
        assert_eq!(app.done(&seller.token, ANSWER, answer(true)).await, answered, "said again");
        for lead in [app.leads_of(&buyer, None).await.swap_remove(0), app.sold(&seller, &sold["id"]).await] {
            assert_eq!(kinds(&lead).into_iter().filter(|kind| *kind == "RETURNED").count(), 1, "{lead:#}");
        }
        assert_eq!(app.refused(&seller.token, ANSWER, answer(false)).await[0].0, "CONFLICT");
        assert_eq!(app.refused(&buyer.token, RETURN, input).await[0].0, "CONFLICT");
        for (who, lead, actors) in [(&seller, &sold["id"], ["USER", "PARTNER_ACCOUNT"]), (&buyer, &got["id"], ["PARTNER_ACCOUNT", "USER"])] {
            let events = app.data(&who.token, AUDIT, json!({ "id": lead })).await;
            let events = events["auditEvents"]["nodes"].as_array().unwrap().clone();
            let told: Vec<_> = events.iter().map(|event| (event["action"].as_str().unwrap(), event["actor"]["kind"].as_str().unwrap())).collect();
            assert_eq!(told, [("lead.return_answered", actors[0]), ("lead.return_requested", actors[1])]);
        }
    }
);

both!(
    /// A lead that is not taken back stays accepted; the answer may be said again, and is told once.
    a_lead_that_is_not_taken_back_stays,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, _, _) = app.selling(&seller, &buyer, json!({})).await;
        let sold = app.submit(&seller, &flow, ana()).await;
        let got = app.leads_of(&buyer, None).await.swap_remove(0);
        app.done(&buyer.token, RETURN, json!({ "leadId": got["id"], "reason": "wrong number" })).await;
        let delivery = app.sold(&seller, &sold["id"]).await["deliveries"][0]["id"].clone();
        let answer = |approve| json!({ "deliveryId": delivery, "approve": approve });

        let answered = app.done(&seller.token, ANSWER, answer(false)).await;
        assert_eq!(answered["delivery"]["review"], json!({ "status": "ACCEPTED", "by": "Seller", "reason": null }));
        assert_eq!(app.done(&seller.token, ANSWER, answer(false)).await, answered);
        assert_eq!(app.refused(&seller.token, ANSWER, answer(true)).await[0].0, "CONFLICT");

        for (who, lead) in [(&seller, &sold["id"]), (&buyer, &got["id"])] {
            let events = app.data(&who.token, AUDIT, json!({ "id": lead })).await;
            let events = events["auditEvents"]["nodes"].as_array().unwrap().clone();
            let told: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
            assert_eq!(told, ["lead.return_answered", "lead.return_requested"]);
        }
        assert_eq!(kinds(&app.sold(&seller, &sold["id"]).await).into_iter().filter(|kind| *kind == "REVIEWED").count(), 1);
    }
);
