//! What a template is parsed into. Every level of it is counted while parsing, so what walks it may recurse.

#[derive(Debug)]
pub(in crate::templates) enum Node {
    Text(Box<str>),
    Output(Placed),
    If {
        branches: Vec<Branch>,
        otherwise: Vec<Node>,
    },
    For(Box<Loop>),
    Set(Binding),
    With {
        bindings: Vec<Binding>,
        body: Vec<Node>,
    },
}

/// An expression and the line on which it stands.
#[derive(Debug)]
pub(in crate::templates) struct Placed {
    pub(super) line: usize,
    pub(super) expr: Expr,
}

#[derive(Debug)]
pub(in crate::templates) struct Branch {
    pub(super) condition: Placed,
    pub(super) body: Vec<Node>,
}

#[derive(Debug)]
pub(in crate::templates) struct Loop {
    pub(super) targets: Targets,
    pub(super) over: Placed,
    pub(super) only: Option<Placed>,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(in crate::templates) struct Binding {
    pub(super) targets: Targets,
    pub(super) value: Placed,
}

/// The names that a value is given; several take the items of a list.
#[derive(Debug)]
pub(in crate::templates) enum Targets {
    One(Box<str>),
    Several(Vec<Box<str>>),
}

#[derive(Debug)]
pub(in crate::templates) enum Expr {
    Text(Box<str>),
    Int(i128),
    Float(f64),
    Bool(bool),
    None,
    Name(Box<str>),
    Attribute(Box<Expr>, Box<str>),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Slice>),
    List(Vec<Expr>),
    Map(Vec<Entry>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Filter(Box<Expr>, Call),
    Test {
        value: Box<Expr>,
        call: Call,
        negated: bool,
    },
    Choice(Box<Choice>),
}

#[derive(Debug)]
pub(in crate::templates) struct Entry {
    pub(super) key: Expr,
    pub(super) value: Expr,
}

#[derive(Debug)]
pub(in crate::templates) struct Slice {
    pub(super) of: Expr,
    pub(super) start: Option<Expr>,
    pub(super) stop: Option<Expr>,
    pub(super) step: Option<Expr>,
}

#[derive(Debug)]
pub(in crate::templates) struct Choice {
    pub(super) then: Expr,
    pub(super) condition: Expr,
    pub(super) otherwise: Option<Expr>,
}

/// A filter or test with its arguments, in the order of its parameters.
#[derive(Debug)]
pub(in crate::templates) struct Call {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<Option<Expr>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::templates) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Add,
    Subtract,
    Concat,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
    Power,
}
