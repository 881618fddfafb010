//! D11: no query shows a signing secret, the value of a header, or the password of a mail server.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::SET_SMTP;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, accepted, ana, text, webhook_with};

const SCHEMA: &str = "{ __schema { queryType { name } types { name kind possibleTypes { name }
    fields { name args { name defaultValue type { kind } } type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
const ROTATE: &str =
    "mutation($id: ID!) { rotateSigningSecret(partnerId: $id) { secret userErrors { code message path } } }";
const HEADER: &str = "Bearer 9f8e7d6c5b4a-very-long-and-secret";
const PASSWORD: &str = "hunter2-hunter2";
/// Levels below a root field.
const DEPTH: usize = 4;

/// A field without arguments that must be given: its name and the name of its type.
type Field = (String, String);

/// The schema as far as it can be asked for without knowing arguments.
struct Schema {
    fields: HashMap<String, Vec<Field>>,
    possible: HashMap<String, Vec<String>>,
    seen: std::cell::RefCell<BTreeSet<String>>,
}

impl Schema {
    async fn read(app: &TestApp, owner: &Account) -> Self {
        let data = app.data(&owner.token, SCHEMA, json!({})).await;
        let (mut fields, mut possible) = (HashMap::new(), HashMap::new());
        for kind in data["__schema"]["types"].as_array().unwrap() {
            let name = text(&kind["name"]);
            let own = kind["fields"].as_array().into_iter().flatten();
            let asked = own.filter(|field| {
                let mut arguments = field["args"].as_array().unwrap().iter();
                !arguments.any(|one| {
                    one["type"]["kind"] == "NON_NULL" && one["defaultValue"].is_null() && one["name"] != "id"
                })
            });
            let asked: Vec<Field> = asked
                .map(|field| (text(&field["name"]), named(&field["type"])))
                .collect();
            fields.insert(name.clone(), asked);
            let types = kind["possibleTypes"].as_array().into_iter().flatten();
            possible.insert(name, types.map(|one| text(&one["name"])).collect());
        }
        Self {
            fields,
            possible,
            seen: Default::default(),
        }
    }

    /// Everything of a type down to a depth; empty for a scalar, nothing where the depth does not do. Only the members of a union
    /// need other names for their fields, of which a document has few.
    fn selection(&self, kind: &str, depth: usize, member: bool) -> Option<String> {
        let possible = self.possible.get(kind).filter(|types| !types.is_empty());
        if let Some(types) = possible {
            let each = types
                .iter()
                .filter_map(|one| Some(format!("... on {one} {}", self.selection(one, depth, true)?)));
            return Some(format!("{{ __typename {} }}", each.collect::<Vec<_>>().join(" ")));
        }
        let fields = self.fields.get(kind).filter(|fields| !fields.is_empty());
        let Some(fields) = fields else {
            return Some(String::new());
        };
        if depth == 0 {
            return None;
        }
        self.seen.borrow_mut().insert(kind.to_owned());
        let each = fields.iter().filter_map(|(name, field)| {
            let alias = if member {
                format!("{kind}_{name}: ")
            } else {
                String::new()
            };
            Some(format!("{alias}{name} {}", self.selection(field, depth - 1, false)?))
        });
        Some(format!("{{ __typename {} }}", each.collect::<Vec<_>>().join(" ")))
    }
}

fn named(kind: &Value) -> String {
    kind["name"]
        .as_str()
        .map_or_else(|| named(&kind["ofType"]), str::to_owned)
}

both!(
    /// Every field of every object that leads to one, as far as it can be asked for, and the log of changes.
    no_query_shows_a_secret,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.respond(|_, request| Answer::status(400).body(format!("{:?}", request.headers)));
        let owner = app.account("Acme").await;
        let smtp = json!({ "host": "smtp.acme.test", "port": 587, "security": "STARTTLS", "username": "u", "password": PASSWORD,
            "fromAddress": "leads@acme.test" });
        app.done(&owner.token, SET_SMTP, smtp).await;
        let header = json!({ "headers": [{ "name": "Authorization", "value": HEADER }] });
        let (flow, partner, secret) = app.flow_to(&owner, webhook_with(&receiver.url("/"), header)).await;
        let rotated = app.ask(Some(&owner.token), ROTATE, json!({ "id": partner })).await;
        let secrets = [secret.unwrap(), text(&accepted(&rotated, "rotateSigningSecret")["secret"])];
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;

        let schema = Schema::read(&app, &owner).await;
        let roots: Vec<Field> = schema.fields["Query"].clone();
        let (mut answers, mut refusals) = (String::new(), String::new());
        for (root, kind) in roots {
            let argument = match root.as_str() {
                "partner" => format!("(id: \"{partner}\")"),
                "lead" => format!("(id: \"{lead}\")"),
                "flow" => format!("(id: \"{}\")", flow.id),
                "deliveries" | "partners" | "auditLog" | "auditEvents" => "(first: 5)".to_owned(),
                _ => String::new(),
            };
            // As deep as the limits of a request allow.
            for depth in (1..=DEPTH).rev() {
                let Some(selection) = schema.selection(&kind, depth, false) else { continue };
                let answer = app.ask(Some(&owner.token), &format!("{{ {root}{argument} {selection} }}"), json!({})).await;
                if answer["data"][&root].is_object() || answer["data"][&root].is_array() {
                    answers.push_str(&answer.to_string());
                    break;
                }
                refusals.push_str(&answer["errors"].to_string());
            }
        }

        for kind in ["Partner", "WebhookSettings", "HeaderView", "SigningView", "SmtpSettings", "DeliveryAttempt"] {
            assert!(schema.seen.borrow().contains(kind), "{kind} was not asked for");
        }
        let shown = answers.contains("Authorization") && answers.contains("smtp.acme.test");
        assert!(shown, "the settings were not shown: {refusals}");
        let stored = app.dump().await;
        let bare = |secret: &str| secret.trim_start_matches("whsec_").to_owned();
        for hidden in [bare(&secrets[0]), bare(&secrets[1]), HEADER.to_owned(), "9f8e7d6c5b4a".to_owned(), PASSWORD.to_owned()] {
            assert!(!answers.contains(&hidden), "{hidden} is shown");
            assert!(!stored.contains(&hidden), "{hidden} is stored in plain text");
        }
    }
);
