//! Finds the account to invite. It cannot list accounts: identifiers and addresses match exactly, names only of listed accounts,
//! and look-ups are limited.

use entity::account::{self, Column, Entity};
use entity::ids::AccountId;
use sea_orm::{QueryFilter, QueryOrder, QuerySelect};

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::accounts::Profile;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::email_address;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::search;
use leadmesh_core::identity::throttle::Kind;

/// Least characters of a name's beginning.
const SHORTEST: usize = 3;
/// Accounts in one answer.
const MOST: u64 = 10;

/// By exactly one of these.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The whole identifier; an account that nothing has finds nothing.
    pub id: Option<AccountId>,
    /// The whole contact address.
    pub email: Option<String>,
    /// The beginning of the name of an account that lets itself be found, in any case.
    pub name: Option<String>,
}

/// By name.
pub async fn find(app: &App, caller: &Caller, by: &Search) -> Result<Vec<Profile>> {
    let account = caller.require(Action::ReadSetup)?;
    let found = match (by.id, &by.email, &by.name) {
        (Some(id), None, None) => Entity::by_id(id),
        (None, Some(email), None) => {
            let email = email_address::normalise(email).unwrap_or_default();
            Entity::by_contact_email(&email, app.config.address_proof())
        }
        (None, None, Some(name)) => by_name(name)?,
        _ => {
            return Err(Error::BadInput("give exactly one of id, email and name".into()));
        }
    };
    app.throttle.check(Kind::FindAccount, &account.to_string()).await?;
    let found = found.order_by_asc(Column::Name).order_by_asc(Column::Id).limit(MOST);
    let found: Vec<account::Model> = found.all(app.db.read()).await?;
    Ok(found.into_iter().map(Profile::from).collect())
}

fn by_name(name: &str) -> Result<sea_orm::Select<Entity>> {
    if name.trim().chars().count() < SHORTEST {
        return Err(Error::BadInput(format!(
            "give at least the first {SHORTEST} characters of the name"
        )));
    }
    Ok(Entity::listed().filter(search::starts_with((Entity, Column::Name), name)))
}
