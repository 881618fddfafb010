//! Setting the password of a person of an account by a mailed link.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::page::{page, paragraph, refusal};
use super::{Ip, Link};
use crate::app::App;
use crate::identity::letters::escape;
use crate::identity::password_reset::{self, NewPassword};
use crate::identity::sessions;
use crate::identity::tokens::Scope;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Filled {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
}

pub(super) async fn ask(Query(link): Query<Link>) -> Response {
    form(StatusCode::OK, &link.token, None)
}

/// The session that comes with a new password is ended at once: this page has no use for it.
pub(super) async fn set(State(app): State<App>, Ip(ip): Ip, Form(filled): Form<Filled>) -> Response {
    let input = NewPassword {
        token: filled.token.clone(),
        password: filled.password,
        name: None,
    };
    let resetting = app.clone();
    let reset = async move {
        let signed_in = password_reset::reset(&resetting, Scope::Account, ip, input).await?;
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
        Err(error) => {
            let (status, text) = refusal(&error);
            form(status, &filled.token, Some(&text))
        }
    }
}

fn form(status: StatusCode, token: &str, wrong: Option<&str>) -> Response {
    // The form's address is relative: a proxy may have put something in front of it.
    let wrong = wrong.map_or_else(String::new, |text| {
        format!("<p class=\"wrong\" role=\"alert\">{}</p>\n", escape(text))
    });
    let body = format!(
        "{wrong}<form method=\"post\" action=\"set-password\">\n<input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <label for=\"password\">New password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required autocomplete=\"new-password\">\n\
         <button>Set the password</button>\n</form>\n",
        token = escape(token),
    );
    page(status, "Set your password", &body)
}
