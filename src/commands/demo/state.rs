//! The stored state of a demo, by which it continues.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use entity::ids::{FlowId, PartnerId};
use serde::{Deserialize, Serialize};

use leadmesh_core::config::ConfigError;

/// Names, secrets and ports of a demo.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DemoState {
    pub(super) password: String,
    pub(super) owner: String,
    pub(super) neighbour: String,
    pub(super) portal_user: String,
    pub(super) api_key: String,
    pub(super) neighbour_key: String,
    pub(super) flow: FlowId,
    pub(super) webhook_partner: PartnerId,
    pub(super) portal_partner: PartnerId,
    pub(super) signing_secret: String,
    pub(super) http_port: u16,
    pub(super) smtp_port: u16,
}

impl DemoState {
    pub(super) fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = place(data_dir);
        let text = std::fs::read(&path).map_err(|error| {
            let advice = "name the directory of an earlier demo, or an empty one without --keep";
            ConfigError::Set(format!("there is no demo in {}: {error}; {advice}", data_dir.display()))
        })?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged: delete the directory and begin anew", path.display()))
    }

    /// Readable for its owner only.
    pub(super) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = place(data_dir);
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.flush()?;
        Ok(())
    }

    /// Ports of the receivers for HTTP and SMTP.
    pub(super) fn ports(&self) -> (u16, u16) {
        (self.http_port, self.smtp_port)
    }
}

fn place(data_dir: &Path) -> PathBuf {
    data_dir.join("demo.json")
}
