//! Submission docs for connected accounts, of the sources that are open to them.

use entity::ids::{AccountId, FlowId, SourceId};
use entity::source::{self, SourceKind};
use entity::{account, connection, flow};
use sea_orm::{ColumnTrait, QueryFilter, Select};

use super::docs_readers;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_flows::docs::{self, SubmissionDocs};

/// Sources of others whose docs the caller may read, for paging; unordered. Also the reading account.
pub fn opened(caller: &Caller, flow: Option<FlowId>) -> Result<(AccountId, Select<source::Entity>)> {
    let reader = caller.require(Action::ReadSetup)?;
    let opened = source::Entity::opened_to(reader);
    let opened = match flow {
        Some(flow) => opened.filter(source::Column::FlowId.eq(flow)),
        None => opened,
    };
    Ok((reader, opened))
}

/// The docs of a source that is opened to the caller, which is counted, or of the caller's own.
pub async fn find(app: &App, caller: &Caller, id: SourceId) -> Result<Option<SubmissionDocs>> {
    let (reader, opened) = opened(caller, None)?;
    let found = match one(app, opened, id).await? {
        Some(source) => Some(source),
        None => one(app, source::Entity::in_account(reader), id).await?,
    };
    let Some(source) = found else { return Ok(None) };
    docs_readers::note(app, reader, &source);
    of_source(app, reader, source).await
}

/// The docs of a source, if it is open to the account now. Sent by a stream, so that no reading is counted.
pub async fn opened_to(app: &App, reader: AccountId, id: SourceId) -> Result<Option<SubmissionDocs>> {
    match one(app, source::Entity::opened_to(reader), id).await? {
        Some(source) => of_source(app, reader, source).await,
        None => Ok(None),
    }
}

async fn one(app: &App, among: Select<source::Entity>, id: SourceId) -> Result<Option<source::Model>> {
    let found = among.filter(source::Column::Id.eq(id));
    Ok(found.one(app.db.read()).await?)
}

/// None if the flow has just been deleted.
async fn of_source(app: &App, viewer: AccountId, source: source::Model) -> Result<Option<SubmissionDocs>> {
    let db = app.db.read();
    let flow = flow::Entity::in_account(source.account_id).filter(flow::Column::Id.eq(source.flow_id));
    let recipient = account::Entity::by_id(source.account_id);
    let (Some(flow), Some(recipient)) = (flow.one(db).await?, recipient.one(db).await?) else {
        return Ok(None);
    };
    let link = connection::Entity::of_account(viewer).filter(connection::Column::Id.is_in(source.connection_id));
    let link = link.one(db).await?;
    let source = as_it_stands(source, link.as_ref());
    let subject = docs::Subject {
        flow: &flow,
        source: &source,
        recipient: &recipient,
        public_url: &app.config.public_url,
    };
    docs::generate(subject).map(Some)
}

/// The source, enabled only if its sender may submit now.
pub fn as_it_stands(mut source: source::Model, link: Option<&connection::Model>) -> source::Model {
    if source.kind != SourceKind::Own {
        let sender = source.sender_account_id;
        source.enabled &= link.zip(sender).is_some_and(|(link, sender)| link.lets_send(sender));
    }
    source
}
