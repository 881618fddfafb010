//! Checks the right to read the fields of an object at the object itself, whatever path led to it.
//!
//! Root fields require a right of their own, but a graph has many paths to one object: an API key that may read leads
//! reaches a flow's price through a lead, and a partner through a delivery. So the fields of every type require the
//! right in `TYPES`. An extension sees every field of the schema, so no resolver can forget the check; a type that is
//! not in the table is refused, and a test compares the table with the schema.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextResolve, ResolveInfo};
use async_graphql::{
    PathSegment, QueryPathNode, QueryPathSegment, Response, ServerError, ServerResult, Value, async_trait,
};

use super::context::RequestAuth;
use super::mask::ERRORS;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;

/// What the fields of a type require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Nothing: the type is a part of others, and the path to it was checked.
    Part,
    /// A right in the account.
    Right(Action),
    /// A right in the account, or being the caller whom the object describes.
    RightOrOwn(Action),
    /// A portal session.
    Portal,
}

use Action::{ReadAccount, ReadAudit, ReadInvitations, ReadLeads, ReadSetup, SubmitLeads};

/// What each object type and interface of the schema requires. Root types are missing: each of their fields has a rule
/// of its own.
const TYPES: &[(Needs, &str)] = &[
    (Needs::Right(ReadAccount), "Account SmtpSettings"),
    (Needs::RightOrOwn(ReadAccount), "ApiKey User"),
    (
        Needs::Right(ReadSetup),
        "AccountLink AccountLinkConnection AccountLinkEdge AccountSettings AccountSource Assignment AvailableSource
        AvailableSourceConnection AvailableSourceEdge BuyerStep Cap ConnectionCapacity ConnectionUsage DeliveryPreview
        DestinationHealth DistributeStep DistributionProfile DistributionProfileConnection DistributionProfileEdge DocsReads
        EmailSettings ExampleResponse FieldMapping FieldSelection FilterStep Flow FlowConnection FlowEdge FlowRevision
        FlowRevisionConnection FlowRevisionEdge FlowSource FlowStep HeaderView NetworkEvent OwnSource Partner PartnerConnection PartnerEdge
        PortalAccess PortalSettings PreviewHeader ResponseRule RetryPolicy RoutingSimulation Schedule ScheduleWindow
        SigningView SubmissionDocs SubmissionDocsConnection SubmissionDocsEdge TemplateAssignment TransformStep UsageBucket
        WebhookSettings",
    ),
    (Needs::RightOrOwn(ReadSetup), "PortalUser"),
    (
        Needs::Right(ReadInvitations),
        "Invitation InvitationConnection InvitationEdge InvitationMail",
    ),
    (
        Needs::Right(ReadAudit),
        "AuditEvent AuditEventConnection AuditEventEdge",
    ),
    (
        Needs::Right(ReadLeads),
        "Delivery DeliveryAttempt DeliveryConnection DeliveryEdge DeliveryFailure DeliveryUpdate ErasureNotice Lead LeadArrival
        LeadConnection LeadEdge LeadEvent MailRecipient ReportRow",
    ),
    (
        Needs::Right(SubmitLeads),
        "SubmissionReceipt SubmissionReceiptConnection SubmissionReceiptEdge",
    ),
    (
        Needs::Portal,
        "Portal PortalDelivery PortalLead PortalLeadConnection PortalLeadEdge PortalLeadEvent PortalStats",
    ),
    (
        Needs::Part,
        "AccountPayload AccountProfile AcknowledgePayload Actor ApiKeyPayload ConnectionPayload CreateApiKeyPayload DeletePayload
        DeliveryCounts DeliveryPayload Diagnosis DiagnosisCheck FlowCounts FlowField FlowPayload Heartbeat InvitationPayload
        InvitationPreview LeadPayload LeadReason Money Node PageInfo PartnerPayload PortalLeadsPayload PortalReview PortalUserPayload
        ProfilePayload RetryDeliveriesPayload RetryLeftOut Session SessionPayload SigningSecretPayload SubmitLeadPayload
        SubmitLeadsPayload TestEmailPayload TraceEntry UserError UserPayload Viewer",
    ),
];

/// Fields that another right opens too: without them a reader of leads could not identify the flow, source, partner
/// and profile of a lead. `stats` counts leads, which the reader may read anyway.
const ALSO: &[(Action, &str, &str)] = &[
    (ReadLeads, "Flow", "id name stats"),
    (ReadLeads, "FlowSource", "id name"),
    (ReadLeads, "OwnSource", "id name"),
    (ReadLeads, "AccountSource", "id name"),
    (ReadLeads, "Partner", "id name stats"),
    (ReadLeads, "DistributionProfile", "id name stats"),
];

static NEEDS: LazyLock<HashMap<&'static str, Needs>> = LazyLock::new(|| {
    let each = |(needs, types): &(Needs, &'static str)| {
        let needs = *needs;
        types.split_whitespace().map(move |name| (name, needs))
    };
    TYPES.iter().flat_map(each).collect()
});

/// Checks the caller's right at each field.
pub struct Scopes;

impl ExtensionFactory for Scopes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Check::default())
    }
}

/// The checks of one operation.
#[derive(Default)]
struct Check {
    /// Refusals of nullable fields, which are null in the answer. An extension can add their errors only after
    /// execution.
    refused: Mutex<Vec<ServerError>>,
}

#[async_trait::async_trait]
impl Extension for Check {
    /// A query or mutation, or one event of a subscription.
    async fn execute(&self, ctx: &ExtensionContext<'_>, name: Option<&str>, next: NextExecute<'_>) -> Response {
        let mut response = next.run(ctx, name).await;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        response.errors.append(&mut refused);
        response
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let is_entry = matches!(info.path_node.segment, QueryPathSegment::Index(_));
        let is_root = info.path_node.parent.is_none();
        if is_entry || is_root || info.is_for_introspection {
            return next.run(ctx, info).await;
        }
        let Err(error) = check(ctx, &info).await else {
            return next.run(ctx, info).await;
        };
        let refusal = refusal(error, &info);
        if info.return_type.ends_with('!') {
            return Err(refusal);
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // More are never reported, and a page can have thousands.
        if refused.len() < ERRORS {
            refused.push(refusal);
        }
        Ok(None)
    }
}

async fn check(ctx: &ExtensionContext<'_>, info: &ResolveInfo<'_>) -> Result<()> {
    let Some(needs) = NEEDS.get(info.parent_type).copied() else {
        return Err(Error::Internal(anyhow::anyhow!(
            "no right is stated for the fields of {}",
            info.parent_type
        )));
    };
    if needs == Needs::Part {
        return Ok(());
    }
    let missing = |error: async_graphql::Error| Error::Internal(anyhow::anyhow!(error.message));
    let app = ctx.data::<App>().map_err(missing)?;
    let auth = ctx.data::<Arc<RequestAuth>>().map_err(missing)?;
    let caller = match needs {
        // Submitting checks the caller's rights in the transaction that stores the lead; no second query here.
        Needs::Right(SubmitLeads) => auth.caller_for_submission(app).await,
        _ => auth.caller(app).await,
    }?;
    let Err(refusal) = judge(needs, caller, info) else {
        return Ok(());
    };
    // A viewer's own objects are open to it, also to one who signed in within this request.
    let Some(viewer) = auth.viewer_at(root_key(info.path_node)) else {
        return Err(refusal);
    };
    match needs {
        Needs::RightOrOwn(_) => Ok(()),
        _ => judge(needs, &viewer, info),
    }
}

fn judge(needs: Needs, caller: &Caller, info: &ResolveInfo<'_>) -> Result<()> {
    match needs {
        Needs::Part => Ok(()),
        Needs::Portal => caller.require_portal_user().map(|_| ()),
        // A portal session reaches no portal user but its own.
        Needs::RightOrOwn(ReadSetup) if matches!(caller.principal, Principal::PortalUser { .. }) => Ok(()),
        Needs::Right(action) | Needs::RightOrOwn(action) => match caller.require(action) {
            Ok(_) => Ok(()),
            Err(_) if opened_by_another(caller, info) => Ok(()),
            Err(refusal) => Err(refusal),
        },
    }
}

fn opened_by_another(caller: &Caller, info: &ResolveInfo<'_>) -> bool {
    ALSO.iter().any(|(action, name, fields)| {
        *name == info.parent_type && fields.split_whitespace().any(|field| field == info.name) && caller.may(*action)
    })
}

/// The response key of the root field that a node stands below.
pub(super) fn root_key<'a>(node: &'a QueryPathNode<'_>) -> &'a str {
    node.parents().last().unwrap_or(node).field_name()
}

fn refusal(error: Error, info: &ResolveInfo<'_>) -> ServerError {
    let mut refusal = ServerError::new(error.to_string(), Some(info.field.name.pos));
    let nodes = std::iter::once(info.path_node).chain(info.path_node.parents());
    let segment = |node: &QueryPathNode<'_>| match node.segment {
        QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
        QueryPathSegment::Index(index) => PathSegment::Index(index),
    };
    refusal.path = nodes.map(segment).collect();
    refusal.path.reverse();
    refusal.source = Some(Arc::new(error));
    refusal
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::registry::TypeDef;

    #[test]
    fn every_type_has_its_right_and_every_exception_its_field() {
        let registry = crate::schema::registry();
        let stated: Vec<&str> = TYPES.iter().flat_map(|(_, types)| types.split_whitespace()).collect();
        let known: BTreeSet<&str> = stated.iter().copied().collect();
        assert_eq!(known.len(), stated.len(), "a type is stated twice");
        let has_fields =
            |name: &&str| matches!(registry.get(name), Some(TypeDef::Composite(def)) if def.fields.len() > 1);
        let is_ours = |name: &&str| !name.starts_with("__") && !["Query", "Mutation", "Subscription"].contains(name);
        let names = registry.type_names().map(async_graphql::Name::as_str);
        let objects: BTreeSet<&str> = names.filter(has_fields).filter(is_ours).collect();
        let missing: Vec<_> = objects.difference(&known).collect();
        assert!(missing.is_empty(), "state in TYPES what the fields of {missing:?} take");
        let gone: Vec<_> = known.difference(&objects).collect();
        assert!(
            gone.is_empty(),
            "take {gone:?} from TYPES: the schema has no such types"
        );
        for (_, name, fields) in ALSO {
            for field in fields.split_whitespace() {
                assert!(registry.field(name, field).is_some(), "{name}.{field}");
            }
        }
    }
}
