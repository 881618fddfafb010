//! Filters and tests with their arguments.

use super::super::filters::FILTERS;
use super::super::tests_of_values::WITH_ARGUMENT;
use super::super::tree::{Call, Expr};
use super::expression::{Deep, Parser};
use crate::templates::TemplateError;
use crate::templates::scan::lex::Token;
use crate::templates::scan::names::TESTS;

impl Parser<'_, '_> {
    pub(super) fn filter(&mut self, value: Deep, level: usize) -> Result<Deep, TemplateError> {
        let known = match self.ahead(0) {
            Some(Token::Ident(word)) => FILTERS.iter().find(|(name, _)| name == word),
            _ => None,
        };
        let Some((name, parameters)) = known else {
            return Err(self.unexpected("write a filter behind |"));
        };
        self.skip(1);
        let mut arguments = Vec::new();
        if self.takes_symbol("(") {
            arguments = self.arguments(name, parameters, level)?;
        }
        let given = arguments.iter().flatten();
        let depth = given.fold(value.depth, |depth, argument| depth.max(argument.depth));
        let arguments = arguments.into_iter().map(|argument| argument.map(|deep| deep.expr));
        let call = Call {
            name,
            arguments: arguments.collect(),
        };
        self.deeper(Expr::Filter(Box::new(value.expr), call), depth)
    }

    /// Arguments in the order of the parameters, up to the closing bracket.
    fn arguments(&mut self, name: &str, parameters: &[&str], level: usize) -> Result<Vec<Option<Deep>>, TemplateError> {
        let mut arguments: Vec<Option<Deep>> = parameters.iter().map(|_| None).collect();
        let mut next = 0;
        while !self.takes_symbol(")") {
            let named = match (self.ahead(0), self.ahead(1)) {
                (Some(Token::Ident(word)), Some(Token::Symbol("="))) => Some(*word),
                _ => None,
            };
            let place = match named {
                Some(word) => parameters.iter().position(|parameter| *parameter == word),
                None => Some(next),
            };
            let Some(slot) = place.and_then(|place| arguments.get_mut(place)) else {
                return Err(self.error(takes(name, parameters)));
            };
            self.skip(if named.is_some() { 2 } else { 0 });
            *slot = Some(self.expression(level + 1)?);
            next += 1;
            if !self.takes_symbol(",") {
                self.wants_symbol(")")?;
                break;
            }
        }
        Ok(arguments)
    }

    pub(super) fn test(&mut self, value: Deep, level: usize) -> Result<Deep, TemplateError> {
        let negated = self.takes(&Token::Ident("not"));
        let known = match self.ahead(0) {
            Some(Token::Ident(word)) => TESTS.iter().find(|name| *name == word).copied(),
            _ => None,
        };
        let Some(name) = known else {
            return Err(self.unexpected("write a test behind \"is\""));
        };
        self.skip(1);
        let mut argument = None;
        if WITH_ARGUMENT.contains(&name) {
            argument = Some(self.signed(level + 1)?);
        }
        let depth = argument.as_ref().map_or(0, |argument| argument.depth).max(value.depth);
        let call = Call {
            name,
            arguments: vec![argument.map(|deep| deep.expr)],
        };
        let test = Expr::Test {
            value: Box::new(value.expr),
            call,
            negated,
        };
        self.deeper(test, depth)
    }
}

fn takes(name: &str, parameters: &[&str]) -> String {
    if parameters.is_empty() {
        return format!("the filter \"{name}\" takes no arguments; leave them out");
    }
    format!(
        "the filter \"{name}\" takes {} and nothing else; leave the rest out",
        parameters.join(", ")
    )
}
