//! Reads a text character by character.

use async_graphql::Pos;

use super::SyntaxError;

/// A position in the text. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    at: Pos,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            at: Pos { line: 1, column: 1 },
        }
    }

    pub(super) fn at(&self) -> Pos {
        self.at
    }

    /// Takes the next character. `\r\n` is one line break.
    pub(super) fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let taken = chars.next()?;
        self.rest = chars.as_str();
        if taken == '\n' || (taken == '\r' && !self.rest.starts_with('\n')) {
            self.at = Pos {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(taken)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes `text`, which has no line break, if it stands next.
    pub(super) fn take_text(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        if let Some(rest) = found {
            self.rest = rest;
            self.at.column += text.chars().count();
        }
        found.is_some()
    }

    /// Takes the longest prefix whose characters, none of them a line break, are all `wanted`.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.at.column += taken.chars().count();
        taken
    }

    /// The text that is not taken yet.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }
}

pub(super) fn wrong(at: Pos, message: impl Into<String>) -> SyntaxError {
    SyntaxError::Unexpected {
        at,
        message: message.into(),
    }
}
