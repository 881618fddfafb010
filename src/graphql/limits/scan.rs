//! A lexical pass over a document before it is parsed.
//!
//! It bounds what the parser is given (length, tokens, nested brackets: the parser recurses, so deep nesting would
//! end on its stack) and finds fields given twice in an input object, which the parser merges without a word.

use async_graphql::Pos;

use super::{Limits, Refusal};

/// Checks the text of a document without understanding it; what is not GraphQL is left for the parser to report.
pub(super) fn scan(text: &str, limits: &Limits) -> Result<(), Refusal> {
    if text.len() > limits.document_bytes {
        return Err(Refusal::too_complex(format!(
            "The document is {} bytes long; at most {} are accepted. Pass data in variables.",
            text.len(),
            limits.document_bytes
        )));
    }
    let mut brackets = Brackets::default();
    let mut name = None;
    for (count, token) in (Tokens { rest: text }).enumerate() {
        if count >= limits.tokens {
            return Err(Refusal::too_complex(format!(
                "The document has more than {} tokens. Pass data in variables.",
                limits.tokens
            )));
        }
        match token {
            Token::Name(text) => name = Some(text),
            Token::Mark(':') => brackets.key(name.take())?,
            Token::Mark(mark) => brackets.mark(mark, limits.nesting)?,
            Token::Other => name = None,
        }
    }
    Ok(())
}

/// The brackets that are open; an input object remembers the names it has been given.
#[derive(Default)]
struct Brackets<'a> {
    open: Vec<Option<Vec<&'a str>>>,
    /// How many round brackets are open: inside one, a brace starts an input object and not a selection.
    rounds: usize,
}

impl<'a> Brackets<'a> {
    fn mark(&mut self, mark: char, nesting: usize) -> Result<(), Refusal> {
        match mark {
            '(' => self.rounds += 1,
            ')' => self.rounds = self.rounds.saturating_sub(1),
            _ => {}
        }
        match mark {
            '{' if self.rounds > 0 => self.open.push(Some(Vec::new())),
            '(' | '[' | '{' => self.open.push(None),
            ')' | ']' | '}' => drop(self.open.pop()),
            _ => {}
        }
        if self.open.len() > nesting {
            return Err(Refusal::too_complex(format!(
                "The document nests brackets more than {nesting} deep."
            )));
        }
        Ok(())
    }

    /// A colon follows `name`: a key, if the innermost bracket is that of an input object.
    fn key(&mut self, name: Option<&'a str>) -> Result<(), Refusal> {
        let (Some(Some(keys)), Some(name)) = (self.open.last_mut(), name) else {
            return Ok(());
        };
        if keys.contains(&name) {
            return Err(Refusal::invalid(
                format!("There can be only one input field named \"{name}\"."),
                Pos::default(),
            ));
        }
        keys.push(name);
        Ok(())
    }
}

enum Token<'a> {
    Name(&'a str),
    Mark(char),
    Other,
}

/// Splits a text into lexical tokens (GraphQL, September 2025, section 2.1).
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Takes the longest prefix whose characters all satisfy `wanted`.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_ignored(&mut self) {
        loop {
            self.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}'));
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(|c| c != '\n' && c != '\r');
        }
    }

    /// Skips a string, of which `rest` starts with the opening quotes; one that is not closed ends with the text.
    fn skip_string(&mut self) {
        let quotes = if self.rest.starts_with("\"\"\"") {
            "\"\"\""
        } else {
            "\""
        };
        let mut rest = self.rest.strip_prefix(quotes).unwrap_or_default();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(quotes) {
                rest = after;
                break;
            }
            let escaped = if quotes.len() == 3 {
                rest.strip_prefix("\\\"\"\"")
            } else {
                skip_escape(rest)
            };
            rest = escaped.unwrap_or_else(|| skip_char(rest));
        }
        self.rest = rest;
    }
}

fn skip_char(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

fn skip_escape(text: &str) -> Option<&str> {
    text.strip_prefix('\\').map(skip_char)
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_ignored();
        let first = self.rest.chars().next()?;
        Some(match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::Name(self.take(|c| c.is_ascii_alphanumeric() || c == '_')),
            '0'..='9' | '-' => {
                self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'));
                Token::Other
            }
            '"' => {
                self.skip_string();
                Token::Other
            }
            mark => {
                self.rest = skip_char(self.rest);
                Token::Mark(mark)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> Result<(), String> {
        scan(text, &Limits::default()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn ordinary_documents_pass() {
        scanned(r#"query Q($a: [Int!] = [1, 2], $b: In = {a: 1, b: {a: 2}}) { f(in: {a: "}", b: {a: 1}}) @d(a: 1) { a: b } }"#)
            .unwrap();
        scanned("{ # a: { comment }\n f(text: \"\"\"a \\\"\"\" { b: 1, b: 2 } \"\"\", e: \"\\\"{\") }").unwrap();
        scanned("\u{feff}{ f(price: -1.5e+3, on: GREEN) }").unwrap();
    }

    #[test]
    fn an_input_field_given_twice_is_refused() {
        let refused = scanned("mutation { f(input: {a: 1, b: {a: 2}, a: 3}) { id } }");
        assert_eq!(refused.unwrap_err(), "There can be only one input field named \"a\".");
        assert!(scanned("query ($v: In = {a: 1 a: 2}) { f }").is_err());
    }

    #[test]
    fn selections_may_repeat_a_field() {
        scanned("{ a: f a: f f(in: [{a: 1}, {a: 1}]) { a: g a: g } }").unwrap();
    }

    #[test]
    fn long_texts_many_tokens_and_deep_brackets_are_refused() {
        assert!(
            scanned(&format!("{{ f(text: \"{}\") }}", "x".repeat(33_000)))
                .unwrap_err()
                .contains("bytes")
        );
        assert!(
            scanned(&format!("{{ {} }}", "f ".repeat(4_000)))
                .unwrap_err()
                .contains("tokens")
        );
        assert!(
            scanned(&format!("{{ f(in: {}1{}) }}", "[".repeat(70), "]".repeat(70)))
                .unwrap_err()
                .contains("nests")
        );
    }

    #[test]
    fn text_that_is_not_graphql_is_left_for_the_parser() {
        for text in ["", "\"", "\"\"\"", "\\", "}}}}", ")", "🦀 ::", "\"\\"] {
            scanned(text).unwrap();
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned_to_its_end(text in "\\PC{0,200}") {
            let _ = scanned(&text);
        }
    }
}
