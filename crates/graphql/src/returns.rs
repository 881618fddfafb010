//! Giving leads back.

use async_graphql::{Context, Object, SimpleObject};
use entity::lead;

use super::context::app_and_caller;
use super::delivery::DeliveryPayload;
use super::lead::Lead;
use super::payload::{UserError, outcome};
use leadmesh_core::error::Result;
use leadmesh_network::returns::{self, Answer, ReturnLead};

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
        #[graphql(desc = "The lead and the reason.")] input: ReturnLead,
    ) -> Result<LeadPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        LeadPayload::of(returns::ask(app, caller, input).await)
    }

    /// Answers a recipient's request to return a lead: the review becomes RETURNED or ACCEPTED. Both sides see it.
    /// Repeating the same answer changes nothing. CONFLICT if there is no request. Requires MEMBER or above, or an API
    /// key with MANAGE.
    async fn answer_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: Answer,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeliveryPayload::of(returns::answer(app, caller, input).await)
    }
}
