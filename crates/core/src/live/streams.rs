//! Follows an event log: everything after a cursor from the database, then new events, in order, without gap or repeat. Nothing is
//! queued for a slow reader, who reads from the database on return.

use std::sync::Arc;
use std::time::Duration;

use entity::event::{self, EventKind};
use futures::Stream;
use futures::stream;
use uuid::Uuid;

use super::hub::Topic;
use crate::app::App;
use crate::error::{Error, Result};

/// How long a quiet stream waits for a notification before it checks by itself. Bounds the delay after a lost notice.
const LOOK: Duration = Duration::from_secs(15);

/// What of a log is followed.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The account or partner whose log it is.
    pub topic: Uuid,
    /// Only these.
    pub kinds: &'static [EventKind],
    /// Only those of this flow or partner.
    pub scope: Option<Uuid>,
    /// Only those about this lead or delivery.
    pub subject: Option<Uuid>,
}

impl Filter {
    fn wants(&self, event: &event::Model) -> bool {
        self.kinds.contains(&event.kind)
            && self.scope.is_none_or(|scope| event.scope_id == Some(scope))
            && self.subject.is_none_or(|subject| event.subject_id == subject)
    }
}

pub fn cursor(event: &event::Model) -> String {
    event.seq.to_string()
}

/// The end of a log. A client that keeps it, then reads, and then follows after it, misses nothing.
pub async fn end(app: &App, topic: Uuid) -> Result<String> {
    Ok(head(app, topic).await?.to_string())
}

struct Follower {
    app: App,
    filter: Filter,
    topic: Arc<Topic>,
    changes: tokio::sync::watch::Receiver<i64>,
    at: i64,
    ready: std::vec::IntoIter<Arc<event::Model>>,
}

/// Follows a log after a cursor, or from now on.
pub async fn follow(
    app: &App,
    filter: Filter,
    after: Option<&str>,
) -> Result<impl Stream<Item = Result<Arc<event::Model>>> + use<>> {
    let topic = app.hub.topic(filter.topic);
    // Subscribed before the head is read, so that no notice in between is missed.
    let changes = topic.listen();
    let at = Box::pin(beginning(app, filter.topic, after)).await?;
    let follower = Follower {
        app: app.clone(),
        filter,
        topic,
        changes,
        at,
        ready: Vec::new().into_iter(),
    };
    Ok(stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(event) => Some((Ok(event), Some(follower))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

async fn beginning(app: &App, topic: Uuid, after: Option<&str>) -> Result<i64> {
    match after {
        Some(cursor) => read_cursor(app, topic, cursor).await,
        None => head(app, topic).await,
    }
}

async fn read_cursor(app: &App, topic: Uuid, cursor: &str) -> Result<i64> {
    let refused = || Error::BadInput("take the cursor unchanged from an event of the same subscription".into());
    let place: i64 = cursor.parse().map_err(|_not_a_number| refused())?;
    if place < 0 || place > head(app, topic).await? {
        Err(refused())
    } else {
        Ok(place)
    }
}

async fn head(app: &App, topic: Uuid) -> Result<i64> {
    Ok(entity::topic::Entity::by_id(topic)
        .one(app.db.read())
        .await?
        .map_or(0, |row| row.head))
}

impl Follower {
    async fn next(&mut self) -> Result<Arc<event::Model>> {
        loop {
            for event in self.ready.by_ref() {
                self.at = event.seq;
                if self.filter.wants(&event) {
                    return Ok(event);
                }
            }
            // Marked as seen before reading: a notice during the read wakes this follower afterwards.
            self.changes.mark_unchanged();
            // Boxed, so that a waiting stream is small.
            let events = Box::pin(self.topic.after(self.app.db.read(), self.at)).await?;
            if events.is_empty() {
                // This handle keeps the topic alive, so the channel does not close.
                drop(tokio::time::timeout(LOOK, self.changes.changed()).await);
            }
            self.ready = events.into_iter();
        }
    }
}
