//! Splits a text into tokens.

use async_graphql::Pos;

use super::cursor::{Cursor, wrong};
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

/// The tokens of a text.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text),
        }
    }

    fn skip_ignored(&mut self) {
        while let Some(next) = self.cursor.peek() {
            match next {
                ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => drop(self.cursor.take()),
                '#' => drop(self.cursor.take_while(|c| c != '\n' && c != '\r')),
                _ => return,
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_ignored();
        let at = self.cursor.at();
        let kind = match self.cursor.peek() {
            None => Kind::End,
            Some('a'..='z' | 'A'..='Z' | '_') => {
                Kind::Name(self.cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            Some('0'..='9' | '-') => self.number()?,
            Some('"') if self.cursor.rest().starts_with("\"\"\"") => Kind::Block(strings::read(&mut self.cursor)?),
            Some('"') => Kind::Text(strings::read(&mut self.cursor)?),
            Some(other) => match MARKS.into_iter().find(|mark| self.cursor.take_text(mark)) {
                Some(mark) => Kind::Mark(mark),
                None => return Err(wrong(at, format!("the character {other:?} belongs to nothing here"))),
            },
        };
        Ok(Token { kind, at })
    }

    fn number(&mut self) -> Result<Kind<'a>, SyntaxError> {
        let begin = self.cursor.rest();
        self.cursor.take_text("-");
        let zero = self.cursor.peek() == Some('0');
        let digits = self.digits()?;
        if zero && digits.len() > 1 {
            return Err(wrong(
                self.cursor.at(),
                "a number does not begin with a 0 before other digits",
            ));
        }
        let mut float = false;
        if self.cursor.take_text(".") {
            float = true;
            self.digits()?;
        }
        if self.cursor.take_text("e") || self.cursor.take_text("E") {
            float = true;
            let _sign = self.cursor.take_text("+") || self.cursor.take_text("-");
            self.digits()?;
        }
        if self
            .cursor
            .peek()
            .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.'))
        {
            return Err(wrong(
                self.cursor.at(),
                "a number ends here, and something else must not follow directly",
            ));
        }
        let text = begin.strip_suffix(self.cursor.rest()).unwrap_or(begin);
        Ok(if float { Kind::Float(text) } else { Kind::Int(text) })
    }

    fn digits(&mut self) -> Result<&'a str, SyntaxError> {
        let digits = self.cursor.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(wrong(self.cursor.at(), "expected a digit"));
        }
        Ok(digits)
    }
}
