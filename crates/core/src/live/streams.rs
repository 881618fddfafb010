//! Following an event log: first everything after a cursor, from the database, then what happens, in order, without gap or
//! repeat. A reader that is slow is not kept up with: it reads from the database when it comes back, so nothing grows here.

use std::sync::Arc;
use std::time::Duration;

use entity::event::{self, EventKind};
use futures::Stream;
use futures::stream;
use uuid::Uuid;

use super::hub::Topic;
use crate::app::App;
use crate::error::{Error, Result};

/// How long a quiet stream trusts that it would have been told; then it looks by itself. Bounds the delay after a lost notice.
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

/// The place of an event, as clients keep it.
pub fn cursor(event: &event::Model) -> String {
    event.seq.to_string()
}

/// The place where a log ends now. Who keeps it, then reads what is there, and then follows after it, misses nothing.
pub async fn end(app: &App, topic: Uuid) -> Result<String> {
    Ok(head(app, topic).await?.to_string())
}

struct Following {
    app: App,
    filter: Filter,
    topic: Arc<Topic>,
    told: tokio::sync::watch::Receiver<i64>,
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
    // Listening begins before the head is read: what is told between the two is not missed.
    let told = topic.listen();
    let at = Box::pin(beginning(app, filter.topic, after)).await?;
    let following = Following {
        app: app.clone(),
        filter,
        topic,
        told,
        at,
        ready: Vec::new().into_iter(),
    };
    Ok(stream::unfold(Some(following), |following| async {
        let mut following = following?;
        match following.next().await {
            Ok(event) => Some((Ok(event), Some(following))),
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
    let refused = || Error::BadInput("a cursor is taken from an event of the same subscription, unchanged".into());
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

impl Following {
    async fn next(&mut self) -> Result<Arc<event::Model>> {
        loop {
            for event in self.ready.by_ref() {
                self.at = event.seq;
                if self.filter.wants(&event) {
                    return Ok(event);
                }
            }
            // Seen before reading: what is told while we read wakes us afterwards.
            self.told.mark_unchanged();
            // In a box of its own, so that a stream which waits is small.
            let events = Box::pin(self.topic.after(self.app.db.read(), self.at)).await?;
            if events.is_empty() {
                // The topic outlives its listeners only by this handle, so the channel does not close.
                drop(tokio::time::timeout(LOOK, self.told.changed()).await);
            }
            self.ready = events.into_iter();
        }
    }
}
