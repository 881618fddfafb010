//! Adding and changing buyer steps.

use entity::connection;
use entity::ids::{AccountId, ConnectionId, StepId};
use entity::step;
use sea_orm::{ColumnTrait, QueryFilter};

use super::sharing;
use crate::invitations::{NewInvitation, send_within};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_flows::steps::{self, AddStep, BuyerTo, StepInput, UpdateStep};
use leadmesh_flows::{Edit, FlowRef, SavedFlow, measure_patterns, sellers};

const INVITE: &str = "input.step.buyer.invite";

/// Adds a step to a flow. With `invite`, a BUYER step's buyer is invited in the same transaction. The step is a disabled draft
/// until the buyer accepts.
pub async fn add(app: &App, caller: &Caller, mut input: AddStep, invite: Option<NewInvitation>) -> Result<SavedFlow> {
    let Some(invite) = invite else {
        let to = buyer_of(Some(&input.step));
        let changed = steps::add(app, caller, input).await?;
        receive(app, changed.flow.account_id, to).await?;
        return warned(app, changed, None).await;
    };
    let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
    let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    let mut edit = edit.with_pattern_sizes(sizes);
    invite_buyer(&mut edit, caller, &invite, Some(&mut input.step)).await?;
    let changed = steps::add_to(edit, input).await?;
    warned(app, changed, None).await
}

/// Changes a step; with `invite`, a BUYER step gets another buyer, who is invited in the same transaction.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: StepId,
    mut input: UpdateStep,
    invite: Option<NewInvitation>,
) -> Result<SavedFlow> {
    let Some(invite) = invite else {
        let to = buyer_of(input.step.as_ref());
        let changed = steps::update(app, caller, id, input).await?;
        receive(app, changed.flow.account_id, to).await?;
        return warned(app, changed, Some(id)).await;
    };
    let sizes = measure_patterns(app, caller, FlowRef::Step(id), input.rules()).await?;
    let (edit, index) = Edit::of_step(app, caller, id, "input.id").await?;
    let mut edit = edit.with_pattern_sizes(sizes);
    invite_buyer(&mut edit, caller, &invite, input.step.as_mut()).await?;
    let changed = steps::update_in(edit, index, input).await?;
    warned(app, changed, Some(id)).await
}

/// Adds warnings about the saved step: the named one, else the newest.
async fn warned(app: &App, mut changed: SavedFlow, saved: Option<StepId>) -> Result<SavedFlow> {
    let steps = step::Entity::of_flow(changed.flow.id).all(app.db.read()).await?;
    let newest = steps.iter().map(|step| step.id).max();
    let saved = steps.iter().find(|step| Some(step.id) == saved.or(newest));
    if let Some(step) = saved {
        changed.warnings.extend(sharing::warnings(app.db.read(), step).await?);
    }
    Ok(changed)
}

/// Sends the invitation and makes it the step's buyer.
async fn invite_buyer(
    edit: &mut Edit<'_>,
    caller: &Caller,
    invite: &NewInvitation,
    step: Option<&mut StepInput>,
) -> Result<()> {
    let Some(StepInput::Buyer(buyer)) = step else {
        return Err(Error::Internal(anyhow::anyhow!(
            "an invitation for a step without a buyer"
        )));
    };
    if buyer.to.is_some() {
        let text = "give the connection with the buyer or an invitation for it, not both";
        return Err(Error::user(UserErrorCode::Invalid, INVITE, text));
    }
    if !invite.relationship.sends() {
        return Err(not_sending());
    }
    let invitation = send_within(&mut edit.frame, caller, invite).await.map_err(within)?;
    // An invitation that waits already is returned unchanged.
    if !invitation.inviter_sends {
        return Err(not_sending());
    }
    buyer.to = Some(BuyerTo::Invited(invitation.id));
    Ok(())
}

fn not_sending() -> Error {
    let text = "an invitation for a buyer proposes that you send leads: SEND_LEADS or BOTH";
    Error::user(
        UserErrorCode::DirectionNotAgreed,
        "input.step.buyer.invite.relationshipType",
        text,
    )
}

fn within(error: Error) -> Error {
    match error {
        Error::User(broken) => Error::User(broken.into_iter().map(|rule| rule.within(INVITE)).collect()),
        other => other,
    }
}

fn buyer_of(step: Option<&StepInput>) -> Option<ConnectionId> {
    match step {
        Some(StepInput::Buyer(buyer)) => match buyer.to {
            Some(BuyerTo::Connected(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// Makes the source at the buyer, so that it can be set up before the first lead comes. In its own transaction, because the two
/// accounts are not locked together here. If it fails, the first lead makes it.
async fn receive(app: &App, seller: AccountId, over: Option<ConnectionId>) -> Result<()> {
    let Some(id) = over else { return Ok(()) };
    let found = connection::Entity::of_account(seller).filter(connection::Column::Id.eq(id));
    let found = found.one(app.db.read()).await?;
    let Some(open) = found.filter(|connection| connection.lets_send(seller)) else {
        return Ok(());
    };
    let made = sellers::make_source(app, id, open.partner_of(seller), seller).await;
    if let Err(error) = made {
        tracing::warn!(?error, "a seller's source will be made with its first lead");
    }
    Ok(())
}
