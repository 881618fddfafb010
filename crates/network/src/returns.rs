//! Giving leads back: the account that got a lead from another one asks for it, the account that delivered it answers. Both
//! sides see what was asked and answered, each on its own side of the lead. Partners ask in their portal, see
//! `delivery/portal_review`; they are answered here as well.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use entity::audit_event::ActorKind;
use entity::delivery::{self, DeliveryStatus, ReviewStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId, LeadId};
use entity::lead::{self, LeadOutcome};
use entity::lead_event::{self, LeadEventKind};
use entity::{account, bulk};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, QuerySelect, Set};
use serde_json::json;

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events::{self, NewEvent};
use leadmesh_delivery::erasure::REMOVED;
use leadmesh_leads::intake::{delivery_event, portal_event};

/// Most characters of a reason.
const REASON: usize = 1_000;

/// A lead to return to the account that delivered it.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "ReturnLeadInput")]
pub struct ReturnLead {
    /// Identifier of the lead: delivered by a buyer step or profile of a connected account, and accepted by the flow.
    #[graphql(name = "leadId")]
    pub lead: LeadId,
    /// Reason for the other account, one line of 1 to 1,000 characters.
    pub reason: String,
}

/// Asks the account that delivered a lead to take it back. Once for each lead.
pub async fn ask(app: &App, caller: &Caller, input: ReturnLead) -> Result<lead::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let reason = texts::line(&input.reason, REASON, "input.reason")?;
    let tx = app.db.begin().await?;
    let lead = lead::Entity::in_account(account).filter(lead::Column::Id.eq(input.lead));
    let lead = lead.one(&tx).await?;
    let lead = lead.ok_or_else(|| broken(UserErrorCode::NotFound, "no such lead"))?;
    let Some(came_by) = lead.seller_delivery_id else {
        let text = "the lead was submitted to you: only what another account's buyer step or profile delivered can be given back";
        return Err(broken(UserErrorCode::Conflict, text));
    };
    let row = delivery::Entity::to_buyer(account, came_by)
        .lock_exclusive()
        .one(&tx)
        .await?;
    let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without the delivery by which it came")))?;
    check_returnable(&lead, &row)?;
    let buyer = company(&tx, account).await?;
    let reason = row.erased_at.map_or(reason, |_| REMOVED.to_owned());
    let mut change = row.into_active_model();
    change.review = Set(Some(ReviewStatus::ReturnRequested));
    change.review_by = Set(Some(buyer.name.clone()));
    change.review_at = Set(Some(app.clock.now()));
    change.review_reason = Set(Some(reason.clone()));
    let row = change.update(&tx).await?;
    let step = Step {
        action: "lead.return_requested",
        kind: LeadEventKind::ReturnRequested,
        message: format!("{} asks for a return: {reason}", buyer.name),
        review: ReviewStatus::ReturnRequested,
        who: vec![(account, caller.who()), (row.account_id, partner(&buyer))],
    };
    step.commit(app, tx, (&row, lead.id)).await?;
    Ok(lead)
}

fn check_returnable(lead: &lead::Model, row: &delivery::Model) -> Result<()> {
    let holds = lead.outcome == LeadOutcome::Accepted
        && row.status == DeliveryStatus::Delivered
        && row.external_id == Some(lead.id.to_string());
    if !holds {
        return Err(broken(
            UserErrorCode::Conflict,
            "your flow did not accept the lead: there is nothing to give back",
        ));
    }
    match row.review {
        None => Ok(()),
        Some(ReviewStatus::ReturnRequested) => Err(broken(
            UserErrorCode::Conflict,
            "you have asked for a return already: the other account has not answered yet",
        )),
        Some(_) => Err(broken(
            UserErrorCode::Conflict,
            "the other account has answered a return of this lead already",
        )),
    }
}

fn broken(code: UserErrorCode, message: &str) -> Error {
    Error::broken(code, "input.leadId", message)
}

/// Answers a recipient's request to return a lead.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "AnswerReturnInput")]
pub struct Answer {
    /// Identifier of the delivery.
    #[graphql(name = "deliveryId")]
    pub delivery: DeliveryId,
    /// Whether to take the lead back. Its price then no longer counts.
    pub approve: bool,
    /// Reason for the recipient, one line of at most 1,000 characters.
    pub reason: Option<String>,
}

/// Answers a recipient that has asked for a return: a connected account, or a partner in its portal. The price of a returned lead
/// counts no more; the places that it took on caps stay taken. The same answer once more changes nothing and is no error: whoever
/// lost the first one's response says it again.
pub async fn answer(app: &App, caller: &Caller, input: Answer) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let given = input.reason.filter(|reason| !reason.trim().is_empty());
    let reason = given
        .map(|reason| texts::line(&reason, REASON, "input.reason"))
        .transpose()?;
    let tx = app.db.begin().await?;
    let row = delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(input.delivery));
    let row = row.lock_exclusive().one(&tx).await?;
    let at = |code, text: &str| Error::broken(code, "input.deliveryId", text);
    let row = row.ok_or_else(|| at(UserErrorCode::NotFound, "no such delivery"))?;
    let (review, kind, verb) = told(input.approve);
    let seller = company(&tx, account).await?;
    if row.review != Some(ReviewStatus::ReturnRequested) {
        let said_before = row.review == Some(review) && row.review_by.as_ref() == Some(&seller.name);
        let text = "nobody waits for an answer: no return of this lead is asked for";
        return if said_before {
            Ok(row)
        } else {
            Err(at(UserErrorCode::Conflict, text))
        };
    }
    let reason = reason.filter(|_| row.erased_at.is_none());
    let told_too = row.buyer_account_id.map(|buyer| (buyer, partner(&seller)));
    let theirs = row.external_id.as_ref().and_then(|id| id.parse().ok());
    let mut change = row.into_active_model();
    change.review = Set(Some(review));
    change.review_by = Set(Some(seller.name.clone()));
    change.review_at = Set(Some(app.clock.now()));
    change.review_reason = Set(reason.clone());
    let row = change.update(&tx).await?;
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let step = Step {
        action: "lead.return_answered",
        kind,
        message: format!("{} {verb}{why}", seller.name),
        review,
        who: [(account, caller.who())].into_iter().chain(told_too).collect(),
    };
    let theirs = theirs.unwrap_or(row.lead_id);
    step.commit(app, tx, (&row, theirs)).await?;
    Ok(row)
}

fn told(approve: bool) -> (ReviewStatus, LeadEventKind, &'static str) {
    if approve {
        (ReviewStatus::Returned, LeadEventKind::Returned, "takes the lead back")
    } else {
        (
            ReviewStatus::Accepted,
            LeadEventKind::Reviewed,
            "does not take the lead back",
        )
    }
}

async fn company(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let found = account::Entity::by_id(id).one(tx).await?;
    found.ok_or(Error::NotFound("account"))
}

/// An account as the other side's trail names it.
fn partner(account: &account::Model) -> Who {
    Who {
        kind: ActorKind::PartnerAccount,
        id: Some(account.id.to_string()),
        name: account.name.clone(),
        ip: None,
    }
}

/// One step of a return, as both sides are told of it; a partner has no trail of its own, but its portal is told.
struct Step {
    action: &'static str,
    kind: LeadEventKind,
    message: String,
    review: ReviewStatus,
    /// Whose trails, and who acts in each.
    who: Vec<(AccountId, Who)>,
}

impl Step {
    /// Tells both sides and commits. The buyer's lead is told apart from the seller's, which each side alone sees.
    async fn commit(self, app: &App, tx: Transaction, (row, theirs): (&delivery::Model, LeadId)) -> Result<()> {
        let now = app.clock.now();
        let mut told = vec![delivery_event(row).unlogged()];
        if row.channel == Channel::Portal {
            told.extend(portal_event(row, EventKind::PortalReviewed));
        }
        let mut notes = Vec::new();
        for (account, who) in &self.who {
            let lead = if *account == row.account_id {
                row.lead_id
            } else {
                theirs
            };
            notes.push(self.note(app, *account, lead, now));
            if *account != row.account_id {
                told.push(lead_changed(*account, lead));
            }
            self.record(app, &tx, (*account, who), lead).await?;
        }
        bulk::insert::<lead_event::Entity>(&tx, notes).await?;
        let heads = events::append(&tx, now, told).await?;
        tx.commit().await?;
        app.hub.tell(&heads);
        Ok(())
    }

    async fn record(
        &self,
        app: &App,
        tx: &DatabaseTransaction,
        (account, who): (AccountId, &Who),
        lead: LeadId,
    ) -> Result<()> {
        let entry = Entry {
            action: self.action,
            subject_type: "Lead",
            subject_id: lead.to_string(),
            label: None,
            changes: Some(json!({ "review": self.review })),
        };
        audit::record(tx, &app.clock, account, who, entry).await
    }

    fn note(&self, app: &App, account: AccountId, lead: LeadId, at: DateTime<Utc>) -> lead_event::ActiveModel {
        lead_event::ActiveModel {
            id: Set(app.clock.id()),
            account_id: Set(account),
            lead_id: Set(lead),
            at: Set(at),
            kind: Set(self.kind),
            message: Set(self.message.clone()),
        }
    }
}

/// The lead's account looks at it again.
fn lead_changed(account: AccountId, lead: LeadId) -> NewEvent {
    NewEvent {
        topic: account.0,
        kind: EventKind::Lead,
        subject: lead.0,
        scope: None,
        detail: None,
        outcome: None,
    }
}
