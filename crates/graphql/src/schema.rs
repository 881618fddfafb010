//! The schema, put together from its nouns.

use std::sync::{Arc, LazyLock};

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema as AnySchema, ValidationMode};

use super::account::{AccountMutation, AccountQuery};
use super::account_link::{AccountLinkMutation, AccountLinkQuery};
use super::api_key::ApiKeyMutation;
use super::assignment::AssignmentMutation;
use super::audit_event::AuditEventQuery;
use super::available_source::AvailableSourceQuery;
use super::by_hand::{ByHandMutation, ByHandQuery};
use super::delivery::{DeliveryMutation, DeliveryQuery};
use super::delivery_preview::DeliveryPreviewQuery;
use super::delivery_report::DeliveryReportQuery;
use super::diagnosis::DiagnosisQuery;
use super::erasure::ErasureMutation;
use super::find_account::FindAccountQuery;
use super::flow::{FlowMutation, FlowQuery};
use super::heartbeat::HeartbeatSubscription;
use super::invitation::{InvitationMutation, InvitationQuery};
use super::lead::LeadQuery;
use super::limits::counting::Counting;
use super::network_stream::NetworkSubscription;
use super::node::NodeQuery;
use super::partner::{PartnerMutation, PartnerQuery};
use super::portal::PortalQuery;
use super::portal_review::PortalReviewMutation;
use super::portal_session::PortalSessionMutation;
use super::portal_user::PortalUserMutation;
use super::profile::{ProfileMutation, ProfileQuery};
use super::receipt::{ReceiptMutation, ReceiptQuery};
use super::registry::Registry;
use super::returns::ReturnMutation;
use super::scopes::Scopes;
use super::session::SessionMutation;
use super::simulation::SimulationQuery;
use super::smtp_settings::SmtpSettingsMutation;
use super::streams::{EventRows, StreamSubscription};
use super::submission_docs::SubmissionDocsQuery;
use super::user::UserMutation;
use super::viewer::ViewerQuery;
use leadmesh_core::app::App;
use leadmesh_leads::intake::Intake;

/// All queries. Objects of other accounts do not exist for the caller: their identifiers are answered like unknown
/// ones.
#[derive(Default, MergedObject)]
pub struct Query(
    NodeQuery,
    ViewerQuery,
    AccountQuery,
    FlowQuery,
    AvailableSourceQuery,
    SubmissionDocsQuery,
    SimulationQuery,
    LeadQuery,
    ReceiptQuery,
    PartnerQuery,
    ProfileQuery,
    DeliveryPreviewQuery,
    DeliveryQuery,
    ByHandQuery,
    DeliveryReportQuery,
    AuditEventQuery,
    FindAccountQuery,
    InvitationQuery,
    AccountLinkQuery,
    DiagnosisQuery,
    PortalQuery,
);

/// All mutations. Each takes one `input` (or an `id`) and returns one payload. If a business rule is broken,
/// `userErrors` lists it, the object is null, and nothing was changed.
#[derive(Default, MergedObject)]
pub struct Mutation(
    SessionMutation,
    UserMutation,
    AccountMutation,
    ApiKeyMutation,
    SmtpSettingsMutation,
    InvitationMutation,
    AccountLinkMutation,
    FlowMutation,
    ReceiptMutation,
    PartnerMutation,
    ProfileMutation,
    AssignmentMutation,
    DeliveryMutation,
    ByHandMutation,
    ReturnMutation,
    ErasureMutation,
    PortalUserMutation,
    PortalSessionMutation,
    PortalReviewMutation,
);

/// All subscriptions, over WebSocket (graphql-transport-ws) or server-sent events. Each event has a cursor. Subscribing
/// with `after: cursor` first replays the events since then, in order, without gaps or repeats, and then continues
/// live. The stream ends when the caller loses the right or it expires.
#[derive(Default, MergedSubscription)]
pub struct Subscription(HeartbeatSubscription, StreamSubscription, NetworkSubscription);

/// The schema.
pub type Schema = AnySchema<Query, Mutation, Subscription>;

/// The schema of a running app.
pub fn schema(app: App, intake: Intake) -> Schema {
    builder()
        .extension(Counting)
        .extension(Scopes)
        .data(app)
        .data(intake)
        .data(Arc::<EventRows>::default())
        // `validation` has been there before.
        .validation_mode(ValidationMode::Fast)
        .finish()
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    AnySchema::build(Query::default(), Mutation::default(), Subscription::default()).disable_suggestions()
}

/// The schema in the schema definition language, sorted, as it is checked in.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .include_specified_by()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items();
    let sdl = builder().finish().sdl_with_options(options);
    INTERFACES_WITH_NODE.iter().fold(sdl, |sdl, name| {
        sdl.replace(
            &format!("interface {name} {{"),
            &format!("interface {name} implements Node {{"),
        )
    })
}

/// The library cannot declare that an interface implements another. Every type that implements one of these implements Node
/// as well.
const INTERFACES_WITH_NODE: [&str; 2] = ["FlowSource", "FlowStep"];

static LEADMESH: LazyLock<Arc<Registry>> = LazyLock::new(|| {
    // A schema that does not read would be a bug of this build: with nothing in it every document is refused.
    let registry = Registry::from_sdl(&sdl())
        .inspect_err(|error| tracing::error!(%error, "no document can be checked"))
        .unwrap_or_default();
    Arc::new(registry)
});

/// The registry of this schema, read once in a process.
pub fn registry() -> Arc<Registry> {
    LEADMESH.clone()
}
