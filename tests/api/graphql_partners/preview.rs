//! Looking at deliveries before they are made.

use entity::field::FieldType;
use entity::ids::FlowId;
use leadmesh_flows::manage::{self, CreateFlow, FieldInput};
use leadmesh_flows::steps::{self, AddStep, StepInput};

use super::*;

const PREVIEW: &str = "query ($partner: ID!, $assignment: ID, $fields: JSON!) {
    previewDelivery(partnerId: $partner, assignmentId: $assignment, fields: $fields) {
        channel method url headers { name value } subject recipients contentType body warnings } }";

const FLOWS: &str = "{ distributionProfiles { nodes { flows { name } } } }";

fn flow(name: &str, fields: &[(&str, FieldType)]) -> CreateFlow {
    let fields = fields.iter().map(|(name, field_type)| FieldInput {
        name: (*name).into(),
        label: None,
        field_type: *field_type,
        required: Some(false),
        encrypted: Some(false),
        choices: None,
        example: None,
        description: None,
    });
    CreateFlow {
        name: name.into(),
        description: None,
        fields: fields.collect(),
        acceptance_rule: None,
        duplicate_keys: None,
        duplicate_window_days: None,
        caps: None,
        price: None,
        enabled: Some(true),
    }
}

fn through(flow: FlowId, profile: &str) -> AddStep {
    AddStep {
        flow_id: flow,
        name: "Out".into(),
        criteria: None,
        position: None,
        enabled: true,
        step: StepInput::Distribute {
            profile_id: profile.parse().unwrap(),
        },
    }
}

both!(
    a_webhook_is_shown_as_the_flow_that_leads_there_would_send_it,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let solar = flow("Solar", &[("phone", FieldType::Phone), ("ssn", FieldType::Text)]);
        let solar = manage::create(&app, &app.caller(&ann).await, solar).await.unwrap().flow;
        let other = flow("Roofs", &[("roof_area", FieldType::Number)]);
        manage::create(&app, &app.caller(&ann).await, other).await.unwrap();
        let profile = new_profile(&app, &ann, json!({"name": "Solar", "strategy": "FIRST_MATCH"})).await;
        let webhook = json!({"webhook": {"url": "https://crm.example.com/in", "sign": false,
        "headers": [{"name": "Authorization", "value": "Bearer very-secret-1234"}],
        "fields": {"mode": "EXCEPT", "fields": ["ssn"]}, "mapping": [{"from": "phone", "to": "tel"}]}});
        let partner = json!({"name": "Bolt", "email": "x@example.com", "delivery": webhook});
        let partner = new_partner(&app, &ann, partner).await;
        let assign = "mutation ($input: AssignPartnerInput!) { assignPartner(input: $input) { assignment { id } userErrors { message } } }";
        let email = json!({"email": {"recipients": ["b@example.com"], "subject": "New: {{ lead.phone }}"}});
        let input = json!({"profileId": profile, "partnerId": partner, "delivery": email});
        let assigned = app.data(&ann.token, assign, json!({ "input": input })).await;
        let assignment = text(&assigned["assignPartner"]["assignment"]["id"]);
        let step = through(solar.id, &profile);
        steps::add(&app, &app.caller(&ann).await, step).await.unwrap();
        let flows = app.data(&ann.token, FLOWS, json!({})).await;
        assert_eq!(
            flows["distributionProfiles"]["nodes"][0]["flows"],
            json!([{"name": "Solar"}])
        );

        let fields = json!({"phone": "(415) 555-0123", "ssn": "123", "roof_area": 7});
        let shown = app
            .data(&ann.token, PREVIEW, json!({"partner": partner, "fields": fields}))
            .await;
        let shown = &shown["previewDelivery"];
        assert_eq!(
            (&shown["channel"], &shown["method"]),
            (&json!("WEBHOOK"), &json!("POST"))
        );
        assert_eq!(shown["body"], r#"{"tel":"+14155550123"}"#);
        let headers = shown["headers"].as_array().unwrap();
        assert!(
            headers.contains(&json!({"name": "authorization", "value": "…1234"})),
            "{headers:?}"
        );
        assert!(!headers.iter().any(|header| header["name"] == "webhook-signature"));
        let warnings = shown["warnings"].to_string();
        assert!(
            warnings.contains("roof_area") && warnings.contains("not signed"),
            "{warnings}"
        );

        let mail = json!({"partner": partner, "assignment": assignment, "fields": fields});
        let mail = app.data(&ann.token, PREVIEW, mail).await;
        let mail = &mail["previewDelivery"];
        assert_eq!((&mail["channel"], &mail["headers"]), (&json!("EMAIL"), &Value::Null));
        assert_eq!(mail["subject"], "New: +14155550123");
        assert_eq!(mail["recipients"], json!(["b@example.com"]));
        assert!(mail["warnings"].to_string().contains("setSmtpSettings"));

        let foreign = json!({"partner": partner, "assignment": "asgn_x", "fields": {}});
        assert_eq!(app.error_code(Some(&ann.token), PREVIEW, foreign).await, "NOT_FOUND");
        let list = json!({"partner": partner, "fields": []});
        assert_eq!(app.error_code(Some(&ann.token), PREVIEW, list).await, "BAD_USER_INPUT");
    }
);

both!(
    before_a_flow_leads_to_the_partner_the_fields_of_all_flows_are_known,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let portal = json!({"portal": {"fields": {"mode": "ONLY", "fields": ["comments"]}}});
        let partner = json!({"name": "Bolt", "email": "x@example.com", "delivery": portal});
        let partner = new_partner(&app, &ann, partner).await;
        let fields = json!({"comments": "on", "never": 1});
        let shown = app
            .data(&ann.token, PREVIEW, json!({"partner": partner, "fields": fields}))
            .await;
        let shown = &shown["previewDelivery"];
        assert_eq!(
            (&shown["channel"], &shown["body"]),
            (&json!("PORTAL"), &json!(r#"{"comments":"on"}"#))
        );
        assert!(shown["warnings"].to_string().contains("portal is closed"));
    }
);
