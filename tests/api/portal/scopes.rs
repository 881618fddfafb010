//! P3: what is another partner's does not exist, by whatever way it is asked for; and a token of one scope is refused by every
//! root field of the other.

use serde_json::{Map, Value, json};

use super::reviews::{ACCEPT, RETURN};
use super::with_mail;
use crate::support::app::TestApp;
use crate::support::event_stream::{Ask, EventStream};
use crate::support::make::{ana, text};

/// Root fields that anybody may ask for, or that answer by what the caller may see.
const PUBLIC: &[&str] = &[
    "node",
    "nodes",
    "viewer",
    "invitationPreview",
    "signUp",
    "logIn",
    "logOut",
    "refreshSession",
    "requestPasswordReset",
    "resetPassword",
    "verifyEmail",
    "portalLogIn",
    "activatePortalUser",
    "requestPortalPasswordReset",
    "heartbeat",
];
/// Root fields of the portal's scope. All others are the account's.
const PORTAL: &[&str] = &[
    "portal",
    "acceptPortalLeads",
    "rejectPortalLeads",
    "requestReturn",
    "updatePortalContact",
    "updatePortalDelivery",
    "portalLeads",
];
/// Root fields that answer a text which is no identifier before they look who asks: alike for everybody, with nothing.
const LATE: &[&str] = &[
    "lead",
    "delivery",
    "submitLead",
    "submitLeads",
    "retryDelivery",
    "cancelDelivery",
];
const ONE_OF: &[&str] = &["DeliverySettingsInput", "RuleInput", "StepInput"];
const SCHEMA: &str = "{ __schema {
    queryType { fields { ...Field } } mutationType { fields { ...Field } } subscriptionType { fields { ...Field } }
    types { kind name inputFields { ...Value } enumValues { name } } } }
    fragment Field on __Field { name type { ...Type } args { ...Value } }
    fragment Value on __InputValue { name defaultValue type { ...Type } }
    fragment Type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema, to make an example of everything that is needed to ask for a field.
struct Schema(Value);

impl Schema {
    fn fields(&self, root: &str) -> Vec<Value> {
        self.0[root]["fields"].as_array().unwrap().clone()
    }

    fn named(&self, name: &Value) -> &Value {
        self.0["types"]
            .as_array()
            .unwrap()
            .iter()
            .find(|of| of["name"] == *name)
            .unwrap()
    }

    fn example(&self, of: &Value, name: &str) -> Value {
        match of["kind"].as_str().unwrap() {
            "NON_NULL" => self.example(&of["ofType"], name),
            "LIST" => json!([self.example(&of["ofType"], name)]),
            "ENUM" => self.named(&of["name"])["enumValues"][0]["name"].clone(),
            "INPUT_OBJECT" => self.input(&of["name"]),
            _ => match of["name"].as_str().unwrap() {
                "Int" | "Float" => json!(1),
                "Boolean" => json!(true),
                "DateTime" if name == "to" => json!("2026-02-01T00:00:00Z"),
                "DateTime" => json!("2026-01-01T00:00:00Z"),
                "EmailAddress" => json!("a@b.test"),
                "URL" => json!("https://b.test"),
                "Decimal" => json!("1"),
                "CurrencyCode" => json!("EUR"),
                "TimeZone" => json!("UTC"),
                "JSON" => json!({}),
                _ => json!("x"),
            },
        }
    }

    fn input(&self, name: &Value) -> Value {
        let fields = self.named(name)["inputFields"].as_array().unwrap();
        let one_of = ONE_OF.contains(&name.as_str().unwrap());
        let needed = |field: &&Value| one_of || is_needed(field);
        let simplest = |field: &&Value| !one_of || name != "RuleInput" || field["name"] == "condition";
        let wanted = fields
            .iter()
            .filter(needed)
            .filter(simplest)
            .take(if one_of { 1 } else { usize::MAX });
        let members: Map<String, Value> = wanted
            .map(|field| {
                (
                    text(&field["name"]),
                    self.example(&field["type"], &text(&field["name"])),
                )
            })
            .collect();
        Value::Object(members)
    }

    /// An operation that asks for one root field, and its variables.
    fn operation(&self, kind: &str, field: &Value) -> (String, Value) {
        let needed: Vec<&Value> = field["args"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|arg| is_needed(arg))
            .collect();
        let (mut declared, mut given, mut variables) = (String::new(), String::new(), Map::new());
        for arg in needed {
            let name = text(&arg["name"]);
            declared += &format!("${name}: {} ", written(&arg["type"]));
            given += &format!("{name}: ${name} ");
            variables.insert(name.clone(), self.example(&arg["type"], &name));
        }
        let around = |text: String| if text.is_empty() { text } else { format!("({text})") };
        let leaf = matches!(innermost(&field["type"])["kind"].as_str().unwrap(), "SCALAR" | "ENUM");
        let selection = if leaf { "" } else { "{ __typename }" };
        let name = text(&field["name"]);
        let query = format!("{kind} {} {{ {name}{} {selection} }}", around(declared), around(given));
        (query, Value::Object(variables))
    }
}

fn is_needed(value: &Value) -> bool {
    value["type"]["kind"] == "NON_NULL" && value["defaultValue"].is_null()
}

fn innermost(of: &Value) -> &Value {
    if of["ofType"].is_null() {
        of
    } else {
        innermost(&of["ofType"])
    }
}

fn written(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", written(&of["ofType"])),
        "LIST" => format!("[{}]", written(&of["ofType"])),
        _ => text(&of["name"]),
    }
}

/// The code of the first error of an operation; none if there is no error.
async fn code(app: &TestApp, token: Option<&str>, query: &str, variables: Value) -> Option<String> {
    let answer = if query.starts_with("subscription") {
        let wanted = Ask {
            token,
            query,
            variables,
            ..Ask::default()
        };
        EventStream::open(app.address, wanted)
            .await
            .next()
            .await
            .unwrap()
            .json()
    } else {
        app.ask(token, query, variables).await
    };
    Some(text(answer.get("errors")?[0].get("extensions")?.get("code")?))
}

with_mail!(
    /// Every root field there is, with nobody's token and with one of the other scope.
    every_root_field_refuses_nobody_and_the_other_scope,
    |app| {
        let owner = app.account("Acme").await;
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let schema = Schema(app.data(&owner.token, SCHEMA, json!({})).await["__schema"].take());
        let mut wrong = Vec::new();
        let mut count = 0;
        for (kind, root) in [("query", "queryType"), ("mutation", "mutationType"), ("subscription", "subscriptionType")] {
            for field in schema.fields(root) {
                let name = text(&field["name"]);
                if PUBLIC.contains(&name.as_str()) {
                    continue;
                }
                count += 1;
                let other = if PORTAL.contains(&name.as_str()) { &owner.token } else { &pat };
                let (query, variables) = schema.operation(kind, &field);
                for (token, expected) in [(None, "UNAUTHENTICATED"), (Some(other.as_str()), "FORBIDDEN")] {
                    let code = code(&app, token, &query, variables.clone()).await;
                    let late = LATE.contains(&name.as_str()) && code.is_none();
                    if code.as_deref() != Some(expected) && !late {
                        wrong.push(format!("{query}: {code:?} in place of {expected}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(count > 90, "only {count} fields were found");
    }
);

with_mail!(
    /// By identifier, node, filter, cursor, CSV, subscription and review: as if it did not exist.
    another_partners_lead_does_not_exist,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, mine, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let (other, _) = app.partner(&owner, "Q", json!({ "portal": {} }), json!({})).await;
        let profile = app.profile(&owner, json!({ "name": "Other" })).await;
        app.assign(&owner, &profile, &other, json!({})).await;
        let theirs = app.flow(&owner, json!({ "name": "Other" })).await;
        app.step(&owner, &theirs, "D", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let pat = app.portal_user(&owner, &mine, "pat@buyer.test").await;
        let quinn = app.portal_user(&owner, &other, "quinn@other.test").await;
        app.submit(&owner, &flow, json!({ "first_name": "Mine" })).await;
        let lead = text(&app.submit(&owner, &theirs, ana()).await["id"]);
        let delivery = text(&app.deliveries(&owner, &lead).await[0]["id"]);
        app.submit(&owner, &flow, json!({ "first_name": "Mine too" })).await;

        let by_id = "query($id: ID!) { portal { lead(id: $id) { id } } node(id: $id) { id } nodes(ids: [$id]) { id } }";
        let nothing = json!({ "portal": { "lead": null }, "node": null, "nodes": [null] });
        for id in [&delivery, &lead, &other, &theirs.id, &owner.id, "dlv_00000000000000000000000000"] {
            assert_eq!(app.data(&pat, by_id, json!({ "id": id })).await, nothing, "{id}");
        }
        assert_eq!(app.data(&quinn, by_id, json!({ "id": delivery })).await["portal"]["lead"]["id"], json!(delivery));
        let list = "query($filter: PortalLeadFilter, $after: String) { portal { leads(filter: $filter, after: $after) { edges { cursor node { title } } } } }";
        let titles = |data: Value| -> Vec<String> {
            let edges = data["portal"]["leads"]["edges"].as_array().unwrap().clone();
            edges.iter().map(|edge| text(&edge["node"]["title"])).collect()
        };
        for search in ["ana@example.com", "Ana Silva", "(415) 555-0132"] {
            let filter = json!({ "filter": { "search": search } });
            assert!(titles(app.data(&pat, list, filter.clone()).await).is_empty());
            assert_eq!(titles(app.data(&quinn, list, filter).await), ["Ana Silva"]);
        }
        let cursor = app.data(&quinn, list, json!({})).await["portal"]["leads"]["edges"][0]["cursor"].take();
        let older = app.data(&pat, list, json!({ "after": cursor })).await;
        assert_eq!(titles(older), ["Mine"], "a cursor is a place, not a key");
        for mutation in [ACCEPT, RETURN] {
            let refused = app.refused(&pat, mutation, json!({ "ids": [delivery], "reason": "x" })).await;
            assert_eq!(refused, [("NOT_FOUND".to_owned(), "input.ids.0".to_owned())]);
        }

        let follow = "subscription { portalLeads(after: \"0\") { lead { title } } }";
        let mut feed = app.subscribe(&pat, follow, json!({})).await;
        for title in ["Mine", "Mine too"] {
            assert_eq!(feed.event().await["portalLeads"]["lead"]["title"], title);
        }
        let csv = app.records(&pat, "").await.join("\n");
        assert!(csv.contains("Mine too") && !csv.contains("Ana") && !csv.contains(&delivery));
    }
);
