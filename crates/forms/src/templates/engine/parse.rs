//! Parses pieces of a source into a tree: blocks here, expressions in [`expression`].
//!
//! Nothing here recurses deeper than [`MAX_BLOCKS`], and no tree is deeper than what walks it may recurse.

mod arguments;
mod expression;
mod literals;

use super::tree::{Branch, Loop, Node};
use crate::templates::TemplateError;
use crate::templates::scan::lex::{self, Piece, Token, error_at};
use expression::Parser;

/// Levels of `if`, `for` and `with` within one another.
const MAX_BLOCKS: usize = 16;
/// Branches of one `if`.
const MAX_BRANCHES: usize = 100;
/// Names and operators of a whole template.
const MAX_TOKENS: usize = 40_000;

pub(super) fn parse(source: &str, pieces: &[Piece<'_>]) -> Result<Vec<Node>, TemplateError> {
    let tokens: usize = pieces.iter().map(Piece::tokens).sum();
    if tokens > MAX_TOKENS {
        let advice = format!("the template has more than {MAX_TOKENS} names and operators; shorten it");
        return Err(error_at(source, 0, advice));
    }
    let mut blocks = Blocks { source, pieces, at: 0 };
    let nodes = blocks.nodes(0)?;
    match blocks.keyword() {
        Some((keyword, at)) => Err(error_at(
            source,
            at,
            format!(
                "\"{keyword}\" has no beginning; put it behind an {{% if %}}, {{% for %}} or {{% with %}} of its own"
            ),
        )),
        None => Ok(nodes),
    }
}

struct Blocks<'a, 'p> {
    source: &'a str,
    pieces: &'p [Piece<'a>],
    at: usize,
}

impl<'a, 'p> Blocks<'a, 'p> {
    /// Pieces up to a statement that ends or divides a block, or to the end.
    fn nodes(&mut self, level: usize) -> Result<Vec<Node>, TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.at) {
            match piece {
                Piece::Comment(_) => self.at += 1,
                Piece::Text(text) => {
                    let text = self.trimmed(text);
                    if !text.is_empty() {
                        nodes.push(Node::Text(text.into()));
                    }
                    self.at += 1;
                }
                Piece::Output(code) => {
                    let mut parser = Parser::new(self.source, code);
                    nodes.push(Node::Output(parser.whole()?));
                    self.at += 1;
                }
                Piece::Statement(code) => match self.keyword() {
                    Some(("else" | "elif" | "endif" | "endfor" | "endwith", _)) => break,
                    Some((keyword, at)) => {
                        if level >= MAX_BLOCKS {
                            let advice = format!("blocks are nested more than {MAX_BLOCKS} deep; flatten them");
                            return Err(error_at(self.source, at, advice));
                        }
                        nodes.push(self.statement(keyword, code, level)?);
                    }
                    None => {
                        return Err(error_at(
                            self.source,
                            code.at,
                            "write what the statement does between {% and %}",
                        ));
                    }
                },
            }
        }
        Ok(nodes)
    }

    /// A text without the whitespace that its neighbours take away.
    fn trimmed(&self, text: &'a str) -> &'a str {
        let before = self.at.checked_sub(1).and_then(|before| self.pieces.get(before));
        let text = if before.is_some_and(Piece::trims_after) {
            text.trim_start()
        } else {
            text
        };
        if self.pieces.get(self.at + 1).is_some_and(Piece::trims_before) {
            text.trim_end()
        } else {
            text
        }
    }

    /// The keyword of the statement that is next, and where it stands.
    fn keyword(&self) -> Option<(&'a str, usize)> {
        match self.pieces.get(self.at) {
            Some(Piece::Statement(code)) => match code.tokens.first() {
                Some(lex::Placed {
                    token: Token::Ident(keyword),
                    at,
                }) => Some((keyword, *at)),
                _ => None,
            },
            _ => None,
        }
    }

    fn statement(&mut self, keyword: &str, code: &'p lex::Code<'a>, level: usize) -> Result<Node, TemplateError> {
        let mut parser = Parser::after_keyword(self.source, code);
        match keyword {
            "if" => self.branches(parser, level),
            "for" => self.repeat(parser, level),
            "with" => {
                let bindings = if parser.is_over() {
                    Vec::new()
                } else {
                    parser.bindings()?
                };
                self.at += 1;
                let body = self.nodes(level + 1)?;
                self.end("endwith", code.at)?;
                Ok(Node::With { bindings, body })
            }
            "set" => {
                let binding = parser.binding()?;
                parser.over()?;
                self.at += 1;
                Ok(Node::Set(binding))
            }
            _ => Err(error_at(self.source, code.at, "templates know if, for, set and with")),
        }
    }

    fn branches(&mut self, parser: Parser<'a, 'p>, level: usize) -> Result<Node, TemplateError> {
        let (began, mut parser) = (parser.began(), parser);
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = parser.whole()?;
            self.at += 1;
            let body = self.nodes(level + 1)?;
            branches.push(Branch { condition, body });
            if branches.len() > MAX_BRANCHES {
                let advice = format!("this has more than {MAX_BRANCHES} branches; divide it");
                return Err(error_at(self.source, began, advice));
            }
            match (self.keyword(), self.pieces.get(self.at)) {
                (Some(("elif", _)), Some(Piece::Statement(code))) => parser = Parser::after_keyword(self.source, code),
                (Some(("else", _)), _) => {
                    self.bare()?;
                    otherwise = self.nodes(level + 1)?;
                    break;
                }
                _ => break,
            }
        }
        self.end("endif", began)?;
        Ok(Node::If { branches, otherwise })
    }

    fn repeat(&mut self, mut parser: Parser<'a, 'p>, level: usize) -> Result<Node, TemplateError> {
        let began = parser.began();
        let (targets, over, only) = (parser.targets()?, parser.over_what()?, parser.only()?);
        parser.over()?;
        self.at += 1;
        let body = self.nodes(level + 1)?;
        let otherwise = match self.keyword() {
            Some(("else", _)) => {
                self.bare()?;
                self.nodes(level + 1)?
            }
            _ => Vec::new(),
        };
        self.end("endfor", began)?;
        Ok(Node::For(Box::new(Loop {
            targets,
            over,
            only,
            body,
            otherwise,
        })))
    }

    /// Takes a statement that is a keyword and nothing else.
    fn bare(&mut self) -> Result<(), TemplateError> {
        if let Some(Piece::Statement(code)) = self.pieces.get(self.at) {
            Parser::after_keyword(self.source, code).over()?;
        }
        self.at += 1;
        Ok(())
    }

    /// Takes the end of a block that began at a byte.
    fn end(&mut self, wanted: &str, began: usize) -> Result<(), TemplateError> {
        match self.keyword() {
            Some((keyword, _)) if keyword == wanted => self.bare(),
            Some((keyword, at)) => {
                let advice = format!("here is \"{keyword}\" where {{% {wanted} %}} must come first");
                Err(error_at(self.source, at, advice))
            }
            None => Err(error_at(
                self.source,
                began,
                format!("this is never ended; close it with {{% {wanted} %}}"),
            )),
        }
    }
}
