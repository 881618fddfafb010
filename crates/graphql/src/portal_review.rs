//! What a partner's people say of the leads in their portal.

use async_graphql::{Context, Object, SimpleObject};

use super::context::app_and_caller;
use super::payload::{UserError, outcome};
use super::portal_lead::PortalLead;
use leadmesh_core::error::Result;
use leadmesh_delivery::portal_feed;
use leadmesh_delivery::portal_review::{self, ReviewLeads, Verdict};

/// Result of a review of portal leads.
#[derive(SimpleObject)]
pub struct PortalLeadsPayload {
    /// The updated leads in the order of their identifiers, each once; empty if a business rule was broken and nothing
    /// changed.
    leads: Vec<PortalLead>,
    /// Business rules that the input broke: REQUIRED without leads or a reason, `LIMIT_REACHED` above 100 leads,
    /// `TOO_LONG`, `NOT_FOUND`, or CONFLICT if a lead was reviewed otherwise before or was erased.
    user_errors: Vec<UserError>,
}

/// The reviews' part of mutations.
#[derive(Default)]
pub struct PortalReviewMutation;

#[Object]
impl PortalReviewMutation {
    /// Accepts leads that wait for review. Repeating it changes nothing. Requires a portal session with `VIEW_LEADS`
    /// and REVIEW.
    async fn accept_portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The leads.")] input: ReviewLeads,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Accept, input).await
    }

    /// Rejects leads that wait for review. Their price no longer counts, their cap reservations are released, and each
    /// goes to the next partner if its profile says `NEXT_PARTNER`. Repeating it changes nothing. Requires a portal
    /// session with `VIEW_LEADS` and REVIEW.
    async fn reject_portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The leads and the reason.")] input: ReviewLeads,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Reject, input).await
    }

    /// Asks the account that shares the leads to take them back: accepted ones, or ones that wait for review. The
    /// account answers with `answerReturn`. Repeating it changes nothing. Requires a portal session with `VIEW_LEADS`
    /// and RETURN.
    async fn request_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The leads and the reason.")] input: ReviewLeads,
    ) -> Result<PortalLeadsPayload> {
        review(ctx, Verdict::Return, input).await
    }
}

async fn review(ctx: &Context<'_>, verdict: Verdict, input: ReviewLeads) -> Result<PortalLeadsPayload> {
    let (app, caller) = app_and_caller(ctx).await?;
    let (rows, user_errors) = outcome(portal_review::review(app, caller, verdict, input).await)?;
    let shown = portal_feed::present_leads(app, caller, rows.unwrap_or_default()).await?;
    Ok(PortalLeadsPayload {
        leads: shown.into_iter().map(PortalLead).collect(),
        user_errors,
    })
}
