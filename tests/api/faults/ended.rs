//! N20 in processes of their own: the end of a connection holds in every process from its commit on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::process::client;
use super::world::World;
use crate::support::app::{Mode, ask};
use crate::support::make::{PASSWORD, SUBMIT, ana, standard_fields, text};
use crate::support::network::ADD_SOURCE;

const SIGN_UP: &str =
    "mutation($input: SignUpInput!) { signUp(input: $input) { session { accessToken } viewer { account { id } } } }";
const SEND: &str = "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) { invitation { id } } }";
const ACCEPT: &str =
    "mutation($input: AnswerInvitationInput!) { acceptInvitation(input: $input) { connection { id } } }";
const FLOW: &str = "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } } }";
const END: &str = "mutation($id: ID!) { terminateConnection(id: $id) { connection { status } } }";
const LEADS: &str = "query($flow: ID!, $after: String) { leads(filter: { flowId: $flow }, first: 100, after: $after) {
    nodes { id } pageInfo { hasNextPage endCursor } } }";
/// Callers at once, and what each submits after the end.
const LANES: usize = 8;
const AFTERWARDS: usize = 5;

/// Somebody who speaks to one process.
struct Caller {
    client: reqwest::Client,
    address: SocketAddr,
    token: String,
    account: String,
}

impl Caller {
    async fn sign_up(address: SocketAddr, name: &str) -> Self {
        let input =
            json!({ "accountName": name, "name": name, "email": format!("{name}@network.test"), "password": PASSWORD });
        let client = client(Duration::from_secs(30));
        let answer = ask(&client, address, None, SIGN_UP, json!({ "input": input })).await;
        let made = &answer["data"]["signUp"];
        Self {
            client,
            address,
            token: text(&made["session"]["accessToken"]),
            account: text(&made["viewer"]["account"]["id"]),
        }
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        ask(&self.client, self.address, Some(&self.token), query, variables).await
    }

    async fn id(&self, query: &str, input: Value, at: &str) -> String {
        let answer = self.ask(query, json!({ "input": input })).await;
        text(answer["data"].pointer(at).unwrap_or_else(|| panic!("{answer:#}")))
    }

    async fn leads(&self, flow: &str) -> usize {
        let (mut count, mut after) = (0, Value::Null);
        loop {
            let answer = self.ask(LEADS, json!({ "flow": flow, "after": after })).await;
            let page = &answer["data"]["leads"];
            count += page["nodes"].as_array().unwrap().len();
            if page["pageInfo"]["hasNextPage"] == false {
                return count;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
}

/// The partner submits to one process; the owner ends the connection at another. What begins after that was answered is refused,
/// and every lead that is stored has its receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_ended_at_one_process_is_over_at_the_other() {
    let world = World::start(Mode::Server, &["serve", "serve"], 1, 8).await;
    let owner = Caller::sign_up(world.address_of(0), "owner").await;
    let partner = Caller::sign_up(world.address_of(1), "partner").await;
    let invite = json!({ "accountId": partner.account, "relationshipType": "RECEIVE_LEADS" });
    let invitation = owner.id(SEND, invite, "/sendInvitation/invitation/id").await;
    let accept = json!({ "id": invitation });
    let connection = partner.id(ACCEPT, accept, "/acceptInvitation/connection/id").await;
    let flow = json!({ "name": "Bought", "fields": standard_fields() });
    let flow = owner.id(FLOW, flow, "/createFlow/flow/id").await;
    let source = json!({ "flowId": flow, "connectionId": connection });
    owner.id(ADD_SOURCE, source, "/addSource/flow/id").await;

    let (taken, over) = (Semaphore::new(0), AtomicBool::new(false));
    let lane = async || {
        let (mut receipts, mut refused) = (0, 0);
        while refused < AFTERWARDS {
            let begun_after = over.load(Ordering::SeqCst);
            let input = json!({ "input": { "flowId": flow, "fields": ana() } });
            let answer = partner.ask(SUBMIT, input).await;
            let has_receipt = !answer["data"]["submitLead"]["receipt"].is_null();
            assert!(!(begun_after && has_receipt), "taken after the end: {answer:#}");
            receipts += usize::from(has_receipt);
            refused += usize::from(begun_after);
            taken.add_permits(usize::from(has_receipt));
        }
        receipts
    };
    let end = async {
        taken.acquire_many(40).await.unwrap().forget();
        let answer = owner.ask(END, json!({ "id": connection })).await;
        assert_eq!(
            answer["data"]["terminateConnection"]["connection"]["status"], "TERMINATED",
            "{answer:#}"
        );
        over.store(true, Ordering::SeqCst);
    };
    let (receipts, ()) = tokio::join!(join_all((0..LANES).map(|_| lane())), end);
    assert_eq!(owner.leads(&flow).await, receipts.into_iter().sum::<usize>());
}
