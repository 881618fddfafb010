//! Partner accounts as candidates for the sources of a flow.

use async_graphql::{Context, ID, Object};
use entity::account;
use entity::ids::FlowId;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::invitation::Invitation;
use super::relay::{Page, PageArgs, connection, page};
use crate::error::Result;
use crate::identity::accounts::Profile;
use crate::identity::policy::{self, Action};
use crate::network::available_sources::{self, AvailableSourceState, Candidate};
use crate::network::connections::ConnectionView;

/// A partner account as a candidate source of a flow, and if it is not one, why not.
pub struct AvailableSource(pub Candidate);

impl From<Candidate> for AvailableSource {
    fn from(candidate: Candidate) -> Self {
        Self(candidate)
    }
}

/// A partner account as a candidate source of a flow, and if it is not one, why not.
#[Object]
impl AvailableSource {
    /// Who would submit.
    async fn partner(&self) -> AccountProfile {
        AccountProfile(Profile::from(self.0.partner.clone()))
    }

    /// The connection with it, the live one, else the last; null when there never was one.
    async fn connection(&self) -> Option<AccountLink> {
        let row = self.0.connection.clone();
        row.map(|row| AccountLink(ConnectionView::new(row, self.0.own)))
    }

    /// The invitation that nobody has answered yet, whichever side sent it; null when there is none, and for a VIEWER.
    async fn invitation(&self, ctx: &Context<'_>) -> Result<Option<Invitation>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let row = self.0.invitation.clone();
        let row = row.filter(|_| policy::allows(&caller.principal, Action::ReadInvitations));
        Ok(row.map(|row| Invitation::new(row, self.0.own)))
    }

    /// Where it stands; new states may be added, so have a default branch.
    async fn state(&self) -> AvailableSourceState {
        self.0.state
    }

    /// Why, and what to do, for people.
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
    /// Every partner account that the caller's is or was connected with, or that has an unanswered invitation from it or to it,
    /// as a candidate source of a flow; newest account first. Who was invited by address is listed once it has answered. Keys
    /// need the scope `NETWORK_READ` or MANAGE.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filters")]
    async fn available_sources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which flow; an unknown one is an error.")] flow_id: ID,
        #[graphql(desc = "Only partners with this in their name, in any case of letters.")] search: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100; 20 by default.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<AvailableSourceConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flow: FlowId = id_or_unknown(&flow_id);
        let (own, partners) = available_sources::partners(app, caller, flow, search.as_deref()).await?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), partners, account::Column::Id, |row| row.id.0, args).await?;
        let (cursors, partners): (Vec<String>, Vec<account::Model>) = page.entries.into_iter().unzip();
        let candidates = available_sources::candidates(app, own, flow, partners).await?;
        let page = Page {
            entries: cursors.into_iter().zip(candidates).collect(),
            info: page.info,
        };
        Ok(page.into())
    }
}
