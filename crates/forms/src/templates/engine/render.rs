//! Walks the tree and writes.

use std::rc::Rc;

use super::Fail;
use super::eval::Scope;
use super::output::Output;
use super::tree::{Binding, Branch, Loop, Node, Placed, Targets};
use super::value::{List, Val};
use crate::templates::TemplateError;

pub(super) fn nodes<'r>(
    nodes: &'r [Node],
    scope: &mut Scope<'r>,
    output: &mut Output<'_>,
) -> Result<(), TemplateError> {
    for node in nodes {
        scope.budget().work(1)?;
        match node {
            Node::Text(text) => output.literal(text).map_err(|fail| fail.at(1))?,
            Node::Output(placed) => {
                let value = value(placed, scope)?;
                output.value(&value).map_err(|fail| fail.at(placed.line))?;
            }
            Node::If { branches, otherwise } => branch(branches, otherwise, scope, output)?,
            Node::For(each) => repeat(each, scope, output)?,
            Node::Set(binding) => bind(binding, scope)?,
            Node::With { bindings, body } => {
                let frame = scope.open();
                for binding in bindings {
                    bind(binding, scope)?;
                }
                self::nodes(body, scope, output)?;
                scope.close(frame);
            }
        }
    }
    Ok(())
}

fn value<'r>(placed: &'r Placed, scope: &mut Scope<'r>) -> Result<Val<'r>, TemplateError> {
    scope.eval(&placed.expr).map_err(|fail| fail.at(placed.line))
}

fn branch<'r>(
    branches: &'r [Branch],
    otherwise: &'r [Node],
    scope: &mut Scope<'r>,
    output: &mut Output<'_>,
) -> Result<(), TemplateError> {
    for branch in branches {
        if value(&branch.condition, scope)?.is_true() {
            return nodes(&branch.body, scope, output);
        }
    }
    nodes(otherwise, scope, output)
}

fn bind<'r>(binding: &'r Binding, scope: &mut Scope<'r>) -> Result<(), TemplateError> {
    let value = value(&binding.value, scope)?;
    assign(&binding.targets, value, scope).map_err(|fail| fail.at(binding.value.line))
}

fn assign<'r>(targets: &'r Targets, value: Val<'r>, scope: &mut Scope<'r>) -> Result<(), Fail> {
    match targets {
        Targets::One(name) => scope.set(name, value),
        Targets::Several(names) => {
            let items = value.items(scope.budget())?.ok_or(Fail::Misfit)?;
            if items.len() != names.len() {
                return Err(Fail::Misfit);
            }
            for (name, item) in names.iter().zip(items) {
                scope.set(name, item)?;
            }
            Ok(())
        }
    }
}

fn repeat<'r>(each: &'r Loop, scope: &mut Scope<'r>, output: &mut Output<'_>) -> Result<(), TemplateError> {
    let line = each.over.line;
    let over = value(&each.over, scope)?;
    let items = chosen(each, &over, scope)?;
    if items.is_empty() {
        return nodes(&each.otherwise, scope, output);
    }
    let Val::List(list) = Val::list(items, scope.budget()).map_err(|fail| fail.at(line))? else {
        return Ok(());
    };
    for (at, item) in list.items.iter().enumerate() {
        let frame = scope.open();
        turn(scope, &list, at)
            .and_then(|()| assign(&each.targets, item.clone(), scope))
            .map_err(|fail| fail.at(line))?;
        nodes(&each.body, scope, output)?;
        scope.close(frame);
    }
    Ok(())
}

fn turn<'r>(scope: &mut Scope<'r>, list: &Rc<List<'r>>, at: usize) -> Result<(), Fail> {
    scope.budget().work(1)?;
    scope.set("loop", Val::Loop(list.clone(), at))
}

/// The items of a loop that fit its condition.
fn chosen<'r>(each: &'r Loop, over: &Val<'r>, scope: &mut Scope<'r>) -> Result<Vec<Val<'r>>, TemplateError> {
    let line = each.over.line;
    let misfit = || Fail::Misfit.at(line);
    let items = over
        .items(scope.budget())
        .map_err(|fail| fail.at(line))?
        .ok_or_else(misfit)?;
    let Some(only) = &each.only else {
        return Ok(items);
    };
    let mut fitting = Vec::new();
    for item in items {
        let frame = scope.open();
        assign(&each.targets, item.clone(), scope).map_err(|fail| fail.at(line))?;
        if value(only, scope)?.is_true() {
            fitting.push(item);
        }
        scope.close(frame);
    }
    Ok(fitting)
}
