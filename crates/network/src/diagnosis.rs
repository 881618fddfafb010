//! Why a partner cannot be reached: the checks on the way from the invitation to the source, each with its remedy, at
//! `invitation`, `mail`, `connection`, `suspension`, `direction`, `source`, `step`, `buyer`, `flow`.

mod checks;

use entity::connection::{self, Column as Link};
use entity::ids::{AccountId, FlowId};
use entity::invitation::{self, InvitationStatus};
use entity::source::{self, SourceKind};
use entity::step::{self, StepConfig};
use entity::{account, flow, mail};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::buyer_steps;
use leadmesh_core::app::App;
use leadmesh_core::diagnosis::Check;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// What is known of a relationship, as far as the caller's account may see it.
#[derive(Clone, Debug)]
struct Facts {
    me: AccountId,
    partner: String,
    invitation: Option<(invitation::Model, InvitationStatus)>,
    mail: Option<mail::Model>,
    connection: Option<connection::Model>,
    flow: Option<FlowFacts>,
}

#[derive(Clone, Debug)]
enum FlowFacts {
    /// A flow of the caller's, with the partner's source in it.
    Mine(flow::Model, Option<source::Model>),
    /// A flow of the caller's that sells to the partner and does not take its leads: with the buyer step, and whether the
    /// partner can take leads.
    Selling(flow::Model, step::Model, bool),
    /// A flow of the partner's, with the caller's source in it.
    Theirs(flow::Model, source::Model),
    /// Neither the caller's nor opened to the caller.
    Unknown,
}

/// Checks everything that a lead needs between the caller's account and a partner. An account without a relationship is
/// answered as an unknown one.
pub async fn diagnose(app: &App, caller: &Caller, partner: AccountId, flow: Option<FlowId>) -> Result<Vec<Check>> {
    let me = caller.require(Action::ReadSetup)?;
    Ok(match facts(app, me, partner, flow).await? {
        Some(facts) => checks::of(&facts),
        None => vec![checks::stranger()],
    })
}

async fn facts(app: &App, me: AccountId, partner: AccountId, flow: Option<FlowId>) -> Result<Option<Facts>> {
    let db = app.db.read();
    let invitation = newest_invitation(app, me, partner).await?;
    let connection = connection::Entity::ever_between(me, partner)
        .order_by_desc(Link::Id)
        .one(db)
        .await?;
    let Some(account) = account::Entity::by_id(partner).one(db).await? else {
        return Ok(None);
    };
    if invitation.is_none() && connection.is_none() {
        return Ok(None);
    }
    let mail = match invitation.as_ref().filter(|row| row.from_account_id == me) {
        Some(row) => mail::Entity::by_ids(row.mail_id).one(db).await?,
        None => None,
    };
    let flow = match flow {
        Some(flow) => Some(flow_facts(app, me, partner, connection.as_ref(), flow).await?),
        None => None,
    };
    let now = app.clock.now();
    Ok(Some(Facts {
        me,
        partner: account.name,
        invitation: invitation.map(|row| (row.clone(), row.status_at(now))),
        mail,
        connection,
        flow,
    }))
}

/// The inviter of an address learns whose it is only with the answer.
async fn newest_invitation(app: &App, me: AccountId, partner: AccountId) -> Result<Option<invitation::Model>> {
    use invitation::Column;
    let visible = Column::FromAccountId
        .ne(me)
        .or(Column::ToEmail.is_null())
        .or(Column::AnsweredAt.is_not_null().and(Column::ToAccountId.is_not_null()));
    let rows = invitation::Entity::between(me, partner, app.config.address_proof())
        .filter(visible)
        .order_by_desc(Column::Id);
    Ok(rows.one(app.db.read()).await?)
}

async fn flow_facts(
    app: &App,
    me: AccountId,
    partner: AccountId,
    connection: Option<&connection::Model>,
    id: FlowId,
) -> Result<FlowFacts> {
    let db = app.db.read();
    let source = |of: AccountId, sender: AccountId| {
        source::Entity::in_account(of)
            .filter(source::Column::FlowId.eq(id))
            .filter(source::Column::Kind.eq(SourceKind::Account))
            .filter(source::Column::SenderAccountId.eq(sender))
    };
    let of = |account| flow::Entity::in_account(account).filter(flow::Column::Id.eq(id));
    if let Some(flow) = of(me).one(db).await? {
        let source = source(me, partner).one(db).await?;
        return Ok(match (buyer_step(app, connection, id).await?, connection) {
            (Some(step), Some(link)) if source.is_none() => {
                let receiving = buyer_steps::receiving(db, link, me).await?;
                FlowFacts::Selling(flow, step, receiving)
            }
            _ => FlowFacts::Mine(flow, source),
        });
    }
    let opened = source(partner, me).one(db).await?;
    Ok(match (of(partner).one(db).await?, opened) {
        (Some(flow), Some(source)) => FlowFacts::Theirs(flow, source),
        _ => FlowFacts::Unknown,
    })
}

/// The step of a flow that delivers over a connection.
async fn buyer_step(app: &App, over: Option<&connection::Model>, flow: FlowId) -> Result<Option<step::Model>> {
    let Some(link) = over else { return Ok(None) };
    let steps = step::Entity::of_flow(flow).all(app.db.read()).await?;
    let sells = |step: &step::Model| matches!(step.config, StepConfig::Buyer { .. });
    Ok(steps
        .into_iter()
        .find(|step| step.connection_id == Some(link.id) && sells(step)))
}
