//! Asks every root field for every kind of thing of an account, as somebody else.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::{Value, json};

use super::shape::{Place, Root, Shape};
use super::world::{Caller, MARKER, World};
use super::{Right, right, turned_away};
use crate::support::app::TestApp;

/// What an identifier that nobody has looks like, after its prefix.
const UNKNOWN: &str = "01h455vb4pex5vsknk084sn02q";
const TYPE: &str = "query($id: ID!) { node(id: $id) { __typename } }";
const PORTAL_LEAD: &str = "query($id: ID!) { portal { lead(id: $id) { id } } }";

/// How somebody without a right is answered.
const REFUSED: &[&str] = &[
    "NOT_FOUND",
    "FORBIDDEN",
    "UNAUTHENTICATED",
    "NOT_CONNECTED",
    "INVITATION_CLOSED",
    "nothing",
];
/// Answers that refuse for another reason than the right, so prove nothing.
const BROKEN: &[&str] = &[
    "RATE_LIMITED",
    "INTERNAL",
    "GRAPHQL_VALIDATION_FAILED",
    "QUERY_TOO_COMPLEX",
];
/// What is counted when somebody reads docs or is refused, and what changes by itself.
const RESTLESS: &[&str] = &["docs_read:", "refused_attempt:", "worker:"];

/// Entries of a page: more than the world has of anything.
const SMALL_PAGE: usize = 5;

/// Identifiers that somebody gets, and the types as which `node` shows them: empty where it does not.
type Things = BTreeMap<String, String>;

/// What somebody else may get of an account's things, likewise.
pub(super) type Given<'w> = BTreeMap<&'w str, &'w str>;

pub(super) struct Walk<'a> {
    app: &'a TestApp,
    shape: &'a Shape,
    world: &'a World,
    /// Everything that the owner gets, and that is its own.
    things: Things,
    /// What should not be; all of it is shown in the end.
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) async fn of(app: &'a TestApp, shape: &'a Shape, world: &'a World) -> Self {
        let mut walk = Self {
            app,
            shape,
            world,
            things: Things::new(),
            found: Vec::new(),
        };
        walk.things = walk.reach(&world.as_owner()).await.0;
        walk.things
            .retain(|_, kind| !kind.is_empty() && kind != "AccountProfile");
        walk
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.found.push(otherwise());
        }
    }

    pub(super) fn found_nothing(&self) {
        let found = &self.found;
        assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    }

    /// Every type that `node` shows is among what the owner or somebody else gets: so there is one of it to ask for.
    pub(super) async fn is_complete(&self) {
        let mut kinds: BTreeSet<String> = self.things.values().cloned().collect();
        for caller in [&self.world.partner, &self.world.portal] {
            kinds.extend(self.reach(caller).await.0.into_values());
        }
        let mut missing = self.shape.possible("Node");
        missing.retain(|kind| !kinds.contains(*kind));
        assert!(
            missing.is_empty(),
            "make these in tests/api/least_privilege/world.rs: {missing:?}"
        );
    }

    /// Whatever was asked has left the database as it was.
    pub(super) async fn has_changed_nothing_since(&mut self, before: &str) {
        let after = self.app.dump().await;
        let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), after.lines().collect());
        for row in before.symmetric_difference(&after) {
            let restless = RESTLESS.iter().any(|table| row.starts_with(table));
            self.expect(restless, || format!("changed: {row}"));
        }
    }

    /// What somebody gets who begins with what takes nothing foreign, and follows the identifiers that come back; and all
    /// answers.
    async fn reach(&self, caller: &Caller) -> (Things, Vec<Value>) {
        let (mut things, mut answers, mut waiting) = (Things::new(), Vec::new(), BTreeSet::new());
        for root in self.shape.roots().iter().filter(|root| !root.mutation) {
            let mut variables = self.shape.variables(root, None, &caller.own);
            // Everything of an object is selected: a larger page would cost more than a query may.
            variables["first"] = json!(SMALL_PAGE);
            answers.push(self.ask(caller, &self.shape.operation(root, 2), variables).await);
        }
        for answer in &answers {
            assert!(
                !answer.to_string().contains("QUERY_TOO_COMPLEX"),
                "proves nothing: {answer}"
            );
        }
        answers
            .iter()
            .for_each(|answer| identifiers(&answer["data"], &mut waiting));
        while let Some(id) = waiting.pop_first() {
            let answer = self.ask(caller, TYPE, json!({ "id": id })).await;
            let kind = answer["data"]["node"]["__typename"].as_str().unwrap_or_default();
            if !kind.is_empty() {
                let answer = self.ask(caller, &self.shape.node(kind, 2), json!({ "id": id })).await;
                identifiers(&answer["data"], &mut waiting);
                answers.push(answer);
            }
            things.insert(id, kind.to_owned());
            waiting.retain(|id| !things.contains_key(id));
        }
        (things, answers)
    }

    /// Asks as somebody to whom these things are given, and nothing else.
    pub(super) async fn ask_as(&mut self, caller: &Caller, given: Given<'_>) {
        self.gets_what_is_given(caller, &given).await;
        self.by_node(caller, &given).await;
        for root in self.shape.roots() {
            let right = right(root.name).expect("an unstated right");
            match turned_away(right, caller.who) {
                Some(code) => self.at_the_door(caller, &root, code).await,
                None => self.by_places(caller, &root, right, &given).await,
            }
        }
    }

    /// By whatever it reads by itself, the caller gets exactly what is given, and nothing that the owner has written.
    async fn gets_what_is_given(&mut self, caller: &Caller, given: &Given<'_>) {
        let (reached, answers) = self.reach(caller).await;
        for answer in &answers {
            self.expect(!has_marker(answer), || format!("{} reads: {answer}", caller.who));
        }
        let common = self.things.keys().filter_map(|id| reached.get_key_value(id));
        let common: Given<'_> = common.map(|(id, kind)| (id.as_str(), kind.as_str())).collect();
        let matches = common == *given;
        let told = format!("{} gets {common:?}\n  but is given {given:?}", caller.who);
        self.expect(matches, || told);
    }

    /// By identifier the caller gets what is given, as that, and nothing else, whatever it selects.
    async fn by_node(&mut self, caller: &Caller, given: &Given<'_>) {
        for (id, kind) in self.things.clone() {
            let variables = json!({ "id": id });
            let answer = self.ask(caller, &self.shape.node(&kind, 1), variables.clone()).await;
            let found = answer["data"]["node"]["__typename"].as_str().unwrap_or_default();
            let may = found == given.get(id.as_str()).copied().unwrap_or_default() && !has_marker(&answer);
            self.expect(may, || format!("{} reads {id}: {answer}", caller.who));
            if !given.contains_key(id.as_str()) {
                let answer = self.ask(caller, PORTAL_LEAD, variables).await;
                let hidden = answer["data"]["portal"]["lead"].is_null();
                self.expect(hidden, || format!("the portal shows {id}: {answer}"));
            }
        }
    }

    /// Who has no right to a field at all is told so before anything else.
    async fn at_the_door(&mut self, caller: &Caller, root: &Root<'_>, code: &str) {
        let variables = self.shape.variables(root, None, &caller.own);
        let answer = self.ask(caller, &self.shape.operation(root, 1), variables).await;
        let told = answer["errors"][0]["extensions"]["code"] == code;
        self.expect(told, || format!("{} asks {}: {answer}", caller.who, root.name));
    }

    /// A foreign identifier, in any place, is answered as one that nobody has, and does nothing.
    async fn by_places(&mut self, caller: &Caller, root: &Root<'_>, right: Right, given: &Given<'_>) {
        // A log-in names an account or partner beside a password, without which it says nothing; guesses are limited. A request for a
        // new password answers the same whatever it names (proof::portals).
        if matches!(root.name, "logIn" | "portalLogIn" | "requestPortalPasswordReset") {
            return;
        }
        for place in self.shape.places(root) {
            let at = (root, &place);
            let ids = self.to_ask_for(caller, right, &place, given);
            let absent = self.ask_for(caller, at, &unknown("flow_")).await;
            let answers = join_all(ids.iter().map(|id| self.ask_for(caller, at, id))).await;
            let mut codes = BTreeSet::new();
            for (id, answer) in ids.iter().zip(&answers) {
                let known = given.contains_key(id.as_str());
                codes.insert(self.judge(caller, at, (id, known), (answer, &absent)).await);
            }
            let looked = codes.iter().any(|code| REFUSED.contains(&code.as_str()));
            let told = format!("{} asks {} at {place:?}: only {codes:?}", caller.who, root.name);
            self.expect(looked, || told);
        }
    }

    /// What the caller has no right to name there: one of each type is enough, and each that is given.
    fn to_ask_for(&self, caller: &Caller, right: Right, place: &Place, given: &Given<'_>) -> Vec<String> {
        let mut kinds = BTreeSet::new();
        let closed = |(id, kind): &(&String, &String)| {
            let given = given.get(id.as_str()).copied();
            // An account's identifier is no secret: whoever has it may invite the account.
            let invites = kind.as_str() == "Account" && place.last().is_some_and(|name| name == "accountId");
            !invites && !is_open(right, caller, given, kind)
        };
        let things = self.things.iter().filter(closed);
        let few = things.filter(|(id, kind)| given.contains_key(id.as_str()) || kinds.insert(*kind));
        few.map(|(id, _)| id.clone()).collect()
    }

    /// The code of the refusal.
    async fn judge(
        &mut self,
        caller: &Caller,
        at: (&Root<'_>, &Place),
        (id, given): (&str, bool),
        (answer, absent): (&Value, &Value),
    ) -> String {
        let root = at.0;
        let without = |answer: &Value, id: &str| answer.to_string().replace(id, "ID");
        let mut same = without(answer, id) == without(absent, &unknown("flow_"));
        if !same {
            let absent = self.ask_for(caller, at, &unknown(id)).await;
            same = without(answer, id) == without(&absent, &unknown(id));
        }
        let code = told(answer, root.name);
        // Of what was once shared it may be said that it is over.
        let refused = same || (given && REFUSED.contains(&code.as_str()));
        let harmful = has_marker(answer) || (root.mutation && code == "something");
        let proves = refused && !harmful && !BROKEN.contains(&code.as_str());
        self.expect(proves, || {
            format!("{} asks {} for {id}: {answer}", caller.who, root.name)
        });
        code
    }

    async fn ask_for(&self, caller: &Caller, (root, place): (&Root<'_>, &Place), id: &str) -> Value {
        let variables = self.shape.variables(root, Some((place, id)), &caller.own);
        self.ask(caller, &self.shape.operation(root, 0), variables).await
    }

    async fn ask(&self, caller: &Caller, operation: &str, variables: Value) -> Value {
        self.app.ask(caller.token.as_deref(), operation, variables).await
    }
}

/// Whether somebody may ask a field for a thing of that type, which is given to it as `given`, if it is.
fn is_open(right: Right, caller: &Caller, given: Option<&str>, kind: &str) -> bool {
    match right {
        Right::SignedIn | Right::BothAccounts => given.is_some(),
        Right::Connected => given.is_some() && caller.who == "a partner",
        // What both sides have under the same face belongs to both.
        Right::Own => given == Some(kind),
        // An account's identifier is all that they need. Few tries, for these are limited by the hour.
        Right::Accounts => !["Flow", "User"].contains(&kind),
        Right::Portal => given == Some("PortalLead"),
        Right::Everybody => false,
    }
}

/// An identifier of the same kind that nobody has.
fn unknown(like: &str) -> String {
    format!("{}_{UNKNOWN}", prefix(like))
}

/// The code of an answer's error, else that of its first broken rule, else `nothing` or `something`.
fn told(answer: &Value, field: &str) -> String {
    let found = &answer["data"][field];
    let error = &answer["errors"][0]["extensions"]["code"];
    let code = error.as_str().or_else(|| found["userErrors"][0]["code"].as_str());
    let empty = found.is_null()
        || found["ok"] == false
        || found["nodes"] == json!([])
        || found["requeued"] == 0
        || *found == json!([])
        || *found == json!([null]);
    code.unwrap_or(if empty { "nothing" } else { "something" }).to_owned()
}

fn has_marker(answer: &Value) -> bool {
    answer.to_string().contains(MARKER)
}

fn prefix(id: &str) -> &str {
    id.split_once('_').map_or("", |(prefix, _)| prefix)
}

/// Every identifier in an answer: a prefix, and 26 characters.
fn identifiers(answer: &Value, into: &mut BTreeSet<String>) {
    match answer {
        Value::String(text) if !prefix(text).is_empty() && text.len() == prefix(text).len() + 27 => {
            into.insert(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| identifiers(value, into)),
        Value::Object(members) => members.values().for_each(|value| identifiers(value, into)),
        _ => {}
    }
}
