//! The check of a document before the library sees it, and the cache of documents that passed.
//!
//! A request's text is scanned, parsed once, measured ([`Limits`]) and corrected where the library would misread it;
//! only then is it given to the schema, already parsed. Texts that passed are kept, so that the thousandth identical
//! mutation costs a lookup and a copy. What depends on variables (cost, required variables, the sizes of their values) is
//! checked for each request. What the estimate cannot know is counted while executing ([`budget`], [`counting`]), and
//! how often one may ask is a matter of [`rate`].

pub mod answer;
mod bounds;
pub mod budget;
mod cost;
mod count;
pub mod counting;
mod inputs;
pub mod rate;
mod rewrite;
mod scan;
mod variables;
mod walk;

use std::sync::Arc;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Variables,
    parser::{
        self,
        types::{ExecutableDocument, OperationType, VariableDefinition},
    },
};
use moka::future::Cache;

pub use self::bounds::Bounds;
use self::{cost::Cost, inputs::Inputs};
use crate::graphql::{
    mask::{self, code},
    registry::Registry,
};

/// An upper bound that names itself when it refuses.
#[derive(Debug, Clone, Copy)]
pub struct AtMost(pub usize);

impl AtMost {
    fn at_most(self, found: usize, what: &str) -> Result<(), Refusal> {
        if found > self.0 {
            return Err(Refusal::too_complex(format!(
                "The document has more than {} {what}.",
                self.0
            )));
        }
        Ok(())
    }
}

/// How large a document may be. The defaults let every query of a dashboard pass and stop those that are made to hurt.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the text.
    pub document_bytes: usize,
    /// Lexical tokens of the text.
    pub tokens: usize,
    /// Brackets open at once; guards the stack of the parser, which recurses.
    pub nesting: usize,
    /// Selections and fragments inside one another. The library's own bound is 32 and cannot be disabled.
    pub selection_nesting: usize,
    /// Fields inside one another; what is inside `__schema` and `__type` has a rule of its own.
    pub depth: usize,
    /// Fields once all fragments are expanded, `__typename` included, over all operations of the document.
    pub fields: AtMost,
    /// Aliases in the text.
    pub aliases: AtMost,
    /// Directives in the text.
    pub directives: AtMost,
    /// Root fields of a query.
    pub root_fields: AtMost,
    /// Root fields of a mutation.
    pub mutations: AtMost,
    /// Points (`limits/cost.rs`): an object is one, ten leaf fields are one, the entries of a page count each.
    pub cost: u64,
    /// Entries of a page that names no size.
    pub default_page: u64,
    /// The largest page that any field answers; larger sizes are refused by the field itself.
    pub largest_page: u64,
    /// Entries that the estimate takes a list for that is no page. Most have fewer; longer ones are counted while executing.
    pub default_list: u64,
    /// How large the values of arguments may be.
    pub bounds: Bounds,
    /// Memory for cached documents, in bytes (estimated from the length of their texts).
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 32 * 1024,
            tokens: 4_000,
            nesting: 64,
            selection_nesting: 30,
            depth: 12,
            fields: AtMost(1_000),
            aliases: AtMost(50),
            directives: AtMost(20),
            root_fields: AtMost(20),
            mutations: AtMost(5),
            cost: 5_000,
            default_page: 20,
            largest_page: 100,
            default_list: 5,
            bounds: Bounds::default(),
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Why a document or its variables are refused: always the caller's fault, so the text is for the caller.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    code: &'static str,
    message: String,
    at: Option<Pos>,
}

impl Refusal {
    fn too_complex(message: String) -> Self {
        Self {
            code: code::TOO_COMPLEX,
            message,
            at: None,
        }
    }

    fn invalid(message: String, at: Pos) -> Self {
        Self {
            code: code::VALIDATION,
            message,
            at: (at != Pos::default()).then_some(at),
        }
    }

    fn input(message: String) -> Self {
        Self {
            code: code::BAD_INPUT,
            message,
            at: None,
        }
    }

    /// A request for something that this caller may not see.
    pub(crate) fn forbidden(message: &str) -> Self {
        Self {
            code: code::FORBIDDEN,
            message: message.to_owned(),
            at: None,
        }
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        mask::coded(refusal.code, refusal.message, refusal.at)
    }
}

impl From<parser::Error> for Refusal {
    /// The library's text quotes the whole line; what it expected stands after its last `=`.
    fn from(error: parser::Error) -> Self {
        let at = error.positions().next();
        match error {
            parser::Error::Syntax { message, start, .. } => {
                let expected = message
                    .rsplit_once("\n  = ")
                    .map_or("something else", |(_, expected)| expected);
                Self {
                    code: code::PARSE,
                    message: format!(
                        "Syntax error at line {}, column {}: {expected}.",
                        start.line, start.column
                    ),
                    at,
                }
            }
            parser::Error::RecursionLimitExceeded => Self::too_complex("The document is nested too deep.".to_owned()),
            other => Self {
                code: code::VALIDATION,
                message: format!("{other}."),
                at,
            },
        }
    }
}

/// A document that passed.
#[derive(Debug)]
pub struct Document {
    parsed: ExecutableDocument,
    operations: Vec<Operation>,
}

/// What an operation costs with certain variables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// The estimate, in points.
    pub points: u64,
    /// What the caller's rate is charged for it beforehand. Taking leads in is nearly free: a sender is limited by what it
    /// submits, not by what it asks to be told of that.
    pub charged: f64,
    /// Whether the rate is charged for what the answer turned out to cost besides.
    pub settled: bool,
}

/// What a rate is charged for each `submitLead` or `submitLeads`, in points.
const SUBMISSION: f64 = 0.1;

/// One operation of a [`Document`], with what has to be known before it is executed.
#[derive(Debug)]
pub struct Operation {
    name: Option<Name>,
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// Whether it asks for `__schema` or `__type`.
    pub introspects: bool,
    cost: Cost,
    /// How often one object is asked for its `__typename` at most.
    pub typenames: usize,
    submissions: Option<usize>,
    inputs: Arc<Inputs>,
    variables: Vec<Positioned<VariableDefinition>>,
}

impl Document {
    fn check(text: &str, limits: &Limits) -> Result<Self, Refusal> {
        scan::scan(text, limits)?;
        let mut parsed = parser::parse_query(text)?;
        count::count(&parsed, limits)?;
        rewrite::rewrite(&mut parsed)?;
        let registry = Registry::of_this_server();
        let inputs = Arc::new(Inputs::of(&parsed, &registry, limits)?);
        let operations = parsed.operations.iter().map(|(name, operation)| {
            let facts = walk::walk(&parsed, &operation.node, &registry, limits)?;
            Ok(Operation {
                name: name.cloned(),
                kind: operation.node.ty,
                introspects: facts.introspects,
                cost: facts.cost,
                typenames: facts.typenames,
                submissions: facts.submissions,
                inputs: inputs.clone(),
                variables: operation.node.variable_definitions.clone(),
            })
        });
        let operations = operations.collect::<Result<_, Refusal>>()?;
        Ok(Self { parsed, operations })
    }

    /// The operation that a request names, or the only one.
    pub fn operation(&self, name: Option<&str>) -> Result<&Operation, Refusal> {
        match (name, self.operations.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Refusal::input(
                "The document has several operations: name one in operationName.".into(),
            )),
            (Some(name), operations) => operations
                .iter()
                .find(|operation| operation.name.as_deref() == Some(name))
                .ok_or_else(|| Refusal::input("The document has no operation of the name in operationName.".into())),
        }
    }

    /// A copy for the library, which consumes it.
    pub fn parsed(&self) -> ExecutableDocument {
        self.parsed.clone()
    }
}

impl Operation {
    /// Checks and completes the variables of a request, then the cost that follows from them.
    pub fn admit(&self, variables: &mut Variables, limits: &Limits) -> Result<Price, Refusal> {
        variables::complete(&self.variables, variables)?;
        let registry = Registry::of_this_server();
        self.inputs
            .admit(&self.variables, variables, &registry, &limits.bounds)?;
        let points = self.cost.points(variables);
        if points > limits.cost {
            return Err(Refusal::too_complex(format!(
                "The query costs {points} points; at most {} are allowed. Ask for smaller pages or fewer nested lists.",
                limits.cost
            )));
        }
        Ok(Price {
            points,
            charged: self.charge(points),
            settled: self.submissions.is_none(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "both are bounded by the limits of a document")]
    fn charge(&self, points: u64) -> f64 {
        match self.submissions {
            Some(fields) => fields as f64 * SUBMISSION,
            None => points as f64,
        }
    }

    /// What it is called in the document.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Checks documents, and remembers those that passed.
#[derive(Debug, Clone)]
pub struct Documents {
    /// The bounds.
    pub limits: Limits,
    passed: Cache<Arc<str>, Arc<Document>>,
}

/// A parsed document takes about this many times the memory of its text.
const GROWTH: usize = 32;

impl Documents {
    /// An empty cache under `limits`.
    pub fn new(limits: Limits) -> Self {
        let weight = |text: &Arc<str>, _: &Arc<Document>| u32::try_from(text.len() * GROWTH).unwrap_or(u32::MAX);
        let passed = Cache::builder()
            .weigher(weight)
            .max_capacity(limits.cache_bytes)
            .build();
        Self { limits, passed }
    }

    /// The checked form of `text`. Documents that fail are not remembered: failing is cheap, and room is not.
    pub async fn check(&self, text: &str) -> Result<Arc<Document>, Refusal> {
        if let Some(document) = self.passed.get(text).await {
            return Ok(document);
        }
        let document = Arc::new(Document::check(text, &self.limits)?);
        self.passed.insert(text.into(), document.clone()).await;
        Ok(document)
    }
}

#[cfg(test)]
mod tests;
