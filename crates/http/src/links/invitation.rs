//! What the holder of an invitation link sees, and how to answer.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use entity::invitation::InvitationStatus;

use super::page::{page, paragraph, refusal};
use super::{Ip, Link};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::accounts;
use leadmesh_forms::templates::escape_html;
use leadmesh_network::invitation_mail::InvitationEmail;
use leadmesh_network::invitations::{self, Preview};

const SIGN_UP: &str = "mutation($input: SignUpInput!) {
  signUp(input: $input) { session { accessToken } userErrors { code message path } }
}";
const ACCEPT: &str = "mutation($token: String!) {
  acceptInvitation(input: { token: $token }) {
    connection { id partner { name } }
    userErrors { code message path }
  }
}";

pub(super) async fn show(State(app): State<App>, Ip(ip): Ip, Query(link): Query<Link>) -> Response {
    match invitations::preview(&app, ip, &link.token).await {
        Ok(Some(preview)) => match inviter(&app, &preview).await {
            Ok(from) => page(
                StatusCode::OK,
                &format!("{from} invites you to connect"),
                &body(&app, &preview, &from),
            ),
            Err(error) => refused(&error),
        },
        Ok(None) => page(
            StatusCode::NOT_FOUND,
            "No such invitation",
            &paragraph(
                "This link is unknown, or was replaced by a newer one: open the newest letter, or ask for another.",
            ),
        ),
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Response {
    let (status, text) = refusal(error);
    page(status, "The invitation cannot be shown", &paragraph(&text))
}

async fn inviter(app: &App, preview: &Preview) -> Result<String> {
    let ids = vec![preview.invitation.from_account_id];
    let found = accounts::profiles(app.db.read(), ids).await?.into_iter().next();
    found.map(|profile| profile.name).ok_or(Error::NotFound("account"))
}

fn body(app: &App, preview: &Preview, from: &str) -> String {
    let row = &preview.invitation;
    let says = InvitationEmail {
        from,
        relationship: row.type_for_inviter().mirrored(),
        message: row.message.as_deref(),
        expires_at: row.expires_at,
    };
    let mut html = paragraph(&says.purpose());
    if let Some(message) = &row.message {
        let lines = escape_html(message).replace('\n', "<br>\n");
        html.extend(["<blockquote>", &lines, "</blockquote>\n"]);
    }
    html += &match row.status_at(app.clock.now()) {
        InvitationStatus::Pending => how_to_answer(app, preview, &says.deadline()),
        InvitationStatus::Expired => paragraph(&format!(
            "The invitation expired on {}. Ask {from} to send it again.",
            says.deadline()
        )),
        InvitationStatus::Accepted => paragraph("The invitation was accepted: you are connected."),
        InvitationStatus::Declined => paragraph("The invitation was declined."),
        InvitationStatus::Cancelled => paragraph("The invitation was taken back, or overtaken by another one."),
    };
    html
}

fn how_to_answer(app: &App, preview: &Preview, deadline: &str) -> String {
    let endpoint = format!("{}/graphql", app.config.public_url);
    let who = match &preview.invitation.to_email {
        Some(email) => format!(" as {email}"),
        None => " as an OWNER or ADMIN of the invited account".to_owned(),
    };
    let mut html = paragraph(&format!(
        "Answer until {deadline}. The token is what follows token= in the address of this page; the API is at {endpoint}."
    ));
    if preview.has_account {
        html += &paragraph(&format!("Sign in{who}, with logIn."));
    } else {
        html += &paragraph(&format!("1. Sign up{who}, with this token as invitationToken:"));
        html += &code(SIGN_UP);
    }
    html += &paragraph("Then accept with the access token that you got (declineInvitation declines in the same way):");
    html += &code(ACCEPT);
    html + &paragraph(
        "Nothing is shared before you accept. If you do not know the sender, do nothing: the invitation expires.",
    )
}

fn code(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape_html(text))
}
