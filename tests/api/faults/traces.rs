//! Spans of leads at a collector, from processes of their own; and what a collector that is slow, away or broken does to them.

use std::time::{Duration, Instant};

use entity::ids::LeadId;
use serde_json::{Value, json};

use super::company::Company;
use super::process::client;
use super::stores::Stores;
use super::world::World;
use crate::support::app::Mode;
use crate::support::collector::Collector;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{accepted, ana, text, webhook};
use crate::support::smtp_receiver::SmtpReceiver;
use crate::support::wait::until;

const SUBMIT: &str =
    "mutation($input: SubmitLeadInput!) { submitLead(input: $input) { receipt { id } userErrors { message } } }";
const CALLER: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
/// What no span and no line may show.
const PERSONAL: [&str; 3] = ["Ana", "Silva", "415"];
/// The last spans are waited for 3 seconds.
const EXIT: Duration = Duration::from_secs(6);

/// A world that exports its spans, with one partner.
async fn traced(collector: &Collector, mode: Mode, roles: &[&'static str], settings: &[(&str, &str)]) -> World {
    let mut stores = Stores::start(mode, 8).await;
    stores.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    for (name, value) in settings {
        stores.set(name, value);
    }
    let receiver = HttpReceiver::start().await;
    let deliveries = vec![("/0".to_owned(), webhook(&receiver.url("/0")))];
    World::start_with((stores, receiver), roles, deliveries).await
}

/// Submits a lead to a flow, as a traced caller; its identifier.
async fn submit(world: &World, flow: &str) -> LeadId {
    submit_with(world, json!({ "flowId": flow, "fields": ana() })).await
}

async fn submit_with(world: &World, input: Value) -> LeadId {
    let (trace, span) = CALLER;
    let request = client(Duration::from_secs(30))
        .post(format!("http://{}/graphql", world.address()))
        .header("traceparent", format!("00-{trace}-{span}-01"))
        .header("x-request-id", "order-7")
        .bearer_auth(&world.key)
        .json(&json!({ "query": SUBMIT, "variables": { "input": input } }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    text(&accepted(&answer, "submitLead")["receipt"]["id"]).parse().unwrap()
}

fn trace_of(lead: LeadId) -> String {
    lead.0.simple().to_string()
}

/// How one lead is told of, in every mode and over processes.
async fn a_lead_is_followed_to_its_attempt(mode: Mode, roles: &[&'static str]) {
    let collector = Collector::start().await;
    let settings = [("LEADMESH_LOG_OUTCOMES", "all"), ("LEADMESH_LOG_FORMAT", "json")];
    let world = traced(&collector, mode, roles, &settings).await;
    let lead = submit(&world, &world.flow).await;
    world.rest().await;

    let trace = trace_of(lead);
    let submitted = collector.span("lead.submit", &trace).await;
    let attempted = collector.span("delivery.attempt", &trace).await;
    assert_eq!(submitted.parent, "");
    assert_eq!(attempted.parent, submitted.id);
    assert_eq!(submitted.links, [(CALLER.0.to_owned(), CALLER.1.to_owned())]);
    assert_eq!(submitted.attribute("request"), "order-7");
    assert_eq!(submitted.attribute("lead"), lead.to_string());
    assert_eq!(submitted.attribute("outcome"), "ACCEPTED");
    assert_eq!(attempted.attribute("lead"), lead.to_string());
    assert_eq!(attempted.attribute("account"), submitted.attribute("account"));
    assert_eq!(
        (attempted.attribute("attempt"), attempted.attribute("status")),
        ("1", "DELIVERED")
    );
    assert!(!submitted.has_failed && !attempted.has_failed);
    assert_eq!(submitted.service, "leadmesh");
    assert_eq!(submitted.process == attempted.process, roles.len() == 1);
    let link = (trace, submitted.id.clone());
    let stored = collector
        .span_where("intake.batch", |span| span.links.contains(&link))
        .await;
    assert_eq!((stored.parent.as_str(), stored.attribute("leads")), ("", "1"));

    let delivery = attempted.attribute("delivery");
    let log = world.processes.iter().map(|process| process.log()).collect::<String>();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |target: &str| -> Vec<&Value> { lines.iter().filter(|line| line["target"] == target).collect() };
    let (leads, deliveries) = (of("leadmesh::outcome::lead"), of("leadmesh::outcome::delivery"));
    assert_eq!((leads.len(), deliveries.len()), (1, 1), "{log}");
    assert_eq!(
        (&leads[0]["lead"], &leads[0]["outcome"]),
        (&json!(lead.to_string()), &json!("ACCEPTED"))
    );
    assert!(leads[0]["spans"].to_string().contains("order-7"), "{}", leads[0]);
    assert_eq!(
        (&deliveries[0]["lead"], &deliveries[0]["delivery"]),
        (&json!(lead.to_string()), &json!(delivery))
    );
    assert_eq!(
        (&deliveries[0]["status"], &deliveries[0]["attempts"]),
        (&json!("DELIVERED"), &json!(1))
    );
    for value in PERSONAL {
        assert!(!log.contains(value), "{log}");
        assert!(
            !format!("{:?}", collector.spans()).contains(value),
            "{:#?}",
            collector.spans()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_is_followed_to_its_attempt_embedded() {
    a_lead_is_followed_to_its_attempt(Mode::Embedded, &["serve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_is_followed_to_its_attempt_in_another_process_server() {
    a_lead_is_followed_to_its_attempt(Mode::Server, &["api", "worker"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_is_handed_on_links_to_where_it_comes_from() {
    let collector = Collector::start().await;
    let world = traced(
        &collector,
        Mode::Embedded,
        &["serve"],
        &[("LEADMESH_LOG_OUTCOMES", "leads")],
    )
    .await;
    let buyer = Company::found(world.address(), "Buyer", Vec::new()).await;
    let flow = world.company.flow(json!({ "name": "Sold" })).await;
    sell(&world, &flow, &buyer).await;
    let lead = submit(&world, &flow).await;

    let first = collector.span("lead.submit", &trace_of(lead)).await;
    let link = (trace_of(lead), first.id.clone());
    let is_linked = |span: &crate::support::collector::Span| span.links == [link.clone()];
    let handed_on = collector.span_where("lead.submit", is_linked).await;
    assert_eq!(
        (handed_on.parent.as_str(), handed_on.attribute("outcome")),
        ("", "ACCEPTED")
    );
    assert_ne!(handed_on.attribute("account"), first.attribute("account"));
    let id: LeadId = handed_on.attribute("lead").parse().unwrap();
    assert_eq!(handed_on.trace, trace_of(id));
    let log = world.processes[0].log();
    assert_eq!(log.matches("a lead is stored").count(), 2, "{log}");
    assert!(
        log.contains("seller_delivery=dlv_") && !log.contains("a delivery has ended"),
        "{log}"
    );
}

/// A flow whose leads go into a flow of the buyer.
async fn sell(world: &World, flow: &str, buyer: &Company) {
    let id = buyer.account().await;
    let input = json!({ "accountId": id, "relationshipType": "SEND_LEADS" });
    let mutation = "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) { invitation { id } userErrors { message } } }";
    let invitation = world.company.done("sendInvitation", mutation, input).await["invitation"]["id"].take();
    let mutation = "mutation($input: AnswerInvitationInput!) { acceptInvitation(input: $input) { connection { id } userErrors { message } } }";
    let accepted = buyer
        .done("acceptInvitation", mutation, json!({ "id": invitation }))
        .await;
    let connection = &accepted["connection"]["id"];
    let mutation = "mutation($input: ReceivingFlowInput!) { setReceivingFlow(input: $input) { connection { id } userErrors { message } } }";
    let input = json!({ "connectionId": connection, "flowId": buyer.flow });
    buyer.done("setReceivingFlow", mutation, input).await;
    let mutation = "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { message } } }";
    let step = json!({ "buyer": { "connectionId": connection, "sharedFields": { "mode": "ALL" } } });
    let input = json!({ "flowId": flow, "name": "Sell", "step": step });
    world.company.done("addStep", mutation, input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_submission_links_to_the_first() {
    let collector = Collector::start().await;
    let world = traced(&collector, Mode::Embedded, &["serve"], &[]).await;
    let input = json!({ "flowId": world.flow, "fields": ana(), "idempotencyKey": "order-7" });
    let lead = submit_with(&world, input.clone()).await;
    assert_eq!(submit_with(&world, input).await, lead);

    let first = collector.span("lead.submit", &trace_of(lead)).await;
    let repeated = collector
        .span_where("lead.submit", |span| span.trace != first.trace)
        .await;
    let caller = (CALLER.0.to_owned(), CALLER.1.to_owned());
    assert_eq!(repeated.links, [caller, (first.trace, first.id)]);
    assert!(!world.processes[0].log().contains("leadmesh::outcome"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_a_span_below_its_attempt() {
    let (collector, server) = (Collector::start().await, SmtpReceiver::start().await);
    let mut stores = Stores::start(Mode::Embedded, 8).await;
    stores.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    let by_mail = json!({ "email": { "recipients": ["cy@buyer.test"], "subject": "New" } });
    let receiver = HttpReceiver::start().await;
    let world = World::start_with((stores, receiver), &["serve"], vec![("/0".to_owned(), by_mail)]).await;
    let set = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { userErrors { message } } }";
    let input =
        json!({ "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
    world.changed("setSmtpSettings", set, json!({ "input": input })).await;
    let lead = submit(&world, &world.flow).await;

    let trace = trace_of(lead);
    let attempted = collector.span("delivery.attempt", &trace).await;
    let sent = collector.span("mail.send", &trace).await;
    assert_eq!(sent.parent, attempted.id);
    assert_eq!(sent.attribute("mail"), attempted.attribute("delivery"));
    assert_eq!(
        (sent.attribute("recipients"), sent.attribute("smtp_code")),
        ("1", "250")
    );
    assert!(!format!("{:?}", collector.spans()).contains("buyer.test"));
}

/// Spans that nobody has asked for are not exported, whatever a caller's header says. The rest is at an orderly stop, over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_spans_go_out_at_a_stop_and_a_caller_decides_nothing() {
    for (ratio, exports) in [("1", true), ("0", false)] {
        let (collector, certificate) = Collector::start_tls().await;
        let mut stores = Stores::start(Mode::Embedded, 8).await;
        stores.trust(&certificate);
        stores.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
        stores.set("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b");
        stores.set("LEADMESH_TRACE_RATIO", ratio);
        let receiver = HttpReceiver::start().await;
        let deliveries = vec![("/0".to_owned(), webhook(&receiver.url("/0")))];
        let mut world = World::start_with((stores, receiver), &["serve"], deliveries).await;
        let lead = submit(&world, &world.flow).await;
        let (status, _) = world.processes[0].terminate(EXIT).await;
        assert!(status.success());
        let spans = collector.spans();
        let submitted = spans
            .iter()
            .filter(|span| span.name == "lead.submit" && span.trace == trace_of(lead));
        assert_eq!(submitted.count(), usize::from(exports), "{spans:#?}");
        let requests = collector.receiver.requests();
        assert_eq!(requests.is_empty(), !exports);
        assert!(requests.iter().all(|request| request.header("x-tenant") == Some("a b")));
    }
}

/// More leads than spans may wait, while the collector does that.
async fn a_collector_disturbs_nothing(answer: Answer) {
    const LEADS: usize = 1_500;
    let collector = Collector::start().await;
    collector.receiver.answer(answer);
    let settings = [("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")];
    let mut world = traced(&collector, Mode::Embedded, &["serve"], &settings).await;
    let began = Instant::now();
    let bulk = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) { accepted userErrors { message } } }";
    for _ in 0..LEADS / 100 {
        let leads: Vec<Value> = (0..100).map(|_| json!({ "fields": ana() })).collect();
        let input = json!({ "flowId": world.flow, "leads": leads });
        let done = world.changed("submitLeads", bulk, json!({ "input": input })).await;
        assert_eq!(done["accepted"], 100, "{done}");
    }
    world.receiver.wait_for(LEADS).await;
    world.rest().await;
    println!("{LEADS} leads delivered in {:?}", began.elapsed());
    until("spans are dropped", async || {
        world.metric("leadmesh_spans_dropped_total").await > 0.0
    })
    .await;
    assert!(world.metric("leadmesh_spans_exported_total").await < 1.0);
    let log = world.processes[0].log();
    assert_eq!(log.matches("the collector does not take spans").count(), 1, "{log}");

    collector.receiver.answer(Answer::status(200));
    let lead = submit(&world, &world.flow).await;
    collector.span("lead.submit", &trace_of(lead)).await;
    until("spans are exported", async || {
        world.metric("leadmesh_spans_exported_total").await > 0.0
    })
    .await;
    assert!(world.processes[0].log().contains("the collector takes spans again"));

    collector.receiver.answer(Answer::hang());
    submit(&world, &world.flow).await;
    let (status, took) = world.processes[0].terminate(EXIT).await;
    assert!(status.success() && took < EXIT, "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_disturbs_nothing() {
    a_collector_disturbs_nothing(Answer::hang()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_fails_disturbs_nothing() {
    a_collector_disturbs_nothing(Answer::status(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_breaks_connections_disturbs_nothing() {
    a_collector_disturbs_nothing(Answer::reset()).await;
}
