//! The caller's own rows, for the viewer of the API.

use entity::{account, api_key, portal_user, user};
use sea_orm::{ColumnTrait, QueryFilter};

use super::accounts;
use super::caller::{Caller, Principal};
use super::policy::{self, Action};
use crate::app::App;
use crate::error::Result;

/// None for portal users, and for keys that may not read it.
pub async fn account(app: &App, caller: &Caller) -> Result<Option<account::Model>> {
    if !policy::allows(&caller.principal, Action::ReadAccount) {
        return Ok(None);
    }
    accounts::get(app, caller).await.map(Some)
}

pub async fn user(app: &App, caller: &Caller) -> Result<Option<user::Model>> {
    let Principal::User { id, .. } = &caller.principal else {
        return Ok(None);
    };
    Ok(user::Entity::by_id(*id).one(app.db.read()).await?)
}

pub async fn api_key(app: &App, caller: &Caller) -> Result<Option<api_key::Model>> {
    let Principal::ApiKey { id, account, .. } = &caller.principal else {
        return Ok(None);
    };
    let own = api_key::Entity::in_account(*account).filter(api_key::Column::Id.eq(*id));
    Ok(own.one(app.db.read()).await?)
}

pub async fn portal_user(app: &App, caller: &Caller) -> Result<Option<portal_user::Model>> {
    let Principal::PortalUser { id, .. } = &caller.principal else {
        return Ok(None);
    };
    Ok(portal_user::Entity::by_id(*id).one(app.db.read()).await?)
}
