//! Who listens to which event log on this node. What is told by this node comes with what happened; other nodes tell only a log's
//! new head, and what happened is read from the database, once for all listeners of a log.

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

use super::events::Heads;
use crate::batch_loader::BatchLoader;
use crate::config::Settings;
use crate::database::Connection;
use crate::error::Result;
use crate::outcomes::Outcome;

/// The channel on which nodes tell each other new heads.
pub fn channel(settings: &Settings) -> String {
    format!("{}:heads", settings.redis_prefix)
}

/// What stands in place of a head where listeners are only to look.
pub const ROUSE: &str = "look";
/// Events read at once, and kept for the other listeners of the log.
pub const PAGE: usize = 256;
/// Longest wait for Redis to take a notice; the others then find the event by their own reading.
const PATIENCE: Duration = Duration::from_millis(50);

/// The listeners of this node.
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

/// One log with listeners.
pub struct Topic {
    id: Uuid,
    head: watch::Sender<i64>,
    recent: Mutex<VecDeque<Arc<event::Model>>>,
    pages: BatchLoader<i64, Vec<Arc<event::Model>>>,
}

impl Hub {
    /// A hub that also tells other nodes, when there is a Redis.
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

    /// Tells the listeners of this node, and the other nodes, that logs have grown. After the commit only.
    pub fn tell(&self, heads: &Heads) {
        for (id, grown) in heads {
            grown.outcomes.iter().for_each(Outcome::log);
            if let Some((first, topic)) = grown.entries.first().zip(self.listened_to(*id)) {
                topic.keep(first.seq - 1, &grown.entries);
            }
            self.tell_here(*id, grown.head);
        }
        if let Some(redis) = self.redis.clone().filter(|_| !heads.is_empty()) {
            let told = heads.iter().map(|(id, grown)| format!("{id}:{}", grown.head)).collect();
            tokio::spawn(tell_others(redis, self.channel.clone(), told));
        }
    }

    /// Tells the listeners of this node.
    pub fn tell_here(&self, id: Uuid, head: i64) {
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

    /// The place where it is told that somebody's rights in an account, or in its portals, have changed; nothing is numbered there.
    pub fn rights(&self, account: AccountId) -> Arc<Topic> {
        self.topic(rights_of(account))
    }

    /// Tells every node that somebody's rights in an account, or in its portals, have changed. After the commit only.
    pub fn rights_changed(&self, account: AccountId) {
        self.rouse_here(rights_of(account));
        if let Some(redis) = self.redis.clone() {
            let told = vec![format!("{}:{ROUSE}", rights_of(account))];
            tokio::spawn(tell_others(redis, self.channel.clone(), told));
        }
    }

    /// Makes the listeners of this node look, whatever they know.
    pub fn rouse_here(&self, id: Uuid) {
        if let Some(topic) = self.listened_to(id) {
            topic.head.send_modify(|_| ());
        }
    }

    /// Makes every listener read again: after notices may have been lost.
    pub fn tell_all(&self) {
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

/// No log has the identifier of an account with every bit turned round.
fn rights_of(account: AccountId) -> Uuid {
    Uuid::from_u128(!account.0.as_u128())
}

async fn tell_others(mut redis: ConnectionManager, channel: Arc<str>, told: Vec<String>) {
    let mut pipeline = redis::pipe();
    for message in told {
        pipeline.publish(&*channel, message).ignore();
    }
    match tokio::time::timeout(PATIENCE, pipeline.query_async::<()>(&mut redis)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "cannot tell other nodes of new events; they will read them later"),
        Err(_elapsed) => tracing::debug!("cannot tell other nodes of new events in time; they will read them later"),
    }
}

impl Topic {
    /// Wakes when the log may have grown.
    pub fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// The next events after a place, oldest first, at most [`PAGE`]. Listeners that are at the same place share one reading.
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

    /// Kept events are without gaps: what does not join on to them replaces them, and what they have already is passed over.
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
