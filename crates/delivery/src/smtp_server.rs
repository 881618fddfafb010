//! An account's mail server: set where it may be dialled, and as the mailer takes it, its password opened for the moment.

use entity::smtp_settings;

use super::email::SmtpServer;
use super::guard::{Blocked, Guard};
use leadmesh_core::app::App;
use leadmesh_core::error::{Result, UserError, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_server;
use leadmesh_core::identity::policy::Action;

/// Sets the mail server of the caller's account, unless its host is a forbidden address. What a name leads to is judged at each
/// connection.
pub async fn set(app: &App, caller: &Caller, input: mail_server::SmtpSettings) -> Result<smtp_settings::Model> {
    caller.require(Action::ManageMailServer)?;
    let host = mail_server::host(&input.host)?;
    let guard = Guard::new(app.config.settings.allow_destinations.clone());
    let blocked =
        |blocked: Blocked| UserError::new(UserErrorCode::DestinationBlocked, "input.host", blocked.to_string());
    guard.check_host(&host).map_err(blocked)?;
    mail_server::set(app, caller, mail_server::SmtpSettings { host, ..input }).await
}

/// The server of those settings.
pub async fn of_settings(app: &App, settings: &smtp_settings::Model) -> Result<SmtpServer> {
    let password = mail_server::password(app, settings).await?;
    Ok(SmtpServer {
        host: settings.host.clone(),
        port: u16::try_from(settings.port).unwrap_or_default(),
        security: settings.security,
        auth: settings.auth,
        login: settings.username.clone().zip(password),
        from_name: settings.from_name.clone(),
        from_address: settings.from_address.clone(),
        reply_to: settings.reply_to.clone(),
    })
}
