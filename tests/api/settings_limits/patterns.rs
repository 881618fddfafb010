//! Patterns are bounded together, for a rule, a flow and a profile; refused when saved, and told where stored.

use entity::flow;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use super::{fields, large_patterns};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, text};

const CREATE_FLOW: &str =
    "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } userErrors { code message path } } }";
const UPDATE_FLOW: &str =
    "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";
const ADD_SOURCE: &str =
    "mutation($input: AddSourceInput!) { addSource(input: $input) { flow { id } userErrors { code message path } } }";
const UPDATE_SOURCE: &str = "mutation($input: UpdateSourceInput!) { updateSource(input: $input) { flow { id } userErrors { code message path } } }";
const ADD_STEP: &str =
    "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
const UPDATE_STEP: &str =
    "mutation($input: UpdateStepInput!) { updateStep(input: $input) { flow { id } userErrors { code message path } } }";
const CREATE_PROFILE: &str = "mutation($input: CreateProfileInput!) { createDistributionProfile(input: $input) { profile { id } userErrors { code message path } } }";
const UPDATE_PROFILE: &str = "mutation($input: UpdateProfileInput!) { updateDistributionProfile(input: $input) { profile { id } userErrors { code message path } } }";
const ASSIGN: &str = "mutation($input: AssignPartnerInput!) { assignPartner(input: $input) { profile { id } userErrors { code message path } } }";
const UPDATE_ASSIGNMENT: &str = "mutation($input: UpdateAssignmentInput!) { updateAssignment(input: $input) { assignment { id } userErrors { code message path } } }";

/// What there is to put rules into.
struct Places {
    flow: Flow,
    step: String,
    profile: String,
    partners: Vec<String>,
    place: String,
}

async fn places(app: &TestApp, owner: &Account) -> Places {
    let flow = app.flow(owner, json!({ "fields": fields() })).await;
    let filter =
        json!({ "filter": { "rule": { "condition": { "field": "name", "operator": "IS_EMPTY" } }, "reason": "no" } });
    let step = app.step(owner, &flow, "Filter", filter, Value::Null).await;
    let profile = app.profile(owner, json!({})).await;
    let mut partners = Vec::new();
    for name in ["P", "Q"] {
        partners.push(app.partner(owner, name, json!({ "portal": {} }), json!({})).await.0);
    }
    let place = app.assign(owner, &profile, &partners[0], json!({})).await;
    Places {
        flow,
        step,
        profile,
        partners,
        place,
    }
}

/// Every way to save a rule: the mutation, its input, and where the rule is in it.
fn ways(at: &Places, rule: &Value) -> Vec<(&'static str, Value, &'static str)> {
    let filter = json!({ "filter": { "rule": rule, "reason": "no" } });
    let flow = &at.flow.id;
    vec![
        (
            CREATE_FLOW,
            json!({ "name": "F", "fields": fields(), "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            UPDATE_FLOW,
            json!({ "id": flow, "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            ADD_SOURCE,
            json!({ "flowId": flow, "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            UPDATE_SOURCE,
            json!({ "id": at.flow.source, "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            ADD_STEP,
            json!({ "flowId": flow, "name": "S", "step": filter }),
            "input.step.filter.rule",
        ),
        (
            ADD_STEP,
            json!({ "flowId": flow, "name": "S", "criteria": rule, "step": { "transform": { "assignments": [
                { "field": "name", "template": "x" }] } } }),
            "input.criteria",
        ),
        (
            UPDATE_STEP,
            json!({ "id": at.step, "step": filter }),
            "input.step.filter.rule",
        ),
        (
            CREATE_PROFILE,
            json!({ "name": "D", "strategy": "SEND_TO_ALL", "rule": rule }),
            "input.rule",
        ),
        (UPDATE_PROFILE, json!({ "id": at.profile, "rule": rule }), "input.rule"),
        (
            ASSIGN,
            json!({ "profileId": at.profile, "partnerId": at.partners[1], "rule": rule }),
            "input.rule",
        ),
        (UPDATE_ASSIGNMENT, json!({ "id": at.place, "rule": rule }), "input.rule"),
    ]
}

both!(
    /// Wherever it is saved: at the pattern that is too much, with the limit and what to do.
    a_rule_of_200_large_patterns_is_refused_everywhere,
    |app| {
        let owner = app.account("Acme").await;
        let at = places(&app, &owner).await;
        for (mutation, input, path) in ways(&at, &large_patterns(200)) {
            let answer = app.ask(Some(&owner.token), mutation, json!({ "input": input })).await;
            let payload = answer["data"].as_object().unwrap_or_else(|| panic!("{answer:#}")).values().next().unwrap();
            let errors = payload["userErrors"].as_array().unwrap();
            let [error] = &errors[..] else { panic!("{mutation}: {errors:#?}") };
            assert_eq!(error["code"], "INVALID_RULE", "{error}");
            let told: Vec<&str> = error["path"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
            let told = told.join(".");
            assert!(told.starts_with(&format!("{path}.any.")) && told.ends_with(".condition.value"), "{told}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("4 MiB together") && message.contains("fewer patterns"), "{message}");
        }
    }
);

both!(
    /// Some large ones in one rule are well, and usual ones by the hundred; and what was saved runs.
    rules_within_the_limit_are_saved_everywhere_and_run,
    |app| {
        let owner = app.account("Acme").await;
        let at = places(&app, &owner).await;
        for (mutation, input, _) in ways(&at, &large_patterns(1)) {
            app.done(&owner.token, mutation, input).await;
        }
        let usual = |number| json!({ "condition": { "field": "name", "operator": "MATCHES", "value": format!("^customer-{number}[0-9]*$") } });
        let rule = json!({ "any": (0..200).map(usual).collect::<Vec<_>>() });
        let flow = app.flow(&owner, json!({ "fields": fields(), "acceptanceRule": rule })).await;
        for (name, outcome) in [("Customer-1997", "ACCEPTED"), ("supplier-7", "REJECTED")] {
            assert_eq!(app.submit(&owner, &flow, json!({ "name": name })).await["outcome"], outcome);
        }
    }
);

both!(
    /// The rules of a flow share a budget, and so do those of a profile and its places.
    many_rules_with_large_patterns_are_refused_together,
    |app| {
        let owner = app.account("Acme").await;
        let at = places(&app, &owner).await;
        let rule = |first: usize| {
            let pattern = |number| json!({ "condition": { "field": "name", "operator": "MATCHES", "value": format!(r"\w{{2,20}}s{first}-{number}") } });
            json!({ "any": [pattern(1), pattern(2), pattern(3)] })
        };
        let mut refused = Vec::new();
        for number in 0..30 {
            let filter = json!({ "filter": { "rule": rule(number), "reason": "no" } });
            let input = json!({ "flowId": at.flow.id, "name": "S", "step": filter });
            let answer = app.ask(Some(&owner.token), ADD_STEP, json!({ "input": input })).await;
            refused.extend(answer["data"]["addStep"]["userErrors"].as_array().unwrap().first().cloned());
        }
        let error = refused.first().expect("the flow takes no more");
        assert_eq!(error["code"], "LIMIT_REACHED");
        assert!(error["message"].as_str().unwrap().contains("16 MiB together"), "{error}");
        app.done(&owner.token, UPDATE_STEP, json!({ "id": at.step, "name": "Renamed" })).await;

        let mut refused = Vec::new();
        for number in 0..30 {
            let (partner, _) = app.partner(&owner, &format!("R{number}"), json!({ "portal": {} }), json!({})).await;
            let input = json!({ "profileId": at.profile, "partnerId": partner, "rule": rule(number) });
            refused.extend(app.refused_if(&owner.token, ASSIGN, input).await);
        }
        let (code, path) = refused.first().expect("the profile takes no more");
        assert_eq!((code.as_str(), path.as_str()), ("LIMIT_REACHED", "input.rule"));
    }
);

both!(
    /// A rule that was stored before there were limits lets nothing through, says so, and costs nobody else.
    a_stored_rule_beyond_the_limit_is_told_and_can_be_replaced,
    |app| {
        let owner = app.account("Acme").await;
        let at = places(&app, &owner).await;
        let row = stored(&app, &at.flow).await;
        let mut change = row.into_active_model();
        change.acceptance_rule = Set(Some(large_patterns(200)));
        change.update(app.app.db.write()).await.unwrap();
        app.touch(&owner).await;

        let receipt = app.submit(&owner, &at.flow, json!({ "name": "anna" })).await;
        assert_eq!(receipt["outcome"], "REJECTED", "{receipt:#}");
        let why = receipt["reasons"].to_string();
        assert!(why.contains("64 MiB together"), "{why}");
        let rename = json!({ "id": at.flow.id, "name": "Renamed" });
        app.done(&owner.token, UPDATE_FLOW, rename).await;
        let rule = json!({ "condition": { "field": "name", "operator": "MATCHES", "value": "^a" } });
        app.done(&owner.token, UPDATE_FLOW, json!({ "id": at.flow.id, "acceptanceRule": rule })).await;
        assert_eq!(app.submit(&owner, &at.flow, json!({ "name": "anna" })).await["outcome"], "ACCEPTED");
    }
);

#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn stored(app: &TestApp, flow: &Flow) -> flow::Model {
    let rows = flow::Entity::find().all(app.app.db.read()).await.unwrap();
    rows.into_iter().find(|row| row.id.to_string() == flow.id).unwrap()
}

impl TestApp {
    /// Anything that makes compiled flows outdated.
    async fn touch(&self, owner: &Account) {
        self.partner(owner, "Anybody", json!({ "portal": {} }), json!({})).await;
    }

    /// What is wrong, if anything is.
    async fn refused_if(&self, token: &str, mutation: &str, input: Value) -> Vec<(String, String)> {
        let answer = self.ask(Some(token), mutation, json!({ "input": input })).await;
        let payload = answer["data"]
            .as_object()
            .unwrap_or_else(|| panic!("{answer:#}"))
            .values()
            .next()
            .unwrap();
        let errors = payload["userErrors"].as_array().unwrap().iter();
        errors
            .map(|error| (text(&error["code"]), joined(&error["path"])))
            .collect()
    }
}

fn joined(path: &Value) -> String {
    let parts: Vec<String> = path.as_array().unwrap().iter().map(text).collect();
    parts.join(".")
}
