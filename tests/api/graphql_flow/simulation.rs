//! A simulation says what submitting would say, and leaves no trace.

use entity::{
    account, account_key, cap_usage, delivery, duplicate_memory, event, flow, idempotency, lead, source, topic,
};
use leadmesh_distribution::assignments::{self, NewAssignment};
use leadmesh_distribution::partners::{self, NewPartner};
use leadmesh_distribution::profiles::{self, NewProfile};
use leadmesh_flows::caps::CapInput;
use leadmesh_leads::intake::{Intake, Submission};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::*;
use crate::support::rows::account_of;

const SIMULATE: &str = "query ($flow: ID!, $source: ID, $fields: JSON!) {
    simulateSubmission(flowId: $flow, sourceId: $source, fields: $fields) {
        outcome reasons { code field message } wouldDeliverTo { id } trace { subject subjectId check passed detail }
    }
}";

/// Everything that submitting a lead may write.
#[expect(clippy::disallowed_methods, reason = "compares whole tables")]
async fn contents(app: &TestApp) -> Vec<String> {
    let db = app.db.read();
    macro_rules! rows {
        ($($table:ident)+) => { vec![$(format!("{:?}", $table::Entity::find().all(db).await.unwrap())),+] };
    }
    rows!(account account_key cap_usage delivery duplicate_memory event flow idempotency lead source topic)
}

/// A profile of two partners, of whom the first takes one lead a day.
async fn installers(app: &TestApp, olga: &Account) -> String {
    let input = NewProfile {
        name: "Installers".into(),
        description: None,
        strategy: entity::profile::Strategy::FirstMatch,
        on_failure: entity::profile::OnFailure::Stay,
        max_recipients: None,
        rule: None,
        base_price: None,
        enabled: true,
    };
    let caller = app.caller(olga).await;
    let profile = profiles::create(app, &caller, input).await.unwrap();
    for limit in [1, 100] {
        let cap = CapInput {
            period: entity::cap_usage::CapPeriod::Day,
            limit,
            timezone: None,
        };
        let input = NewPartner {
            name: format!("Up to {limit}"),
            email: "p@example.com".into(),
            phone: None,
            notes: None,
            tags: None,
            timezone: None,
            delivery: None,
            caps: Some(vec![cap]),
        };
        let made = partners::create(app, &caller, input).await.unwrap();
        let place = NewAssignment {
            profile: profile.id,
            partner: made.partner.id,
            rank: None,
            weight: None,
            rule: None,
            price: None,
            caps: Vec::new(),
            schedule: None,
            delivery: None,
            enabled: true,
        };
        assignments::assign(app, &caller, place).await.unwrap();
    }
    profile.id.to_string()
}

/// What was stored of a submission, in the words of a simulation.
async fn submitted(app: &TestApp, olga: &Account, intake: &Intake, (flow, fields): (&str, &Value)) -> Value {
    let submission = Submission {
        flow: flow.parse().unwrap(),
        source: None,
        fields: fields.as_object().unwrap().clone(),
        idempotency_key: None,
        test: false,
    };
    let caller = app.caller(olga).await;
    let receipt = intake.submit(app, &caller, submission).await.unwrap();
    let lead = lead::Entity::in_account(account_of(&caller)).filter(lead::Column::Id.eq(receipt.id));
    let lead = lead.one(app.db.read()).await.unwrap().unwrap();
    let deliveries = delivery::Entity::in_account(account_of(&caller))
        .filter(delivery::Column::LeadId.eq(receipt.id))
        .order_by_asc(delivery::Column::Id);
    let deliveries = deliveries.all(app.db.read()).await.unwrap();
    let partners: Vec<Value> = deliveries
        .iter()
        .map(|delivery| json!({"id": delivery.partner_id}))
        .collect();
    let mut reasons = lead.reasons;
    for reason in reasons.as_array_mut().unwrap() {
        let reason = reason.as_object_mut().unwrap();
        reason.entry("field").or_insert(Value::Null);
    }
    json!({"outcome": receipt.outcome, "reasons": reasons, "wouldDeliverTo": partners, "trace": lead.trace})
}

async fn counts_are_those_of_submissions(app: &TestApp, olga: &Account, flow: &str) {
    let counted = app
        .data(&olga.token,
            "query ($id: ID!) { flow(id: $id) {
                caps { used } sources { lastLeadAt }
                stats(range: {from: \"2026-02-15T00:00:00Z\", to: \"2026-02-18T00:00:00Z\"}) { submitted accepted rejected failed acceptRate }
                old: stats(range: {from: \"2026-02-17T00:00:00Z\", to: \"2026-02-18T00:00:00Z\"}) { submitted }
            } }",
            json!({ "id": flow }),
        )
        .await;
    let flow = &counted["flow"];
    assert_eq!(flow["caps"], json!([{"used": 3}]));
    assert_eq!(flow["sources"][0]["lastLeadAt"], json!("2026-02-16T00:00:00+00:00"));
    assert_eq!(
        flow["stats"],
        json!({"submitted": 7, "accepted": 3, "rejected": 4, "failed": 0, "acceptRate": 3.0 / 7.0})
    );
    assert_eq!(flow["old"]["submitted"], json!(0));
}

both!(
    a_simulation_has_the_verdict_of_a_submission_and_leaves_every_table_as_it_was,
    start_at,
    |app: TestApp| {
        let olga = app.account("Acme").await;
        let input =
            json!({"duplicateKeys": ["email"], "duplicateWindowDays": 1, "caps": [{"period": "DAY", "limit": 3}]});
        let (flow, _) = make(&app, &olga, with(solar(), input)).await;
        let step = json!({"distribute": {"profileId": installers(&app, &olga).await}});
        let input = json!({"flowId": flow, "name": "To installers", "step": step});
        let add = "mutation ($input: AddStepInput!) { addStep(input: $input) { flow { steps { ... on DistributeStep { profile { name } } } } userErrors { message } } }";
        let added = app.data(&olga.token, add, json!({ "input": input })).await;
        assert_eq!(
            added["addStep"]["flow"]["steps"][0]["profile"]["name"],
            json!("Installers"),
            "{added}"
        );
        let intake = Intake::start(&app);
        let mut verdicts = Vec::new();
        for fields in [
            json!({"age": 17}),
            json!({"email": "a@example.com", "age": 30, "ssn": "123"}),
            json!({"email": "A@Example.com ", "age": 31}),
            json!({"email": "b@example.com", "age": "17", "state": "Nowhere"}),
            json!({"email": "b@example.com", "age": 40}),
            json!({"email": "c@example.com", "age": 40}),
            json!({"email": "d@example.com", "age": 40}),
        ] {
            let before = contents(&app).await;
            let variables = json!({"flow": flow, "source": null, "fields": fields});
            let simulated = app.data(&olga.token, SIMULATE, variables.clone()).await["simulateSubmission"].clone();
            assert_eq!(
                app.data(&olga.token, SIMULATE, variables).await["simulateSubmission"],
                simulated
            );
            assert_eq!(contents(&app).await, before, "{fields}");
            let stored = submitted(&app, &olga, &intake, (&flow, &fields)).await;
            assert_eq!(simulated, stored, "{fields}");
            let partners = stored["wouldDeliverTo"].as_array().unwrap().len();
            verdicts.push((
                stored["reasons"][0]["code"].as_str().unwrap_or_default().to_owned(),
                partners,
            ));
        }
        let expected = ["REQUIRED", "", "DUPLICATE", "NOT_ACCEPTED", "", "", "CAP_REACHED"];
        let expected: Vec<(String, usize)> = expected.map(|code| (code.into(), usize::from(code.is_empty()))).into();
        assert_eq!(verdicts, expected);
        counts_are_those_of_submissions(&app, &olga, &flow).await;
    }
);

both!(only_the_flow_s_own_account_may_try_it_out, start_at, |app: TestApp| {
    let (olga, eve) = (app.account("Acme").await, app.account("Other").await);
    let (flow, source) = make(&app, &olga, solar()).await;
    let fields = json!({"email": "a@example.com", "age": 30});
    let variables = json!({"flow": flow, "source": source, "fields": fields});
    let own = app.data(&olga.token, SIMULATE, variables.clone()).await;
    assert_eq!(own["simulateSubmission"]["outcome"], json!("ACCEPTED"));
    assert_eq!(
        refused(&app, Some(&eve.token), SIMULATE, variables.clone()).await,
        ["no such flow"]
    );
    assert_eq!(refused(&app, None, SIMULATE, variables).await.len(), 1);
    let other = json!({"flow": flow, "source": flow, "fields": {}});
    assert_eq!(
        refused(&app, Some(&olga.token), SIMULATE, other).await,
        ["no such source"]
    );
    let list = json!({"flow": flow, "fields": []});
    assert_eq!(
        refused(&app, Some(&olga.token), SIMULATE, list).await,
        ["Give `fields` as a JSON object of values by field name."]
    );
});
