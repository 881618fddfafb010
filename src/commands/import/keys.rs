//! The idempotency keys of rows. A key is made of the row's values and its target, so that unchanged rows of a corrected file,
//! wherever they moved, are recognized.

use std::collections::HashMap;

use csv::ByteRecord;
use entity::ids::{FlowId, SourceId};
use ring::digest::{Context, SHA256};

/// Bytes of the hash of where rows go.
const TARGET: usize = 4;
/// Bytes of the hash of a row's content.
const CONTENT: usize = 16;

/// The prefix of all keys of an import: a hash of everything but the rows on which receipts depend.
pub(super) fn import(flow: FlowId, source: Option<SourceId>, test: bool) -> String {
    let source = source.map(|source| source.to_string()).unwrap_or_default();
    let mut context = Context::new(&SHA256);
    context.update(format!("{flow}|{source}|{test}").as_bytes());
    format!("import-{}-", hex(context, TARGET))
}

/// The keys of a file's rows, in order.
pub(super) struct Keys {
    import: String,
    /// Two rows with the same content are two leads.
    seen: HashMap<String, u32>,
}

impl Keys {
    pub(super) fn new(import: String) -> Self {
        Self {
            import,
            seen: HashMap::new(),
        }
    }

    /// The key of the next row. The order of columns and empty cells do not matter.
    pub(super) fn next(&mut self, columns: &[String], record: &ByteRecord) -> String {
        let mut digest = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        if record.len() == columns.len() {
            let cells = columns.iter().map(String::as_bytes).zip(record);
            let mut cells: Vec<_> = cells.filter(|(_, cell)| !cell.trim_ascii().is_empty()).collect();
            cells.sort_unstable();
            for (name, cell) in cells {
                add(name);
                add(cell);
            }
        } else {
            record.iter().for_each(add);
        }
        let content = hex(digest, CONTENT);
        let times = self.seen.entry(content.clone()).or_default();
        *times += 1;
        format!("{}{content}-{times}", self.import)
    }
}

fn hex(context: Context, bytes: usize) -> String {
    let hash = context.finish();
    let bytes = hash.as_ref().iter().take(bytes);
    bytes.fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(columns: &[&str], rows: &[&[&str]]) -> Vec<String> {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let mut keys = Keys::new("import-x-".to_owned());
        rows.iter()
            .map(|row| keys.next(&columns, &ByteRecord::from(row.to_vec())))
            .collect()
    }

    #[test]
    fn a_row_has_its_key_wherever_it_stands() {
        let before = keys(&["name", "zip"], &[&["Ann", "1"], &["Bo", ""]]);
        let after = keys(
            &["zip", "note", "name"],
            &[&["", " ", "Bo"], &["9", "", "Cy"], &["1", "", "Ann"]],
        );
        assert_eq!((&after[2], &after[0]), (&before[0], &before[1]));
        assert_ne!(after[1], before[0]);
    }

    #[test]
    fn rows_that_say_the_same_have_keys_of_their_own() {
        let twice = keys(&["name"], &[&["Ann"], &["Ann"], &["Ann", "x"]]);
        assert!(twice[0].ends_with("-1") && twice[1].ends_with("-2") && twice[2].ends_with("-1"));
        assert_eq!(keys(&["a", "b"], &[&["x", "yz"]]).len(), 1);
        assert_ne!(keys(&["a", "b"], &[&["x", "yz"]]), keys(&["a", "b"], &[&["xy", "z"]]));
    }

    #[test]
    fn another_flow_source_or_test_is_another_import() {
        let flow = |n: u128| FlowId(uuid::Uuid::from_u128(n));
        let one = import(flow(1), None, false);
        assert_ne!(one, import(flow(2), None, false));
        assert_ne!(one, import(flow(1), None, true));
        assert_ne!(one, import(flow(1), Some(SourceId(uuid::Uuid::from_u128(1))), false));
    }
}
