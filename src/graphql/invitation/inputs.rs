//! What is put in to send and answer invitations.

use async_graphql::{ID, InputObject};
use entity::relationship::RelationshipType;

use crate::graphql::ids::id_or_unknown;
use crate::graphql::scalars::EmailAddress;
use crate::network::answers::Answer;
use crate::network::invitations::NewInvitation;

/// An invitation to connect: to exactly one of `accountId` and `email`.
#[derive(Clone, Debug, InputObject)]
pub struct SendInvitationInput {
    /// The account to invite; findAccount finds it. The letter goes to its contact address.
    account_id: Option<ID>,
    /// The address to invite, whether or not it has an account. The letter goes there, with a link for signing up or in.
    email: Option<EmailAddress>,
    /// What is proposed, in the caller's own words: `RECEIVE_LEADS` means "I receive leads from them".
    relationship_type: RelationshipType,
    /// To the invitee, at most 1,000 characters.
    message: Option<String>,
}

impl From<SendInvitationInput> for NewInvitation {
    fn from(input: SendInvitationInput) -> Self {
        Self {
            account_id: input.account_id.as_ref().map(id_or_unknown),
            email: input.email.map(|email| email.0),
            relationship: input.relationship_type,
            message: input.message,
        }
    }
}

/// An answer to an invitation, named by exactly one of `id` and `token`.
#[derive(InputObject)]
pub struct AnswerInvitationInput {
    /// Of one that the caller's account received by its own identifier. One that went to an address takes the token.
    id: Option<ID>,
    /// From the mailed link; the caller is signed in by the address that it was mailed to.
    #[graphql(secret)]
    token: Option<String>,
    /// Why, for the other side: one line of at most 500 characters.
    reason: Option<String>,
}

impl From<AnswerInvitationInput> for Answer {
    fn from(input: AnswerInvitationInput) -> Self {
        Self {
            id: input.id.as_ref().map(id_or_unknown),
            token: input.token,
            reason: input.reason,
        }
    }
}
