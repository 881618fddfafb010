//! What a partner's people say of the leads in their portal: they take them, do not take them, or ask to give them back.
//!
//! All leads of one call change or none does. Saying the same again changes nothing and is no error; of two people who say
//! different things at once the first counts, and the other is told who it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery::{self, Review, ReviewStatus};
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId, LeadId, PartnerId};
use entity::lead_event::{self, LeadEventKind};
use entity::portal_user::PortalPermission;
use entity::{bulk, partner};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::json;

use super::worker::{self, Rerouted, Routes};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Broken, Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::rights;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events;
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::compile::Snapshots;
use leadmesh_leads::intake::{delivery_event, portal_event};

type Leads = HashMap<LeadId, Arc<LeadContent>>;

/// Leads in one call at most.
pub const MAX_LEADS: usize = 100;
/// Most characters of a reason.
const REASON: usize = 1_000;

/// What is said of leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The partner takes them.
    Accept,
    /// The partner does not take them.
    Reject,
    /// The partner wants to give them back.
    Return,
}

/// Of which leads it is said.
#[derive(Clone, Debug)]
pub struct ReviewLeads {
    /// Which leads of the caller's portal; 1 to [`MAX_LEADS`].
    pub ids: Vec<DeliveryId>,
    /// Why; at most 1,000 characters. Needed unless they are accepted.
    pub reason: Option<String>,
}

/// Reviews leads of the caller's portal; they come back in the order in which they were named, each once.
pub async fn review(app: &App, caller: &Caller, verdict: Verdict, input: ReviewLeads) -> Result<Vec<delivery::Model>> {
    caller.require_portal(PortalPermission::ViewLeads)?;
    let (account, partner) = caller.require_portal(verdict.permission())?;
    let reason = reason(verdict, input.reason)?;
    check_count(&input.ids)?;
    let rejected = rejected(app, (account, partner), verdict, &input.ids).await?;
    let leads = worker::contents(app, &rejected).await?;
    let (snapshots, mut routes) = (Snapshots::default(), Routes::default());
    let tx = loop {
        routes.look_up(app, &snapshots, &rejected).await?;
        let tx = app.db.begin().await?;
        if routes.hold(&tx).await? {
            break tx;
        }
    };
    let partner = still_allowed(&tx, caller, verdict, (account, partner)).await?;
    let wanted = delivery::Entity::in_portal(account, partner.id).filter(delivery::Column::Id.is_in(input.ids.clone()));
    // In one order, so that two calls that name the same leads cannot wait for each other.
    let wanted = wanted.order_by_asc(delivery::Column::Id).lock_exclusive();
    let found = wanted.all(&tx).await?.into_iter().map(|row| (row.id, row));
    let mut rows: BTreeMap<DeliveryId, delivery::Model> = found.collect();
    let changing = changing(&rows, &input.ids, verdict)?;
    if !changing.is_empty() {
        let said = Said {
            app,
            caller,
            verdict,
            partner: &partner.name,
            review: Review {
                status: verdict.status(),
                by: caller.who().name,
                at: app.clock.now(),
                reason,
            },
        };
        let changed = said.commit(tx, changing, (leads, routes)).await?;
        rows.extend(changed.into_iter().map(|row| (row.id, row)));
    }
    Ok(input.ids.iter().filter_map(|id| rows.remove(id)).collect())
}

/// What goes on to the next partner, if the profile says so; read before anything is locked.
async fn rejected(
    app: &App,
    (account, partner): (AccountId, PartnerId),
    verdict: Verdict,
    ids: &[DeliveryId],
) -> Result<Vec<delivery::Model>> {
    if verdict != Verdict::Reject {
        return Ok(Vec::new());
    }
    let rows = delivery::Entity::in_portal(account, partner).filter(delivery::Column::Id.is_in(ids.iter().copied()));
    Ok(rows.all(app.db.read()).await?)
}

fn reason(verdict: Verdict, given: Option<String>) -> Result<Option<String>> {
    match given.filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(Some(texts::line(&text, REASON, "input.reason")?)),
        None if verdict == Verdict::Accept => Ok(None),
        None => {
            let message = "say why: whoever sold the lead gets to read it";
            Err(Error::broken(UserErrorCode::Required, "input.reason", message))
        }
    }
}

fn check_count(ids: &[DeliveryId]) -> Result<()> {
    let (code, message) = match ids.len() {
        0 => (UserErrorCode::Required, "name at least one lead"),
        1..=MAX_LEADS => return Ok(()),
        _ => (
            UserErrorCode::LimitReached,
            "name at most 100 leads, and the others in further calls",
        ),
    };
    Err(Error::broken(code, "input.ids", message))
}

/// The right is looked at again under lock: whoever is removed, or shut out with the partner, does not review any more.
async fn still_allowed(
    tx: &DatabaseTransaction,
    caller: &Caller,
    verdict: Verdict,
    (account, partner): (AccountId, PartnerId),
) -> Result<partner::Model> {
    let mine = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
    let open = mine.lock_shared().one(tx).await?.filter(|row| row.portal_enabled);
    let may = rights::in_portal(tx, caller, verdict.permission()).await?;
    open.filter(|_| may)
        .ok_or(Error::Unauthenticated("your access to this portal has ended"))
}

/// Those of the leads that the verdict changes; every one that it cannot change is told.
fn changing(
    rows: &BTreeMap<DeliveryId, delivery::Model>,
    ids: &[DeliveryId],
    verdict: Verdict,
) -> Result<BTreeSet<DeliveryId>> {
    let (mut changing, mut broken) = (BTreeSet::new(), Vec::new());
    for (place, id) in ids.iter().enumerate() {
        let at = format!("input.ids.{place}");
        match rows.get(id) {
            None => broken.push(Broken::new(UserErrorCode::NotFound, &at, "no such lead")),
            Some(row) => match verdict.of(row) {
                Step::Change => drop(changing.insert(*id)),
                Step::Nothing => {}
                Step::Refuse(why) => {
                    let by = row.review_by.as_deref().unwrap_or("somebody");
                    broken.push(Broken::new(UserErrorCode::Conflict, &at, format!("{by} {why}")));
                }
            },
        }
    }
    if broken.is_empty() {
        Ok(changing)
    } else {
        Err(Error::Broken(broken))
    }
}

/// What a verdict does to a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Change,
    Nothing,
    Refuse(&'static str),
}

impl Verdict {
    fn permission(self) -> PortalPermission {
        match self {
            Self::Accept | Self::Reject => PortalPermission::Review,
            Self::Return => PortalPermission::Return,
        }
    }

    fn status(self) -> ReviewStatus {
        match self {
            Self::Accept => ReviewStatus::Accepted,
            Self::Reject => ReviewStatus::Rejected,
            Self::Return => ReviewStatus::ReturnRequested,
        }
    }

    /// Of a lead that was erased nothing new is said: a reason might repeat what it held.
    fn of(self, row: &delivery::Model) -> Step {
        match self.step(row.review.unwrap_or(ReviewStatus::PendingReview)) {
            Step::Change if row.erased_at.is_some() => {
                Step::Refuse("has nothing left to review: the sender has erased this lead")
            }
            step => step,
        }
    }

    /// A lead whose return was refused is ACCEPTED again: its return can be asked for once more, with better reasons.
    fn step(self, now: ReviewStatus) -> Step {
        match (now, self) {
            (ReviewStatus::PendingReview, _) | (ReviewStatus::Accepted, Self::Return) => Step::Change,
            (now, verdict) if now == verdict.status() => Step::Nothing,
            (ReviewStatus::Accepted, _) => Step::Refuse("has accepted this lead already: ask for a return instead"),
            (ReviewStatus::Rejected, _) => Step::Refuse("has rejected this lead already"),
            (ReviewStatus::ReturnRequested, _) => Step::Refuse("has asked for the return of this lead already"),
            (ReviewStatus::Returned, _) => Step::Refuse("has taken this lead back already"),
        }
    }

    fn told(self) -> (&'static str, LeadEventKind, &'static str) {
        match self {
            Self::Accept => ("portal_lead.accepted", LeadEventKind::Reviewed, "accepts the lead"),
            Self::Reject => ("portal_lead.rejected", LeadEventKind::Reviewed, "rejects the lead"),
            Self::Return => (
                "portal_lead.return_requested",
                LeadEventKind::ReturnRequested,
                "asks for a return",
            ),
        }
    }
}

/// A review about to be stored.
struct Said<'a> {
    app: &'a App,
    caller: &'a Caller,
    verdict: Verdict,
    partner: &'a str,
    review: Review,
}

impl Said<'_> {
    async fn commit(
        self,
        tx: Transaction,
        ids: BTreeSet<DeliveryId>,
        further: (Leads, Routes),
    ) -> Result<Vec<delivery::Model>> {
        let (app, at) = (self.app, self.review.at);
        let rows = delivery::Entity::set_review(&tx, ids, &self.review).await?;
        let notes = rows.iter().map(|row| self.note(row, at)).collect();
        bulk::insert::<lead_event::Entity>(&tx, notes).await?;
        for row in &rows {
            self.record(&tx, row).await?;
        }
        let mut told: Vec<_> = rows.iter().map(|row| delivery_event(row).unlogged()).collect();
        told.extend(
            rows.iter()
                .filter_map(|row| portal_event(row, EventKind::PortalReviewed)),
        );
        let on = self.follow(&tx, &rows, &further).await?;
        told.extend(on.events);
        let in_portals = events::count(&told, EventKind::PortalDelivered);
        let heads = events::append(&tx, at, told).await?;
        tx.commit().await?;
        app.metrics.delivered_in_portals(in_portals);
        app.hub.tell(&heads);
        app.queue.wake(on.waiting);
        Ok(rows)
    }

    /// A lead that was rejected counts on no cap and goes on, as one that a webhook has refused.
    async fn follow(
        &self,
        tx: &DatabaseTransaction,
        rows: &[delivery::Model],
        (leads, routes): &(Leads, Routes),
    ) -> Result<Rerouted> {
        let rejected = rows.iter().filter(|_| self.verdict == Verdict::Reject);
        let rejected: Vec<_> = rejected.map(|row| (row, leads.get(&row.lead_id))).collect();
        worker::follow(self.app, tx, &rejected, routes, self.review.at).await
    }

    fn note(&self, row: &delivery::Model, at: DateTime<Utc>) -> lead_event::ActiveModel {
        let (_, kind, verb) = self.verdict.told();
        let why = self.review.reason.as_ref();
        let why = why.map(|reason| format!(": {reason}")).unwrap_or_default();
        lead_event::ActiveModel {
            id: Set(self.app.clock.id()),
            account_id: Set(row.account_id),
            lead_id: Set(row.lead_id),
            at: Set(at),
            kind: Set(kind),
            message: Set(format!("{} of {} {verb}{why}", self.review.by, self.partner)),
        }
    }

    async fn record(&self, tx: &DatabaseTransaction, row: &delivery::Model) -> Result<()> {
        let entry = Entry {
            action: self.verdict.told().0,
            subject_type: "Delivery",
            subject_id: row.id.to_string(),
            label: Some(self.partner),
            changes: Some(json!({ "review": self.review.status })),
        };
        audit::record(tx, &self.app.clock, row.account_id, &self.caller.who(), entry).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_changes_a_lead_once_and_never_another_verdict() {
        use ReviewStatus::{Accepted, PendingReview, Rejected, ReturnRequested, Returned};
        let steps = |now| {
            [Verdict::Accept, Verdict::Reject, Verdict::Return].map(|verdict| match verdict.step(now) {
                Step::Change => 'c',
                Step::Nothing => '=',
                Step::Refuse(_) => '!',
            })
        };
        assert_eq!(steps(PendingReview), ['c', 'c', 'c']);
        assert_eq!(steps(Accepted), ['=', '!', 'c']);
        assert_eq!(steps(Rejected), ['!', '=', '!']);
        assert_eq!(steps(ReturnRequested), ['!', '!', '=']);
        assert_eq!(steps(Returned), ['!', '!', '!']);
    }

    #[test]
    fn only_an_acceptance_needs_no_reason() {
        let given = |verdict, text: &str| reason(verdict, Some(text.to_owned()));
        assert_eq!(given(Verdict::Accept, " ").unwrap(), None);
        assert_eq!(given(Verdict::Reject, " wrong ").unwrap().unwrap(), "wrong");
        assert!(given(Verdict::Reject, " ").is_err() && reason(Verdict::Return, None).is_err());
    }
}
