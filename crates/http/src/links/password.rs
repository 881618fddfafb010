//! Sets the password of a user through a mailed link.

use std::net::IpAddr;

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
use leadmesh_core::identity::password_reset::{self, LinkPreview, NewPassword};
use leadmesh_core::identity::sessions;
use leadmesh_core::identity::tokens::Scope;
use leadmesh_forms::templates::escape_html;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct FormInput {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
    /// Present when the box was ticked.
    confirm: Option<String>,
}

pub(super) async fn ask(State(app): State<App>, Ip(ip): Ip, Query(link): Query<Link>) -> Response {
    form_page(&app, ip, &link.token, None).await
}

/// Ends the session that comes with the new password, which this page does not need.
pub(super) async fn set(State(app): State<App>, Ip(ip): Ip, Form(form): Form<FormInput>) -> Response {
    let input = NewPassword {
        token: form.token.clone(),
        password: form.password,
        name: None,
    };
    let consent = Consent::from(form.confirm.is_some());
    let resetting = app.clone();
    let reset = async move {
        let signed_in = password_reset::reset_with(&resetting, Scope::Account, ip, input, consent).await?;
        if let Err(error) = sessions::log_out(&resetting, ip, &signed_in.session.refresh_token).await {
            tracing::warn!(?error, "cannot end the session of a page");
        }
        Ok(())
    };
    match app.writes.run(None, reset).await.flatten() {
        Ok(()) => {
            let text = format!(
                "You can sign in with it now, with logIn of the API at {}/graphql.",
                app.config.public_url
            );
            page(StatusCode::OK, "Your password is set", &paragraph(&text))
        }
        Err(error) => form_page(&app, ip, &form.token, Some(&error)).await,
    }
}

/// The form, with the last error. An unusable link shows the reason and the form all the same: it may be the wrong one
/// of several emails.
async fn form_page(app: &App, ip: Option<IpAddr>, token: &str, wrong: Option<&Error>) -> Response {
    let opened = password_reset::preview(app, ip, token).await;
    let (status, wrong) = match (wrong, &opened) {
        (Some(error), _) => refusal_html(error),
        (None, Err(error)) if !token.is_empty() => refusal_html(error),
        (None, _) => (StatusCode::OK, String::new()),
    };
    let whose = opened.as_ref().map(whose).unwrap_or_default();
    // The form's address is relative: a proxy may have put something in front of it.
    let body = format!(
        "{wrong}<form method=\"post\" action=\"set-password\">\n<input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         {whose}<label for=\"password\">New password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required autocomplete=\"new-password\">\n\
         <button>Set the password</button>\n</form>\n",
        token = escape_html(token),
    );
    page(status, "Set your password", &body)
}

fn refusal_html(error: &Error) -> (StatusCode, String) {
    let (status, text) = refusal(error);
    let text = format!("<p class=\"wrong\" role=\"alert\">{}</p>\n", escape_html(&text));
    (status, text)
}

/// The account, and what else has access to it if the reader may not know.
fn whose(opened: &LinkPreview) -> String {
    let mut html = paragraph(&format!(
        "For {}, who signs in to the account “{}” with {}.",
        opened.person, opened.account, opened.email
    ));
    html += &other_access(&opened.other_access);
    html
}
