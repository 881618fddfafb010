//! What a partner's people say of the leads in their portal.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::payload::{UserError, outcome};
use super::portal_lead::PortalLead;
use crate::delivery::portal_feed;
use crate::delivery::portal_review::{self, ReviewLeads, Verdict};
use crate::error::Result;

/// Leads of the portal of which something is said.
#[derive(InputObject)]
pub struct ReviewPortalLeadsInput {
    /// Their identifiers, 1 to 100. If one of them cannot be changed, none is.
    ids: Vec<ID>,
    /// Why, for the account that shares the leads: one line of at most 1,000 characters. Needed to reject leads and to ask for
    /// their return.
    reason: Option<String>,
}

/// Leads of the portal after a review, or the rules that were broken.
#[derive(SimpleObject)]
pub struct PortalLeadsPayload {
    /// The leads as they are now, in the order of their identifiers, each once; empty when nothing was changed because of a
    /// broken rule.
    leads: Vec<PortalLead>,
    /// Rules that the input broke: REQUIRED without leads or a reason, `LIMIT_REACHED` beyond 100 leads, `TOO_LONG`, `NOT_FOUND`, or
    /// CONFLICT when somebody has said otherwise before or the lead was erased.
    user_errors: Vec<UserError>,
}

/// The reviews' part of mutations.
#[derive(Default)]
pub struct PortalReviewMutation;

#[Object]
impl PortalReviewMutation {
    /// Takes leads that wait for their review. Saying it again changes nothing. Takes a portal session with `VIEW_LEADS` and
    /// REVIEW.
    async fn accept_portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads.")] input: ReviewPortalLeadsInput,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Accept, input).await
    }

    /// Does not take leads that wait for their review. Their price counts no more, they give back their places on caps, and each
    /// goes on to the next partner if its profile says `NEXT_PARTNER`. Saying it again changes nothing. Takes a
    /// portal session with `VIEW_LEADS` and REVIEW.
    async fn reject_portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads, and why.")] input: ReviewPortalLeadsInput,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Reject, input).await
    }

    /// Asks the account that shares the leads to take them back: leads that were accepted, or that wait for their review. The
    /// account answers with `answerReturn`. Saying it again changes nothing. Takes a portal session with `VIEW_LEADS` and RETURN.
    async fn request_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads, and why.")] input: ReviewPortalLeadsInput,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Return, input).await
    }
}

async fn review(ctx: &Context<'_>, verdict: Verdict, input: ReviewPortalLeadsInput) -> Result<PortalLeadsPayload> {
    let (app, caller) = app_and_caller(ctx).await?;
    let input = ReviewLeads {
        ids: input.ids.iter().map(id_or_unknown).collect(),
        reason: input.reason,
    };
    let (rows, user_errors) = outcome(portal_review::review(app, caller, verdict, input).await)?;
    let shown = portal_feed::present_leads(app, caller, rows.unwrap_or_default()).await?;
    Ok(PortalLeadsPayload {
        leads: shown.into_iter().map(PortalLead).collect(),
        user_errors,
    })
}
