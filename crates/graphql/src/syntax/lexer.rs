//! Splits a text into tokens.

use async_graphql::Pos;

use super::{SyntaxError, strings};

/// A token, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) at: Pos,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    Name(&'a str),
    Int(&'a str),
    Float(&'a str),
    Text(String),
    /// A string within three quotation marks.
    Block(String),
    /// One of `! $ & ( ) ... : = @ [ ] { | }`.
    Mark(&'static str),
    End,
}

const MARKS: [&str; 14] = ["!", "$", "&", "(", ")", "...", ":", "=", "@", "[", "]", "{", "|", "}"];
/// Characters of a name that an error repeats.
const QUOTED: usize = 40;

impl Kind<'_> {
    /// How an error calls it. Texts and numbers may be secrets, so they are not repeated.
    pub(super) fn called(&self) -> String {
        match self {
            Kind::Name(name) => format!("\"{}\"", name.get(..QUOTED).unwrap_or(name)),
            Kind::Int(_) | Kind::Float(_) => "a number".into(),
            Kind::Text(_) | Kind::Block(_) => "a string".into(),
            Kind::Mark(mark) => format!("\"{mark}\""),
            Kind::End => "the end".into(),
        }
    }
}

/// Where the reading is. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    at: Pos,
}

impl<'a> Lexer<'a> {
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
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.at.column += taken.chars().count();
        taken
    }

    fn skip_ignored(&mut self) {
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => drop(self.take()),
                '#' => drop(self.take_while(|c| c != '\n' && c != '\r')),
                _ => return,
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_ignored();
        let at = self.at;
        let kind = match self.peek() {
            None => Kind::End,
            Some('a'..='z' | 'A'..='Z' | '_') => Kind::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')),
            Some('0'..='9' | '-') => self.number()?,
            Some('"') if self.rest.starts_with("\"\"\"") => Kind::Block(strings::read(self)?),
            Some('"') => Kind::Text(strings::read(self)?),
            Some(other) => match MARKS.into_iter().find(|mark| self.take_text(mark)) {
                Some(mark) => Kind::Mark(mark),
                None => return Err(wrong(at, format!("the character {other:?} belongs to nothing here"))),
            },
        };
        Ok(Token { kind, at })
    }

    fn number(&mut self) -> Result<Kind<'a>, SyntaxError> {
        let begin = self.rest;
        self.take_text("-");
        let zero = self.peek() == Some('0');
        let digits = self.digits()?;
        if zero && digits.len() > 1 {
            return Err(wrong(self.at, "a number does not begin with a 0 before other digits"));
        }
        let mut float = false;
        if self.take_text(".") {
            float = true;
            self.digits()?;
        }
        if self.take_text("e") || self.take_text("E") {
            float = true;
            let _sign = self.take_text("+") || self.take_text("-");
            self.digits()?;
        }
        if self
            .peek()
            .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.'))
        {
            return Err(wrong(
                self.at,
                "a number ends here, and something else must not follow at once",
            ));
        }
        let text = begin.strip_suffix(self.rest).unwrap_or(begin);
        Ok(if float { Kind::Float(text) } else { Kind::Int(text) })
    }

    fn digits(&mut self) -> Result<&'a str, SyntaxError> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(wrong(self.at, "expected a digit"));
        }
        Ok(digits)
    }
}

pub(super) fn wrong(at: Pos, message: impl Into<String>) -> SyntaxError {
    SyntaxError::Unexpected {
        at,
        message: message.into(),
    }
}
