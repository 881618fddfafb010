//! What is put in to send and answer invitations.

use async_graphql::InputObject;
use entity::ids::{AccountId, InvitationId};
use entity::relationship::RelationshipType;

use crate::scalars::EmailAddress;
use leadmesh_network::answers::Answer;
use leadmesh_network::invitations::NewInvitation;

/// An invitation to connect. Give exactly one of `accountId` and `email`.
#[derive(Clone, Debug, InputObject)]
pub struct SendInvitationInput {
    /// The account to invite; see `findAccount`. The email goes to its contact address.
    account_id: Option<AccountId>,
    /// The address to invite, whether or not it has an account. The email has a link to sign up or in.
    email: Option<EmailAddress>,
    /// The proposed relationship, from the caller's point of view: `RECEIVE_LEADS` means "I receive leads from them".
    relationship_type: RelationshipType,
    /// Message to the invitee, at most 1,000 characters.
    message: Option<String>,
}

impl From<SendInvitationInput> for NewInvitation {
    fn from(input: SendInvitationInput) -> Self {
        Self {
            account_id: input.account_id,
            email: input.email.map(|email| email.0),
            relationship: input.relationship_type,
            message: input.message,
        }
    }
}

/// Answers an invitation. Give exactly one of `id` and `token`.
#[derive(InputObject)]
pub struct AnswerInvitationInput {
    /// Identifier of an invitation sent to the caller's account. An invitation sent to an email address requires
    /// `token`.
    id: Option<InvitationId>,
    /// Token from the mailed link. The caller must be signed in with the address that it was mailed to.
    #[graphql(secret)]
    token: Option<String>,
    /// Reason for the other side, one line of at most 500 characters.
    reason: Option<String>,
}

impl From<AnswerInvitationInput> for Answer {
    fn from(input: AnswerInvitationInput) -> Self {
        Self {
            id: input.id,
            token: input.token,
            reason: input.reason,
        }
    }
}
