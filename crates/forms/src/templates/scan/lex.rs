//! Cuts a source into text, placeholders, statements and comments, and code into tokens.

use crate::templates::{Place, TemplateError};

/// Longest name of a field, variable, filter or test: fields have no longer ones.
const MAX_NAME: usize = 64;

#[derive(Debug)]
pub(in crate::templates) enum Piece<'a> {
    Text(&'a str),
    /// `{{ … }}`
    Output(Code<'a>),
    /// `{% … %}`
    Statement(Code<'a>),
    /// `{# … #}`
    Comment(Trims),
}

/// What is between the marks of a placeholder or statement.
#[derive(Debug)]
pub(in crate::templates) struct Code<'a> {
    pub(in crate::templates) at: usize,
    pub(in crate::templates) line: usize,
    pub(in crate::templates) tokens: Vec<Placed<'a>>,
    pub(in crate::templates) trims: Trims,
}

/// What is done about whitespace around a placeholder, statement or comment.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::templates) struct Trims {
    before: bool,
    after: bool,
    /// Whether anything is said of it, be it that nothing is taken away.
    said: bool,
}

impl Piece<'_> {
    fn trims(&self) -> Trims {
        match self {
            Self::Text(_) => Trims::default(),
            Self::Output(code) | Self::Statement(code) => code.trims,
            Self::Comment(trims) => *trims,
        }
    }

    /// Whether it takes whitespace before it away.
    pub(in crate::templates) fn trims_before(&self) -> bool {
        self.trims().before
    }

    /// Whether it takes whitespace after it away.
    pub(in crate::templates) fn trims_after(&self) -> bool {
        self.trims().after
    }

    /// Whether it says nothing about whitespace.
    pub(super) fn is_plain(&self) -> bool {
        !self.trims().said
    }

    pub(in crate::templates) fn tokens(&self) -> usize {
        match self {
            Self::Output(code) | Self::Statement(code) => code.tokens.len(),
            Self::Text(_) | Self::Comment(_) => 0,
        }
    }
}

/// A token and the byte at which it begins.
#[derive(Debug)]
pub(in crate::templates) struct Placed<'a> {
    pub(in crate::templates) token: Token<'a>,
    pub(in crate::templates) at: usize,
}

/// A token, as coarse as the scan allows.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::templates) enum Token<'a> {
    Ident(&'a str),
    /// A quoted text without its quotes, escapes unresolved.
    Text(&'a str),
    Number(&'a str),
    Symbol(&'a str),
}

pub(in crate::templates) fn error_at(source: &str, at: usize, advice: impl Into<String>) -> TemplateError {
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

pub(in crate::templates) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut lexer = Lexer { source, at: 0, line: 1 };
    let mut pieces = Vec::new();
    while let Some(start) = lexer.next_mark() {
        let text = source.get(lexer.at..start).unwrap_or_default();
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        lexer.at = start;
        lexer.line += text.matches('\n').count();
        pieces.push(lexer.piece()?);
        let taken = source.get(start..lexer.at).unwrap_or_default();
        lexer.line += taken.matches('\n').count();
    }
    if !lexer.rest().is_empty() {
        pieces.push(Piece::Text(lexer.rest()));
    }
    Ok(pieces)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// The line on which the piece begins that is read.
    line: usize,
}

/// The beginning of a word, for a message.
pub(in crate::templates) fn short(word: &str) -> &str {
    word.get(..40).unwrap_or(word)
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
            "{{" => self.code(start, "}}").map(Piece::Output),
            _ => self.code(start, "%}").map(Piece::Statement),
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
        let comment = self.take(length);
        self.take(2);
        Ok(Piece::Comment(Trims {
            before: comment.starts_with('-'),
            after: comment.ends_with('-'),
            said: true,
        }))
    }

    fn code(&mut self, start: usize, close: &str) -> Result<Code<'a>, TemplateError> {
        let opened = self.trim_mark();
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        loop {
            self.take_while(|c| c.is_ascii_whitespace());
            let at = self.at;
            if depth == 0
                && let Some(closed) = self.close(close)
            {
                let trims = Trims {
                    before: opened == "-",
                    after: closed == "-",
                    said: !opened.is_empty() || !closed.is_empty(),
                };
                return Ok(Code {
                    at: start,
                    line: self.line,
                    tokens,
                    trims,
                });
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

    /// Takes a sign that controls whitespace, if it is next.
    fn trim_mark(&mut self) -> &'a str {
        let marked = self.rest().starts_with(['-', '+']);
        self.take(usize::from(marked))
    }

    /// Takes the closing mark if it is next, and says how it controls whitespace.
    fn close(&mut self, close: &str) -> Option<&'a str> {
        let rest = self.rest();
        let marked = rest
            .strip_prefix(['-', '+'])
            .is_some_and(|rest| rest.starts_with(close));
        if !marked && !rest.starts_with(close) {
            return None;
        }
        let sign = self.take(usize::from(marked));
        self.take(close.len());
        Some(sign)
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
                let digits = self.take_while(word).len();
                let start = self.at - digits;
                let fraction = self
                    .rest()
                    .strip_prefix('.')
                    .map(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
                if fraction == Some(true) {
                    self.take(1);
                    self.take_while(word);
                }
                Token::Number(self.source.get(start..self.at).unwrap_or_default())
            }
            _ if word(first) => {
                let at = self.at;
                let name = self.take_while(word);
                if name.len() > MAX_NAME {
                    let advice = format!("a name has at most {MAX_NAME} characters; write a longer key as lead['…']");
                    return Err(error_at(self.source, at, advice));
                }
                Token::Ident(name)
            }
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
