//! Scopes and roles at the object, proven by walking the schema: whatever path leads from something that a caller may read to an
//! object that it may not, every field of that object is null or refused.
//!
//! **A new type fails this test.** State in `OPEN` who may read it, or in `PARTS` that it is a part of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::shape::{Shape, list, name, named, required};
use super::world::World;
use crate::support::app::{TestApp, both};
use crate::support::make::text;
use crate::support::stream::Stream;

const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";

/// Types that belong to whatever they are a part of.
const PARTS: &str = "AccountPayload AccountProfile AcknowledgePayload Actor ApiKeyPayload ConnectionPayload CreateApiKeyPayload
    DeletePayload DeliveryCounts DeliveryPayload Diagnosis DiagnosisCheck FlowCounts FlowField FlowPayload Heartbeat InvitationPayload
    InvitationPreview LeadPayload LeadReason Money Node PageInfo PartnerPayload PortalLeadsPayload PortalReview PortalUserPayload
    ProfilePayload RetryDeliveriesPayload RetryLeftOut Session SessionPayload SigningSecretPayload SubmitLeadPayload
    SubmitLeadsPayload TestEmailPayload TraceEntry UserError UserPayload Viewer";

/// The types that callers may read, and single fields of others.
const LEADS: &str =
    "Delivery DeliveryAttempt DeliveryConnection DeliveryEdge DeliveryFailure DeliveryUpdate ErasureNotice Lead
    LeadArrival LeadConnection LeadEdge LeadEvent MailRecipient ReportRow
    Flow.id Flow.name Flow.stats FlowSource.id FlowSource.name OwnSource.id OwnSource.name AccountSource.id AccountSource.name Partner.id Partner.name
    Partner.stats DistributionProfile.id DistributionProfile.name DistributionProfile.stats";
const SETUP: &str = "Account AccountLink AccountLinkConnection AccountLinkEdge AccountSettings AccountSource ApiKey Assignment
    AvailableSource AvailableSourceConnection AvailableSourceEdge BuyerStep Cap ConnectionCapacity ConnectionUsage DeliveryPreview
    DestinationHealth DistributeStep DistributionProfile DistributionProfileConnection DistributionProfileEdge DocsReads
    EmailSettings ExampleResponse FieldMapping FieldSelection FilterStep Flow FlowConnection FlowEdge FlowRevision
    FlowRevisionConnection FlowRevisionEdge FlowSource FlowStep HeaderView NetworkEvent OwnSource Partner PartnerConnection PartnerEdge PortalAccess
    PortalSettings PortalUser PreviewHeader ResponseRule RetryPolicy RoutingSimulation Schedule ScheduleWindow SigningView
    SmtpSettings SubmissionDocs SubmissionDocsConnection SubmissionDocsEdge TemplateAssignment TransformStep UsageBucket User
    WebhookSettings";
const INVITATIONS: &str = "Invitation InvitationConnection InvitationEdge InvitationMail";
const RECEIPTS: &str = "SubmissionReceipt SubmissionReceiptConnection SubmissionReceiptEdge";
const AUDIT: &str = "AuditEvent AuditEventConnection AuditEventEdge";
const PORTAL: &str = "Portal PortalDelivery PortalLead PortalLeadConnection PortalLeadEdge PortalLeadEvent PortalStats";
/// Whom a viewer shows may read itself.
const OWN_KEY: &str = "ApiKey";
const OWN_PORTAL: &str = "PortalUser";

const OPEN: &[(&str, &[&str])] = &[
    ("LEADS_SUBMIT", &[RECEIPTS, OWN_KEY]),
    ("LEADS_READ", &[LEADS, OWN_KEY]),
    ("NETWORK_READ", &[SETUP, INVITATIONS]),
    ("MANAGE", &[SETUP, INVITATIONS, LEADS, RECEIPTS]),
    ("VIEWER", &[SETUP, LEADS]),
    ("MEMBER", &[SETUP, INVITATIONS, LEADS, RECEIPTS]),
    ("OWNER", &[SETUP, INVITATIONS, LEADS, RECEIPTS, AUDIT]),
    ("portal", &[PORTAL, OWN_PORTAL]),
];

/// A way from a root field to an object: the selection around `…`, which stands for what is selected of it.
type Way = String;

/// What one caller may read.
struct Reader<'a> {
    shape: &'a Shape,
    open: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn new(shape: &'a Shape, open: &[&'a str]) -> Self {
        let words = |text: &'a str| text.split_whitespace();
        let open = open.iter().copied().chain([PARTS]).flat_map(words).collect();
        Self { shape, open }
    }

    fn may(&self, kind: &str, field: &str) -> bool {
        self.open.contains(kind) || self.open.contains(format!("{kind}.{field}").as_str())
    }

    /// Ways that the caller may go, a way to each field that leads to an object that it may not read.
    fn foreign(&self) -> Vec<(Way, &'a str)> {
        let mut foreign = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: VecDeque<(Way, &str)> = VecDeque::from([("…".to_owned(), "Query")]);
        while let Some((way, kind)) = waiting.pop_front() {
            for field in self.shape.fields(kind) {
                let is_open = kind == "Query" || self.may(kind, name(field));
                if !is_open || list(&field["args"]).iter().any(required) {
                    continue;
                }
                for object in self.objects(named(&field["type"])) {
                    let step = step(field, object);
                    let way = way.replace('…', &step);
                    if !self.open.contains(object) {
                        foreign.push((way, object));
                    } else if known.insert(object) {
                        waiting.push_back((way, object));
                    }
                }
            }
        }
        foreign
    }

    /// The object types that a field of that type may answer.
    fn objects(&self, kind: &'a str) -> Vec<&'a str> {
        match self.shape.kind(kind) {
            "OBJECT" => vec![kind],
            "INTERFACE" => self.shape.possible(kind).into_iter().chain([kind]).collect(),
            "UNION" => self.shape.possible(kind),
            _ => Vec::new(),
        }
    }

    /// Every field of an object that the caller may not read, each by itself, with the parts of what it answers.
    fn closed(&self, kind: &str) -> Vec<String> {
        let fields = self.shape.fields(kind).iter();
        let closed = fields.filter(|field| !self.may(kind, name(field)) && !list(&field["args"]).iter().any(required));
        let selected = closed.map(|field| format!("{}{}", name(field), self.parts(named(&field["type"]))));
        selected.collect()
    }

    fn parts(&self, kind: &str) -> String {
        match self.shape.kind(kind) {
            "SCALAR" | "ENUM" => String::new(),
            "OBJECT" => {
                let fields = self.shape.fields(kind).iter();
                let leaves = fields.filter(|field| {
                    matches!(self.shape.kind(named(&field["type"])), "SCALAR" | "ENUM")
                        && !list(&field["args"]).iter().any(required)
                });
                let leaves: Vec<&str> = leaves.map(name).chain(["__typename"]).collect();
                format!(" {{ {} }}", leaves.join(" "))
            }
            _ => " { __typename }".to_owned(),
        }
    }
}

/// A field and its selection: of a page two entries, of an interface one of its objects.
fn step(field: &Value, object: &str) -> String {
    let paged = list(&field["args"]).iter().any(|argument| name(argument) == "first");
    let arguments = if paged { "(first: 2)" } else { "" };
    let inner = if named(&field["type"]) == object {
        "…".to_owned()
    } else {
        format!("... on {object} {{ … }}")
    };
    format!("{}{arguments} {{ {inner} }}", name(field))
}

/// The values at the end of the way: of the field that was selected there last.
fn found_at_the_end(answer: &Value, field: &str) -> Vec<Value> {
    match answer {
        Value::Array(entries) => entries
            .iter()
            .flat_map(|entry| found_at_the_end(entry, field))
            .collect(),
        Value::Object(members) => match members.get(field) {
            Some(value) if members.len() == 1 && !leads_on(value, field) => vec![value.clone()],
            _ => members
                .values()
                .flat_map(|member| found_at_the_end(member, field))
                .collect(),
        },
        _ => Vec::new(),
    }
}

/// Whether the same name stands further inside: then this one is a part of the way.
fn leads_on(value: &Value, field: &str) -> bool {
    match value {
        Value::Array(entries) => entries.iter().any(|entry| leads_on(entry, field)),
        Value::Object(members) => members.contains_key(field) || members.values().any(|value| leads_on(value, field)),
        _ => false,
    }
}

async fn key(app: &TestApp, world: &World, scope: &str) -> String {
    let made = app
        .done(&world.owner.token, KEY, json!({ "name": scope, "scopes": [scope] }))
        .await;
    text(&made["secret"])
}

/// Everybody of the account, and of a partner in the portal, by what they may do.
async fn readers(app: &TestApp, world: &World) -> Vec<(&'static str, String)> {
    let mut readers = Vec::new();
    for (who, _) in OPEN {
        let token = match *who {
            "OWNER" => world.owner.token.clone(),
            "VIEWER" | "MEMBER" => {
                app.colleague(&world.owner, &format!("{}@acme.test", who.to_lowercase()), who)
                    .await
            }
            "portal" => world.portal.token.clone().unwrap(),
            scope => key(app, world, scope).await,
        };
        readers.push((*who, token));
    }
    readers
}

fn open_to(who: &str) -> &'static [&'static str] {
    OPEN.iter()
        .find(|(known, _)| *known == who)
        .map(|(_, open)| *open)
        .unwrap_or_default()
}

/// By whatever way, the caller gets no value of a field that it may not read; the ways at whose end there is something to refuse.
async fn is_refused_at_every_object(app: &TestApp, shape: &Shape, (who, token): (&str, &str)) -> usize {
    let reader = Reader::new(shape, open_to(who));
    let mut refused = 0;
    let mut leaks = Vec::new();
    for (way, kind) in reader.foreign() {
        for field in reader.closed(kind) {
            let operation = format!("{{ {} }}", way.replace('…', &field));
            let answer = app.ask(Some(token), &operation, json!({})).await;
            let alone = field.split(' ').next().unwrap_or_default();
            let found = found_at_the_end(&answer["data"], alone);
            if found.iter().any(|value| !value.is_null() && *value != json!([])) {
                leaks.push(format!("{who} reads {operation}: {answer}"));
            }
            let code = &answer["errors"][0]["extensions"]["code"];
            assert!(
                code.is_null() || code == "FORBIDDEN",
                "proves nothing: {operation}: {answer}"
            );
            refused += usize::from(code == "FORBIDDEN");
        }
    }
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    refused
}

/// By identifier, whatever the type.
async fn is_refused_by_identifier(app: &TestApp, shape: &Shape, who: (&str, &str), things: &BTreeMap<String, String>) {
    let reader = Reader::new(shape, open_to(who.0));
    for (id, kind) in things.iter().filter(|(_, kind)| !reader.open.contains(kind.as_str())) {
        for field in reader.closed(kind) {
            let operation = format!(
                "query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {field} }} }} nodes(ids: [$id]) {{ ... on {kind} {{ {field} }} }} }}"
            );
            let answer = app.ask(Some(who.1), &operation, json!({ "id": id })).await;
            let alone = field.split(' ').next().unwrap_or_default();
            let found = found_at_the_end(&answer["data"], alone);
            assert!(found.iter().all(Value::is_null), "{} reads {kind}: {answer}", who.0);
        }
    }
}

/// One of everything that the owner's pages show, by type.
async fn things(app: &TestApp, world: &World) -> BTreeMap<String, String> {
    let all = "{ account { id inbox { id } users { id } apiKeys { id } } flows { nodes { id sources { id } steps { id } history { nodes { id } } } }
        partners { nodes { id portalAccess { users { id } } } } distributionProfiles { nodes { id assignments { id } } }
        connections { nodes { id } } invitations { nodes { id } } auditEvents(first: 5) { nodes { id } }
        leads { nodes { id deliveries { id } } } submissions { nodes { id } } }";
    let answer = app.data(&world.owner.token, all, json!({})).await;
    let mut ids = Vec::new();
    collect(&answer, &mut ids);
    let mut things = BTreeMap::new();
    for id in ids {
        let kind = app
            .data(
                &world.owner.token,
                "query($id: ID!) { node(id: $id) { __typename } }",
                json!({ "id": id }),
            )
            .await;
        things.insert(id, text(&kind["node"]["__typename"]));
    }
    things
}

fn collect(answer: &Value, into: &mut Vec<String>) {
    match answer {
        Value::Array(entries) => entries.iter().for_each(|entry| collect(entry, into)),
        Value::Object(members) => {
            into.extend(members.get("id").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, into));
        }
        _ => {}
    }
}

both!(
    /// Whatever leads to an object: its fields are read by those who may, and by nobody else.
    scopes_are_checked_at_every_object,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let shape = Shape::of(&app).await;
        let all: BTreeSet<&str> = [PARTS, LEADS, SETUP, INVITATIONS, RECEIPTS, AUDIT, PORTAL].into_iter().flat_map(str::split_whitespace).collect();
        let unstated: Vec<&str> = shape.objects().into_iter().filter(|kind| !all.contains(kind)).collect();
        assert!(unstated.is_empty(), "state in tests/api/least_privilege/scopes.rs who may read {unstated:?}");
        let world = World::build(&app).await;
        let things = things(&app, &world).await;
        for (who, token) in readers(&app, &world).await {
            let refused = is_refused_at_every_object(&app, &shape, (who, &token)).await;
            // There is nothing that an owner may not read but the portal, and a portal leads nowhere else.
            let fewest = match who { "OWNER" | "portal" => 0, "LEADS_READ" => 100, _ => 5 };
            assert!(refused >= fewest, "{who} was refused only {refused} times: what is there to prove it by?");
            is_refused_by_identifier(&app, &shape, (who, &token), &things).await;
        }
    }
);

both!(
    /// What a reader of leads needs to make sense of one is there, what goes beyond it is null, and the refusal names the scope.
    a_reader_of_leads_sees_names_and_nothing_more,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let lead = text(&app.submit(&owner, &flow, json!({ "first_name": "Ana" })).await["id"]);
        let made = app.done(&owner.token, KEY, json!({ "name": "reader", "scopes": ["LEADS_READ"] })).await;
        let key = text(&made["secret"]);
        let names = "query($id: ID!) { lead(id: $id) { id fields flow { id name } source { id name } deliveries { partner { id name } profile { id name } } } }";
        let seen = app.data(&key, names, json!({ "id": lead })).await;
        assert_eq!(seen["lead"]["deliveries"][0]["partner"]["id"], *partner, "{seen:#}");
        assert_eq!(seen["lead"]["flow"]["id"], *flow.id);

        let more = "query($id: ID!) { lead(id: $id) { id flow { price { amount } description } deliveries { partner { id notes phone email } } } }";
        let answer = app.ask(Some(&key), more, json!({ "id": lead })).await;
        let lead_seen = &answer["data"]["lead"];
        assert_eq!(lead_seen["flow"], json!({ "price": null, "description": null }), "{answer:#}");
        assert!(lead_seen["deliveries"][0]["partner"].is_null(), "an address is never null: its partner is: {answer:#}");
        let errors = answer["errors"].as_array().unwrap();
        for error in errors {
            assert_eq!(error["extensions"]["code"], "FORBIDDEN");
            assert!(text(&error["message"]).contains("NETWORK_READ"), "{error}");
        }
        let paths: Vec<String> = errors.iter().map(|error| error["path"].to_string()).collect();
        assert!(paths.contains(&json!(["lead", "flow", "price"]).to_string()), "{paths:?}");

        let who = app.data(&key, "{ viewer { apiKey { name scopes } account { id } } }", json!({})).await;
        assert_eq!(who["viewer"], json!({ "apiKey": { "name": "reader", "scopes": ["LEADS_READ"] }, "account": null }));
    }
);

both!(
    /// Events are made of the same objects.
    streams_refuse_what_pages_refuse,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, _, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let made = app.done(&owner.token, KEY, json!({ "name": "reader", "scopes": ["LEADS_READ"] })).await;
        let key = text(&made["secret"]);
        for subscription in [
            "subscription { leads(after: \"0\") { lead { id flow { name description version } } } }",
            "subscription { deliveries(after: \"0\") { delivery { id partner { name notes email } flow { id fields { name } } } } }",
        ] {
            let mut stream = Stream::open(app.address, &key, subscription, json!({})).await;
            app.submit(&owner, &flow, json!({ "first_name": "Ana" })).await;
            let message = stream.message().await.expect("the socket was closed");
            let told = message["payload"].to_string();
            assert!(told.contains("FORBIDDEN") && told.contains("NETWORK_READ"), "{told}");
            assert!(!told.contains("partner.test") && !told.contains("first_name"), "{told}");
        }
    }
);

both!(
    /// Who has just signed in reads what they may, though the request itself was nobody's.
    a_new_session_shows_its_own_account,
    |app| {
        let owner = app.account("Acme").await;
        let log_in = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken }
            viewer { user { id name email } account { name users { name } inbox { name fields { name } } } } userErrors { code message path } } }";
        let input = json!({ "email": owner.email, "password": crate::support::make::PASSWORD });
        let answer = app.ask(None, log_in, json!({ "input": input })).await;
        let viewer = &answer["data"]["logIn"]["viewer"];
        assert_eq!(viewer["account"]["users"][0]["name"], "Acme Owner", "{answer:#}");
        assert_eq!(viewer["user"]["email"], *owner.email, "{answer:#}");
        assert!(viewer["account"]["inbox"]["fields"].is_array(), "{answer:#}");
    }
);
