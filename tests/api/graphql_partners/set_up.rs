//! Setting partners and profiles up, and reading them.

use super::*;

fn webhook() -> Value {
    json!({"webhook": {
        "url": "https://crm.example.com/leads",
        "headers": [{"name": "X-Api-Key", "value": "very-secret-1234"}],
        "mapping": [],
        "fields": {"mode": "EXCEPT", "fields": ["comments"]},
        "responseRule": {"pointer": "/ok", "acceptedValues": ["true"]},
    }})
}

const CREATE: &str = "mutation ($input: CreatePartnerInput!) { createPartner(input: $input) {
    partner { id email tags active timezone phone
        delivery { __typename ... on WebhookSettings { url method payload timeoutMs warnings
            headers { name valueHint } fields { mode fields } mapping { from to } template
            signing { enabled hint rotatedAt previousValidUntil }
            retry { attempts initialDelayMs maxDelayMs maxAgeMinutes giveUpOn }
            responseRule { pointer acceptedValues externalIdPointer reasonPointer } } }
        caps { period limit used timezone }
        assignments { id }
        health { state consecutiveFailures openUntil lastSuccessAt lastFailureAt lastError } }
    signingSecret userErrors { code } } }";

both!(a_partner_is_made_read_and_changed, api, |app: TestApp| {
    let ann = app.account("Acme").await;
    let input = json!({"name": "Bolt", "email": "Bolt@Example.com", "tags": ["solar", "50%"], "delivery": webhook(),
        "caps": [{"period": "DAY", "limit": 5}]});
    let made = app.data(&ann.token, CREATE, json!({ "input": input })).await;
    let made = &made["createPartner"];
    let secret = text(&made["signingSecret"]);
    let partner = &made["partner"];
    let settings = &partner["delivery"];
    assert_eq!(partner["email"], "bolt@example.com");
    assert_eq!(partner["tags"], json!(["solar", "50%"]));
    assert_eq!(
        partner["caps"],
        json!([{"period": "DAY", "limit": 5, "used": 0, "timezone": "UTC"}])
    );
    assert_eq!(settings["__typename"], "WebhookSettings");
    assert_eq!(
        settings["headers"],
        json!([{"name": "X-Api-Key", "valueHint": "…1234"}])
    );
    assert_eq!(settings["fields"], json!({"mode": "EXCEPT", "fields": ["comments"]}));
    let hint = format!("…{}", &secret[secret.len() - 4..]);
    assert_eq!(settings["signing"]["hint"], json!(hint));
    assert_eq!(settings["retry"]["attempts"], 6);
    let healthy = json!({"state": "HEALTHY", "consecutiveFailures": 0, "openUntil": null, "lastSuccessAt": null,
        "lastFailureAt": null, "lastError": null});
    assert_eq!(partner["health"], healthy);
});

both!(
    what_is_left_out_of_a_change_stays_and_null_removes,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let input = json!({"name": "Bolt", "email": "x@example.com", "tags": ["solar"], "delivery": webhook(),
        "caps": [{"period": "DAY", "limit": 5}]});
        let made = app.data(&ann.token, CREATE, json!({ "input": input })).await;
        let secret = text(&made["createPartner"]["signingSecret"]);
        let partner = &made["createPartner"]["partner"];
        let update = "mutation ($input: UpdatePartnerInput!) { updatePartner(input: $input) {
        partner { name phone notes tags caps { id } } userErrors { code path } } }";
        let input = json!({"id": partner["id"], "phone": "1", "notes": "n", "tags": null, "caps": []});
        let changed = app.data(&ann.token, update, json!({ "input": input })).await;
        assert_eq!(
            changed["updatePartner"]["partner"],
            json!({"name": "Bolt", "phone": "1", "notes": "n", "tags": [], "caps": []})
        );
        let input = json!({"id": partner["id"], "phone": null, "name": "Volt"});
        let changed = app.data(&ann.token, update, json!({ "input": input })).await;
        let after = &changed["updatePartner"]["partner"];
        assert_eq!(
            (&after["name"], &after["phone"], &after["notes"]),
            (&json!("Volt"), &Value::Null, &json!("n"))
        );

        let rotate = "mutation ($id: ID!) { rotateSigningSecret(partnerId: $id) { secret partner { id
        delivery { ... on WebhookSettings { signing { previousValidUntil } } } } userErrors { code } } }";
        let rotated = app.data(&ann.token, rotate, json!({"id": partner["id"]})).await;
        let rotated = &rotated["rotateSigningSecret"];
        assert_ne!(text(&rotated["secret"]), secret);
        assert_ne!(
            rotated["partner"]["delivery"]["signing"]["previousValidUntil"],
            Value::Null
        );
    }
);

both!(
    partners_are_found_by_tag_search_and_activity_within_their_account,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let bob = app.account("Other").await;
        let partner = |name: &str, tags: &[&str]| json!({"name": name, "email": "x@example.com", "tags": tags});
        new_partner(&app, &bob, partner("Bolt of Bob", &["solar"])).await;
        let bolt = new_partner(&app, &ann, partner("BOLT_1", &["solar", "it's \"50%\""])).await;
        new_partner(&app, &ann, partner("Watt", &["solar panels"])).await;
        let deactivate = "mutation ($id: ID!) { setPartnerActive(id: $id, active: false) { partner { active } } }";
        app.data(&ann.token, deactivate, json!({ "id": bolt })).await;
        let list = "query ($tag: String, $search: String, $active: Boolean) {
        partners(tag: $tag, search: $search, active: $active) { nodes { name } pageInfo { hasNextPage } edges { cursor } } }";
        for (filter, expected) in [
            (json!({}), vec!["Watt", "BOLT_1"]),
            (json!({"tag": "solar"}), vec!["BOLT_1"]),
            (json!({"tag": "it's \"50%\""}), vec!["BOLT_1"]),
            (json!({"tag": "sol"}), vec![]),
            (json!({"search": "bolt"}), vec!["BOLT_1"]),
            (json!({"search": "t_1"}), vec!["BOLT_1"]),
            (json!({"search": "w_t"}), vec![]),
            (json!({"active": true}), vec!["Watt"]),
        ] {
            let found = app.data(&ann.token, list, filter.clone()).await;
            let names: Vec<&str> = found["partners"]["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, expected, "{filter}");
        }
    }
);

both!(a_profile_is_set_up_with_partners_and_deleted, api, |app: TestApp| {
    let ann = app.account("Acme").await;
    let partner = new_partner(&app, &ann, json!({"name": "Bolt", "email": "x@example.com"})).await;
    let profile = json!({"name": "Solar", "strategy": "FIRST_MATCH", "basePrice": {"amount": "12.50", "currency": "EUR"},
        "rule": {"condition": {"field": "email", "operator": "IS_NOT_EMPTY"}}});
    let profile = new_profile(&app, &ann, profile).await;
    let assign = "mutation ($input: AssignPartnerInput!) { assignPartner(input: $input) {
        signingSecret assignment { id } userErrors { code path message }
        profile { enabled onFailure rule ruleText basePrice { amount currency } assignments { id rank weight price { amount }
            schedule { timezone windows { days from to } } delivery { __typename } partner { name assignments { profile { name } } } } } } }";
    let input = json!({"profileId": profile, "partnerId": partner, "price": {"amount": 3, "currency": "EUR"}, "delivery": webhook(),
        "schedule": {"timezone": "UTC", "windows": [{"days": ["MONDAY"], "from": "08:00", "to": "24:00"}]}});
    let assigned = app.data(&ann.token, assign, json!({ "input": input })).await;
    let assigned = &assigned["assignPartner"];
    assert!(text(&assigned["signingSecret"]).starts_with("whsec_"), "{assigned}");
    let shown = &assigned["profile"];
    assert_eq!(shown["basePrice"], json!({"amount": "12.5", "currency": "EUR"}));
    assert_eq!(shown["rule"]["condition"]["operator"], "IS_NOT_EMPTY");
    assert!(text(&shown["ruleText"]).contains("is not empty"));
    let place = &shown["assignments"][0];
    assert_eq!(place["id"], assigned["assignment"]["id"]);
    assert_eq!(place["delivery"], json!({"__typename": "WebhookSettings"}));
    assert_eq!(place["schedule"]["windows"][0]["days"], json!(["MONDAY"]));
    assert_eq!(
        place["partner"],
        json!({"name": "Bolt", "assignments": [{"profile": {"name": "Solar"}}]})
    );
    let again = app
        .data(
            &ann.token,
            assign,
            json!({"input": {"profileId": profile, "partnerId": partner}}),
        )
        .await;
    assert_eq!(again["assignPartner"]["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(again["assignPartner"]["profile"], Value::Null);

    let update = "mutation ($input: UpdateAssignmentInput!) { updateAssignment(input: $input) {
        assignment { weight price { amount } schedule { timezone } delivery { __typename } } userErrors { code } } }";
    let input = json!({"id": place["id"], "weight": 7, "price": null, "delivery": null});
    let updated = app.data(&ann.token, update, json!({ "input": input })).await;
    assert_eq!(
        updated["updateAssignment"]["assignment"],
        json!({"weight": 7, "price": null, "schedule": {"timezone": "UTC"}, "delivery": null})
    );
    let remove =
        "mutation ($id: ID!) { removeAssignment(id: $id) { profile { assignments { id } } userErrors { code } } }";
    let removed = app.data(&ann.token, remove, json!({"id": place["id"]})).await;
    assert_eq!(removed["removeAssignment"]["profile"]["assignments"], json!([]));
    let delete = "mutation ($id: ID!) { deleteDistributionProfile(id: $id) { deletedId userErrors { code } } }";
    let deleted = app.data(&ann.token, delete, json!({ "id": profile })).await;
    assert_eq!(deleted["deleteDistributionProfile"]["deletedId"], json!(profile));
    let list = "{ distributionProfiles(search: \"sol\") { nodes { id } } }";
    assert_eq!(
        app.data(&ann.token, list, json!({})).await["distributionProfiles"]["nodes"],
        json!([])
    );
});

both!(
    what_belongs_to_somebody_else_is_answered_like_what_does_not_exist,
    api,
    |app: TestApp| {
        let ann = app.account("Acme").await;
        let bob = app.account("Other").await;
        let partner = new_partner(&app, &ann, json!({"name": "Bolt", "email": "x@example.com"})).await;
        let profile = new_profile(&app, &ann, json!({"name": "Solar", "strategy": "SEND_TO_ALL"})).await;
        let unknown = format!("ptnr_{}", "0".repeat(26));
        for id in [&partner, &profile, &unknown, &"nonsense".to_owned()] {
            let read = "query ($id: ID!) { partner(id: $id) { id } distributionProfile(id: $id) { id } }";
            let read = app.data(&bob.token, read, json!({ "id": id })).await;
            assert_eq!(read, json!({"partner": null, "distributionProfile": null}));
            let change = "mutation ($id: ID!) {
            a: setPartnerActive(id: $id, active: false) { partner { id } userErrors { code path } }
            b: rotateSigningSecret(partnerId: $id) { secret userErrors { code path } }
            c: deleteDistributionProfile(id: $id) { deletedId userErrors { code path } } }";
            let changed = app.data(&bob.token, change, json!({ "id": id })).await;
            for (field, path) in [("a", "id"), ("b", "partnerId"), ("c", "id")] {
                assert_eq!(
                    changed[field]["userErrors"],
                    json!([{"code": "NOT_FOUND", "path": [path]}]),
                    "{id}"
                );
            }
            let preview = "query ($id: ID!) { previewDelivery(partnerId: $id, fields: {}) { body } }";
            assert_eq!(
                app.error_code(Some(&bob.token), preview, json!({ "id": id })).await,
                "NOT_FOUND"
            );
            assert_eq!(
                app.error_code(None, preview, json!({ "id": id })).await,
                "UNAUTHENTICATED"
            );
        }
    }
);
