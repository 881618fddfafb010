//! The command line.
//!
//! The result of a command goes to standard output; the log and errors go to standard error. The exit code is 0 for success, 2 if
//! the command line or a setting has to be corrected, and 1 for other failures.

mod account;
mod api;
mod check;
mod demo;
mod import;
mod keys;
pub mod logs;
mod migrate;
mod serve;
mod signals;
mod traces;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::server::Role;
use leadmesh_core::config::{ConfigError, Settings, spelling};
use leadmesh_core::error::Error;
use leadmesh_core::tls::install_tls;

/// A self-hosted server through which companies exchange sales leads.
#[derive(Parser)]
#[command(name = "leadmesh", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API and delivers, in one process
    Serve(Box<Settings>),
    /// Serves the API; workers run apart
    Api(Box<Settings>),
    /// Delivers; serves health and metrics only
    Worker(Box<Settings>),
    /// Brings the database's schema up to date
    Migrate(Box<Settings>),
    /// Prints the GraphQL schema
    Schema,
    /// Runs a server with two companies between which leads are moving
    Demo(demo::Arguments),
    /// Submits the rows of a CSV file as leads, and writes a receipt for each
    Import(import::Arguments),
    /// Shows accounts, changes their plans, and lets people in who cannot get in
    #[command(subcommand)]
    Account(account::Command),
    /// Changes the keys that encrypt
    #[command(subcommand)]
    Keys(keys::Command),
    /// Looks whether the settings are right and everything can be reached
    Check(Box<Settings>),
}

pub fn run() -> ExitCode {
    let mut out = std::io::stdout();
    match try_run(&mut out) {
        Ok(code) => code,
        // The reader closed the pipe, as in `leadmesh schema | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_left_to_say_it = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
        }
    }
}

fn try_run(out: &mut (impl Write + Send)) -> anyhow::Result<ExitCode> {
    install_tls();
    load_env_file()?;
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            error.print()?;
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    // Printing the schema reads no settings.
    if !matches!(command, Command::Schema) {
        check_spelling()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(perform(command, out));
    // Everything that had to end in order has ended, so nothing is awaited.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn perform(command: Command, out: &mut (impl Write + Send)) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(settings) => serve::serve(*settings, Role::Both).await?,
        Command::Api(settings) => serve::serve(*settings, Role::Api).await?,
        Command::Worker(settings) => serve::serve(*settings, Role::Worker).await?,
        Command::Migrate(settings) => migrate::migrate(&settings, out).await?,
        Command::Schema => out.write_all(leadmesh_graphql::schema::sdl().as_bytes())?,
        Command::Demo(arguments) => Box::pin(demo::demo(arguments, out)).await?,
        Command::Import(arguments) => return import::import(arguments, out).await,
        Command::Account(command) => account::account(command, out).await?,
        Command::Keys(command) => keys::keys(command, out).await?,
        Command::Check(settings) => return check::check(*settings, out).await,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn check_spelling() -> Result<(), ConfigError> {
    let mut known = Vec::new();
    add_settings(&CommandLine::command(), &mut known);
    let given: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect();
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    spelling::check(given, &known)
}

/// Adds the environment variables that a command or its subcommands read.
fn add_settings(command: &clap::Command, known: &mut Vec<String>) {
    let names = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(names.filter_map(|name| name.to_str()).map(str::to_owned));
    for below in command.get_subcommands() {
        add_settings(below, known);
    }
}

/// Takes settings from `.env` in this directory or one above; variables that are set already stay. The error repeats nothing of
/// the line, which may hold a secret.
fn load_env_file() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(dotenvy::Error::LineParse(..)) => {
            let good = dotenvy::dotenv_iter().into_iter().flatten().map_while(Result::ok);
            let place = good.last().map_or_else(
                || "at its first setting".to_owned(),
                |(name, _)| format!("at the setting after {name}"),
            );
            let advice = "write NAME=value, and quote a value with spaces";
            Err(ConfigError::Set(format!("the file .env cannot be read {place}: {advice}")).into())
        }
        Err(error) => Err(error).context("the file .env cannot be read"),
    }
}

/// The error of a use case for the operator, who also learns internal causes.
fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(inner) => inner,
        other => anyhow::anyhow!(other.to_string()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_example_file_and_the_documents_list_every_setting() {
        let command = CommandLine::command();
        let serve = command.find_subcommand("serve").unwrap();
        let names: Vec<&str> = serve
            .get_arguments()
            .filter_map(|argument| argument.get_env()?.to_str())
            .collect();
        assert!(names.len() > 30, "{names:?}");
        for (file, text) in [
            (".env.example", include_str!("../.env.example")),
            ("docs/settings.md", include_str!("../docs/settings.md")),
        ] {
            let missing: Vec<_> = names.iter().filter(|name| !text.contains(*name)).collect();
            assert!(missing.is_empty(), "{file} lacks {missing:?}");
        }
    }

    #[test]
    fn the_operator_is_told_the_reason_of_an_internal_error() {
        let error = explained(Error::Internal(anyhow::anyhow!("disk full").context("cannot write")));
        assert_eq!(format!("{error:#}"), "cannot write: disk full");
        assert_eq!(explained(Error::NotFound("account")).to_string(), "no such account");
    }
}
