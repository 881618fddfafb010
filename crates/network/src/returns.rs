//! Returns: the buyer account requests one, the seller account answers. Both see request and answer, each on its own lead. Partners
//! request in their portal, see `portal_review` of the delivery crate; they are answered here too.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use entity::bulk;
use entity::delivery::{self, DeliveryStatus, ReviewStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId, LeadId};
use entity::lead::{self, LeadOutcome};
use entity::lead_event::{self, LeadEventKind};
use sea_orm::{ActiveModelTrait, ColumnTrait, IntoActiveModel, QueryFilter, QuerySelect, Set};
use serde_json::json;

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events::{self, NewEvent};
use leadmesh_delivery::erasure::REMOVED;
use leadmesh_leads::intake::{delivery_event, portal_event};

/// In characters.
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
        let text = "the lead was submitted to you: only a lead that another account's buyer step or profile delivered can be returned";
        return Err(broken(UserErrorCode::Conflict, text));
    };
    let row = delivery::Entity::to_buyer(account, came_by)
        .lock_exclusive()
        .one(&tx)
        .await?;
    let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without the delivery by which it came")))?;
    check_returnable(&lead, &row)?;
    let buyer = accounts::load(&tx, account).await?;
    let reason = row.erased_at.map_or(reason, |_| REMOVED.to_owned());
    let mut change = row.into_active_model();
    change.review = Set(Some(ReviewStatus::ReturnRequested));
    change.review_by = Set(Some(buyer.name.clone()));
    change.review_at = Set(Some(app.clock.now()));
    change.review_reason = Set(Some(reason.clone()));
    let row = change.update(&tx).await?;
    let seller = Party {
        account: row.account_id,
        lead: row.lead_id,
        actor: Actor::partner_account(&buyer),
    };
    let own = Party {
        account,
        lead: lead.id,
        actor: caller.actor(),
    };
    let step = ReturnStep {
        action: "lead.return_requested",
        kind: LeadEventKind::ReturnRequested,
        message: format!("{} asks for a return: {reason}", buyer.name),
        review: ReviewStatus::ReturnRequested,
        parties: vec![own, seller],
    };
    step.commit(app, tx, &row).await?;
    Ok(lead)
}

fn check_returnable(lead: &lead::Model, row: &delivery::Model) -> Result<()> {
    let holds = lead.outcome == LeadOutcome::Accepted
        && row.status == DeliveryStatus::Delivered
        && row.external_id == Some(lead.id.to_string());
    if !holds {
        return Err(broken(
            UserErrorCode::Conflict,
            "your flow did not accept the lead: there is nothing to return",
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
    Error::user(code, "input.leadId", message)
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

/// Answers a return request of a connected account or of a partner in its portal. The price of a returned lead no longer
/// counts; its places on caps stay taken. Repeating the same answer changes nothing and is no error, for callers that lost the
/// first response.
pub async fn answer(app: &App, caller: &Caller, input: Answer) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let given = input.reason.filter(|reason| !reason.trim().is_empty());
    let reason = given
        .map(|reason| texts::line(&reason, REASON, "input.reason"))
        .transpose()?;
    let tx = app.db.begin().await?;
    let row = delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(input.delivery));
    let row = row.lock_exclusive().one(&tx).await?;
    let at = |code, text: &str| Error::user(code, "input.deliveryId", text);
    let row = row.ok_or_else(|| at(UserErrorCode::NotFound, "no such delivery"))?;
    let (review, kind, verb) = outcome(input.approve);
    let seller = accounts::load(&tx, account).await?;
    if row.review != Some(ReviewStatus::ReturnRequested) {
        let said_before = row.review == Some(review) && row.review_by.as_ref() == Some(&seller.name);
        let text = "no return of this lead waits for an answer";
        return if said_before {
            Ok(row)
        } else {
            Err(at(UserErrorCode::Conflict, text))
        };
    }
    let reason = reason.filter(|_| row.erased_at.is_none());
    let mut parties = vec![Party {
        account,
        lead: row.lead_id,
        actor: caller.actor(),
    }];
    parties.extend(row.buyer_account_id.map(|buyer| {
        Party {
            account: buyer,
            lead: row
                .external_id
                .as_ref()
                .and_then(|id| id.parse().ok())
                .unwrap_or(row.lead_id),
            actor: Actor::partner_account(&seller),
        }
    }));
    let mut change = row.into_active_model();
    change.review = Set(Some(review));
    change.review_by = Set(Some(seller.name.clone()));
    change.review_at = Set(Some(app.clock.now()));
    change.review_reason = Set(reason.clone());
    let row = change.update(&tx).await?;
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let step = ReturnStep {
        action: "lead.return_answered",
        kind,
        message: format!("{} {verb}{why}", seller.name),
        review,
        parties,
    };
    step.commit(app, tx, &row).await?;
    Ok(row)
}

fn outcome(approve: bool) -> (ReviewStatus, LeadEventKind, &'static str) {
    if approve {
        (ReviewStatus::Returned, LeadEventKind::Returned, "accepts the return")
    } else {
        (ReviewStatus::Accepted, LeadEventKind::Reviewed, "refuses the return")
    }
}

/// One step of a return, for the logs of both accounts. A partner has no log of its own, but its portal is notified.
struct ReturnStep {
    action: &'static str,
    kind: LeadEventKind,
    message: String,
    review: ReviewStatus,
    parties: Vec<Party>,
}

struct Party {
    account: AccountId,
    lead: LeadId,
    actor: Actor,
}

impl ReturnStep {
    async fn commit(self, app: &App, tx: Transaction, row: &delivery::Model) -> Result<()> {
        let now = app.clock.now();
        let mut events = vec![delivery_event(row).unlogged()];
        if row.channel == Channel::Portal {
            events.extend(portal_event(row, EventKind::PortalReviewed));
        }
        let mut lead_events = Vec::new();
        for Party { account, lead, actor } in &self.parties {
            lead_events.push(self.lead_event(app, *account, *lead, now));
            if *account != row.account_id {
                events.push(NewEvent::of_account(*account, EventKind::Lead, lead.0));
            }
            let entry = Entry::unlabelled(self.action, "Lead", lead).with(json!({ "review": self.review }));
            audit::record(&tx, &app.clock, *account, actor, entry).await?;
        }
        bulk::insert::<lead_event::Entity>(&tx, lead_events).await?;
        let heads = events::append(&tx, now, events).await?;
        tx.commit().await?;
        app.hub.notify(&heads);
        Ok(())
    }

    fn lead_event(&self, app: &App, account: AccountId, lead: LeadId, at: DateTime<Utc>) -> lead_event::ActiveModel {
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
