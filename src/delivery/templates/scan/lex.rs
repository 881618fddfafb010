//! Cuts a source into text, placeholders, statements and comments, and code into tokens.

use crate::delivery::templates::{Place, TemplateError};

/// A stretch of a source.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// Literal text.
    Text(&'a str),
    /// `{{ … }}`
    Output {
        /// What is between the braces.
        source: &'a str,
        /// The same in tokens.
        tokens: Vec<Placed<'a>>,
        /// Whether whitespace around it is controlled by `-` or `+`.
        trims: bool,
    },
    /// `{% … %}`
    Statement {
        /// What is between the marks, in tokens.
        tokens: Vec<Placed<'a>>,
    },
    /// `{# … #}`
    Comment,
}

/// A token and the byte at which it begins.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) at: usize,
}

/// A token, as coarse as the scan allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or keyword.
    Ident(&'a str),
    /// A quoted text without its quotes, escapes unresolved.
    Text(&'a str),
    /// A number.
    Number,
    /// An operator or bracket.
    Symbol(&'a str),
}

/// The error at a byte of a source.
pub(super) fn error_at(source: &str, at: usize, advice: impl Into<String>) -> TemplateError {
    let before = source.get(..at).unwrap_or(source);
    let (lines, last) = before
        .rsplit_once('\n')
        .map_or((0, before), |(head, last)| (head.matches('\n').count() + 1, last));
    let place = Place {
        line: lines + 1,
        column: Some(last.chars().count() + 1),
    };
    TemplateError::Syntax {
        place,
        advice: advice.into(),
    }
}

/// Cuts a source into its pieces.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut pieces = Vec::new();
    while let Some(start) = lexer.next_mark() {
        let text = source.get(lexer.at..start).unwrap_or_default();
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        lexer.at = start;
        pieces.push(lexer.piece()?);
    }
    if !lexer.rest().is_empty() {
        pieces.push(Piece::Text(lexer.rest()));
    }
    Ok(pieces)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.take(rest.find(|c| !wanted(c)).unwrap_or(rest.len()))
    }

    /// Where the next `{{`, `{%` or `{#` begins.
    fn next_mark(&self) -> Option<usize> {
        let opens = |rest: &str| ["{{", "{%", "{#"].iter().any(|mark| rest.starts_with(mark));
        let mut braces = self.rest().match_indices('{').map(|(offset, _)| self.at + offset);
        braces.find(|start| self.source.get(*start..).is_some_and(opens))
    }

    /// Reads what begins at a mark.
    fn piece(&mut self) -> Result<Piece<'a>, TemplateError> {
        let start = self.at;
        match self.take(2) {
            "{#" => self.comment(start),
            "{{" => {
                let (source, tokens, trims) = self.code(start, "}}")?;
                Ok(Piece::Output { source, tokens, trims })
            }
            _ => self.code(start, "%}").map(|(_, tokens, _)| Piece::Statement { tokens }),
        }
    }

    fn comment(&mut self, start: usize) -> Result<Piece<'a>, TemplateError> {
        let Some(length) = self.rest().find("#}") else {
            return Err(error_at(
                self.source,
                start,
                "this comment never ends; close it with #}",
            ));
        };
        self.take(length + 2);
        Ok(Piece::Comment)
    }

    fn code(&mut self, start: usize, close: &str) -> Result<(&'a str, Vec<Placed<'a>>, bool), TemplateError> {
        let opened = self.trim_mark();
        let inside = self.at;
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        loop {
            self.take_while(|c| c.is_ascii_whitespace());
            let at = self.at;
            if depth == 0
                && let Some(closed) = self.close(close)
            {
                let source = self.source.get(inside..at).unwrap_or_default();
                return Ok((source, tokens, opened || closed));
            }
            let Some(token) = self.token()? else {
                return Err(error_at(
                    self.source,
                    start,
                    format!("this is never closed; end it with {close}"),
                ));
            };
            match token {
                Token::Symbol("(" | "[" | "{") => depth += 1,
                Token::Symbol(")" | "]" | "}") => depth = depth.saturating_sub(1),
                _ => {}
            }
            tokens.push(Placed { token, at });
        }
    }

    fn trim_mark(&mut self) -> bool {
        let marked = self.rest().starts_with(['-', '+']);
        self.take(usize::from(marked));
        marked
    }

    /// Takes the closing mark if it is next, and says whether it controls whitespace.
    fn close(&mut self, close: &str) -> Option<bool> {
        let rest = self.rest();
        let marked = rest
            .strip_prefix(['-', '+'])
            .is_some_and(|rest| rest.starts_with(close));
        if !marked && !rest.starts_with(close) {
            return None;
        }
        self.take(close.len() + usize::from(marked));
        Some(marked)
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, TemplateError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(None);
        };
        Ok(Some(match first {
            '"' | '\'' => self.text(first)?,
            _ if first.is_ascii_digit() => {
                self.take_while(word);
                Token::Number
            }
            _ if word(first) => Token::Ident(self.take_while(word)),
            _ => {
                let double = ["==", "!=", ">=", "<=", "//", "**"]
                    .iter()
                    .any(|op| rest.starts_with(op));
                Token::Symbol(self.take(if double { 2 } else { first.len_utf8() }))
            }
        }))
    }

    fn text(&mut self, quote: char) -> Result<Token<'a>, TemplateError> {
        let start = self.at;
        self.take(1);
        let mut escaped = false;
        let end = self.rest().find(|c| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(length) = end else {
            return Err(error_at(
                self.source,
                start,
                "this text never ends; close its quotation mark",
            ));
        };
        let text = self.take(length);
        self.take(1);
        Ok(Token::Text(text))
    }
}
