//! Proves an address by a mailed link. Opening the page proves nothing, because mail programs open links by
//! themselves; the reader confirms after seeing which account asks.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::page::{other_access, page, paragraph, refusal};
use super::{Ip, Link};
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_core::identity::account_confirmation::Consent;
use leadmesh_core::identity::verification::{self, ProofPreview, Prover};
use leadmesh_forms::templates::escape_html;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct FormInput {
    #[serde(default)]
    token: String,
    /// Present when the box was ticked.
    confirm: Option<String>,
}

pub(super) async fn ask(State(app): State<App>, Ip(ip): Ip, Query(link): Query<Link>) -> Response {
    match verification::preview(&app, ip, &link.token).await {
        Ok(asked) => page(StatusCode::OK, "Is this address yours?", &question(&asked, &link.token)),
        Err(error) => refused(&error),
    }
}

pub(super) async fn confirm(State(app): State<App>, Ip(ip): Ip, Form(form): Form<FormInput>) -> Response {
    // A page has no session: confirming here shows only that the address is read.
    let prover = Prover {
        ip,
        signed_in: None,
        consent: Consent::from(form.confirm.is_some()),
    };
    match verification::verify(&app, prover, &form.token).await {
        Ok(()) => {
            let text = "From now on it receives what is sent to it on this server. You can close this page.";
            page(StatusCode::OK, "Your address is confirmed", &paragraph(text))
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Response {
    let (status, text) = refusal(error);
    page(status, "The address cannot be confirmed", &paragraph(&text))
}

fn question(asked: &ProofPreview, token: &str) -> String {
    let since = asked.since.format("%-d %B %Y");
    let who = match &asked.person {
        Some(person) => format!(
            "{person} of the account “{}”, made on {since}, signs in with {}. Confirm it only if that is you: whoever has the password \
             of that account will receive invitations that are sent to this address.",
            asked.account, asked.email
        ),
        None => format!(
            "The account “{}”, made on {since}, names {} as its contact. Confirm it only if you know the account: partners will find it \
             by this address.",
            asked.account, asked.email
        ),
    };
    // The form's address is relative: a proxy may have put something in front of it.
    format!(
        "{}<form method=\"post\" action=\"verify-email\">\n<input type=\"hidden\" name=\"token\" value=\"{}\">\n{}\
         <button>Confirm the address</button>\n</form>\n{}",
        paragraph(&who),
        escape_html(token),
        other_access(&asked.other_access),
        paragraph("If it is not, close this page: nothing changes.")
    )
}
