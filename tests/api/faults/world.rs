//! A company whose one flow sends every lead to some partners, and the processes that serve it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::company::Company;
use super::process::{Process, client, free_address};
use super::stores::Stores;
use super::target::Target;
use crate::support::app::{Mode, ask};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{accepted, webhook};
use crate::support::wait::until;

/// Everything that a test of a fault has.
pub(super) struct World {
    /// In the order in which they are to be dropped: the processes before their stores.
    pub(super) processes: Vec<Process>,
    roles: Vec<(&'static str, SocketAddr)>,
    pub(super) receiver: HttpReceiver,
    pub(super) stores: Stores,
    /// A token of who owns the account.
    pub(super) owner: String,
    /// May submit and read.
    pub(super) key: String,
    pub(super) flow: String,
    /// By the path of the partner's URL: `/0`, `/1` and so on.
    pub(super) secrets: HashMap<String, String>,
    pub(super) company: Company,
    client: reqwest::Client,
}

impl World {
    /// One with so many partners, served by processes of those roles; each delivers `concurrency` leads at once.
    pub(super) async fn start(mode: Mode, roles: &[&'static str], partners: usize, concurrency: usize) -> Self {
        let receiver = HttpReceiver::start().await;
        let stores = Stores::start(mode, concurrency).await;
        Self::start_on(stores, receiver, roles, partners).await
    }

    /// One with a single partner, whose endpoint speaks HTTP/2 over TLS.
    pub(super) async fn start_over_tls(mode: Mode, roles: &[&'static str], concurrency: usize) -> Self {
        let (receiver, certificate) = HttpReceiver::start_tls().await;
        let mut stores = Stores::start(mode, concurrency).await;
        stores.trust(&certificate);
        Self::start_on(stores, receiver, roles, 1).await
    }

    /// One without partners, that trusts who has one of these certificates and no others.
    pub(super) async fn start_trusting(mode: Mode, certificates: &str) -> Self {
        let receiver = HttpReceiver::start().await;
        let mut stores = Stores::start(mode, 8).await;
        stores.trust(certificates);
        Self::start_on(stores, receiver, &["serve"], 0).await
    }

    async fn start_on(stores: Stores, receiver: HttpReceiver, roles: &[&'static str], partners: usize) -> Self {
        let path = |number: usize| format!("/{number}");
        let deliveries = (0..partners).map(|number| (path(number), webhook(&receiver.url(&path(number)))));
        let deliveries = deliveries.collect();
        Self::start_with((stores, receiver), roles, deliveries).await
    }

    /// One on those stores whose partners get leads by these settings: the path of each URL, and the settings.
    pub(super) async fn start_with(
        (stores, receiver): (Stores, HttpReceiver),
        roles: &[&'static str],
        deliveries: Vec<(String, Value)>,
    ) -> Self {
        leadmesh_core::tls::install_tls();
        let roles: Vec<_> = roles.iter().map(|role| (*role, free_address())).collect();
        let mut processes = Vec::new();
        for (role, address) in &roles {
            processes.push(Process::start(&stores, role, *address).await);
        }
        let company = Company::found(roles[0].1, "Acme", deliveries).await;
        Self {
            processes,
            roles,
            receiver,
            stores,
            owner: company.owner.clone(),
            key: company.key.clone(),
            flow: company.flow.clone(),
            secrets: company.secrets(),
            company,
            client: client(Duration::from_secs(30)),
        }
    }

    /// For clients of the first process.
    pub(super) fn target(&self) -> Target {
        self.company.at(vec![self.address()])
    }

    /// Where the API is.
    pub(super) fn address(&self) -> SocketAddr {
        self.roles[0].1
    }

    /// Where a process listens, by its place among the roles.
    pub(super) fn address_of(&self, place: usize) -> SocketAddr {
        self.roles[place].1
    }

    /// Kills a process, by its place among the roles; returns when.
    pub(super) fn kill(&mut self, place: usize) -> Instant {
        self.processes[place].kill()
    }

    /// Starts a process that has ended.
    pub(super) async fn restart(&mut self, place: usize) {
        let (role, address) = self.roles[place];
        self.processes[place] = Process::start(&self.stores, role, address).await;
    }

    /// The data of a query without errors.
    pub(super) async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = ask(&self.client, self.address(), Some(&self.key), query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].take()
    }

    /// The payload of a mutation by the owner that broke no rule.
    pub(super) async fn changed(&self, name: &str, mutation: &str, variables: Value) -> Value {
        let answer = ask(&self.client, self.address(), Some(&self.owner), mutation, variables).await;
        accepted(&answer, name)
    }

    /// Waits until queries are answered again.
    pub(super) async fn answers(&self) {
        until("queries are answered", async || self.is_answered().await).await;
    }

    /// Whether a query is answered now.
    pub(super) async fn is_answered(&self) -> bool {
        let answer = ask(
            &self.client,
            self.address(),
            Some(&self.key),
            "{ viewer { apiKey { id } } }",
            json!({}),
        )
        .await;
        answer.get("errors").is_none()
    }

    /// A number that the API's process tells of itself.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.address());
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name}: {text}"))
    }

    /// How many deliveries stand at one of these, up to 100.
    pub(super) async fn count(&self, statuses: &[&str]) -> usize {
        let query =
            "query($of: [DeliveryStatus!]) { deliveries(filter: { status: $of }, first: 100) { nodes { id } } }";
        let data = self.data(query, json!({ "of": statuses })).await;
        data["deliveries"]["nodes"].as_array().unwrap().len()
    }

    /// Waits until every delivery is settled.
    pub(super) async fn rest(&self) {
        until("nothing is pending", async || {
            self.count(&["QUEUED", "SENDING", "RETRYING"]).await == 0
        })
        .await;
    }
}
