//! P2: what partners say of their leads, and what is answered.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{Sold, with_mail};
use crate::support::make::{ana, broken, text};

pub(super) const ACCEPT: &str = "mutation($input: ReviewPortalLeadsInput!) { acceptPortalLeads(input: $input) {
    leads { id status review { status by reason } } userErrors { code message path } } }";
pub(super) const REJECT: &str = "mutation($input: ReviewPortalLeadsInput!) { rejectPortalLeads(input: $input) {
    leads { id status review { status by reason } } userErrors { code message path } } }";
pub(super) const RETURN: &str = "mutation($input: ReviewPortalLeadsInput!) { requestReturn(input: $input) {
    leads { id status review { status by reason } } userErrors { code message path } } }";
const ANSWER: &str = "mutation($input: AnswerReturnInput!) { answerReturn(input: $input) {
    delivery { id review { status by reason } } userErrors { code message path } } }";
const FOLLOW: &str = "subscription { portalLeads(after: \"0\") { kind lead { id status } } }";
const UPDATES: &str = "subscription { deliveries(after: \"0\") { status delivery { id review { status by } } } }";
const LEAD: &str =
    "query($id: ID!) { lead(id: $id) { timeline { kind message } deliveries { review { status by reason } } } }";
const AUDIT: &str = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action actor { kind name } } } }";
const STATS: &str =
    "query($range: TimeRangeInput!) { portal { stats(range: $range) { total pending accepted rejected returned } } }";

fn kinds(lead: &Value) -> Vec<String> {
    let entries = lead["lead"]["timeline"].as_array().unwrap();
    entries.iter().map(|entry| text(&entry["kind"])).collect()
}

with_mail!(
    /// Each review is on the delivery, on the timeline, in the trail and on both sides' streams, once however often it is said.
    a_partner_accepts_and_rejects_with_a_reason_once,
    |app| {
        let sold = Sold::new(&app).await;
        let ((lead, taken), (_, left)) = (sold.lead(&app).await, sold.lead(&app).await);
        let mut feed = app.subscribe(&sold.pat, FOLLOW, json!({})).await;
        let mut updates = app.subscribe(&sold.owner.token, UPDATES, json!({})).await;
        feed.skip(2).await;
        updates.skip(2).await;

        let accepted = app.done(&sold.pat, ACCEPT, json!({ "ids": [taken, taken] })).await;
        let expected = json!([{ "id": taken, "status": "ACCEPTED", "review": { "status": "ACCEPTED", "by": "Pat", "reason": null } }]);
        assert_eq!(accepted["leads"], expected);
        assert_eq!(app.done(&sold.pat, ACCEPT, json!({ "ids": [taken], "reason": "again" })).await["leads"], expected);
        let wanting = app.refused(&sold.pat, REJECT, json!({ "ids": [left], "reason": " " })).await;
        assert_eq!(wanting, [("REQUIRED".to_owned(), "input.reason".to_owned())]);
        let reject = json!({ "ids": [left], "reason": "out of area" });
        let rejected = app.done(&sold.pat, REJECT, reject.clone()).await;
        assert_eq!(rejected["leads"][0]["review"], json!({ "status": "REJECTED", "by": "Pat", "reason": "out of area" }));
        assert_eq!(app.done(&sold.pat, REJECT, reject).await, rejected);

        for (id, status) in [(&taken, "ACCEPTED"), (&left, "REJECTED")] {
            assert_eq!(feed.event().await["portalLeads"], json!({ "kind": "REVIEWED", "lead": { "id": id, "status": status } }));
            let update = json!({ "status": "DELIVERED", "delivery": { "id": id, "review": { "status": status, "by": "Pat" } } });
            assert_eq!(updates.event().await["deliveries"], update);
        }
        let seen = app.data(&sold.owner.token, LEAD, json!({ "id": lead })).await;
        assert_eq!(seen["lead"]["deliveries"][0]["review"], json!({ "status": "ACCEPTED", "by": "Pat", "reason": null }));
        assert_eq!(kinds(&seen).iter().filter(|kind| *kind == "REVIEWED").count(), 1);
        let message = seen["lead"]["timeline"].as_array().unwrap().iter().find(|entry| entry["kind"] == "REVIEWED").unwrap()["message"].clone();
        assert_eq!(message, "Pat of P accepts the lead");
        let trail = app.data(&sold.owner.token, AUDIT, json!({ "id": taken })).await;
        let by_pat = |action: &str| json!([{ "action": action, "actor": { "kind": "PORTAL_USER", "name": "Pat" } }]);
        assert_eq!(trail["auditEvents"]["nodes"], by_pat("portal_lead.accepted"));
        let trail = app.data(&sold.owner.token, AUDIT, json!({ "id": left })).await;
        assert_eq!(trail["auditEvents"]["nodes"], by_pat("portal_lead.rejected"));
    }
);

with_mail!(
    /// REVIEW and RETURN are apart: each is needed for what it is for, and without it the lead stays as it was.
    nobody_reviews_or_returns_without_the_permission,
    |app| {
        let sold = Sold::new(&app).await;
        let (lead, id) = sold.lead(&app).await;
        let input = json!({ "input": { "ids": [id], "reason": "no" } });
        for (permissions, refused) in [
            (json!(["VIEW_LEADS", "EXPORT"]), &[ACCEPT, REJECT, RETURN][..]),
            (json!(["VIEW_LEADS", "RETURN"]), &[ACCEPT, REJECT]),
            (json!(["VIEW_LEADS", "REVIEW"]), &[RETURN]),
            (json!(["REVIEW", "RETURN"]), &[ACCEPT, REJECT, RETURN]),
        ] {
            app.permit(&sold.owner, (&sold.partner, "pat@buyer.test"), permissions.clone()).await;
            for mutation in refused {
                let code = app.error_code(Some(&sold.pat), mutation, input.clone()).await;
                assert_eq!(code, "FORBIDDEN", "{permissions}: {mutation}");
            }
        }

        app.permit(&sold.owner, (&sold.partner, "pat@buyer.test"), json!(["VIEW_LEADS", "REVIEW"])).await;
        let query = "query($id: ID!) { portal { lead(id: $id) { status review { status } } } }";
        let shown = app.data(&sold.pat, query, json!({ "id": id })).await["portal"]["lead"].take();
        assert_eq!(shown, json!({ "status": "PENDING_REVIEW", "review": null }));
        let seen = app.data(&sold.owner.token, LEAD, json!({ "id": lead })).await;
        assert!(!kinds(&seen).iter().any(|kind| kind.starts_with("RE")), "{seen:#}");
        assert_eq!(app.data(&sold.owner.token, AUDIT, json!({ "id": id })).await["auditEvents"]["nodes"], json!([]));
        app.done(&sold.pat, ACCEPT, json!({ "ids": [id] })).await;
    }
);

with_mail!(
    /// A call changes all of its leads or none, and names each that it cannot change; what is not in the portal does not exist.
    a_review_changes_all_of_its_leads_or_none,
    |app| {
        let sold = Sold::new(&app).await;
        let ((lead, taken), (_, waiting)) = (sold.lead(&app).await, sold.lead(&app).await);
        app.done(&sold.pat, ACCEPT, json!({ "ids": [taken] })).await;
        let (other, _) = app.partner(&sold.owner, "Q", json!({ "portal": {} }), json!({})).await;
        let quinn = app.portal_user(&sold.owner, &other, "quinn@other.test").await;

        let ids = json!({ "ids": [waiting, taken, lead, "nonsense"], "reason": "no" });
        let refused = app.refused(&sold.pat, REJECT, ids).await;
        let at = |code: &str, place| (code.to_owned(), format!("input.ids.{place}"));
        assert_eq!(refused, [at("CONFLICT", 1), at("NOT_FOUND", 2), at("NOT_FOUND", 3)]);
        assert_eq!(app.refused(&quinn, ACCEPT, json!({ "ids": [waiting] })).await, [at("NOT_FOUND", 0)]);
        let many: Vec<_> = (0..101).map(|_| waiting.clone()).collect();
        assert_eq!(app.refused(&sold.pat, ACCEPT, json!({ "ids": many })).await[0].0, "LIMIT_REACHED");
        assert_eq!(app.refused(&sold.pat, ACCEPT, json!({ "ids": [] })).await[0].0, "REQUIRED");

        let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" });
        let stats = app.data(&sold.pat, STATS, json!({ "range": range })).await;
        assert_eq!(stats["portal"]["stats"], json!({ "total": 2, "pending": 1, "accepted": 1, "rejected": 0, "returned": 0 }));
    }
);

with_mail!(
    /// Of eight that say different things of one lead at once, what is said first counts; the others are told who said it.
    of_reviews_at_once_one_wins_and_the_others_are_told,
    |app| {
        let sold = Sold::new(&app).await;
        let (lead, id) = sold.lead(&app).await;
        let input = json!({ "input": { "ids": [id], "reason": "race" } });
        let answers = join_all((0..8).map(|number| {
            let mutation = if number % 2 == 0 { ACCEPT } else { REJECT };
            app.ask(Some(&sold.pat), mutation, input.clone())
        }))
        .await;

        let now = app.deliveries(&sold.owner, &lead).await[0]["review"]["status"].clone();
        for (number, answer) in answers.iter().enumerate() {
            let (name, said) = if number % 2 == 0 { ("acceptPortalLeads", "ACCEPTED") } else { ("rejectPortalLeads", "REJECTED") };
            if now == said {
                assert_eq!(answer["data"][name]["leads"][0]["status"], said, "{answer:#}");
            } else {
                assert_eq!(broken(answer), [("CONFLICT".to_owned(), "input.ids.0".to_owned())]);
                let message = text(&answer["data"][name]["userErrors"][0]["message"]);
                assert!(message.starts_with("Pat has "), "{message}");
            }
        }
        let seen = app.data(&sold.owner.token, LEAD, json!({ "id": lead })).await;
        assert_eq!(kinds(&seen).iter().filter(|kind| *kind == "REVIEWED").count(), 1);
    }
);

with_mail!(
    /// A return is asked for, answered by the account, and seen on both streams; a refused one can be asked for again. What is
    /// said twice is told once.
    a_return_is_asked_for_and_answered,
    |app| {
        let sold = Sold::new(&app).await;
        let (lead, id) = sold.lead(&app).await;
        let answer = |approve| json!({ "deliveryId": id, "approve": approve, "reason": "looked into it" });
        let mut feed = app.subscribe(&sold.pat, FOLLOW, json!({})).await;
        let mut updates = app.subscribe(&sold.owner.token, UPDATES, json!({})).await;
        feed.skip(1).await;
        updates.skip(1).await;
        let mut both_are_told = async |status: &str, by: &str| {
            let event = feed.event().await["portalLeads"].take();
            assert_eq!(event, json!({ "kind": "REVIEWED", "lead": { "id": id, "status": status } }));
            let update = updates.event().await["deliveries"].take();
            let review = json!({ "status": status, "by": by });
            assert_eq!(update, json!({ "status": "DELIVERED", "delivery": { "id": id, "review": review } }));
        };
        app.done(&sold.pat, ACCEPT, json!({ "ids": [id] })).await;
        both_are_told("ACCEPTED", "Pat").await;

        for approve in [true, false] {
            assert_eq!(app.refused(&sold.owner.token, ANSWER, answer(approve)).await[0].0, "CONFLICT", "accepted by Pat");
        }
        let ask = json!({ "ids": [id], "reason": "wrong number" });
        let asked = app.done(&sold.pat, RETURN, ask.clone()).await;
        assert_eq!(asked["leads"][0]["status"], "RETURN_REQUESTED");
        assert_eq!(app.done(&sold.pat, RETURN, ask.clone()).await, asked);
        both_are_told("RETURN_REQUESTED", "Pat").await;
        assert_eq!(app.refused(&sold.pat, ACCEPT, json!({ "ids": [id] })).await[0].0, "CONFLICT");
        let refused = app.done(&sold.owner.token, ANSWER, answer(false)).await;
        let review = json!({ "status": "ACCEPTED", "by": "Acme", "reason": "looked into it" });
        assert_eq!(refused["delivery"]["review"], review);
        assert_eq!(app.done(&sold.owner.token, ANSWER, answer(false)).await, refused, "said again");
        assert_eq!(app.refused(&sold.owner.token, ANSWER, answer(true)).await[0].0, "CONFLICT", "another answer");
        both_are_told("ACCEPTED", "Acme").await;
        app.done(&sold.pat, RETURN, ask).await;
        both_are_told("RETURN_REQUESTED", "Pat").await;
        let returned = app.done(&sold.owner.token, ANSWER, answer(true)).await;
        assert_eq!(returned["delivery"]["review"]["status"], "RETURNED");
        assert_eq!(app.done(&sold.owner.token, ANSWER, answer(true)).await, returned, "said again");
        assert_eq!(app.refused(&sold.owner.token, ANSWER, answer(false)).await[0].0, "CONFLICT", "another answer");
        both_are_told("RETURNED", "Acme").await;
        for mutation in [ACCEPT, REJECT, RETURN] {
            let input = json!({ "ids": [id], "reason": "late" });
            assert_eq!(app.refused(&sold.pat, mutation, input).await[0].0, "CONFLICT");
        }

        let seen = app.data(&sold.owner.token, LEAD, json!({ "id": lead })).await;
        let told: Vec<String> = kinds(&seen).into_iter().filter(|kind| kind.starts_with("RE")).collect();
        assert_eq!(told, ["REVIEWED", "RETURN_REQUESTED", "REVIEWED", "RETURN_REQUESTED", "RETURNED"]);
        let trail = app.data(&sold.owner.token, AUDIT, json!({ "id": lead })).await;
        let told = json!({ "action": "lead.return_answered", "actor": { "kind": "USER", "name": "Acme Owner" } });
        assert_eq!(trail["auditEvents"]["nodes"], json!([told, told]), "one entry for each answer");
        let trail = app.data(&sold.owner.token, AUDIT, json!({ "id": id })).await;
        let by_pat = |action: &str| json!({ "action": action, "actor": { "kind": "PORTAL_USER", "name": "Pat" } });
        let [asked, accepted] = ["portal_lead.return_requested", "portal_lead.accepted"].map(by_pat);
        assert_eq!(trail["auditEvents"]["nodes"], json!([asked, asked, accepted]));
    }
);

with_mail!(
    /// A rejected lead and a returned one have no price that counts; those that are waiting or taken have.
    what_was_given_back_counts_no_more,
    |app| {
        let sold = Sold::new(&app).await;
        let profile = app.profile(&sold.owner, json!({ "name": "Paid", "basePrice": { "amount": "10", "currency": "EUR" } })).await;
        app.assign(&sold.owner, &profile, &sold.partner, json!({})).await;
        let flow = app.flow(&sold.owner, json!({ "name": "Paid" })).await;
        app.step(&sold.owner, &flow, "Distribute", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            let lead = text(&app.submit(&sold.owner, &flow, ana()).await["id"]);
            ids.push(text(&app.deliveries(&sold.owner, &lead).await[0]["id"]));
        }
        app.done(&sold.pat, ACCEPT, json!({ "ids": [ids[0]] })).await;
        app.done(&sold.pat, REJECT, json!({ "ids": [ids[1]], "reason": "no" })).await;
        app.done(&sold.pat, RETURN, json!({ "ids": [ids[2]], "reason": "no" })).await;
        app.done(&sold.owner.token, ANSWER, json!({ "deliveryId": ids[2], "approve": true })).await;

        let stats = "query($id: ID!, $range: TimeRangeInput!) { partner(id: $id) { stats(range: $range) { delivered revenue { amount } } } }";
        let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" });
        let seen = app.data(&sold.owner.token, stats, json!({ "id": sold.partner, "range": range })).await;
        assert_eq!(seen["partner"]["stats"]["delivered"], 4, "{seen:#}");
        assert_eq!(seen["partner"]["stats"]["revenue"], json!([{ "amount": "20" }]), "{seen:#}");
    }
);

with_mail!(
    /// A rejected lead counts on no cap of its partner and goes on to the next one, once; an accepted one stays.
    a_rejected_lead_goes_on_to_the_next_partner,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let profile = json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" });
        let profile = app.profile(&owner, profile).await;
        let caps = json!({ "caps": [{ "period": "DAY", "limit": 1 }] });
        let (first, _) = app.partner(&owner, "P", json!({ "portal": {} }), caps).await;
        let (second, _) = app.partner(&owner, "Q", json!({ "portal": {} }), json!({})).await;
        app.assign(&owner, &profile, &first, json!({ "rank": 1 })).await;
        app.assign(&owner, &profile, &second, json!({ "rank": 2 })).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let pat = app.portal_user(&owner, &first, "pat@buyer.test").await;
        let quinn = app.portal_user(&owner, &second, "quinn@other.test").await;
        let mut feed = app.subscribe(&quinn, FOLLOW, json!({})).await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let left = text(&app.deliveries(&owner, &lead).await[0]["id"]);
        let reject = json!({ "input": { "ids": [left], "reason": "out of area" } });
        join_all((0..8).map(|_| app.ask(Some(&pat), REJECT, reject.clone()))).await;
        let event = feed.event().await["portalLeads"].take();
        assert_eq!(event["kind"], "DELIVERED");
        let deliveries = app.deliveries(&owner, &lead).await;
        assert_eq!(deliveries.len(), 2, "it went on once: {deliveries:?}");
        assert!(deliveries.iter().any(|delivery| delivery["id"] == event["lead"]["id"]));

        let next = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let taken = app.deliveries(&owner, &next).await;
        assert_eq!(taken[0]["partner"]["name"], "P", "its place on the cap was given back: {taken:?}");
        app.done(&pat, ACCEPT, json!({ "ids": [taken[0]["id"]] })).await;
        assert_eq!(app.deliveries(&owner, &next).await.len(), 1);
        let third = text(&app.submit(&owner, &flow, ana()).await["id"]);
        assert_eq!(app.deliveries(&owner, &third).await[0]["partner"]["name"], "Q", "the cap is full");
    }
);

with_mail!(
    /// Who is next is judged by the values that the profile has judged, not by what a later step has made of them.
    a_rejected_lead_goes_on_by_the_values_that_its_profile_has_seen,
    |app| {
        let owner = app.account("Acme").await;
        let fields = json!([{ "name": "email", "type": "EMAIL" }, { "name": "tier", "type": "TEXT" }]);
        let flow = app.flow(&owner, json!({ "fields": fields })).await;
        let profile = json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" });
        let profile = app.profile(&owner, profile).await;
        let tier = |value: &str| json!({ "condition": { "field": "tier", "operator": "EQUALS", "value": value } });
        let (first, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        app.assign(&owner, &profile, &first, json!({ "rank": 1 })).await;
        for (rank, name, wants) in [(2, "Q", "sold"), (3, "R", "gold")] {
            let (partner, _) = app.partner(&owner, name, json!({ "portal": {} }), json!({})).await;
            app.assign(&owner, &profile, &partner, json!({ "rank": rank, "rule": tier(wants) })).await;
        }
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let after = json!({ "transform": { "assignments": [{ "field": "tier", "template": "sold" }] } });
        app.step(&owner, &flow, "After", after, Value::Null).await;
        let pat = app.portal_user(&owner, &first, "pat@buyer.test").await;

        let lead = text(&app.submit(&owner, &flow, json!({ "email": "a@b.test", "tier": "gold" })).await["id"]);
        let left = text(&app.deliveries(&owner, &lead).await[0]["id"]);
        app.done(&pat, REJECT, json!({ "ids": [left], "reason": "out of area" })).await;
        let deliveries = app.deliveries(&owner, &lead).await;
        let names: Vec<String> = deliveries.iter().map(|delivery| text(&delivery["partner"]["name"])).collect();
        assert_eq!(names, ["P", "R"], "{deliveries:#?}");
    }
);
