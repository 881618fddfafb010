//! Tells recipients that a lead they had was erased: a webhook of its own kind, signed as any other, or a mail. It goes where the
//! lead went, by the settings that the delivery was made with.

mod destination_limits;

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entity::delivery_config::{DeliveryConfig, EmailConfig, WebhookConfig};
use entity::erasure_notice::{self, Column, Model, NoticeStatus, Received};
use entity::{delivery_settings, smtp_settings};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, QueryOrder, QuerySelect, Set};
use serde_json::json;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::destination_limits::{DestinationLimits, FinishedNotice};
use super::email::{Mailer, Message};
use super::guard::Guard;
use super::partner_secrets::{SigningSecrets, open_headers};
use super::smtp_server;
use super::supervision::catch_panic;
use super::webhook::{Method, Request, Sender};
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};

/// Time between two searches for due notices.
const LOOK: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a worker may take over one notice.
const LEASE: TimeDelta = TimeDelta::minutes(2);
const AT_ONCE: usize = 64;
/// How long a try takes to a destination that is then left alone.
const SLOW: Duration = Duration::from_secs(5);
/// Looks for other destinations, should the first notices all be for some that have no room.
const ROUNDS: usize = 16;
/// Minutes after each failed attempt: two days in all, since recipients are rarely notified.
const PAUSES: [i64; 7] = [1, 5, 30, 120, 360, 960, 1_440];
/// Characters kept of a recipient's answer.
const ERROR: usize = 500;

/// Attempts without a known outcome after which a notice is given up: it may be what kills the processes that send it.
const MOST_INTERRUPTIONS: i32 = 3;
const INTERRUPTED: &str = "set aside: the process that sent it ended repeatedly before the outcome was known";

type SendResult = std::result::Result<(), String>;

/// Sends due notices until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    let guard = Guard::new(app.config.settings.allow_destinations.clone());
    let sender = match Sender::new(guard.clone()) {
        Ok(sender) => sender,
        Err(error) => return tracing::error!(%error, "nobody is told of erased leads"),
    };
    let mailer = Mailer::new(guard, app.config.ehlo_name());
    let mut notices = NoticeSender {
        app,
        sender,
        mailer,
        tasks: JoinSet::new(),
        limits: DestinationLimits::default(),
        one_apart: false,
    };
    let metrics = notices.app.metrics.clone();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut more = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick() => {
                more = catch_panic(&metrics, "looking for erasure notices", notices.start_due()).await.unwrap_or_default();
            }
            Some(finished) = notices.tasks.join_next() => {
                notices.note(finished);
                if more {
                    more = catch_panic(&metrics, "looking for erasure notices", notices.start_due()).await.unwrap_or_default();
                }
            }
        }
    }
    while notices.tasks.join_next().await.is_some() {}
}

struct NoticeSender {
    app: App,
    sender: Sender,
    mailer: Mailer,
    tasks: JoinSet<FinishedNotice>,
    limits: DestinationLimits,
    /// Whether one is under way that was interrupted before: they are tried one by one, beside all others.
    one_apart: bool,
}

impl NoticeSender {
    /// Starts due notices, as far as destinations have room. Returns whether there may be more.
    async fn start_due(&mut self) -> bool {
        if !self.one_apart {
            match self.claim_interrupted().await {
                Ok(notice) => notice.into_iter().for_each(|notice| self.start(notice, true)),
                Err(error) => tracing::warn!(?error, "cannot look for interrupted notices; the next look will"),
            }
        }
        for _ in 0..ROUNDS {
            let left = AT_ONCE.saturating_sub(self.tasks.len());
            if left == 0 {
                return true;
            }
            match self.claim(left).await {
                // What was claimed before is under way.
                Ok(Some(due)) => due.into_iter().for_each(|notice| self.start(notice, false)),
                Ok(None) => return false,
                Err(error) => {
                    tracing::warn!(?error, "cannot tell of erased leads; the next look will");
                    return false;
                }
            }
        }
        true
    }

    fn start(&mut self, notice: Model, apart: bool) {
        let (app, sender, mailer) = (self.app.clone(), self.sender.clone(), self.mailer.clone());
        let destination = notice.destination();
        self.one_apart |= apart;
        self.tasks.spawn(async move {
            let started = Instant::now();
            let sending = send(&app, &sender, &mailer, &notice);
            let result = match catch_panic(&app.metrics, "telling of an erased lead", sending).await {
                Some(Ok(result)) => result,
                failed => {
                    if let Some(Err(error)) = failed {
                        tracing::warn!(?error, notice = %notice.id, "a notice of an erased lead could not be prepared");
                    }
                    Err("the notice could not be prepared: see the server's log".to_owned())
                }
            };
            let slow = started.elapsed() >= SLOW;
            let finishing = finish(&app, notice, result);
            if let Some(Err(error)) = catch_panic(&app.metrics, "recording a notice", finishing).await {
                tracing::warn!(?error, "the outcome of a notice cannot be recorded; it is repeated");
            }
            FinishedNotice {
                destination,
                apart,
                slow,
            }
        });
    }

    fn note(&mut self, finished: std::result::Result<FinishedNotice, JoinError>) {
        match finished {
            Ok(finished) => {
                self.limits.free(&finished, self.app.clock.now());
                self.one_apart &= !finished.apart;
            }
            // Its panics are caught: the process is ending.
            Err(error) => tracing::error!(%error, "a notice of an erased lead was cut off; it is repeated"),
        }
    }

    /// Takes what is due under a lease, the first first, at most `left`, but no more for one destination than its share; none when
    /// nothing is due for destinations that have room. Of what could not be taken nothing stays counted.
    async fn claim(&mut self, left: usize) -> Result<Option<Vec<Model>>> {
        let (app, now) = (self.app.clone(), self.app.clock.now());
        let open = erasure_notice::Entity::due(now, self.limits.closed(now));
        if open.clone().one(app.db.read()).await?.is_none() {
            return Ok(None);
        }
        let tx = app.db.begin().await?;
        let found = open
            .order_by_asc(Column::DueAt)
            .limit(u64::try_from(left).unwrap_or(u64::MAX))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&tx)
            .await?;
        let taken: Vec<Model> = found.into_iter().filter(|notice| self.limits.take(notice)).collect();
        if let Err(error) = lease(tx, &taken, now).await {
            for notice in &taken {
                self.limits.give_back(notice.destination());
            }
            return Err(error);
        }
        Ok(Some(taken.into_iter().map(counted).collect()))
    }

    /// One notice whose last attempt has no known outcome.
    async fn claim_interrupted(&self) -> Result<Option<Model>> {
        let (app, now) = (&self.app, self.app.clock.now());
        let open = erasure_notice::Entity::interrupted(now);
        if open.one(app.db.read()).await?.is_none() {
            return Ok(None);
        }
        let tx = app.db.begin().await?;
        let notice = take_interrupted(&tx, now).await?;
        lease(tx, notice.as_slice(), now).await?;
        Ok(notice.map(counted))
    }
}

/// Gives notices to this process for a while, and commits.
async fn lease(tx: Transaction, notices: &[Model], now: DateTime<Utc>) -> Result<()> {
    let lease = erasure_notice::Entity::lease(notices.iter().map(|notice| notice.id), now + LEASE);
    lease.exec(&tx).await?;
    Ok(tx.commit().await?)
}

/// As it is after its lease has counted the try.
fn counted(notice: Model) -> Model {
    Model {
        attempts: notice.attempts + 1,
        ..notice
    }
}

/// One notice that a worker has taken and never told the end of, with no other of its kind beside it, so that it is known which one
/// ends processes. One that was tried so again and again is given up.
async fn take_interrupted(tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<Option<Model>> {
    let found = erasure_notice::Entity::interrupted(now)
        .order_by_asc(Column::DueAt)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let Some(notice) = found.one(tx).await? else {
        return Ok(None);
    };
    let interruptions = notice.interruptions.saturating_add(1);
    let give_up = interruptions >= MOST_INTERRUPTIONS;
    let id = notice.id;
    let mut change: erasure_notice::ActiveModel = notice.into();
    change.interruptions = Set(interruptions);
    if give_up {
        tracing::error!(notice = %id, "{INTERRUPTED}");
        change.status = Set(NoticeStatus::Failed);
        change.due_at = Set(None);
        change.lease_until = Set(None);
        change.error = Set(Some(INTERRUPTED.to_owned()));
    }
    let notice = change.update(tx).await?;
    Ok((!give_up).then_some(notice))
}

async fn send(app: &App, sender: &Sender, mailer: &Mailer, notice: &Model) -> Result<SendResult> {
    let settings = delivery_settings::Entity::for_worker([notice.settings_id]);
    let settings = settings.one(app.db.read()).await?;
    let settings = settings.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its settings")))?;
    match &settings.config {
        DeliveryConfig::Webhook(config) => {
            let headers = open_headers(app, settings.account_id, settings.id, config).await?;
            let request = request(app, notice, config, headers).await?;
            if config.sign && request.secrets.is_empty() {
                return Ok(Err(
                    "the partner has no signing secret: make one with rotateSigningSecret".to_owned(),
                ));
            }
            Ok(post(sender, &request).await)
        }
        DeliveryConfig::Email(config) => mail(app, mailer, notice, config).await,
        DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => Ok(Ok(())),
    }
}

async fn request(app: &App, notice: &Model, config: &WebhookConfig, headers: Vec<(String, String)>) -> Result<Request> {
    let body = json!({
        "type": "lead.erased",
        "timestamp": time(notice.created_at),
        "data": {
            "leadId": notice.lead_id,
            "deliveryId": notice.delivery_id,
            "externalId": notice.external_id,
            "receivedAt": time(notice.received_at),
            "erasedAt": time(notice.created_at),
        },
    });
    // It is JSON, whatever the partner's leads are.
    let headers = headers
        .into_iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    Ok(Request {
        method: Method::POST,
        url: config
            .url
            .parse()
            .map_err(|error: url::ParseError| Error::Internal(error.into()))?,
        headers: headers.collect(),
        content_type: "application/json",
        body: body.to_string().into_bytes().into(),
        id: notice.id.to_string(),
        lead: notice.lead_id.to_string(),
        sent_at: app.clock.now(),
        secrets: match notice.partner_id {
            Some(partner) if config.sign => SigningSecrets::load(app, partner).await?.valid_at(app.clock.now()),
            _ => Vec::new(),
        },
        test: notice.test,
        timeout: TIMEOUT,
    })
}

async fn post(sender: &Sender, request: &Request) -> SendResult {
    match sender.send(request).await.result {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("the recipient's server answered {}", answer.status)),
        Err(failure) => Err(failure.to_string()),
    }
}

async fn mail(app: &App, mailer: &Mailer, notice: &Model, config: &EmailConfig) -> Result<SendResult> {
    let settings = smtp_settings::Entity::in_account(notice.account_id);
    let Some(settings) = settings.one(app.db.read()).await? else {
        return Ok(Err(
            "the account has no mail server: set one with setSmtpSettings".to_owned()
        ));
    };
    let server = smtp_server::of_settings(app, &settings).await?;
    let domain = settings.from_address.rsplit('@').next().unwrap_or("leadmesh.invalid");
    let message = message(notice, config, domain, app.clock.now());
    let exchange = mailer.send(&server, &message, TIMEOUT).await;
    Ok(exchange.outcome.failure_message().map_or(Ok(()), Err))
}

/// The mail answers the one by which the lead came, so that mail programs show the two together.
fn message(notice: &Model, config: &EmailConfig, domain: &str, now: DateTime<Utc>) -> Message {
    let (lead, delivery) = (notice.lead_id, notice.delivery_id);
    let test = if notice.test { "[Test] " } else { "" };
    let how = match notice.received {
        Received::Delivered => "we sent you",
        Received::Refused => "we sent you, and you refused,",
        Received::Perhaps => "we may have sent you",
    };
    let theirs = notice
        .external_id
        .as_ref()
        .map(|id| format!(" You call it {id}."))
        .unwrap_or_default();
    let first = format!("<{delivery}@{domain}>");
    Message {
        recipients: config.recipients.clone(),
        subject: format!("{test}Please erase the lead {lead}"),
        text: format!(
            "On {} {how} the lead {lead} (delivery {delivery}).{theirs}\n\n\
             We have erased what we knew of this person. Please erase it, too: the mail by which it came, and every copy, \
             unless the law obliges you to keep it.\n",
            time(notice.received_at)
        ),
        html: None,
        message_id: format!("<{}@{domain}>", notice.id),
        sent_at: now,
        headers: vec![
            ("In-Reply-To".into(), first.clone()),
            ("References".into(), first),
            ("leadmesh-lead-id".into(), lead.to_string()),
        ],
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Records a try. A worker whose lease has gone to another records nothing.
async fn finish(app: &App, notice: Model, result: SendResult) -> Result<()> {
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let found = erasure_notice::Entity::for_worker(notice.id)
        .lock_exclusive()
        .one(&tx)
        .await?;
    let held = found.filter(|row| row.status == NoticeStatus::Queued && row.attempts == notice.attempts);
    if let Some(row) = held {
        let next = next_try(row.attempts).map(|pause| now + pause);
        let mut change: erasure_notice::ActiveModel = row.into();
        change.lease_until = Set(None);
        match result {
            Ok(()) => {
                change.status = Set(NoticeStatus::Sent);
                change.due_at = Set(None);
                change.error = Set(None);
                change.notified_at = Set(Some(now));
            }
            Err(said) => {
                if next.is_none() {
                    change.status = Set(NoticeStatus::Failed);
                }
                change.due_at = Set(next);
                let kept = said.chars().filter(|character| !character.is_control()).take(ERROR);
                change.error = Set(Some(kept.collect()));
            }
        }
        change.update(&tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// How long to wait after so many tries; none when it is given up.
fn next_try(attempts: i32) -> Option<TimeDelta> {
    let pause = PAUSES.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    Some(TimeDelta::minutes(*pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_tried_eight_times_over_two_days() {
        let pauses: Vec<_> = (1..=8).map(next_try).collect();
        assert!(pauses[..7].iter().all(Option::is_some) && pauses[7].is_none());
        let whole: i64 = PAUSES.iter().sum();
        assert!((48..50).contains(&(whole / 60)), "{whole}");
    }
}
