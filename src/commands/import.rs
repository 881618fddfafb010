//! `leadmesh import`: submits the rows of a CSV file as leads.
//!
//! An interrupted import continues when the same command runs again: a row without a receipt is sent again under the same
//! idempotency key, and the server answers with the first receipt. After a correction of the file, the same command submits
//! the changed rows.

mod keys;
mod receipts;
mod rows;
mod submit;
mod summary;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use entity::ids::{FlowId, SourceId};
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;

use super::api::Api;
use keys::Keys;
use leadmesh_core::config::ConfigError;
use receipts::Receipts;
use rows::{Batch, Rows};
use submit::Target;
use summary::Summary;

/// What to import, and where.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// CSV (RFC 4180, UTF-8) whose first row names the flow's fields; empty cells are left out
    file: PathBuf,
    /// The flow that takes the leads, as flow_…
    #[arg(long)]
    flow: FlowId,
    /// An API key with the scope LEADS_SUBMIT, as lmk_…
    #[arg(long, env = "LEADMESH_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The server's GraphQL endpoint
    #[arg(long, default_value = "http://127.0.0.1:8080/graphql")]
    url: Url,
    /// The source to submit through, as src_… [default: the first one of the key's account]
    #[arg(long)]
    source: Option<SourceId>,
    /// Requests under way at once, 1 to 64
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
    /// Submits test leads, which count nowhere
    #[arg(long)]
    test: bool,
}

/// Imports the rows without a receipt. The exit code is 1 if there are rows that could not be submitted, now or before.
pub(super) async fn import(arguments: Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    let key = arguments.key.filter(|key| !key.trim().is_empty()).ok_or_else(no_key)?;
    let rows = Rows::open(file)?;
    let path = receipts_path(file);
    let import = keys::import(arguments.flow, arguments.source, arguments.test);
    let (mut receipts, done) = Receipts::open(&path, &import)?;
    let target = Target {
        api: Api::new(arguments.url, key)?,
        flow: arguments.flow,
        source: arguments.source,
        test: arguments.test,
    };
    let progress = progress(file)?;
    let mut summary = Summary::default();
    let batches = rows.batches(Keys::new(import), done);
    let batches = batches.map(|batch: anyhow::Result<Batch>| {
        let target = &target;
        async move {
            let batch = batch?;
            anyhow::Ok((target.submit(batch.rows).await?, batch.passed, batch.position))
        }
    });
    let mut answers = stream::iter(batches).buffered(usize::from(arguments.concurrency));
    while let Some(answer) = answers.next().await {
        let (answered, passed, bytes) = answer.with_context(|| again(receipts.rows()))?;
        receipts.write(&answered)?;
        summary.pass(passed);
        summary.count(&answered);
        progress.set_position(bytes);
        progress.set_message(summary.to_string());
    }
    progress.finish_and_clear();
    summary.write(out)?;
    writeln!(out, "receipts: {}", path.display())?;
    Ok(ExitCode::from(u8::from(summary.has_errors())))
}

fn no_key() -> ConfigError {
    let text = "there is no API key: set LEADMESH_API_KEY to one with the scope LEADS_SUBMIT, such as lmk_…, or give it as --key";
    ConfigError::Set(text.into())
}

fn again(rows: u64) -> String {
    format!("stopped after {rows} rows; the same command continues there")
}

fn unreadable(file: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::Set(format!("cannot read {}: {error}; name a CSV file", file.display()))
}

/// `leads.csv` has `leads.receipts.csv` beside it.
fn receipts_path(file: &Path) -> PathBuf {
    file.with_extension("receipts.csv")
}

/// By bytes: counting the rows first would read the file once more.
fn progress(file: &Path) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(std::fs::metadata(file)?.len());
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {percent:>3}%  {msg}  {eta} left",
    )?);
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_lie_beside_the_file() {
        assert_eq!(
            receipts_path(Path::new("a/leads.csv")),
            Path::new("a/leads.receipts.csv")
        );
        assert_eq!(receipts_path(Path::new("leads")), Path::new("leads.receipts.csv"));
    }
}
