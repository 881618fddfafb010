//! Strings and block strings (GraphQL, September 2025, section 2.9.4).

use super::{
    SyntaxError,
    lexer::{Lexer, wrong},
};

const UNCLOSED: &str = "the string is not closed";

/// Reads a string, of which the opening quotes stand next.
pub(super) fn read(lexer: &mut Lexer<'_>) -> Result<String, SyntaxError> {
    if lexer.take_text("\"\"\"") {
        return block(lexer);
    }
    lexer.take_text("\"");
    let mut text = String::new();
    loop {
        match lexer.peek() {
            None | Some('\n' | '\r') => return Err(wrong(lexer.at(), UNCLOSED)),
            Some('"') => {
                lexer.take();
                return Ok(text);
            }
            Some('\\') => text.push(escape(lexer)?),
            Some(other) => {
                lexer.take();
                text.push(other);
            }
        }
    }
}

fn escape(lexer: &mut Lexer<'_>) -> Result<char, SyntaxError> {
    let at = lexer.at();
    lexer.take();
    Ok(match lexer.take() {
        Some('"') => '"',
        Some('\\') => '\\',
        Some('/') => '/',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let character = if lexer.take_text("{") {
                braced(lexer)
            } else {
                fixed(lexer)
            };
            character.ok_or_else(|| wrong(at, "the escape \"\\u\" names no Unicode character"))?
        }
        _ => return Err(wrong(at, "the string has an escape that GraphQL does not know")),
    })
}

/// The digits of `\u{…}`, of which the brace has been taken.
fn braced(lexer: &mut Lexer<'_>) -> Option<char> {
    let mut code = 0_u32;
    // graphql-js reads as many, and the grammar sets no limit.
    for digits in 0..=8 {
        match lexer.take()? {
            '}' if digits == 0 => return None,
            '}' => return char::from_u32(code),
            digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
        }
    }
    None
}

/// The digits of `\uXXXX`, with the second half of a surrogate pair where this is the first.
fn fixed(lexer: &mut Lexer<'_>) -> Option<char> {
    let first = four_digits(lexer)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first);
    }
    if !lexer.take_text("\\u") {
        return None;
    }
    let second = four_digits(lexer).filter(|second| (0xDC00..0xE000).contains(second))?;
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
}

fn four_digits(lexer: &mut Lexer<'_>) -> Option<u32> {
    let mut code = 0;
    for _ in 0..4 {
        code = code * 16 + lexer.peek()?.to_digit(16)?;
        lexer.take();
    }
    Some(code)
}

fn block(lexer: &mut Lexer<'_>) -> Result<String, SyntaxError> {
    let mut lines = vec![String::new()];
    loop {
        if lexer.take_text("\"\"\"") {
            return Ok(dedent(&lines));
        }
        let line = lines.last_mut();
        if lexer.take_text("\\\"\"\"") {
            if let Some(line) = line {
                line.push_str("\"\"\"");
            }
            continue;
        }
        match lexer.take() {
            None => return Err(wrong(lexer.at(), UNCLOSED)),
            Some('\r') if lexer.peek() == Some('\n') => {}
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
