//! Reads the CSV file in batches.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use serde_json::{Map, Value};

use super::keys::Keys;
use super::unreadable;
use leadmesh_core::config::ConfigError;

/// Rows of a request.
const BATCH: usize = 100;
/// Bytes of values in a request; as JSON they may double, and the server takes 1 MiB.
const BATCH_BYTES: u64 = 256 * 1024;

pub(super) struct Rows {
    reader: csv::Reader<File>,
    columns: Vec<String>,
    /// Number of the last row read; the first row below the header is 1.
    number: u64,
}

/// A row, or why it cannot be submitted.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) fields: Result<Map<String, Value>, String>,
}

/// Rows with an earlier receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) rows: u64,
    /// Rows that could not be submitted.
    pub(super) errors: u64,
}

/// Consecutive rows.
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) passed: Passed,
    /// Bytes of the file up to the end of these rows.
    pub(super) position: u64,
}

impl Rows {
    /// Opens a file and reads its header.
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(opened);
        let wrong = |what: &str| ConfigError::Set(format!("{} {what}", file.display()));
        let header = reader
            .headers()
            .map_err(|_not_utf8| wrong("is not a CSV file in UTF-8: convert it first"))?;
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if columns.iter().all(String::is_empty) {
            return Err(wrong("has no columns: its first row must name the flow's fields").into());
        }
        if columns.iter().any(String::is_empty) {
            return Err(wrong("has a column without a name: name it or remove it").into());
        }
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(wrong(&format!("has two columns named {twice}: remove one")).into());
        }
        Ok(Self {
            reader,
            columns,
            number: 0,
        })
    }

    /// All rows, in batches, without those in `done` (key and whether its receipt says ERROR). Ends with the file or at the
    /// first error of reading it.
    pub(super) fn batches(
        mut self,
        mut keys: Keys,
        done: HashMap<String, bool>,
    ) -> impl Iterator<Item = anyhow::Result<Batch>> {
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let batch = self.batch(&mut keys, &done);
            over = batch.is_err();
            batch.transpose()
        })
    }

    fn batch(&mut self, keys: &mut Keys, done: &HashMap<String, bool>) -> anyhow::Result<Option<Batch>> {
        let start = self.reader.position().byte();
        let (mut rows, mut passed) = (Vec::new(), Passed::default());
        let mut record = csv::ByteRecord::new();
        while rows.len() < BATCH && self.reader.position().byte() - start < BATCH_BYTES {
            if !self.reader.read_byte_record(&mut record)? {
                break;
            }
            self.number += 1;
            let key = keys.next(&self.columns, &record);
            if let Some(error) = done.get(&key) {
                passed.rows += 1;
                passed.errors += u64::from(*error);
                continue;
            }
            rows.push(Row {
                number: self.number,
                key,
                fields: fields(&self.columns, &record),
            });
        }
        let any = !rows.is_empty() || passed.rows > 0;
        let position = self.reader.position().byte();
        Ok(any.then_some(Batch { rows, passed, position }))
    }
}

fn fields(columns: &[String], record: &csv::ByteRecord) -> Result<Map<String, Value>, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "the row has {} cells, the header has {}",
            record.len(),
            columns.len()
        ));
    }
    if record.as_slice().len() as u64 > BATCH_BYTES {
        return Err("the row is too long for one lead".to_owned());
    }
    let mut fields = Map::new();
    for (name, cell) in columns.iter().zip(record) {
        let text = std::str::from_utf8(cell).map_err(|_invalid| format!("the cell {name} is not UTF-8"))?;
        if !text.trim().is_empty() {
            fields.insert(name.clone(), Value::from(text));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &[u8]) -> anyhow::Result<Rows> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leads.csv");
        std::fs::write(&path, text).unwrap();
        Rows::open(&path)
    }

    fn batches(text: &[u8], done: HashMap<String, bool>) -> Vec<Batch> {
        let batches = open(text).unwrap().batches(Keys::new("import-".into()), done);
        batches.map(Result::unwrap).collect()
    }

    fn read(text: &[u8]) -> Vec<(u64, Result<Value, String>)> {
        let batches = batches(text, HashMap::new()).into_iter();
        batches
            .flat_map(|batch| batch.rows)
            .map(|row| (row.number, row.fields.map(Value::Object)))
            .collect()
    }

    #[test]
    fn cells_go_by_the_names_in_the_header_and_empty_ones_are_left_out() {
        let rows = read("\u{feff}name, email \r\n\"Long, Ann\",a@example.com\r\nBo,\r\n".as_bytes());
        assert_eq!(
            rows[0],
            (
                1,
                Ok(serde_json::json!({"name": "Long, Ann", "email": "a@example.com"}))
            )
        );
        assert_eq!(rows[1], (2, Ok(serde_json::json!({"name": "Bo"}))));
    }

    #[test]
    fn a_bad_row_is_told_and_harms_no_other() {
        let rows = read(b"name,email\nAnn\nBo\xff,b@example.com\nCy,c@example.com\n");
        assert_eq!(rows[0].1, Err("the row has 1 cells, the header has 2".into()));
        assert_eq!(rows[1].1, Err("the cell name is not UTF-8".into()));
        assert!(rows[2].1.is_ok());
    }

    #[test]
    fn a_batch_is_bounded_by_rows_and_by_bytes() {
        let sizes = |text: String| -> Vec<usize> {
            let batches = batches(text.as_bytes(), HashMap::new());
            batches.iter().map(|batch| batch.rows.len()).collect()
        };
        assert_eq!(sizes(format!("name\n{}", "Ann\n".repeat(250))), [100, 100, 50]);
        let long = "x".repeat(100_000);
        assert_eq!(sizes(format!("name\n{}", format!("{long}\n").repeat(4))), [3, 1]);
    }

    #[test]
    fn rows_that_were_done_are_passed_over() {
        let text = b"name\nAnn\nBo\nCy\n";
        let first = batches(text, HashMap::new());
        let key = |row: usize| first[0].rows[row].key.clone();
        let rest = batches(text, HashMap::from([(key(0), false), (key(2), true)]));
        assert_eq!(rest[0].rows.iter().map(|row| row.number).collect::<Vec<_>>(), [2]);
        assert_eq!(rest[0].passed, Passed { rows: 2, errors: 1 });
        let all = HashMap::from([(key(0), false), (key(1), false), (key(2), false)]);
        assert_eq!(batches(text, all)[0].passed, Passed { rows: 3, errors: 0 });
    }

    #[test]
    fn a_file_without_usable_columns_is_refused() {
        for (text, said) in [
            (&b""[..], "has no columns"),
            (b"name,,email\n", "a column without a name"),
            (b"name,name\n", "two columns named name"),
            (b"na\xffme\n", "not a CSV file in UTF-8"),
        ] {
            let error = open(text).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
