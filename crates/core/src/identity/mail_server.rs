//! Settings of the mail server through which an account delivers by email.

use async_graphql::InputObject;
use entity::endpoint;
use entity::ids::AccountId;
use entity::scalars::EmailAddress;
use entity::smtp_settings::{self, SmtpAuth, SmtpSecurity};
use entity::{send_slot, smtp_rate};
use sea_orm::{ActiveModelTrait, IntoActiveModel, ModelTrait, QuerySelect, Set};
use serde_json::json;
use url::Host;

use super::caller::Caller;
use super::change::Change;
use super::policy::Action;
use super::{email_address, mail_queue, texts};
use crate::app::App;
use crate::audit::Entry;
use crate::crypto::Sealed;
use crate::error::{Result, UserError, UserErrorCode};

/// The place that the password is sealed for.
const PLACE: &str = "smtp/password";
const HOST: usize = 253;
const CREDENTIAL: usize = 500;
/// Access tokens are longer than passwords.
const TOKEN: usize = 4_000;
const MAILS_PER_MINUTE: std::ops::RangeInclusive<i32> = 1..=10_000;

/// A mail server for the caller's account. Replaces the current one.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, InputObject)]
#[graphql(name = "SmtpSettingsInput")]
pub struct SmtpSettings {
    /// Name or IP address of the server, such as `smtp.example.com`. `DESTINATION_BLOCKED` for an address in a private
    /// or other special network, unless the operator allows it.
    pub host: String,
    /// TCP port of the server, 1 to 65535. Usually 587 with STARTTLS, 465 with TLS.
    pub port: i32,
    /// Security of the connection. There is no fallback to another one.
    pub security: SmtpSecurity,
    /// How to sign in. Defaults to PASSWORD.
    #[graphql(default_with = "SmtpAuth::Password")]
    pub auth: SmtpAuth,
    /// The most mails per minute, 1 to 10,000, as the server's provider allows. Mails are spread evenly and wait
    /// without using up an attempt. If omitted, there is no limit.
    pub mails_per_minute: Option<i32>,
    /// User name, at most 500 characters. If omitted, mails are sent without signing in.
    pub username: Option<String>,
    /// Password, at most 500 characters, or access token, at most 4,000; stored encrypted. If omitted, the current one
    /// stays, as long as host, port, security, kind of sign-in and user name stay too.
    #[graphql(secret)]
    pub password: Option<String>,
    /// Name of the sender, as mail programs show it, at most 120 characters.
    pub from_name: Option<String>,
    /// Address of the sender.
    pub from_address: EmailAddress,
    /// Address for replies, if not the sender's.
    pub reply_to: Option<EmailAddress>,
}

pub async fn get(app: &App, caller: &Caller) -> Result<Option<smtp_settings::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    of_account(app, account).await
}

/// For deliveries of the account.
pub async fn of_account(app: &App, account: AccountId) -> Result<Option<smtp_settings::Model>> {
    Ok(smtp_settings::Entity::in_account(account).one(app.db.read()).await?)
}

/// In plain text, for the moment of signing in at the mail server.
pub async fn password(app: &App, settings: &smtp_settings::Model) -> Result<Option<String>> {
    let Some(sealed) = &settings.sealed_password else {
        return Ok(None);
    };
    let sealed = Sealed {
        owner: Some(settings.account_id),
        place: PLACE,
        text: sealed,
    };
    let plain = app.vault.open(app.db.read(), &app.clock, sealed).await?;
    Ok(Some(String::from_utf8(plain).map_err(anyhow::Error::from)?))
}

/// The caller has checked that the server may be dialled. The settings count as unverified until a test email has gone through.
pub async fn set(app: &App, caller: &Caller, input: SmtpSettings) -> Result<smtp_settings::Model> {
    let account = caller.require(Action::ManageMailServer)?;
    let input = checked(input)?;
    let change = Change::begin(app, caller, account).await?;
    let before = smtp_settings::Entity::in_account(account).one(&change.tx).await?;
    let sealed = match (&input.password, &before) {
        (Some(password), _) => Some(change.keys().await?.seal(PLACE, password.as_bytes())?),
        (None, before) => kept_password(before.as_ref(), &input)?,
    };
    let row = row(app, account, input, sealed);
    let limit_before = before.as_ref().and_then(|before| before.mails_per_minute);
    let settings = match before {
        Some(_) => row.update(&change.tx).await?,
        None => row.insert(&change.tx).await?,
    };
    if limit_before.is_some() && limit_before != settings.mails_per_minute {
        release_waiting(&change).await?;
    }
    finish(change, entry("smtp_settings.set", &settings)).await?;
    Ok(settings)
}

/// Removes the mail server: deliveries by email fail from now on, also those that waited for it.
pub async fn clear(app: &App, caller: &Caller) -> Result<()> {
    let account = caller.require(Action::ManageMailServer)?;
    let change = Change::begin(app, caller, account).await?;
    if let Some(settings) = smtp_settings::Entity::in_account(account).one(&change.tx).await? {
        settings.clone().delete(&change.tx).await?;
        release_waiting(&change).await?;
        finish(change, entry("smtp_settings.cleared", &settings)).await?;
    }
    Ok(())
}

/// Under another rate limit, emails that wait for their send slot get a new one immediately.
async fn release_waiting(change: &Change<'_>) -> Result<()> {
    let account = change.account.id;
    smtp_rate::Entity::forget(&change.tx, account).await?;
    send_slot::Entity::release(&change.tx, account, change.app.clock.now()).await?;
    Ok(())
}

/// What was wrong with the server before says nothing of the present one: emails that wait for it are sent immediately.
async fn finish(change: Change<'_>, entry: Entry<'_>) -> Result<()> {
    let app = change.app;
    change.record(entry).await?;
    endpoint::Entity::forget([change.account.id.0]).exec(&change.tx).await?;
    change.commit().await?;
    app.queue.set_open_circuits(true);
    app.queue.doorbell.notify_one();
    Ok(())
}

/// Stores the result of a test email, unless the settings were changed meanwhile.
pub async fn verified(
    app: &App,
    tested: &smtp_settings::Model,
    outcome: std::result::Result<(), String>,
) -> Result<Option<smtp_settings::Model>> {
    let tx = app.db.begin().await?;
    let locked = smtp_settings::Entity::in_account(tested.account_id).lock_exclusive();
    let Some(settings) = locked.one(&tx).await?.filter(|now| now.updated_at == tested.updated_at) else {
        return Ok(None);
    };
    let mut row = settings.into_active_model();
    match outcome {
        Ok(()) => {
            row.verified_at = Set(Some(app.clock.now()));
            row.last_error = Set(None);
        }
        Err(said) => row.last_error = Set(Some(mail_queue::shortened(&said))),
    }
    let settings = row.update(&tx).await?;
    tx.commit().await?;
    Ok(Some(settings))
}

/// The stored password, if none is given. It never follows a change of the server: otherwise a user who may set the server
/// could have it sent to themselves.
fn kept_password(
    before: Option<&smtp_settings::Model>,
    input: &SmtpSettings,
) -> std::result::Result<Option<String>, UserError> {
    if input.username.is_none() {
        return Ok(None);
    }
    let same = before.filter(|before| {
        (&before.host, before.port, before.security) == (&input.host, input.port, input.security)
            && (&before.username, before.auth) == (&input.username, input.auth)
    });
    let stored = same.and_then(|before| before.sealed_password.clone());
    stored.map(Some).ok_or_else(|| {
        let message = "enter the password too: it belongs to this server and user name";
        UserError::new(UserErrorCode::Required, "input.password", message)
    })
}

fn checked(input: SmtpSettings) -> std::result::Result<SmtpSettings, UserError> {
    let optional = |text: Option<String>, limit, path| {
        let written = text.filter(|text| !text.trim().is_empty());
        written.map(|text| texts::line(&text, limit, path)).transpose()
    };
    if !(1..=65_535).contains(&input.port) {
        let message = "use a port from 1 to 65535; 587 with STARTTLS and 465 with TLS are usual";
        return Err(UserError::new(UserErrorCode::Invalid, "input.port", message));
    }
    let username = optional(input.username, CREDENTIAL, "input.username")?;
    let password = input.password.filter(|password| !password.is_empty());
    if password.is_some() && username.is_none() {
        let message = "enter the user name that the password belongs to";
        return Err(UserError::new(UserErrorCode::Required, "input.username", message));
    }
    let most = if input.auth == SmtpAuth::Xoauth2 {
        TOKEN
    } else {
        CREDENTIAL
    };
    if password
        .as_ref()
        .is_some_and(|password| password.chars().count() > most)
    {
        let message = format!("use at most {most} characters");
        return Err(UserError::new(UserErrorCode::TooLong, "input.password", message));
    }
    if input.auth == SmtpAuth::Xoauth2 && username.is_none() {
        let message = "enter the user name that the access token belongs to";
        return Err(UserError::new(UserErrorCode::Required, "input.username", message));
    }
    if input
        .mails_per_minute
        .is_some_and(|limit| !MAILS_PER_MINUTE.contains(&limit))
    {
        let message = "use 1 to 10,000 emails a minute, or omit it for no limit";
        return Err(UserError::new(UserErrorCode::Invalid, "input.mailsPerMinute", message));
    }
    Ok(SmtpSettings {
        host: host(&input.host)?,
        username,
        password,
        from_name: optional(input.from_name, texts::NAME, "input.fromName")?,
        from_address: email_address::parse(&input.from_address, "input.fromAddress")?.into(),
        reply_to: input
            .reply_to
            .map(|text| email_address::parse(&text, "input.replyTo"))
            .transpose()?
            .map(EmailAddress),
        ..input
    })
}

/// A name, or an address without brackets, in its one spelling; refused at `input.host`.
pub fn host(text: &str) -> std::result::Result<String, UserError> {
    let text = texts::line(text, HOST, "input.host")?;
    let bracketed = if text.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{text}]")
    } else {
        text
    };
    match Host::parse(&bracketed) {
        Ok(Host::Domain(name)) => Ok(name),
        Ok(Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(Host::Ipv6(address)) => Ok(address.to_string()),
        Err(_) => {
            let message = "enter only the host name of the mail server, such as smtp.example.com";
            Err(UserError::new(UserErrorCode::Invalid, "input.host", message))
        }
    }
}

fn row(app: &App, account: AccountId, input: SmtpSettings, sealed: Option<String>) -> smtp_settings::ActiveModel {
    smtp_settings::ActiveModel {
        account_id: Set(account),
        host: Set(input.host),
        port: Set(input.port),
        security: Set(input.security),
        auth: Set(input.auth),
        mails_per_minute: Set(input.mails_per_minute),
        username: Set(input.username),
        sealed_password: Set(sealed),
        from_name: Set(input.from_name),
        from_address: Set(input.from_address.0),
        reply_to: Set(input.reply_to.map(|address| address.0)),
        verified_at: Set(None),
        last_error: Set(None),
        updated_at: Set(app.clock.now()),
    }
}

fn entry<'a>(action: &'static str, settings: &'a smtp_settings::Model) -> Entry<'a> {
    let changes = json!({
        "host": settings.host,
        "port": settings.port,
        "security": settings.security,
        "auth": settings.auth,
        "mailsPerMinute": settings.mails_per_minute,
        "fromAddress": settings.from_address,
    });
    Entry::new(action, "Account", settings.account_id, &settings.host).with(changes)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn input() -> SmtpSettings {
        SmtpSettings {
            host: " SMTP.Example.com ".into(),
            port: 587,
            security: SmtpSecurity::Starttls,
            auth: SmtpAuth::Password,
            mails_per_minute: None,
            username: Some("ann".into()),
            password: None,
            from_name: Some(" ".into()),
            from_address: "Leads@Example.com".into(),
            reply_to: None,
        }
    }

    fn before() -> smtp_settings::Model {
        smtp_settings::Model {
            account_id: AccountId(Uuid::nil()),
            host: "smtp.example.com".into(),
            port: 587,
            security: SmtpSecurity::Starttls,
            auth: SmtpAuth::Password,
            mails_per_minute: None,
            username: Some("ann".into()),
            sealed_password: Some("sealed".into()),
            from_name: None,
            from_address: "leads@example.com".into(),
            reply_to: None,
            verified_at: None,
            last_error: None,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn settings_are_brought_to_one_spelling() {
        let stored = checked(input()).unwrap();
        assert_eq!(
            (stored.host.as_str(), &*stored.from_address),
            ("smtp.example.com", "leads@example.com")
        );
        assert_eq!(stored.from_name, None);
        assert_eq!(host("2001:DB8::1").unwrap(), "2001:db8::1");
    }

    #[test]
    fn what_cannot_be_a_server_is_refused() {
        let path = |input| checked(input).err().map(|broken| broken.path.join("."));
        for host in ["", "a b", "https://smtp.example.com", "smtp.example.com:25", "a\r\nb"] {
            assert_eq!(
                path(SmtpSettings {
                    host: host.into(),
                    ..input()
                })
                .as_deref(),
                Some("input.host"),
                "{host:?}"
            );
        }
        assert_eq!(path(SmtpSettings { port: 0, ..input() }).as_deref(), Some("input.port"));
        assert_eq!(
            path(SmtpSettings {
                port: 65_536,
                ..input()
            })
            .as_deref(),
            Some("input.port")
        );
        let nameless = SmtpSettings {
            username: None,
            password: Some("x".into()),
            ..input()
        };
        assert_eq!(path(nameless).as_deref(), Some("input.username"));
        let token = SmtpSettings {
            username: None,
            auth: SmtpAuth::Xoauth2,
            ..input()
        };
        assert_eq!(path(token).as_deref(), Some("input.username"));
        for limit in [0, -1, 10_001] {
            let pace = SmtpSettings {
                mails_per_minute: Some(limit),
                ..input()
            };
            assert_eq!(path(pace).as_deref(), Some("input.mailsPerMinute"));
        }
        let header = SmtpSettings {
            from_name: Some("A\r\nBcc: x@y.test".into()),
            ..input()
        };
        assert_eq!(path(header).as_deref(), Some("input.fromName"));
    }

    #[test]
    fn a_kept_password_never_goes_to_another_server() {
        let same = checked(input()).unwrap();
        assert_eq!(
            kept_password(Some(&before()), &same).unwrap().as_deref(),
            Some("sealed")
        );
        for other in [
            SmtpSettings {
                host: "evil.example.com".into(),
                ..same.clone()
            },
            SmtpSettings {
                port: 25,
                ..same.clone()
            },
            SmtpSettings {
                security: SmtpSecurity::None,
                ..same.clone()
            },
            SmtpSettings {
                auth: SmtpAuth::Xoauth2,
                ..same.clone()
            },
            SmtpSettings {
                username: Some("bob".into()),
                ..same.clone()
            },
        ] {
            assert!(kept_password(Some(&before()), &other).is_err());
        }
        assert!(kept_password(None, &same).is_err());
        let without = SmtpSettings { username: None, ..same };
        assert_eq!(kept_password(Some(&before()), &without).unwrap(), None);
    }
}
