//! Giving leads back.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::lead;

use super::context::app_and_caller;
use super::delivery::DeliveryPayload;
use super::ids::id_or_unknown;
use super::lead::Lead;
use super::payload::{UserError, outcome};
use crate::error::Result;
use crate::network::returns::{self, Answer, ReturnLead};

/// A lead to give back to the account that delivered it.
#[derive(InputObject)]
pub struct ReturnLeadInput {
    /// Which lead: one that a buyer step or profile of a connected account delivered, and that the flow has accepted.
    lead_id: ID,
    /// Why, for the other account: one line of 1 to 1,000 characters.
    reason: String,
}

/// The answer to somebody who asks for a return.
#[derive(InputObject)]
pub struct AnswerReturnInput {
    /// Which delivery of the account.
    delivery_id: ID,
    /// Whether the lead is taken back; its price then counts no more.
    approve: bool,
    /// Why, for the recipient: one line of at most 1,000 characters.
    reason: Option<String>,
}

/// A lead, or the rules that were broken.
#[derive(SimpleObject)]
pub struct LeadPayload {
    /// The lead; null when nothing was changed.
    lead: Option<Lead>,
    /// Rules that the input broke.
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
    /// Asks the connected account that delivered a lead to take it back; only the account that holds the lead can, and once
    /// (CONFLICT). Both sides see it: on the lead's timeline, in the delivery's review and in the audit trail. Takes a MEMBER or
    /// above, or a key with MANAGE.
    async fn return_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which lead, and why.")] input: ReturnLeadInput,
    ) -> Result<LeadPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let wanted = ReturnLead {
            lead: id_or_unknown(&input.lead_id),
            reason: input.reason,
        };
        LeadPayload::of(returns::ask(app, caller, wanted).await)
    }

    /// Answers a recipient that asks for the return of a lead: then its review is RETURNED, else ACCEPTED. Both sides see it.
    /// The same answer once more changes nothing; CONFLICT when nobody asks. Takes a MEMBER or above, or a key with MANAGE.
    async fn answer_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: AnswerReturnInput,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let answer = Answer {
            delivery: id_or_unknown(&input.delivery_id),
            approve: input.approve,
            reason: input.reason,
        };
        DeliveryPayload::of(returns::answer(app, caller, answer).await)
    }
}
