//! Looking up where leads enter the accounts that they may reach. What is kept here may be outdated, like compiled flows: who
//! stores a decision compares every version that it rests on with the database.

use std::collections::HashMap;
use std::sync::Arc;

use entity::account;
use entity::ids::{AccountId, ConnectionId};

use super::branch::{Entrance, MAX_BRANCHES, MAX_HOPS, Reach, Reached};
use super::compile::{self, Snapshots};
use super::snapshot::{Snapshot, Source};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_flows::sellers;

/// The versions that accounts have now, where that is known.
pub type Versions = HashMap<AccountId, i64>;

/// Which exit, and where it leads.
type Exit = (ConnectionId, AccountId);

/// What is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Leads are stored: what accounts lack for that is made.
    Storing,
    /// Nothing is stored or made.
    Trying,
}

/// Looks up entrances.
pub struct LookUp<'a> {
    /// The stores.
    pub app: &'a App,
    /// What is kept.
    pub snapshots: &'a Snapshots,
    /// The versions that accounts have now, where that is known: what is kept of others is looked up anew.
    pub newest: Versions,
    /// What for.
    pub purpose: Purpose,
}

impl LookUp<'_> {
    /// Everything that a lead may come to from a flow: breadth first, as far as a lead may go, and not more than can be decided
    /// together.
    pub async fn reach(&self, from: &Snapshot) -> Result<Reach> {
        let mut found = Reach::new();
        let mut front: Vec<(AccountId, Exit)> = exits(from);
        for _ in 1..MAX_HOPS {
            let mut next = Vec::new();
            for (seller, exit) in std::mem::take(&mut front) {
                if found.len() >= MAX_BRANCHES || found.contains_key(&exit) {
                    continue;
                }
                let reached = self.entrance(exit, seller).await?;
                if let Ok((flow, _)) = &reached.entrance.door {
                    next.extend(exits(flow));
                }
                found.insert(exit, reached);
            }
            front = next;
        }
        Ok(found)
    }

    /// The way in over a connection into the account at its end, as kept or as looked up now. A source for the seller is made
    /// if there is none yet.
    pub async fn entrance(&self, exit: Exit, seller: AccountId) -> Result<Reached> {
        let entrance = match self.kept(exit).await {
            Some(kept) => kept,
            None => self.look_up(exit, seller).await?,
        };
        let keys = match &entrance.door {
            Ok((flow, _)) if flow.needs_keys() && self.purpose == Purpose::Storing => {
                let vault = &self.app.vault;
                Some(
                    vault
                        .keys(self.app.db.write(), &self.app.clock, Some(entrance.buyer))
                        .await?,
                )
            }
            _ => None,
        };
        Ok(Reached { entrance, keys })
    }

    async fn kept(&self, exit: Exit) -> Option<Arc<Entrance>> {
        let kept = self.snapshots.entrances.get(&exit).await?;
        let newest = self.newest.get(&exit.1);
        newest.is_none_or(|version| *version == kept.version).then_some(kept)
    }

    async fn look_up(&self, exit: Exit, seller: AccountId) -> Result<Arc<Entrance>> {
        let mut entrance = self.as_it_is(exit, seller).await?;
        if entrance.door.as_ref().err() == Some(&NO_SOURCE) {
            sellers::make_source(self.app, exit.0, exit.1, seller).await?;
            entrance = self.as_it_is(exit, seller).await?;
        }
        let entrance = Arc::new(entrance);
        self.snapshots.entrances.insert(exit, entrance.clone()).await;
        Ok(entrance)
    }

    /// The version is read first, as with compiled flows.
    async fn as_it_is(&self, (connection, buyer): Exit, seller: AccountId) -> Result<Entrance> {
        let db = self.app.db.read();
        let Some(owner) = account::Entity::by_id(buyer).one(db).await? else {
            return Ok(closed(buyer, 0, "the account is gone"));
        };
        let version = owner.config_version;
        let Some(flow) = sellers::receiving_flow(db, &owner, connection).await? else {
            return Ok(closed(buyer, version, "its receiving flow is gone"));
        };
        let mut snapshot = self.snapshots.get(db, flow).await?;
        if snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.config_version != version)
        {
            snapshot = self.snapshots.reload(db, flow).await?;
        }
        let Some(mut snapshot) = snapshot else {
            return Ok(closed(buyer, version, "its receiving flow is gone"));
        };
        if self.purpose == Purpose::Trying && !snapshot.sources.iter().any(|source| source.is_for_seller(connection)) {
            // As it will be made with the first lead.
            let Some(mut own) = compile::load(db, flow).await? else {
                return Ok(closed(buyer, version, "its receiving flow is gone"));
            };
            own.sources.push(Source::of_seller(connection, seller));
            snapshot = Arc::new(own);
        }
        Ok(Entrance {
            buyer,
            version: version.min(snapshot.config_version),
            door: door(snapshot, connection),
        })
    }
}

fn exits(flow: &Snapshot) -> Vec<(AccountId, Exit)> {
    flow.exits.iter().map(|exit| (flow.account, *exit)).collect()
}

fn closed(buyer: AccountId, version: i64, why: &'static str) -> Entrance {
    Entrance {
        buyer,
        version,
        door: Err(why),
    }
}

const NO_SOURCE: &str = "its receiving flow has no source for this account";

fn door(flow: Arc<Snapshot>, connection: ConnectionId) -> std::result::Result<(Arc<Snapshot>, usize), &'static str> {
    if !flow.enabled {
        return Err("its receiving flow is disabled");
    }
    let source = flow.sources.iter().position(|source| source.is_for_seller(connection));
    let source = source.ok_or(NO_SOURCE)?;
    match flow.sources.get(source) {
        Some(source) if !source.enabled => Err("its source for this account is disabled"),
        _ => Ok((flow, source)),
    }
}
