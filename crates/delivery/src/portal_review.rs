//! Reviews of leads in a partner's portal: portal users accept them, reject them, or ask for a return.
//!
//! All leads of one call change or none does. Repeating a review changes nothing and is no error; of two people who review
//! differently at the same time the first counts, and the error of the other names the first.

use async_graphql::InputObject;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery::{self, Review, ReviewStatus};
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId, LeadId, PartnerId};
use entity::lead_event::{self, LeadEventKind};
use entity::portal_user::PortalPermission;
use entity::{bulk, partner};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect, Select, Set};
use serde_json::json;

use super::contents::LeadContents;
use super::finish::{Effects, Ending, finish};
use super::reroute::Plan;
use super::routes::Routes;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::rights;
use leadmesh_core::identity::texts;
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::compile::Snapshots;
use leadmesh_leads::intake::{delivery_event, portal_event};

pub const MAX_LEADS: usize = 100;
const REASON: usize = 1_000;

/// What is said of leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Reject,
    Return,
}

/// A review of portal leads.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "ReviewPortalLeadsInput")]
pub struct ReviewLeads {
    /// Identifiers, 1 to 100. If one lead cannot be changed, none is.
    pub ids: Vec<DeliveryId>,
    /// Reason for the account that shares the leads, one line of at most 1,000 characters. Required to reject leads and
    /// to request a return.
    pub reason: Option<String>,
}

/// Reviews leads of the caller's portal; they come back in the order in which they were named, each once.
pub async fn review(app: &App, caller: &Caller, verdict: Verdict, input: ReviewLeads) -> Result<Vec<delivery::Model>> {
    caller.require_portal(PortalPermission::ViewLeads)?;
    let (account, partner) = caller.require_portal(verdict.permission())?;
    let reason = reason(verdict, input.reason)?;
    check_count(&input.ids)?;
    // What a rejected lead needs to go to the next partner is read before anything is locked.
    let rejected = match verdict {
        Verdict::Reject => in_portal(account, partner, &input.ids).all(app.db.read()).await?,
        Verdict::Accept | Verdict::Return => Vec::new(),
    };
    let leads = LeadContents::new(app.clone()).load(&rejected).await?;
    let (tx, routes) = Routes::begin(app, &Snapshots::default(), &rejected).await?;
    let partner = still_allowed(&tx, caller, verdict, account, partner).await?;
    // Locked in one order, so that two calls that name the same leads cannot wait for each other.
    let wanted = in_portal(account, partner.id, &input.ids);
    let wanted = wanted.order_by_asc(delivery::Column::Id).lock_exclusive();
    let found = wanted.all(&tx).await?.into_iter().map(|row| (row.id, row));
    let mut rows: BTreeMap<DeliveryId, delivery::Model> = found.collect();
    let changing = changing(&rows, &input.ids, verdict)?;
    if !changing.is_empty() {
        let review = StoredReview {
            app,
            caller,
            verdict,
            partner: &partner.name,
            review: Review {
                status: verdict.status(),
                by: caller.actor().name,
                at: app.clock.now(),
                reason,
            },
        };
        let endings = match verdict {
            Verdict::Reject => review.endings(rows.values().filter(|row| changing.contains(&row.id)), &leads, &routes),
            Verdict::Accept | Verdict::Return => Vec::new(),
        };
        let changed = review.commit(tx, changing, endings).await?;
        rows.extend(changed.into_iter().map(|row| (row.id, row)));
    }
    Ok(input.ids.iter().filter_map(|id| rows.remove(id)).collect())
}

fn in_portal(account: AccountId, partner: PartnerId, ids: &[DeliveryId]) -> Select<delivery::Entity> {
    delivery::Entity::in_portal(account, partner).filter(delivery::Column::Id.is_in(ids.iter().copied()))
}

fn reason(verdict: Verdict, given: Option<String>) -> Result<Option<String>> {
    match given.filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(Some(texts::line(&text, REASON, "input.reason")?)),
        None if verdict == Verdict::Accept => Ok(None),
        None => {
            let message = "say why: whoever sold the lead gets to read it";
            Err(Error::user(UserErrorCode::Required, "input.reason", message))
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
    Err(Error::user(code, "input.ids", message))
}

/// Checks the right again under lock: a person who was removed meanwhile, or whose portal was closed, does not review.
async fn still_allowed(
    tx: &DatabaseTransaction,
    caller: &Caller,
    verdict: Verdict,
    account: AccountId,
    partner: PartnerId,
) -> Result<partner::Model> {
    let mine = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
    let open = mine.lock_shared().one(tx).await?.filter(|row| row.portal_enabled);
    let may = rights::has_portal_permission(tx, caller, verdict.permission()).await?;
    open.filter(|_| may)
        .ok_or(Error::Unauthenticated("your access to this portal has ended"))
}

/// The leads that the verdict changes. The error names every lead that it cannot change.
fn changing(
    rows: &BTreeMap<DeliveryId, delivery::Model>,
    ids: &[DeliveryId],
    verdict: Verdict,
) -> Result<BTreeSet<DeliveryId>> {
    let (mut changing, mut broken) = (BTreeSet::new(), Vec::new());
    for (index, id) in ids.iter().enumerate() {
        let at = format!("input.ids.{index}");
        match rows.get(id) {
            None => broken.push(UserError::new(UserErrorCode::NotFound, &at, "no such lead")),
            Some(row) => match verdict.of(row) {
                Step::Change => drop(changing.insert(*id)),
                Step::Nothing => {}
                Step::Refuse(why) => {
                    let by = row.review_by.as_deref().unwrap_or("another person");
                    broken.push(UserError::new(UserErrorCode::Conflict, &at, format!("{by} {why}")));
                }
            },
        }
    }
    if broken.is_empty() {
        Ok(changing)
    } else {
        Err(Error::User(broken))
    }
}

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

    /// An erased lead is not reviewed: a reason might repeat one of its values.
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

    /// The action in the audit log, and the kind and verb of the timeline.
    fn names(self) -> (&'static str, LeadEventKind, &'static str) {
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

/// A review, with what storing it needs.
struct StoredReview<'a> {
    app: &'a App,
    caller: &'a Caller,
    verdict: Verdict,
    partner: &'a str,
    review: Review,
}

impl StoredReview<'_> {
    /// A rejected lead counts on no cap and is re-routed, like a lead that a webhook has refused.
    fn endings<'r>(
        &self,
        rows: impl Iterator<Item = &'r delivery::Model>,
        leads: &'r HashMap<LeadId, Arc<LeadContent>>,
        routes: &Routes,
    ) -> Vec<Ending<'r>> {
        let ending = |row: &'r delivery::Model| {
            let lead = leads.get(&row.lead_id);
            let plan = lead.and_then(|lead| Plan::of(routes, row, lead, self.review.at));
            Ending::rejected(row).rerouted(plan)
        };
        rows.map(ending).collect()
    }

    async fn commit(
        &self,
        tx: Transaction,
        ids: BTreeSet<DeliveryId>,
        endings: Vec<Ending<'_>>,
    ) -> Result<Vec<delivery::Model>> {
        let (app, at) = (self.app, self.review.at);
        let rows = delivery::Entity::set_review(&tx, ids, &self.review).await?;
        let notes = rows.iter().map(|row| self.note(row, at)).collect();
        bulk::insert::<lead_event::Entity>(&tx, notes).await?;
        for row in &rows {
            self.record(&tx, row).await?;
        }
        let mut effects = if endings.is_empty() {
            Effects {
                events: rows.iter().map(|row| delivery_event(row).unlogged()).collect(),
                ..Effects::default()
            }
        } else {
            finish(app, &tx, endings, at).await?
        };
        let in_portal = rows
            .iter()
            .filter_map(|row| portal_event(row, EventKind::PortalReviewed));
        effects.events.extend(in_portal);
        effects.commit(app, tx, at).await?;
        Ok(rows)
    }

    fn note(&self, row: &delivery::Model, at: DateTime<Utc>) -> lead_event::ActiveModel {
        let (_, kind, verb) = self.verdict.names();
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
            action: self.verdict.names().0,
            subject_type: "Delivery",
            subject_id: row.id.to_string(),
            label: Some(self.partner),
            changes: Some(json!({ "review": self.review.status })),
        };
        audit::record(tx, &self.app.clock, row.account_id, &self.caller.actor(), entry).await
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
