//! CSV written while it is sent: RFC 4180 in UTF-8, in constant memory for any number of rows.
//!
//! Rows come in pages. The next page is read when the client has taken the one before, so that a slow client costs one
//! page of memory and no open transaction. If a page fails the connection is aborted: a truncated file must not look
//! complete.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use csv::{Terminator, WriterBuilder};
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use leadmesh_core::error::{Error, Result};

/// The cells of a row. They are neutralised when they are written.
pub type Row = Vec<String>;

/// Rows of a page: about ten kilobytes to a megabyte.
pub const PAGE: u64 = 500;

/// First characters of a formula in a spreadsheet, and the full-width forms that some spreadsheets fold to them.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
/// Characters that may precede a formula unnoticed.
const SKIPPED: [char; 5] = [' ', '\'', '"', '\u{feff}', '\u{a0}'];
/// Cell separators of the spreadsheets of many countries, whatever the file uses.
const DIVIDERS: [char; 2] = [';', '\t'];

/// Pages of rows by key: `next` gets the key where the last page ended, and returns a page and its key, or none at the
/// end.
pub fn pages<K, F, Fut>(start: K, next: F) -> BoxStream<'static, Result<Vec<Row>>>
where
    K: Send + 'static,
    F: FnMut(K) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(Vec<Row>, K)>>> + Send + 'static,
{
    stream::try_unfold(start, next).boxed()
}

/// The response with a file of this name: the header, then the pages. Waits for the first page, so that an early
/// failure is an error response; a later one aborts the connection.
pub async fn download(name: &str, header: Row, mut pages: BoxStream<'static, Result<Vec<Row>>>) -> Result<Response> {
    let first = pages.next().await.transpose()?.unwrap_or_default();
    let start = encode(std::iter::once(header).chain(first))?;
    let rest = pages.and_then(async |page| encode(page));
    let body = stream::once(async { Ok(start) }).chain(rest);
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(name))),
        // The next caller may have other rights.
        (CACHE_CONTROL, "no-store".to_owned()),
        (VARY, "Authorization".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, streamed(body)).into_response())
}

/// A body of chunks. An error ends it without its end mark, so that the client notices the truncation.
fn streamed(chunks: impl Stream<Item = Result<Vec<u8>>> + Send + 'static) -> Body {
    Body::from_stream(chunks.inspect_err(|error| tracing::error!(?error, "a download was broken off")))
}

/// Encodes rows by RFC 4180, each cell neutralised.
fn encode(rows: impl IntoIterator<Item = Row>) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row.iter().map(|cell| neutralise(cell).into_owned()))
            .map_err(|error| Error::Internal(error.into()))?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::Internal(error.into_error().into()))
}

/// Prefixes an apostrophe, which means "this is text", to what a spreadsheet would run as a formula (CWE-1236, and the
/// OWASP page "CSV Injection"): at the start of the cell and after a semicolon or tab. Plain numbers, such as `-5` and
/// `+14155550132`, are unchanged.
pub fn neutralise(cell: &str) -> Cow<'_, str> {
    if !cell.split(DIVIDERS).any(is_formula) && !is_formula(cell) {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len() + 1);
    for part in cell.split_inclusive(DIVIDERS) {
        if is_formula(part) {
            text.push('\'');
        }
        text.push_str(part);
    }
    Cow::Owned(text)
}

fn is_formula(text: &str) -> bool {
    text.trim_start_matches(SKIPPED).starts_with(FORMULA) && !is_number(text.trim_end_matches(DIVIDERS))
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name that is safe between quotation marks of a header.
fn plain(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    name.chars().map(|c| if kept(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn text(rows: &[&[&str]]) -> String {
        String::from_utf8(encode(rows.iter().map(|cells| row(cells))).unwrap()).unwrap()
    }

    #[test]
    fn a_cell_that_begins_like_a_formula_is_neutralised() {
        for cell in [
            "=HYPERLINK(\"x\")",
            "+1+cmd|' /C calc'!A0",
            "-1e5",
            "-",
            "+1.",
            "@SUM(A1)",
            "'=1",
            "\r=1",
            "\n=1",
            "＝1",
            " =1",
        ] {
            assert_eq!(neutralise(cell), format!("'{cell}"), "{cell:?}");
        }
        for cell in [
            "",
            "a=b",
            "1-2",
            "ann@example.com",
            "'",
            " a",
            "ü",
            "-5",
            "-0.25",
            "+14155550132",
            "a;b; c",
            "1;-2",
        ] {
            assert_eq!(neutralise(cell), cell, "{cell:?}");
        }
        assert_eq!(neutralise("x;=cmd|' /C calc'!A0;"), "x;'=cmd|' /C calc'!A0;");
        assert_eq!(neutralise("x\t @SUM(A1)"), "x\t' @SUM(A1)");
        assert_eq!(neutralise("\t=1"), "'\t'=1");
    }

    #[test]
    fn commas_quotes_and_line_ends_are_quoted_and_lines_end_in_crlf() {
        let rows: &[&[&str]] = &[
            &["a", "b"],
            &["x,y", "say \"hi\""],
            &["two\nlines", "ü"],
            &["", ""],
            &["=1,2", ""],
        ];
        assert_eq!(
            text(rows),
            "a,b\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",ü\r\n,\r\n\"'=1,2\",\r\n"
        );
    }

    #[test]
    fn a_row_of_one_empty_cell_is_still_a_row() {
        assert_eq!(text(&[&["a"], &[""], &["b"]]), "a\r\n\"\"\r\nb\r\n");
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(rows in proptest::collection::vec(proptest::collection::vec(".*", 3), 1..5)) {
            let written = encode(std::iter::once(row(&["a", "b", "c"])).chain(rows.clone())).unwrap();
            let mut reader = csv::ReaderBuilder::new().from_reader(written.as_slice());
            let read: Vec<Row> = reader.deserialize().map(std::result::Result::unwrap).collect();
            let meant: Vec<Row> = rows
                .into_iter()
                .map(|row| row.iter().map(|cell| neutralise(cell).into_owned()).collect())
                .collect();
            proptest::prop_assert_eq!(read, meant);
        }
    }

    async fn counted(from: u32, fails_at: u32) -> Result<Option<(Vec<Row>, u32)>> {
        if from == fails_at {
            return Err(Error::Unavailable("gone"));
        }
        Ok((from < 3).then(|| (vec![row(&[&from.to_string()])], from + 1)))
    }

    #[tokio::test]
    async fn pages_follow_one_another_until_none_is_left() {
        let pages = pages(0, |from| counted(from, 9));
        let response = download("log \"x\".csv", row(&["n"]), pages).await.unwrap();
        assert_eq!(
            response.headers()[CONTENT_DISPOSITION],
            "attachment; filename=\"log _x_.csv\""
        );
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, "n\r\n0\r\n1\r\n2\r\n");
    }

    #[tokio::test]
    async fn without_rows_there_is_still_the_header() {
        let response = download("a.csv", row(&["n"]), pages(3, |from| counted(from, 9)))
            .await
            .unwrap();
        assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), "n\r\n");
    }

    #[tokio::test]
    async fn a_failure_at_once_is_an_answer_and_a_later_one_breaks_the_file_off() {
        let at_once = download("a.csv", row(&["n"]), pages(0, |from| counted(from, 0))).await;
        assert_eq!(at_once.err().map(|error| error.code()), Some("UNAVAILABLE"));
        let later = download("a.csv", row(&["n"]), pages(0, |from| counted(from, 2)))
            .await
            .unwrap();
        assert!(to_bytes(later.into_body(), usize::MAX).await.is_err());
    }
}
