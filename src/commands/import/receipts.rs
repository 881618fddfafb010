//! The file of receipts: one line for each submitted row, in order. A corrected row adds another line.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter};
use std::path::Path;

use anyhow::Context;

use super::submit::{Answered, ERROR};
use leadmesh_core::config::ConfigError;

const HEADER: [&str; 5] = ["row", "outcome", "lead_id", "reasons", "idempotency_key"];

pub(super) struct Receipts {
    file: csv::Writer<BufWriter<File>>,
    rows: u64,
}

impl Receipts {
    /// Opens the file, made if absent, and answers which keys have a receipt in it, and whether that says ERROR. What a crash
    /// left half-written at the end is cut off. The receipts of another import are refused.
    pub(super) fn open(path: &Path, import: &str) -> anyhow::Result<(Self, HashMap<String, bool>)> {
        let unwritable = || format!("cannot write {}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .with_context(unwritable)?;
        let earlier = Earlier::read(&file, path, import)?;
        file.set_len(earlier.bytes).with_context(unwritable)?;
        let mut file = csv::Writer::from_writer(BufWriter::new(file));
        if earlier.bytes == 0 {
            file.write_record(HEADER).with_context(unwritable)?;
        }
        let receipts = Self {
            file,
            rows: earlier.rows,
        };
        Ok((receipts, earlier.done))
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn write(&mut self, answered: &[Answered]) -> anyhow::Result<()> {
        for answer in answered {
            let row = answer.row.to_string();
            // One line each, whatever the server answers, because the file is parsed by lines.
            let reasons = answer.reasons.join("; ").replace(['\n', '\r'], " ");
            let lead = answer.lead.as_deref().unwrap_or_default();
            self.file
                .write_record([&row, answer.outcome.as_str(), lead, &reasons, &answer.key])?;
        }
        self.rows += answered.len() as u64;
        self.file.flush().context("cannot write the receipts")
    }
}

/// Receipts of earlier runs.
struct Earlier {
    rows: u64,
    done: HashMap<String, bool>,
    /// Up to the end of the last whole line.
    bytes: u64,
}

impl Earlier {
    fn read(file: &File, path: &Path, import: &str) -> anyhow::Result<Self> {
        let foreign = || {
            ConfigError::Set(format!(
                "{} has the receipts of another import (another flow or source, or a test): move it away first",
                path.display()
            ))
        };
        let mut reader = BufReader::new(file);
        let (mut lines, mut bytes, mut line) = (0_u64, 0_u64, Vec::new());
        let mut done = HashMap::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if lines == 0 {
                if text != HEADER.join(",") {
                    return Err(foreign().into());
                }
            } else {
                // Neither the outcome nor the key is ever quoted.
                let outcome = text.split(',').nth(1);
                let key = text.rsplit(',').next().filter(|key| key.starts_with(import));
                let (Some(outcome), Some(key)) = (outcome, key) else {
                    return Err(foreign().into());
                };
                done.insert(key.to_owned(), outcome == ERROR);
            }
            lines += 1;
            bytes += line.len() as u64;
            line.clear();
        }
        Ok(Self {
            rows: lines.saturating_sub(1),
            done,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(row: u64) -> Answered {
        Answered {
            row,
            key: format!("import-abc-{row}"),
            outcome: "REJECTED".into(),
            lead: Some(format!("lead_{row}")),
            reasons: vec!["REQUIRED email: say\n\"so\", please".into(), "x".into()],
            warnings: Vec::new(),
            replayed: false,
        }
    }

    #[test]
    fn what_was_half_written_is_cut_off_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts.csv");
        let (mut receipts, done) = Receipts::open(&path, "import-abc-").unwrap();
        assert!(done.is_empty());
        receipts.write(&[answered(1), answered(2)]).unwrap();
        drop(receipts);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();

        let (mut receipts, done) = Receipts::open(&path, "import-abc-").unwrap();
        assert_eq!(done, HashMap::from([("import-abc-1".to_owned(), false)]));
        receipts.write(&[answered(2)]).unwrap();
        drop(receipts);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(Receipts::open(&path, "import-abc-").unwrap().1.len(), 2);
    }

    #[test]
    fn the_receipts_of_another_import_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts.csv");
        let (mut receipts, _) = Receipts::open(&path, "import-abc-").unwrap();
        receipts.write(&[answered(1)]).unwrap();
        drop(receipts);
        let before = std::fs::read(&path).unwrap();
        let error = Receipts::open(&path, "import-def-").err().unwrap().to_string();
        assert!(error.contains("move it away first"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
