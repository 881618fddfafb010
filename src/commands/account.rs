//! `leadmesh account`.

use std::io::Write;

use entity::account::Plan;
use entity::ids::AccountId;
use sea_orm::ActiveEnum;

use super::{explained, logs};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, ConfigError, Settings, parse_plan};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::operator::{self, PasswordLink};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Lists all accounts in the order of sign-up
    List(Box<Settings>),
    /// Gives an account a plan
    SetPlan {
        /// Which, as acct_…
        #[arg(value_parser = parse_id)]
        id: AccountId,
        /// FREE or PAID
        #[arg(value_parser = parse_plan)]
        plan: Plan,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Makes an OWNER of an account, and prints a link by which they set their password
    CreateOwner {
        /// Which, as acct_…
        #[arg(value_parser = parse_id)]
        id: AccountId,
        /// With which they will sign in
        email: String,
        /// As shown [default: the address]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Prints a link by which a user who cannot sign in sets a new password
    ResetPassword {
        /// With which they sign in
        email: String,
        /// Which account, as acct_…, where several know the address
        #[arg(long, value_parser = parse_id)]
        account: Option<AccountId>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

pub(super) async fn account(command: Command, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::List(settings) => {
            let app = open(*settings).await?;
            let accounts = accounts::list(&app).await.map_err(explained)?;
            if accounts.is_empty() {
                writeln!(out, "no account yet: signUp makes one, at /graphql of the server")?;
            }
            for account in accounts {
                let (plan, since) = (account.plan.to_value(), account.created_at.date_naive());
                writeln!(out, "{}  {plan}  {since}  {}", account.id, account.name)?;
            }
        }
        Command::SetPlan { id, plan, settings } => {
            let app = open(*settings).await?;
            let account = accounts::set_plan(&app, id, plan).await.map_err(explained)?;
            writeln!(out, "{} ({}) is {} now", account.name, account.id, plan.to_value())?;
        }
        Command::CreateOwner {
            id,
            email,
            name,
            settings,
        } => {
            let app = open(*settings).await?;
            let made = operator::create_owner(&app, id, &email, name.as_deref()).await;
            hand_over(out, &made.map_err(explained)?, "seven days")?;
        }
        Command::ResetPassword {
            email,
            account,
            settings,
        } => {
            let app = open(*settings).await?;
            let made = operator::reset_password(&app, &email, account).await;
            hand_over(out, &made.map_err(explained)?, "an hour")?;
        }
    }
    Ok(())
}

/// The one place where such a link is shown.
fn hand_over(out: &mut impl Write, made: &PasswordLink, lifetime: &str) -> std::io::Result<()> {
    let (user, account) = (&made.user, &made.account);
    writeln!(
        out,
        "{} ({}), {} of {} ({}), sets a password here, once and within {lifetime}:",
        user.email,
        user.id,
        user.role.to_value(),
        account.name,
        account.id
    )?;
    writeln!(out, "{}", made.link)
}

/// Opens an existing server's stores: a mistake in the settings must not make a new server.
pub(super) async fn open(settings: Settings) -> anyhow::Result<App> {
    logs::start(&settings.log, settings.log_format)?;
    require_data(&settings)?;
    App::open(Config::new(settings)?, Clock::system()).await
}

pub(super) fn require_data(settings: &Settings) -> Result<(), ConfigError> {
    if settings.database_url.is_none() && !settings.data_dir.join("leadmesh.db").exists() {
        return Err(ConfigError::Set(format!(
            "there is no database in {}: set DATABASE_URL, or LEADMESH_DATA_DIR (--data-dir) to the directory of the server",
            settings.data_dir.display()
        )));
    }
    Ok(())
}

fn parse_id(text: &str) -> Result<AccountId, String> {
    text.parse().map_err(|_invalid| {
        "no account has such an ID: it is acct_ and 26 letters and digits, as `leadmesh account list` shows".to_owned()
    })
}
