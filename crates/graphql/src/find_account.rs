//! Finding an account before inviting it.

use async_graphql::{Context, Object};
use entity::ids::AccountId;

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::scalars::EmailAddress;
use leadmesh_core::error::Result;
use leadmesh_network::find_account::{self, Search};

/// Finding accounts.
#[derive(Default)]
pub struct FindAccountQuery;

#[Object]
impl FindAccountQuery {
    /// Finds an account before inviting it. Give exactly one of the three arguments. At most 10 results, by name. At
    /// most 60 look-ups in five minutes: `RATE_LIMITED`. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn find_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The whole identifier.")] id: Option<AccountId>,
        #[graphql(
            desc = "The whole contact address, in any case. Only proven addresses match if the operator requires proof."
        )]
        email: Option<EmailAddress>,
        #[graphql(
            desc = "The start of the name, at least 3 characters, in any case. Only accounts that are `listed` match."
        )]
        name: Option<String>,
    ) -> Result<Vec<AccountProfile>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let search = Search {
            id,
            email: email.map(|email| email.0),
            name,
        };
        let found = find_account::find(app, caller, &search).await?;
        Ok(found.into_iter().map(AccountProfile).collect())
    }
}
