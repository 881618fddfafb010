//! Giving leads back.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::ids::{DeliveryId, LeadId};
use entity::lead;

use super::context::app_and_caller;
use super::delivery::DeliveryPayload;
use super::lead::Lead;
use super::payload::{UserError, outcome};
use leadmesh_core::error::Result;
use leadmesh_network::returns::{self, Answer, ReturnLead};

/// A lead to return to the account that delivered it.
#[derive(InputObject)]
pub struct ReturnLeadInput {
    /// Identifier of the lead: delivered by a buyer step or profile of a connected account, and accepted by the flow.
    lead_id: LeadId,
    /// Reason for the other account, one line of 1 to 1,000 characters.
    reason: String,
}

/// Answers a recipient's request to return a lead.
#[derive(InputObject)]
pub struct AnswerReturnInput {
    /// Identifier of the delivery.
    delivery_id: DeliveryId,
    /// Whether to take the lead back. Its price then no longer counts.
    approve: bool,
    /// Reason for the recipient, one line of at most 1,000 characters.
    reason: Option<String>,
}

/// Result of a change to a lead.
#[derive(SimpleObject)]
pub struct LeadPayload {
    /// The updated lead; null if nothing changed.
    lead: Option<Lead>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

impl LeadPayload {
    /// Of what a use case answers.
    pub(super) fn of(result: Result<lead::Model>) -> Result<Self> {
        let (lead, user_errors) = outcome(result)?;
        Ok(Self {
            lead: lead.map(Lead::from),
            user_errors,
        })
    }
}

/// The returns' part of mutations.
#[derive(Default)]
pub struct ReturnMutation;

#[Object]
impl ReturnMutation {
    /// Asks the connected account that delivered a lead to take it back. Only the account that holds the lead can ask,
    /// and only once (CONFLICT). Both sides see it: in the lead's timeline, in the delivery's review and in the audit
    /// log. Requires MEMBER or above, or an API key with MANAGE.
    async fn return_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead and the reason.")] input: ReturnLeadInput,
    ) -> Result<LeadPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let wanted = ReturnLead {
            lead: input.lead_id,
            reason: input.reason,
        };
        LeadPayload::of(returns::ask(app, caller, wanted).await)
    }

    /// Answers a recipient's request to return a lead: the review becomes RETURNED or ACCEPTED. Both sides see it.
    /// Repeating the same answer changes nothing. CONFLICT if there is no request. Requires MEMBER or above, or an API
    /// key with MANAGE.
    async fn answer_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: AnswerReturnInput,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let answer = Answer {
            delivery: input.delivery_id,
            approve: input.approve,
            reason: input.reason,
        };
        DeliveryPayload::of(returns::answer(app, caller, answer).await)
    }
}
