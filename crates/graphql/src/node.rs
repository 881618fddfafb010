//! Any object by its identifier alone.

use async_graphql::{Context, ID, Interface, Object};
use entity::ids::{AccountId, AnyId};
use entity::{
    api_key, assignment, audit_event, connection, delivery, flow, flow_revision, lead, partner, portal_user, profile,
    source, step, user,
};
use sea_orm::{ColumnTrait, QueryFilter};

use super::account::{Account, AccountProfile};
use super::account_link::AccountLink;
use super::api_key::ApiKey;
use super::assignment::Assignment;
use super::audit_event::AuditEvent;
use super::context::app_and_caller;
use super::delivery::Delivery;
use super::flow::Flow;
use super::flow::revision::FlowRevision;
use super::invitation::Invitation;
use super::lead::Lead;
use super::partner::Partner;
use super::portal_lead::PortalLead;
use super::portal_user::PortalUser;
use super::profile::DistributionProfile;
use super::receipt::SubmissionReceipt;
use super::source::{AccountSource, FlowSource, OwnSource};
use super::step::{BuyerStep, DistributeStep, FilterStep, FlowStep, TransformStep};
use super::user::User;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::portal_feed;
use leadmesh_network::{connections, invitations};

/// Identifiers in one `nodes` query at most.
const MAX_NODES: usize = 100;

/// An object with an identifier: unique on the server, sortable by creation, with its kind as a prefix.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Identifier. Opaque except for its prefix."))]
#[expect(missing_docs, reason = "variants are the types that they carry")]
pub enum Node {
    Account(Account),
    AccountProfile(AccountProfile),
    User(User),
    Invitation(Invitation),
    AccountLink(AccountLink),
    ApiKey(ApiKey),
    Flow(Flow),
    FlowRevision(FlowRevision),
    OwnSource(OwnSource),
    AccountSource(AccountSource),
    FilterStep(FilterStep),
    TransformStep(TransformStep),
    BuyerStep(BuyerStep),
    DistributeStep(DistributeStep),
    Lead(Lead),
    SubmissionReceipt(SubmissionReceipt),
    Partner(Partner),
    DistributionProfile(DistributionProfile),
    Assignment(Assignment),
    Delivery(Delivery),
    PortalUser(PortalUser),
    PortalLead(PortalLead),
    AuditEvent(AuditEvent),
}

/// The nodes' part of queries.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any object that the caller may see; null if there is none with this identifier.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Identifier.")] id: ID) -> Result<Option<Node>> {
        let (app, caller) = app_and_caller(ctx).await?;
        find(app, caller, &id).await
    }

    /// Several objects, in the order of their identifiers; null for each that is not found.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifiers, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        let (app, caller) = app_and_caller(ctx).await?;
        if ids.len() > MAX_NODES {
            return Err(Error::BadInput(format!("`nodes` takes at most {MAX_NODES} IDs.")));
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in &ids {
            found.push(find(app, caller, id).await?);
        }
        Ok(found)
    }
}

async fn find(app: &App, caller: &Caller, id: &ID) -> Result<Option<Node>> {
    let Ok(id) = id.parse::<AnyId>() else { return Ok(None) };
    match &caller.principal {
        Principal::PortalUser { .. } => in_portal(app, caller, id).await,
        _ => in_account(app, caller, id).await,
    }
}

async fn in_portal(app: &App, caller: &Caller, id: AnyId) -> Result<Option<Node>> {
    match id {
        AnyId::DeliveryId(id) => Ok(portal_feed::find(app, caller, id)
            .await?
            .map(PortalLead)
            .map(Node::PortalLead)),
        _ => Ok(None),
    }
}

/// One row of the caller's account, for a caller who may do that; for another it is not there.
macro_rules! row {
    ($app:ident, $caller:ident, $action:ident, $table:ident, $id:ident) => {{
        let Ok(account) = $caller.require(Action::$action) else {
            return Ok(None);
        };
        let found = $table::Entity::in_account(account).filter($table::Column::Id.eq($id));
        found.one($app.db.read()).await?
    }};
}

async fn in_account(app: &App, caller: &Caller, id: AnyId) -> Result<Option<Node>> {
    caller
        .require(Action::ReadAccount)
        .or_else(|error| match caller.principal {
            Principal::Anonymous => Err(error),
            _ => caller
                .require(Action::SubmitLeads)
                .or_else(|_| caller.require(Action::ReadLeads)),
        })?;
    Ok(match id {
        AnyId::AccountId(id) => match caller.require(Action::ReadAccount) {
            Ok(own) if own == id => Some(Node::Account(Account::new(accounts::get(app, caller).await?, caller))),
            Ok(_) => partner(app, caller, id).await?,
            Err(_) => None,
        },
        AnyId::InvitationId(id) => match caller.require(Action::ReadInvitations) {
            Ok(viewer) => {
                let found = invitations::find(app, caller, id).await?;
                found.map(|row| Node::Invitation(Invitation::new(row, viewer)))
            }
            Err(_) => None,
        },
        AnyId::ConnectionId(id) => match caller.require(Action::ReadSetup) {
            Ok(_) => connections::find(app, caller, id)
                .await?
                .map(|link| Node::AccountLink(link.into())),
            Err(_) => None,
        },
        AnyId::UserId(id) => row!(app, caller, ReadAccount, user, id).map(|row| Node::User(row.into())),
        AnyId::ApiKeyId(id) => row!(app, caller, ReadAccount, api_key, id).map(|row| Node::ApiKey(row.into())),
        AnyId::FlowId(id) => row!(app, caller, ReadSetup, flow, id).map(|row| Node::Flow(row.into())),
        AnyId::RevisionId(id) => {
            let Ok(account) = caller.require(Action::ReadSetup) else {
                return Ok(None);
            };
            let found = flow_revision::Entity::in_account(account).filter(flow_revision::Column::Id.eq(id));
            let found = flow_revision::Entity::heads(found).into_model::<flow_revision::Head>();
            let found = found.one(app.db.read()).await?;
            found.map(|row| Node::FlowRevision(row.into()))
        }
        AnyId::SourceId(id) => row!(app, caller, ReadSetup, source, id).map(|row| of_source(row.into())),
        AnyId::StepId(id) => row!(app, caller, ReadSetup, step, id).map(|row| of_step(row.into())),
        AnyId::PartnerId(id) => row!(app, caller, ReadSetup, partner, id).map(|row| Node::Partner(row.into())),
        AnyId::ProfileId(id) => {
            row!(app, caller, ReadSetup, profile, id).map(|row| Node::DistributionProfile(row.into()))
        }
        AnyId::AssignmentId(id) => row!(app, caller, ReadSetup, assignment, id).map(|row| Node::Assignment(row.into())),
        AnyId::PortalUserId(id) => {
            row!(app, caller, ReadSetup, portal_user, id).map(|row| Node::PortalUser(row.into()))
        }
        AnyId::DeliveryId(id) => row!(app, caller, ReadLeads, delivery, id).map(|row| Node::Delivery(row.into())),
        AnyId::AuditEventId(id) => {
            row!(app, caller, ReadAudit, audit_event, id).map(|row| Node::AuditEvent(row.into()))
        }
        AnyId::LeadId(id) => return lead(app, caller, id).await,
        _ => None,
    })
}

/// Another account, where the caller's is or was connected to it.
async fn partner(app: &App, caller: &Caller, id: AccountId) -> Result<Option<Node>> {
    let Ok(account) = caller.require(Action::ReadSetup) else {
        return Ok(None);
    };
    let known = connection::Entity::ever_between(account, id).one(app.db.read()).await?;
    if known.is_none() {
        return Ok(None);
    }
    let profiles = accounts::profiles(app.db.read(), vec![id]).await?;
    Ok(profiles
        .into_iter()
        .next()
        .map(AccountProfile)
        .map(Node::AccountProfile))
}

/// The lead for those who may read the account's leads; the receipt for those who only submitted it.
async fn lead(app: &App, caller: &Caller, id: entity::ids::LeadId) -> Result<Option<Node>> {
    if caller.require(Action::ReadLeads).is_ok()
        && let Some(found) = leadmesh_leads::read::find(app, caller, id).await?
    {
        return Ok(Some(Node::Lead(found.into())));
    }
    let Ok(account) = caller.require(Action::SubmitLeads) else {
        return Ok(None);
    };
    let sent = lead::Entity::sent_by(account).filter(lead::Column::Id.eq(id));
    let sent: Option<lead::Receipt> = lead::Entity::receipts(sent).into_model().one(app.db.read()).await?;
    Ok(sent.map(|row| Node::SubmissionReceipt(row.into())))
}

fn of_source(source: FlowSource) -> Node {
    match source {
        FlowSource::OwnSource(source) => Node::OwnSource(source),
        FlowSource::AccountSource(source) => Node::AccountSource(source),
    }
}

fn of_step(step: FlowStep) -> Node {
    match step {
        FlowStep::FilterStep(step) => Node::FilterStep(step),
        FlowStep::TransformStep(step) => Node::TransformStep(step),
        FlowStep::BuyerStep(step) => Node::BuyerStep(step),
        FlowStep::DistributeStep(step) => Node::DistributeStep(step),
    }
}
