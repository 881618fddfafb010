//! Partner accounts as candidates for the sources of a flow.

use async_graphql::{Context, Object};
use entity::account;
use entity::ids::FlowId;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::context::app_and_caller;
use super::invitation::Invitation;
use super::relay::{Page, PageArgs, connection, page};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts::Profile;
use leadmesh_core::identity::policy::{self, Action};
use leadmesh_network::available_sources::{self, AvailableSourceState, Candidate};
use leadmesh_network::connections::ConnectionView;

/// A partner account as a candidate source of a flow, and if it is not one, why not.
pub struct AvailableSource(pub Candidate);

impl From<Candidate> for AvailableSource {
    fn from(candidate: Candidate) -> Self {
        Self(candidate)
    }
}

/// An account that could be a source of a flow, and its state.
#[Object]
impl AvailableSource {
    /// The account that would submit.
    async fn partner(&self) -> AccountProfile {
        AccountProfile(Profile::from(self.0.partner.clone()))
    }

    /// The active connection with the account, otherwise the last one; null if there never was one.
    async fn connection(&self) -> Option<AccountLink> {
        let row = self.0.connection.clone();
        row.map(|row| AccountLink(ConnectionView::new(row, self.0.own)))
    }

    /// The unanswered invitation, sent by either side; null if there is none, and always null for a VIEWER.
    async fn invitation(&self, ctx: &Context<'_>) -> Result<Option<Invitation>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let row = self.0.invitation.clone();
        let row = row.filter(|_| policy::allows(&caller.principal, Action::ReadInvitations));
        Ok(row.map(|row| Invitation::new(row, self.0.own)))
    }

    /// State of the account. New states may be added, so have a default branch.
    async fn state(&self) -> AvailableSourceState {
        self.0.state
    }

    /// Explains the state and what to do, for people.
    async fn explanation(&self) -> &str {
        &self.0.explanation
    }
}

connection!(
    AvailableSourceConnection,
    AvailableSourceEdge,
    AvailableSource,
    Candidate,
    "partner accounts"
);

/// The candidates' part of queries.
#[derive(Default)]
pub struct AvailableSourceQuery;

#[Object]
impl AvailableSourceQuery {
    /// Every account that the caller's account is or was connected with, or has an unanswered invitation to or from, as
    /// a possible source of a flow. Newest account first. An account invited by email address appears once it has
    /// answered. API keys need the scope `NETWORK_READ` or MANAGE.
    async fn available_sources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow. An unknown one is an error.")] flow_id: FlowId,
        #[graphql(desc = "Accounts with this text in their name, in any case.")] search: Option<String>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<AvailableSourceConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (own, partners) = available_sources::partners(app, caller, flow_id, search.as_deref()).await?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), partners, account::Column::Id, |row| row.id.0, args).await?;
        let (cursors, partners): (Vec<String>, Vec<account::Model>) = page.entries.into_iter().unzip();
        let candidates = available_sources::candidates(app, own, flow_id, partners).await?;
        let page = Page {
            entries: cursors.into_iter().zip(candidates).collect(),
            info: page.info,
        };
        Ok(page.into())
    }
}
