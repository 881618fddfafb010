//! An account's mail server as the mailer takes it, its password opened for the moment.

use entity::smtp_settings::{self, SmtpAuth, SmtpSecurity};

use super::email::{Auth, Security, SmtpServer};
use crate::app::App;
use crate::error::Result;
use crate::identity::mail_server;

/// The server of those settings.
pub async fn of_settings(app: &App, settings: &smtp_settings::Model) -> Result<SmtpServer> {
    let password = mail_server::password(app, settings).await?;
    Ok(SmtpServer {
        host: settings.host.clone(),
        port: u16::try_from(settings.port).unwrap_or_default(),
        security: match settings.security {
            SmtpSecurity::Starttls => Security::StartTls,
            SmtpSecurity::Tls => Security::Tls,
            SmtpSecurity::None => Security::None,
        },
        auth: match settings.auth {
            SmtpAuth::Password => Auth::Password,
            SmtpAuth::Xoauth2 => Auth::Token,
        },
        login: settings.username.clone().zip(password),
        from_name: settings.from_name.clone(),
        from_address: settings.from_address.clone(),
        reply_to: settings.reply_to.clone(),
    })
}
