//! Least privilege, proven by walking the schema. Whatever takes an identifier is given those of an account's things by
//! somebody without a right to them, and has to answer as for an identifier that nobody has. Whatever returns identifiers may
//! return none of them. Who may do and see what stands here; everything else is denied.
//!
//! **A new field fails this test.** State its right in `RIGHTS`. If its objects are of a new type, make one of them in
//! [`world`], with `MARKER` in its texts, so that there is something to ask for.

mod scopes;
mod shape;
mod walk;
mod world;

use self::shape::Shape;
use self::walk::{Given, Walk};
use self::world::{World, settled};
use crate::support::app::both;

/// Who may use a root field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// Whoever asks; what it needs is a secret, or nothing.
    Everybody,
    /// Whoever is signed in, for what is its own.
    SignedIn,
    /// People and keys of the account that the thing belongs to.
    Own,
    /// The same, and the account that it is shared with, also after the end of their connection.
    BothAccounts,
    /// The same, until that end.
    Connected,
    /// Every account, by the identifier of an account, which is no secret.
    Accounts,
    /// People of a partner, in the portal.
    Portal,
}

/// Every root field.
const RIGHTS: &[(Right, &str)] = &[
    (
        Right::Everybody,
        "activatePortalUser invitationPreview logIn logOut portalLogIn refreshSession requestPasswordReset
        requestPortalPasswordReset resetPassword signUp verifyEmail viewer",
    ),
    (Right::SignedIn, "node nodes"),
    (
        Right::Own,
        "account addSource addStep answerReturn assignPartner auditEvents availableSources cancelDelivery changeEmail changePassword
        clearSmtpSettings createApiKey createDistributionProfile createFlow createPartner deleteDistributionProfile deleteFlow
        deliveries delivery deliveryReport diagnoseDelivery distributionProfile distributionProfiles eraseLead flow flows
        invitePortalUser inviteUser lead leads moveStep partner partners previewDelivery removeAssignment removePortalUser removeSource removeStep
        removeUser resendContactVerification resendVerification resolveDelivery resumeDestination retryDeliveries retryDelivery returnLead revertFlow revokeApiKey
        rotateSigningSecret sendTestDelivery sendTestEmail
        setDistributionProfileEnabled setFlowEnabled setPartnerActive setPartnerDelivery setPortalAccess setSmtpSettings
        setStepEnabled simulateSubmission updateAccount updateAssignment updateDistributionProfile updateFlow updatePartner
        updatePortalUser updateSource updateStep updateUserRole",
    ),
    (
        Right::BothAccounts,
        "connection connections diagnoseConnection invitation invitations markConnectionReviewed submission submissions
        updateConnection",
    ),
    (
        Right::Connected,
        "acceptInvitation answerRelationshipType cancelInvitation declineInvitation
        requestRelationshipType resendInvitation resumeConnection setReceivingFlow submissionDocs submitLead submitLeads
        suspendConnection terminateConnection",
    ),
    (Right::Accounts, "findAccount sendInvitation"),
    (
        Right::Portal,
        "acceptPortalLeads portal rejectPortalLeads requestReturn updatePortalContact updatePortalDelivery",
    ),
];

/// The fields of other objects that take identifiers. Here they only narrow what the caller sees anyway.
const NESTED: &[&str] = &["Portal.lead", "Subscription.deliveries", "Subscription.leads"];

/// What a connected account sees of the other's things, and as what; the identifier alone where that is empty.
fn to_partner(world: &World) -> Given<'_> {
    let mut given = to_former_partner(world);
    given.insert(&world.open_flow, "");
    given.insert(&world.open_source, "");
    given
}

/// What is left of that when the connection has ended.
fn to_former_partner(world: &World) -> Given<'_> {
    Given::from([
        (world.owner.id.as_str(), "AccountProfile"),
        (&world.connection, "AccountLink"),
        (&world.invitation, "Invitation"),
        (&world.submitted_lead, "SubmissionReceipt"),
        (&world.open_flow, ""),
    ])
}

/// What somebody in the portal of an account's partner sees of the account's things.
fn in_portal(world: &World) -> Given<'_> {
    Given::from([(world.delivery.as_str(), "PortalLead"), (&world.portal_user, "")])
}

fn right(field: &str) -> Option<Right> {
    let stated = |(_, fields): &&(Right, &str)| fields.split_whitespace().any(|stated| stated == field);
    RIGHTS.iter().find(stated).map(|(right, _)| *right)
}

/// The code with which somebody is refused whatever they ask for, if they are.
fn turned_away(right: Right, who: &str) -> Option<&'static str> {
    match (right, who) {
        (Right::Everybody, _) => None,
        (_, "nobody") => Some("UNAUTHENTICATED"),
        (Right::SignedIn, _) => None,
        (Right::Portal, "a portal user") => None,
        (Right::Portal, _) | (_, "a portal user") => Some("FORBIDDEN"),
        _ => None,
    }
}

/// Refuses a field without a right, a right without a field, and a nested field that nobody has looked at.
fn everything_is_stated(shape: &Shape) {
    let roots: Vec<&str> = shape.roots().iter().map(|root| root.name).collect();
    let unstated: Vec<&&str> = roots.iter().filter(|field| right(field).is_none()).collect();
    assert!(
        unstated.is_empty(),
        "state in RIGHTS of tests/api/least_privilege.rs who may use {unstated:?}"
    );
    let mut stated = RIGHTS.iter().flat_map(|(_, fields)| fields.split_whitespace());
    let gone = stated.find(|field| !roots.contains(field));
    assert_eq!(gone, None, "take this one, which is no more, from RIGHTS");
    assert_eq!(
        shape.nested_takers(),
        NESTED,
        "see that these show nothing by an identifier that the caller does not see without it, then add them to NESTED"
    );
}

both!(
    /// Nobody gets or changes anything of an account that it is not given, by any field and any identifier.
    no_field_gives_an_accounts_things_to_those_without_a_right,
    [
        "--smtp-url",
        "smtp+plain://127.0.0.1:9",
        "--mail-from",
        "leads@leadmesh.test"
    ],
    |app| {
        let shape = Shape::of(&app).await;
        everything_is_stated(&shape);
        let world = World::build(&app).await;
        let mut walk = Walk::of(&app, &shape, &world).await;
        walk.is_complete().await;
        let before = app.dump().await;
        walk.ask_as(&world.nobody, Given::new()).await;
        walk.ask_as(&world.stranger, Given::new()).await;
        walk.ask_as(&world.partner, to_partner(&world)).await;
        walk.ask_as(&world.portal, in_portal(&world)).await;
        walk.has_changed_nothing_since(&before).await;

        app.change(&world.other_side, "terminate", &world.connection).await;
        settled(&app).await;
        let before = app.dump().await;
        walk.ask_as(&world.former_partner(), to_former_partner(&world)).await;
        walk.has_changed_nothing_since(&before).await;
        walk.found_nothing();
    }
);
