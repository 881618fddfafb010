//! The followers of event logs on this node. Commits of this node notify them with the events themselves; other nodes publish only
//! a log's new head, and the events are read from the database once for all followers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use entity::event;
use entity::ids::AccountId;
use futures::future::try_join_all;
use redis::aio::ConnectionManager;
use sea_orm::QuerySelect;
use tokio::sync::watch;
use uuid::Uuid;

use super::events::LogHeads;
use crate::batch_loader::BatchLoader;
use crate::config::Settings;
use crate::database::Connection;
use crate::error::Result;
use crate::outcomes::Outcome;

/// The Redis channel for new heads.
pub fn channel(settings: &Settings) -> String {
    format!("{}:heads", settings.redis_prefix)
}

/// Stands in place of a head where followers are only to check.
pub const WAKE: &str = "look";
/// Events read together, and kept for the other followers of the log.
pub const PAGE: usize = 256;
/// Longest wait for Redis to take a notice; other nodes then find the event by themselves.
const PATIENCE: Duration = Duration::from_millis(50);

/// The followers of this node.
#[derive(Clone)]
pub struct Hub {
    topics: Arc<Mutex<HashMap<Uuid, Weak<Topic>>>>,
    redis: Option<ConnectionManager>,
    channel: Arc<str>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub(…)")
    }
}

/// One log with followers.
pub struct Topic {
    id: Uuid,
    head: watch::Sender<i64>,
    recent: Mutex<VecDeque<Arc<event::Model>>>,
    pages: BatchLoader<i64, Vec<Arc<event::Model>>>,
}

impl Hub {
    /// Notifies other nodes too, when there is a Redis.
    pub fn new(settings: &Settings, redis: Option<ConnectionManager>) -> Self {
        Self {
            topics: Arc::default(),
            redis,
            channel: channel(settings).into(),
        }
    }

    /// The log, for as long as the answer is held.
    pub fn topic(&self, id: Uuid) -> Arc<Topic> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(&id).and_then(Weak::upgrade) {
            return topic;
        }
        topics.retain(|_, topic| topic.strong_count() > 0);
        let topic = Arc::new(Topic {
            id,
            head: watch::Sender::new(0),
            recent: Mutex::default(),
            pages: BatchLoader::default(),
        });
        topics.insert(id, Arc::downgrade(&topic));
        topic
    }

    /// Notifies the followers of this node, and the other nodes, that logs have grown. After the commit only.
    pub fn notify(&self, heads: &LogHeads) {
        for (id, grown) in heads {
            grown.outcomes.iter().for_each(Outcome::log);
            if let Some((first, topic)) = grown.entries.first().zip(self.listened_to(*id)) {
                topic.keep(first.seq - 1, &grown.entries);
            }
            self.notify_here(*id, grown.head);
        }
        if let Some(redis) = self.redis.clone().filter(|_| !heads.is_empty()) {
            let messages = heads.iter().map(|(id, grown)| format!("{id}:{}", grown.head)).collect();
            tokio::spawn(notify_nodes(redis, self.channel.clone(), messages));
        }
    }

    /// Notifies the followers of this node.
    pub fn notify_here(&self, id: Uuid, head: i64) {
        if let Some(topic) = self.listened_to(id) {
            topic
                .head
                .send_if_modified(|known| std::mem::replace(known, head.max(*known)) < head);
        }
    }

    fn listened_to(&self, id: Uuid) -> Option<Arc<Topic>> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id).and_then(Weak::upgrade)
    }

    /// The topic of changed rights in an account or its portals; it has no entries.
    pub fn rights(&self, account: AccountId) -> Arc<Topic> {
        self.topic(rights_of(account))
    }

    /// Notifies every node that rights in an account, or in its portals, have changed. After the commit only.
    pub fn rights_changed(&self, account: AccountId) {
        self.wake_here(rights_of(account));
        if let Some(redis) = self.redis.clone() {
            let messages = vec![format!("{}:{WAKE}", rights_of(account))];
            tokio::spawn(notify_nodes(redis, self.channel.clone(), messages));
        }
    }

    /// Makes the followers of this node check, whatever they know.
    pub fn wake_here(&self, id: Uuid) {
        if let Some(topic) = self.listened_to(id) {
            topic.head.send_modify(|_| ());
        }
    }

    /// Makes every follower read again: after notices may have been lost.
    pub fn wake_all(&self) {
        let topics: Vec<Arc<Topic>> = self
            .topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for topic in topics {
            topic.head.send_modify(|_| ());
        }
    }
}

/// No log has the inverted identifier of an account.
fn rights_of(account: AccountId) -> Uuid {
    Uuid::from_u128(!account.0.as_u128())
}

async fn notify_nodes(mut redis: ConnectionManager, channel: Arc<str>, messages: Vec<String>) {
    let mut pipeline = redis::pipe();
    for message in messages {
        pipeline.publish(&*channel, message).ignore();
    }
    match tokio::time::timeout(PATIENCE, pipeline.query_async::<()>(&mut redis)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "cannot notify other nodes of new events; they will read them later"),
        Err(_elapsed) => tracing::debug!("cannot notify other nodes of new events in time; they will read them later"),
    }
}

impl Topic {
    /// Wakes when the log may have grown.
    pub fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// The next events after a number, oldest first, at most [`PAGE`]. Followers at the same number share one query.
    pub async fn after(self: &Arc<Self>, db: &Connection, seq: i64) -> Result<Vec<Arc<event::Model>>> {
        if let Some(kept) = self.kept(seq) {
            return Ok(kept);
        }
        let (db, topic) = (db.clone(), self.id);
        let read = move |places: Vec<i64>| {
            let db = db.clone();
            async move {
                let pages = places.into_iter().map(|seq| page(&db, topic, seq));
                Ok(try_join_all(pages).await?.into_iter().collect())
            }
        };
        let events = self.pages.load(seq, read).await?.unwrap_or_default();
        self.keep(seq, &events);
        Ok(events)
    }

    fn kept(&self, seq: i64) -> Option<Vec<Arc<event::Model>>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let covered = recent.front()?.seq <= seq + 1 && recent.back()?.seq > seq;
        covered.then(|| recent.iter().filter(|event| event.seq > seq).cloned().collect())
    }

    /// Kept events have no gaps: events that do not join on replace them, and known ones are skipped.
    fn keep(&self, seq: i64, events: &[Arc<event::Model>]) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = recent.back().map_or(0, |event| event.seq);
        if events.last().is_none_or(|event| event.seq <= newest) {
            return;
        }
        if seq > newest {
            recent.clear();
        }
        recent.extend(events.iter().filter(|event| event.seq > newest).cloned());
        let surplus = recent.len().saturating_sub(PAGE);
        recent.drain(..surplus);
    }
}

async fn page(db: &Connection, topic: Uuid, seq: i64) -> Result<(i64, Vec<Arc<event::Model>>)> {
    let limit = u64::try_from(PAGE).unwrap_or(u64::MAX);
    let rows = event::Entity::after(topic, seq).limit(limit).all(db).await?;
    Ok((seq, rows.into_iter().map(Arc::new).collect()))
}
