//! Accounts that know each other, made through the API as their people make them.

use entity::ids::InvitationId;
use entity::invitation;
use leadmesh_core::identity::tokens;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::app::TestApp;
use super::make::{Account, Flow, accepted, merge, text};

const SEND: &str = "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) {
    invitation { id status } userErrors { code message path } } }";
const ACCEPT: &str = "mutation($input: AnswerInvitationInput!) { acceptInvitation(input: $input) {
    connection { id status } userErrors { code message path } } }";
const DECLINE: &str = "mutation($input: AnswerInvitationInput!) { declineInvitation(input: $input) {
    invitation { id status } userErrors { code message path } } }";
/// Adds a source.
pub(crate) const ADD_SOURCE: &str = "mutation($input: AddSourceInput!) { addSource(input: $input) {
    flow { id version sources { __typename id name enabled } } warnings userErrors { code message path } } }";

impl TestApp {
    /// Invites an account by its identifier; `kind` is the relationship as the inviter sees it.
    pub(crate) async fn invite(&self, from: &Account, to: &Account, kind: &str) -> String {
        let input = json!({ "accountId": to.id, "relationshipType": kind });
        text(&self.done(&from.token, SEND, input).await["invitation"]["id"])
    }

    /// Invites whoever has that address.
    pub(crate) async fn invite_address(&self, from: &Account, address: &str, kind: &str) -> String {
        let input = json!({ "email": address, "relationshipType": kind });
        text(&self.done(&from.token, SEND, input).await["invitation"]["id"])
    }

    /// Says yes; the connection.
    pub(crate) async fn accept(&self, invitee: &Account, invitation: &str) -> String {
        let payload = self.done(&invitee.token, ACCEPT, self.answer(invitation).await).await;
        text(&payload["connection"]["id"])
    }

    /// Says no.
    pub(crate) async fn decline(&self, invitee: &Account, invitation: &str) {
        self.done(&invitee.token, DECLINE, self.answer(invitation).await).await;
    }

    /// What names an invitation in its answer: its identifier, or where it went to an address the token of the mailed link. As no
    /// mail goes out here, the link gets a token that this test knows.
    #[expect(clippy::disallowed_methods, reason = "the row is named by its identifier")]
    pub(crate) async fn answer(&self, invitation: &str) -> Value {
        let id: InvitationId = invitation.parse().unwrap();
        let token = format!("lmt_{invitation}");
        let known = invitation::Entity::update_many()
            .col_expr(invitation::Column::TokenHash, Expr::value(tokens::hash(&token)))
            .filter(invitation::Column::Id.eq(id))
            .filter(invitation::Column::ToAccountId.is_null())
            .exec(self.app.db.write())
            .await
            .unwrap();
        match known.rows_affected {
            0 => json!({ "id": invitation }),
            _ => json!({ "token": token }),
        }
    }

    /// Connects two accounts; `kind` is the relationship as the first one sees it.
    pub(crate) async fn connect(&self, one: &Account, other: &Account, kind: &str) -> String {
        let invitation = self.invite(one, other, kind).await;
        self.accept(other, &invitation).await
    }

    /// `suspend`, `resume` or `terminate`, as that side.
    pub(crate) async fn change(&self, by: &Account, what: &str, connection: &str) {
        let mutation =
            format!("mutation($id: ID!) {{ {what}Connection(id: $id) {{ userErrors {{ code message path }} }} }}");
        let answer = self.ask(Some(&by.token), &mutation, json!({ "id": connection })).await;
        accepted(&answer, &format!("{what}Connection"));
    }

    /// Asks for another relationship, as that side sees it: a narrower one holds at once.
    pub(crate) async fn want(&self, by: &Account, connection: &str, kind: &str) {
        let mutation = "mutation($input: RelationshipTypeInput!) { requestRelationshipType(input: $input) {
            connection { relationshipType } userErrors { code message path } } }";
        let input = json!({ "connectionId": connection, "relationshipType": kind });
        self.done(&by.token, mutation, input).await;
    }

    /// Adds a source to a flow; its identifier.
    pub(crate) async fn source(&self, owner: &Account, flow: &Flow, more: Value) -> String {
        let mut input = json!({ "flowId": flow.id });
        merge(&mut input, more);
        let payload = self.done(&owner.token, ADD_SOURCE, input).await;
        text(&payload["flow"]["sources"].as_array().unwrap().last().unwrap()["id"])
    }

    /// Opens a flow to a partner; the connection and the source.
    pub(crate) async fn open(&self, owner: &Account, flow: &Flow, partner: &Account) -> (String, String) {
        let connection = self.connect(owner, partner, "BOTH").await;
        let source = self.source(owner, flow, json!({ "connectionId": connection })).await;
        (connection, source)
    }
}
