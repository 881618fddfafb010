//! Comma-separated values by RFC 4180: UTF-8, records that end with CRLF, cells quoted where they have to be.

/// Appends a record. Cells that a spreadsheet would run as a formula get an apostrophe in front, which it takes as "this is
/// text"; plain numbers, such as `-5` and `+14155550132`, stay as they are.
pub fn write<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a str>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let mark = if is_formula(cell) { "'" } else { "" };
        if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
            out.push(b'"');
            out.extend_from_slice(mark.as_bytes());
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(mark.as_bytes());
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a spreadsheet may take the cell for a formula: by its first character, which is one of those that the OWASP page
/// "CSV Injection" lists, in full width as well. Some spreadsheets pass over spaces and quotes in front of it.
fn is_formula(cell: &str) -> bool {
    let begins = cell.starts_with(['\t', '\r', '\n']);
    let text = cell.trim_start_matches([' ', '\'', '"', '\u{feff}', '\u{a0}']);
    (begins || text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])) && !is_number(cell)
}

fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cells: &[&str]) -> String {
        let mut out = Vec::new();
        write(&mut out, cells.iter().copied());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        assert_eq!(record(&["a", "", "ü 7"]), "a,,ü 7\r\n");
        assert_eq!(record(&["a,b", "say \"x\"", "1\n2", " s"]), "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\" s\"\r\n");
        assert_eq!(record(&[]), "\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for cell in ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1", "  =1", "'=1"] {
            assert_eq!(record(&[cell]).trim_start_matches('"').chars().next(), Some('\''), "{cell}");
        }
        assert_eq!(record(&["=HYPERLINK(\"x\")"]), "\"'=HYPERLINK(\"\"x\"\")\"\r\n");
        assert_eq!(record(&["\t=1"]), "'\t=1\r\n");
        for cell in ["-5", "+14155550132", "-0.25", "a=b", "1-2", "Ann-Marie"] {
            assert_eq!(record(&[cell]), format!("{cell}\r\n"));
        }
        for cell in ["-", "+1.", "-1e5", "+1-2"] {
            assert_eq!(record(&[cell]), format!("'{cell}\r\n"));
        }
    }
}
