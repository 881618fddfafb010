//! Finds the values of expressions.

use super::compare::{contains, equals};
use super::text::Text;
use super::tree::{Call, Choice, Entry as EntryExpr, Expr, Operator, Slice};
use super::value::{Entry, Val};
use super::{Fail, filters, operators, sequences, tests_of_values};
use crate::templates::{Budget, Values};

/// Variables that a template may have at once.
const MAX_VARIABLES: usize = 200;

/// What a name stands for at a place of the template.
pub(super) struct Scope<'r> {
    values: &'r Values<'r>,
    budget: &'r Budget,
    locals: Vec<Local<'r>>,
    /// Where the variables of the innermost loop or `with` begin.
    base: usize,
}

struct Local<'r> {
    name: &'r str,
    value: Val<'r>,
}

/// Where the variables stood before a loop or `with`.
pub(super) struct Frame {
    base: usize,
    length: usize,
}

impl<'r> Scope<'r> {
    pub(super) fn new(values: &'r Values<'_>, budget: &'r Budget) -> Self {
        Self {
            values,
            budget,
            locals: Vec::new(),
            base: 0,
        }
    }

    pub(super) fn budget(&self) -> &'r Budget {
        self.budget
    }

    /// Begins a loop or `with`: what is set there is gone after it.
    pub(super) fn open(&mut self) -> Frame {
        let frame = Frame {
            base: self.base,
            length: self.locals.len(),
        };
        self.base = frame.length;
        frame
    }

    #[expect(clippy::needless_pass_by_value, reason = "a frame is closed once")]
    pub(super) fn close(&mut self, frame: Frame) {
        self.locals.truncate(frame.length);
        self.base = frame.base;
    }

    pub(super) fn set(&mut self, name: &'r str, value: Val<'r>) -> Result<(), Fail> {
        self.look_through_names()?;
        let known = self.locals.iter_mut().skip(self.base).find(|local| local.name == name);
        if let Some(local) = known {
            local.value = value;
            return Ok(());
        }
        if self.locals.len() >= MAX_VARIABLES {
            return Err(super::Overrun::Work.into());
        }
        self.locals.push(Local { name, value });
        Ok(())
    }

    /// Counts a search among the variables, whose names are short.
    fn look_through_names(&self) -> Result<(), Fail> {
        Ok(self.budget.work(1 + self.locals.len() / 4)?)
    }

    fn name(&self, name: &str) -> Result<Val<'r>, Fail> {
        self.look_through_names()?;
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == name) {
            return Ok(local.value.clone());
        }
        Ok(match name {
            "lead" => Val::Lead(self.values),
            // Never fields, even of that name: the scan does not count them as such.
            "loop" | "self" => Val::Undefined,
            _ => return Val::Lead(self.values).member(name, self.budget),
        })
    }

    /// The value of an expression. The depth of the tree is bounded, and so is the recursion.
    pub(super) fn eval(&mut self, expr: &'r Expr) -> Result<Val<'r>, Fail> {
        self.budget.work(1)?;
        match expr {
            Expr::Text(text) => Ok(Val::Text(Text::borrowed(text))),
            Expr::Int(number) => Ok(Val::Int(*number)),
            Expr::Float(number) => Ok(Val::Float(*number)),
            Expr::Bool(truth) => Ok(Val::Bool(*truth)),
            Expr::None => Ok(Val::None),
            Expr::Name(name) => self.name(name),
            Expr::Attribute(of, name) => self.attribute(of, name),
            Expr::Index(of, place) => self.index(of, place),
            Expr::Slice(slice) => self.slice(slice),
            Expr::List(items) => self.list(items),
            Expr::Map(entries) => self.map(entries),
            Expr::Not(value) => Ok(Val::Bool(!self.eval(value)?.is_true())),
            Expr::Negate(value) => operators::negate(&self.eval(value)?),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Filter(value, call) => self.filter(value, call),
            Expr::Test { value, call, negated } => self.test(value, call, *negated),
            Expr::Choice(choice) => self.choice(choice),
        }
    }

    fn attribute(&mut self, of: &'r Expr, name: &str) -> Result<Val<'r>, Fail> {
        self.eval(of)?.member(name, self.budget)
    }

    fn index(&mut self, of: &'r Expr, place: &'r Expr) -> Result<Val<'r>, Fail> {
        let of = self.eval(of)?;
        let place = self.eval(place)?;
        sequences::index(&of, &place, self.budget)
    }

    fn slice(&mut self, slice: &'r Slice) -> Result<Val<'r>, Fail> {
        let of = self.eval(&slice.of)?;
        let bounds = sequences::Bounds {
            start: self.optional(slice.start.as_ref())?,
            stop: self.optional(slice.stop.as_ref())?,
            step: self.optional(slice.step.as_ref())?,
        };
        sequences::slice(&of, &bounds, self.budget)
    }

    fn optional(&mut self, expr: Option<&'r Expr>) -> Result<Option<Val<'r>>, Fail> {
        expr.map(|expr| self.eval(expr)).transpose()
    }

    fn list(&mut self, items: &'r [Expr]) -> Result<Val<'r>, Fail> {
        let items = items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?;
        Val::list(items, self.budget)
    }

    fn map(&mut self, entries: &'r [EntryExpr]) -> Result<Val<'r>, Fail> {
        let entry = |entry: &'r EntryExpr| {
            Ok(Entry {
                key: self.eval(&entry.key)?.text(self.budget)?,
                value: self.eval(&entry.value)?,
            })
        };
        let entries = entries.iter().map(entry).collect::<Result<_, Fail>>()?;
        Val::map(entries, self.budget)
    }

    fn choice(&mut self, choice: &'r Choice) -> Result<Val<'r>, Fail> {
        if self.eval(&choice.condition)?.is_true() {
            return self.eval(&choice.then);
        }
        Ok(self.optional(choice.otherwise.as_ref())?.unwrap_or(Val::Undefined))
    }

    fn binary(&mut self, operator: Operator, left: &'r Expr, right: &'r Expr) -> Result<Val<'r>, Fail> {
        let left = self.eval(left)?;
        match operator {
            Operator::And if !left.is_true() => return Ok(left),
            Operator::Or if left.is_true() => return Ok(left),
            _ => {}
        }
        let right = self.eval(right)?;
        let budget = self.budget;
        Ok(match operator {
            Operator::And | Operator::Or => right,
            Operator::Equal => Val::Bool(equals(&left, &right, budget)?),
            Operator::Unequal => Val::Bool(!equals(&left, &right, budget)?),
            Operator::In => Val::Bool(contains(&right, &left, budget)?),
            Operator::NotIn => Val::Bool(!contains(&right, &left, budget)?),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                operators::ordered(operator, &left, &right, budget)?
            }
            Operator::Concat => operators::concat(&left, &right, budget)?,
            Operator::Add => operators::add(&left, &right, budget)?,
            _ => operators::arithmetic(operator, &left, &right)?,
        })
    }

    fn filter(&mut self, value: &'r Expr, call: &'r Call) -> Result<Val<'r>, Fail> {
        let value = self.eval(value)?;
        let arguments = self.arguments(call)?;
        filters::apply(call.name, value, &arguments, self.budget)
    }

    fn test(&mut self, value: &'r Expr, call: &'r Call, negated: bool) -> Result<Val<'r>, Fail> {
        let value = self.eval(value)?;
        let arguments = self.arguments(call)?;
        let argument = arguments.into_iter().next().flatten().unwrap_or(Val::Undefined);
        let holds = tests_of_values::holds(call.name, &value, &argument, self.budget)?;
        Ok(Val::Bool(holds != negated))
    }

    fn arguments(&mut self, call: &'r Call) -> Result<Vec<Option<Val<'r>>>, Fail> {
        let arguments = call.arguments.iter();
        arguments.map(|argument| self.optional(argument.as_ref())).collect()
    }
}
