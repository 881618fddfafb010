//! Finding an account before inviting it.

use async_graphql::{Context, ID, Object};

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::scalars::EmailAddress;
use crate::error::Result;
use crate::network::find_account::{self, Search};

/// Finding accounts.
#[derive(Default)]
pub struct FindAccountQuery;

#[Object]
impl FindAccountQuery {
    /// Finds the right account before inviting it, by exactly one of three. At most 10 answers, by name; at most 60 look-ups in five
    /// minutes: `RATE_LIMITED`. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    async fn find_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The whole identifier.")] id: Option<ID>,
        #[graphql(
            desc = "The whole contact address, in any case; only a proven one where the operator asks for proof."
        )]
        email: Option<EmailAddress>,
        #[graphql(
            desc = "The beginning of the name, at least 3 characters, in any case; only accounts that are `listed` are found so."
        )]
        name: Option<String>,
    ) -> Result<Vec<AccountProfile>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let search = Search {
            id: id.as_ref().map(id_or_unknown),
            email: email.map(|email| email.0),
            name,
        };
        let found = find_account::find(app, caller, &search).await?;
        Ok(found.into_iter().map(AccountProfile).collect())
    }
}
