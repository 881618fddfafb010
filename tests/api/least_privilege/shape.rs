//! Operations made from the schema itself: every argument that takes an identifier, filled in so that the rest is valid.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::support::app::TestApp;

const INTROSPECT: &str = include_str!("../transport/introspection.graphql");

/// The schema as introspection tells it.
pub(super) struct Shape {
    types: HashMap<String, Value>,
}

/// A root field.
pub(super) struct Root<'a> {
    pub(super) mutation: bool,
    pub(super) name: &'a str,
    field: &'a Value,
}

/// Where an identifier goes into a root field: the argument, then the members of input objects.
pub(super) type Place = Vec<String>;

impl Shape {
    pub(super) async fn of(app: &TestApp) -> Self {
        let answer = app.ask(None, INTROSPECT, json!({})).await;
        let types = answer["data"]["__schema"]["types"].as_array().expect("no schema");
        Self {
            types: types.iter().map(|kind| (name(kind).to_owned(), kind.clone())).collect(),
        }
    }

    /// The fields of `Query` and `Mutation`.
    pub(super) fn roots(&self) -> Vec<Root<'_>> {
        let of = |kind: &str, mutation| {
            let root = move |field| Root {
                mutation,
                name: name(field),
                field,
            };
            list(&self.types[kind]["fields"]).iter().map(root)
        };
        of("Query", false).chain(of("Mutation", true)).collect()
    }

    /// The names of all object types but the roots and those of introspection.
    pub(super) fn objects(&self) -> Vec<&str> {
        let roots = ["Query", "Mutation", "Subscription"];
        let objects = self.types.values().filter(|kind| kind["kind"] == "OBJECT");
        let names = objects.map(name);
        names
            .filter(|name| !name.starts_with("__") && !roots.contains(name))
            .collect()
    }

    /// The kind of a type: `OBJECT`, `INTERFACE`, …
    pub(super) fn kind(&self, of: &str) -> &str {
        self.types[of]["kind"].as_str().unwrap_or_default()
    }

    /// The fields of an object or interface.
    pub(super) fn fields(&self, of: &str) -> &[Value] {
        list(&self.types[of]["fields"])
    }

    /// The object types that an interface or union stands for.
    pub(super) fn possible(&self, interface: &str) -> Vec<&str> {
        list(&self.types[interface]["possibleTypes"]).iter().map(name).collect()
    }

    /// The fields of other objects that take an identifier, as `Type.field`.
    pub(super) fn nested_takers(&self) -> Vec<String> {
        let objects = self
            .types
            .values()
            .filter(|kind| kind["kind"] == "OBJECT" && !["Query", "Mutation"].contains(&name(kind)));
        let takers = objects.flat_map(|kind| {
            let taking = list(&kind["fields"])
                .iter()
                .filter(|field| !self.places_of(field).is_empty());
            taking.map(|field| format!("{}.{}", name(kind), name(field)))
        });
        let mut takers: Vec<String> = takers.collect();
        takers.sort();
        takers
    }

    /// Every place of a root field that takes an identifier.
    pub(super) fn places(&self, root: &Root<'_>) -> Vec<Place> {
        self.places_of(root.field)
    }

    fn places_of(&self, field: &Value) -> Vec<Place> {
        let within = |argument| self.places_in(argument, &mut Vec::new());
        list(&field["args"]).iter().flat_map(within).collect()
    }

    fn places_in<'a>(&'a self, input: &'a Value, above: &mut Vec<&'a str>) -> Vec<Place> {
        let kind = named(&input["type"]);
        if kind == "ID" {
            return vec![vec![name(input).to_owned()]];
        }
        if self.types[kind]["kind"] != "INPUT_OBJECT" || above.contains(&kind) {
            return Vec::new();
        }
        above.push(kind);
        let mut places = Vec::new();
        for member in list(&self.types[kind]["inputFields"]) {
            for mut place in self.places_in(member, above) {
                place.insert(0, name(input).to_owned());
                places.push(place);
            }
        }
        above.pop();
        places
    }

    /// The text of an operation on a root field that selects what there is, so many objects deep.
    pub(super) fn operation(&self, root: &Root<'_>, depth: usize) -> String {
        let arguments = list(&root.field["args"]);
        let declared: Vec<String> = arguments
            .iter()
            .map(|argument| format!("${}: {}", name(argument), written(&argument["type"])))
            .collect();
        let passed: Vec<String> = arguments
            .iter()
            .map(|argument| format!("{0}: ${0}", name(argument)))
            .collect();
        let around = |open: &str, inner: Vec<String>| match inner.len() {
            0 => String::new(),
            _ => format!("({open}{})", inner.join(", ")),
        };
        let (declared, passed) = (around("", declared), around("", passed));
        let kind = if root.mutation { "mutation" } else { "query" };
        let selection = self.braces(named(&root.field["type"]), depth);
        format!("{kind}{declared} {{ {}{passed}{selection} }}", root.name)
    }

    /// A query for one object of that type by its identifier.
    pub(super) fn node(&self, kind: &str, depth: usize) -> String {
        let inner = self.braces(kind, depth);
        format!("query($id: ID!) {{ node(id: $id) {{ __typename ... on {kind}{inner} }} }}")
    }

    fn braces(&self, kind: &str, depth: usize) -> String {
        match self.types[kind]["kind"].as_str() {
            Some("SCALAR" | "ENUM") => String::new(),
            _ => format!(" {{ {} }}", self.selection(kind, depth)),
        }
    }

    fn selection(&self, kind: &str, depth: usize) -> String {
        let mut selected = vec!["__typename".to_owned()];
        for field in list(&self.types[kind]["fields"]) {
            let inner = named(&field["type"]);
            let leaf = matches!(self.types[inner]["kind"].as_str(), Some("SCALAR" | "ENUM"));
            let free = ["nodes", "userErrors"].contains(&name(field));
            if list(&field["args"]).iter().any(required) || name(field) == "edges" || !(leaf || free || depth > 0) {
                continue;
            }
            let deeper = depth.saturating_sub(usize::from(!free));
            selected.push(format!("{}{}", name(field), self.braces(inner, deeper)));
        }
        selected.join(" ")
    }

    /// Valid variables: what is required, and the identifier in its place. Other identifiers are the caller's own, by
    /// the names of their arguments.
    pub(super) fn variables(&self, root: &Root<'_>, at: Option<(&[String], &str)>, own: &Value) -> Value {
        let filling = Filling { shape: self, own };
        filling.object(list(&root.field["args"]), at)
    }
}

struct Filling<'a> {
    shape: &'a Shape,
    own: &'a Value,
}

impl Filling<'_> {
    fn object(&self, members: &[Value], at: Option<(&[String], &str)>) -> Value {
        let mut object = Map::new();
        for member in members {
            let inside = at
                .filter(|(place, _)| place[0] == name(member))
                .map(|(place, id)| (&place[1..], id));
            // Some verdicts need a reason, though its type does not say so.
            if inside.is_some() || required(member) || name(member) == "reason" {
                object.insert(
                    name(member).to_owned(),
                    self.value(&member["type"], name(member), inside),
                );
            }
        }
        Value::Object(object)
    }

    fn value(&self, kind: &Value, called: &str, at: Option<(&[String], &str)>) -> Value {
        match kind["kind"].as_str() {
            Some("NON_NULL") => self.value(&kind["ofType"], called, at),
            Some("LIST") => json!([self.value(&kind["ofType"], called, at)]),
            _ => self.named(name(kind), called, at),
        }
    }

    fn named(&self, kind: &str, called: &str, at: Option<(&[String], &str)>) -> Value {
        let found = &self.shape.types[kind];
        match found["kind"].as_str() {
            Some("ENUM") if kind == "RelationshipType" => json!("BOTH"),
            Some("ENUM") => found["enumValues"][0]["name"].clone(),
            Some("INPUT_OBJECT") if found["isOneOf"] == true && at.is_none() => usual(kind),
            Some("INPUT_OBJECT") => self.object(list(&found["inputFields"]), at),
            _ => match (kind, at) {
                ("ID", Some((_, id))) => json!(id),
                ("ID", None) => self.own[called].clone(),
                _ => scalar(kind, called),
            },
        }
    }
}

/// The member of a `@oneOf` input that is valid everywhere.
fn usual(kind: &str) -> Value {
    match kind {
        "DeliverySettingsInput" => json!({ "portal": {} }),
        "StepInput" => json!({ "transform": { "assignments": [{ "field": "company", "template": "x" }] } }),
        "RuleInput" => json!({ "condition": { "field": "company", "operator": "EQUALS", "value": "x" } }),
        _ => panic!("no valid value is known for {kind}"),
    }
}

fn scalar(kind: &str, called: &str) -> Value {
    match (kind, called) {
        ("String", "password" | "newPassword" | "currentPassword") => json!("correct horse battery"),
        ("String", "field") => json!("company"),
        ("String", _) => json!("x"),
        ("EmailAddress", _) => json!("somebody@else.test"),
        ("URL", _) => json!("https://else.test/"),
        ("JSON", _) => json!({}),
        ("Int", _) => json!(1),
        ("Boolean", _) => json!(true),
        ("Decimal", _) => json!("1"),
        ("CurrencyCode", _) => json!("EUR"),
        ("TimeZone", _) => json!("UTC"),
        ("DateTime", "to") => json!("2040-01-02T00:00:00Z"),
        ("DateTime", _) => json!("2040-01-01T00:00:00Z"),
        _ => panic!("no valid value is known for {kind} {called}"),
    }
}

pub(super) fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}

pub(super) fn list(of: &Value) -> &[Value] {
    of.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn required(input: &Value) -> bool {
    input["type"]["kind"] == "NON_NULL" && input["defaultValue"].is_null()
}

pub(super) fn named(kind: &Value) -> &str {
    kind["name"].as_str().unwrap_or_else(|| named(&kind["ofType"]))
}

fn written(kind: &Value) -> String {
    match kind["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&kind["ofType"])),
        Some("LIST") => format!("[{}]", written(&kind["ofType"])),
        _ => name(kind).to_owned(),
    }
}
