//! Accounts: companies on this server.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::account::{self, Plan};
use entity::flow;
use entity::ids::AccountId;
use sea_orm::{ColumnTrait, QueryFilter};

use super::api_key::ApiKey;
use super::context::{ContextExt, app_and_caller};
use super::flow::Flow;
use super::loaders::{self, AccountRow};
use super::payload::{UserError, outcome};
use super::scalars::{EmailAddress, TimeZone, UrlText};
use super::smtp_settings::SmtpSettings;
use super::user::User;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::account_settings::{self, UpdateAccount};
use leadmesh_core::identity::accounts::{self, Profile};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{api_keys, mail_server, people};
use leadmesh_network::{connections, invitations};

/// An account as one of its own callers sees it. It keeps that caller, who may have come to be within the request.
pub struct Account {
    row: account::Model,
    caller: Caller,
}

impl Account {
    /// The account as seen by that caller of its own.
    pub fn new(row: account::Model, caller: &Caller) -> Self {
        Self {
            row,
            caller: caller.clone(),
        }
    }
}

/// An account: a company on this server, as its own users and API keys see it.
#[Object]
impl Account {
    /// Identifier. Other accounts can send invitations to it.
    pub(crate) async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// Name shown to other accounts, at most 120 characters.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The account's plan, set by the operator of the server.
    async fn plan(&self) -> Plan {
        self.row.plan
    }

    /// Website shown to other accounts.
    async fn website(&self) -> Option<UrlText> {
        self.row.website.clone().map(UrlText)
    }

    /// Time zone in which the days and weeks of reports and caps begin, unless a cap has its own.
    async fn timezone(&self) -> TimeZone {
        TimeZone(self.row.timezone.clone())
    }

    /// Contact address. Other accounts find this one by the exact address.
    async fn contact_email(&self) -> Result<EmailAddress> {
        let email = self.row.contact_email.clone().map(EmailAddress);
        email.ok_or_else(|| Error::Internal(anyhow::anyhow!("an account without a contact address")))
    }

    /// When the account proved its contact address by a mailed link; null until then. If the operator requires proof,
    /// nobody finds the account by an unproven address.
    async fn contact_email_verified_at(&self) -> Option<DateTime<Utc>> {
        self.row.contact_verified_at
    }

    /// Whether other accounts can find this one by the start of its name.
    async fn listed(&self) -> bool {
        self.row.listed
    }

    /// Whether owners get an email when another account sends or answers an invitation or changes a connection. On by
    /// default, for companies that do not keep a dashboard open.
    async fn notify_by_mail(&self) -> bool {
        self.row.notify_by_mail
    }

    /// Number of received invitations that this account has not answered.
    async fn pending_invitation_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let waiting = invitations::waiting_for(ctx.app()?, self.row.id).await?;
        Ok(i32::try_from(waiting).unwrap_or(i32::MAX))
    }

    /// Number of active connections.
    async fn active_connection_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let active = connections::active_of(ctx.app()?, self.row.id).await?;
        Ok(i32::try_from(active).unwrap_or(i32::MAX))
    }

    /// When the account signed up.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// Users of the account, oldest first. Removed users are not listed.
    async fn users(&self, ctx: &Context<'_>) -> Result<Vec<User>> {
        let users = people::list(ctx.app()?, &self.caller).await?;
        Ok(users.into_iter().map(User).collect())
    }

    /// API keys of the account, oldest first, including expired and revoked ones.
    async fn api_keys(&self, ctx: &Context<'_>) -> Result<Vec<ApiKey>> {
        let keys = api_keys::list(ctx.app()?, &self.caller).await?;
        Ok(keys.into_iter().map(ApiKey).collect())
    }

    /// Mail server for deliveries by email; null if none is set, in which case such deliveries fail.
    async fn smtp_settings(&self, ctx: &Context<'_>) -> Result<Option<SmtpSettings>> {
        let settings = mail_server::get(ctx.app()?, &self.caller).await?;
        Ok(settings.map(SmtpSettings))
    }

    /// The flow that every account has from sign-up. Receives the leads that no other flow was chosen for.
    async fn inbox(&self, ctx: &Context<'_>) -> Result<Flow> {
        let app = ctx.app()?;
        let account = self.caller.require(Action::ReadSetup)?;
        let found = flow::Entity::in_account(account)
            .filter(flow::Column::IsInbox.eq(true))
            .one(app.db.read())
            .await?;
        found
            .map(Flow::from)
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("an account without its inbox")))
    }
}

impl AccountProfile {
    /// What a partner may see of the account with that identifier.
    pub async fn load(ctx: &Context<'_>, id: AccountId) -> Result<Self> {
        let row = loaders::load(ctx, AccountRow(id)).await?;
        row.map(|row| Self(Profile::from(row)))
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("an account that is not there")))
    }
}

/// What a partner may see of an account.
pub struct AccountProfile(pub Profile);

impl From<Profile> for AccountProfile {
    fn from(profile: Profile) -> Self {
        Self(profile)
    }
}

/// What a partner sees of an account.
#[Object]
impl AccountProfile {
    /// Identifier of the account.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Name of the account.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Website of the account.
    async fn website(&self) -> Option<UrlText> {
        self.0.website.clone().map(UrlText)
    }
}

/// Result of a change to the caller's account.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The updated account; null if nothing changed.
    pub account: Option<Account>,
    /// Business rules that the input broke.
    pub user_errors: Vec<UserError>,
}

impl AccountPayload {
    /// The account as it is after the change of something that belongs to it.
    pub async fn after<T>(app: &App, caller: &Caller, result: Result<T>) -> Result<Self> {
        let (changed, user_errors) = outcome(result)?;
        let account = match changed {
            Some(_) => Some(Account::new(accounts::get(app, caller).await?, caller)),
            None => None,
        };
        Ok(Self { account, user_errors })
    }
}

/// Queries about the caller's account.
#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The caller's account. API keys need the scope `NETWORK_READ` or MANAGE.
    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(Account::new(accounts::get(app, caller).await?, caller))
    }
}

/// Changes of the caller's account.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Changes the name, website, time zone and discoverability of the caller's account. Requires OWNER or ADMIN.
    async fn update_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateAccount,
    ) -> Result<AccountPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (account, user_errors) = outcome(account_settings::update(app, caller, input).await)?;
        Ok(AccountPayload {
            account: account.map(|row| Account::new(row, caller)),
            user_errors,
        })
    }
}
