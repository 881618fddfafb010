//! Strings and block strings (GraphQL, September 2025, section 2.9.4).

use super::SyntaxError;
use super::cursor::{Cursor, wrong};

const UNCLOSED: &str = "the string is not closed";

/// Reads a string, of which the opening quotes stand next.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    if cursor.take_text("\"\"\"") {
        return block(cursor);
    }
    cursor.take_text("\"");
    let mut text = String::new();
    loop {
        match cursor.peek() {
            None | Some('\n' | '\r') => return Err(wrong(cursor.at(), UNCLOSED)),
            Some('"') => {
                cursor.take();
                return Ok(text);
            }
            Some('\\') => text.push(escape(cursor)?),
            Some(other) => {
                cursor.take();
                text.push(other);
            }
        }
    }
}

fn escape(cursor: &mut Cursor<'_>) -> Result<char, SyntaxError> {
    let at = cursor.at();
    cursor.take();
    Ok(match cursor.take() {
        Some('"') => '"',
        Some('\\') => '\\',
        Some('/') => '/',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let character = if cursor.take_text("{") {
                braced(cursor)
            } else {
                fixed(cursor)
            };
            character.ok_or_else(|| wrong(at, "the escape \"\\u\" names no Unicode character"))?
        }
        _ => return Err(wrong(at, "the string has an escape that GraphQL does not know")),
    })
}

/// The digits of `\u{…}`, of which the brace has been taken.
fn braced(cursor: &mut Cursor<'_>) -> Option<char> {
    let mut code = 0_u32;
    // graphql-js reads as many, and the grammar sets no limit.
    for digits in 0..=8 {
        match cursor.take()? {
            '}' if digits == 0 => return None,
            '}' => return char::from_u32(code),
            digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
        }
    }
    None
}

/// The digits of `\uXXXX`, with the second half of a surrogate pair where this is the first.
fn fixed(cursor: &mut Cursor<'_>) -> Option<char> {
    let first = four_digits(cursor)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first);
    }
    if !cursor.take_text("\\u") {
        return None;
    }
    let second = four_digits(cursor).filter(|second| (0xDC00..0xE000).contains(second))?;
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
}

fn four_digits(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut code = 0;
    for _ in 0..4 {
        code = code * 16 + cursor.peek()?.to_digit(16)?;
        cursor.take();
    }
    Some(code)
}

fn block(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let mut lines = vec![String::new()];
    loop {
        if cursor.take_text("\"\"\"") {
            return Ok(dedent(&lines));
        }
        let line = lines.last_mut();
        if cursor.take_text("\\\"\"\"") {
            if let Some(line) = line {
                line.push_str("\"\"\"");
            }
            continue;
        }
        match cursor.take() {
            None => return Err(wrong(cursor.at(), UNCLOSED)),
            Some('\r') if cursor.peek() == Some('\n') => {}
            Some('\n' | '\r') => lines.push(String::new()),
            Some(other) => line.into_iter().for_each(|line| line.push(other)),
        }
    }
}

/// Removes the indentation that all lines but the first share, then blank lines at both ends.
fn dedent(lines: &[String]) -> String {
    let indentation = |line: &String| line.chars().take_while(|c| matches!(c, ' ' | '\t')).count();
    let blank = |line: &&String| indentation(line) == line.chars().count();
    let common = lines
        .iter()
        .skip(1)
        .filter(|line| !blank(line))
        .map(indentation)
        .min()
        .unwrap_or(0);
    let first = lines.iter().position(|line| !blank(&line)).unwrap_or(lines.len());
    let end = lines
        .iter()
        .rposition(|line| !blank(&line))
        .map_or(first, |last| last + 1);
    // Indentation is ASCII: its characters are its bytes.
    let stripped = lines.iter().enumerate().map(|(number, line)| match number {
        0 => line.as_str(),
        _ => line.get(common..).unwrap_or_default(),
    });
    let kept: Vec<&str> = stripped.skip(first).take(end - first).collect();
    kept.join("\n")
}
