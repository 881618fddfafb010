//! The check of a document before the library sees it, and the cache of documents that passed.
//!
//! A request's text is read once ([`super::syntax`]), measured ([`Limits`]), validated ([`super::validation`]) and corrected
//! where the library would misread it; only then is it given to the schema, already parsed. Texts that passed are kept, so
//! that the thousandth identical mutation costs a lookup and a copy. What depends on variables (their values, cost) is
//! checked for each request. What the estimate cannot know is counted while executing ([`budget`],
//! [`counting`]), and how often one may ask is a matter of [`rate`].

pub mod answer;
mod bounds;
pub mod budget;
mod cost;
mod count;
pub mod counting;
mod inputs;
mod prune;
pub mod rate;
mod rewrite;
mod walk;

use std::sync::Arc;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Variables,
    parser::types::{ExecutableDocument, OperationType, VariableDefinition},
};
use moka::future::Cache;

pub use self::bounds::Bounds;
use self::{cost::Cost, inputs::Inputs};
use crate::mask::{self, code};
use crate::registry::Registry;
use crate::syntax::{self, SyntaxError};
use crate::validation::{self, Facts, Fault, VariableFacts};

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
    /// Nesting of brackets. Protects the stack of the recursive parser.
    pub nesting: usize,
    /// Selections and fragments inside one another. The library's own bound is 32 and cannot be disabled.
    pub selection_nesting: usize,
    /// Nesting of fields. Introspection has a rule of its own.
    pub depth: usize,
    /// Fields once all fragments are expanded, `__typename` included, over all operations of the document.
    pub fields: AtMost,
    /// Fragments, inline or spread, once all are expanded, over all operations.
    pub fragments: AtMost,
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
    /// Estimated entries of a list that is not a page. Most have fewer; longer ones are counted while executing.
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
            fragments: AtMost(2_000),
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

/// Why a document or its variables are refused. Always the caller's fault, so the text is for the caller.
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
    pub fn forbidden(message: &str) -> Self {
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

impl From<SyntaxError> for Refusal {
    fn from(error: SyntaxError) -> Self {
        match &error {
            SyntaxError::Unexpected { at, .. } => Self {
                code: code::PARSE,
                message: error.to_string(),
                at: Some(*at),
            },
            SyntaxError::Tokens(_) | SyntaxError::Nesting(_) => Self::too_complex(error.to_string()),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code,
            message: fault.message,
            at: fault.at,
        }
    }
}

/// Everything wrong with a request, up to the number that an answer has room for; at least one.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.first())]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    fn first(&self) -> &str {
        self.0.first().map_or("", |refusal| refusal.message.as_str())
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Self {
        Self(vec![refusal])
    }
}

impl From<Vec<Fault>> for Refusals {
    fn from(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(Refusal::from).collect())
    }
}

impl From<Refusals> for Vec<ServerError> {
    fn from(refusals: Refusals) -> Self {
        refusals.0.into_iter().map(ServerError::from).collect()
    }
}

/// A document that passed.
#[derive(Debug)]
pub struct Document {
    parsed: ExecutableDocument,
    operations: Vec<Operation>,
}

/// An admitted request.
#[derive(Debug)]
pub struct Admitted {
    /// The coerced variables.
    pub variables: Variables,
    /// What it costs with them.
    pub price: Price,
}

/// What an operation costs with certain variables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// The estimate, in points.
    pub points: u64,
    /// Points charged to the caller's rate limit before execution. Submitting leads is nearly free: a sender is
    /// limited by its submissions, not by the fields that it selects of the receipts.
    pub charged: f64,
    /// Whether the rate limit is also charged for what the answer costs beyond the estimate.
    pub charges_remainder: bool,
}

/// Points charged for each `submitLead` or `submitLeads`.
const SUBMISSION: f64 = 0.1;

/// One operation of a [`Document`], with the facts needed before execution.
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
    facts: VariableFacts,
}

impl Document {
    fn check(text: &str, limits: &Limits, registry: &Registry) -> Result<Self, Refusals> {
        let read = Self::read(text, limits)?;
        for (_, operation) in read.document.operations.iter() {
            // Bounds are checked before rules, so that a large document is not validated.
            walk::walk(&read.document, &operation.node, registry, limits)?;
        }
        let facts = validation::validate(&read, registry)?;
        let mut parsed = read.document;
        validation::long_numbers::resolve(&mut parsed, registry);
        Ok(Self::measured(parsed, facts, limits, registry)?)
    }

    /// The tree of a text within the bounds.
    fn read(text: &str, limits: &Limits) -> Result<syntax::Read, Refusals> {
        if text.len() > limits.document_bytes {
            return Err(Refusal::too_complex(format!(
                "The document is {} bytes long; at most {} are accepted. Pass data in variables.",
                text.len(),
                limits.document_bytes
            ))
            .into());
        }
        let bounds = syntax::Bounds {
            tokens: limits.tokens,
            nesting: limits.nesting,
        };
        let read = syntax::read(text, bounds).map_err(Refusal::from)?;
        if !read.faults.is_empty() {
            let faults = read.faults.into_iter();
            return Err(Refusals(
                faults.map(|(at, fault)| Refusal::invalid(fault, at)).collect(),
            ));
        }
        count::count(&read.document, limits)?;
        Ok(read)
    }

    fn measured(
        mut parsed: ExecutableDocument,
        mut facts: Facts,
        limits: &Limits,
        registry: &Registry,
    ) -> Result<Self, Refusal> {
        rewrite::rewrite(&mut parsed)?;
        let inputs = Arc::new(Inputs::of(&parsed, registry, limits)?);
        let operations = parsed.operations.iter().map(|(name, operation)| {
            let walked = walk::walk(&parsed, &operation.node, registry, limits)?;
            Ok(Operation {
                name: name.cloned(),
                kind: operation.node.ty,
                introspects: walked.introspects,
                cost: walked.cost,
                typenames: walked.typenames,
                submissions: walked.submissions,
                inputs: inputs.clone(),
                variables: operation.node.variable_definitions.clone(),
                facts: facts.remove(&name.cloned()).unwrap_or_default(),
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

    /// A copy for the library, which consumes it, without the arguments whose variable is absent: the library would
    /// not apply their defaults.
    pub fn parsed(&self, variables: &Variables) -> ExecutableDocument {
        let mut parsed = self.parsed.clone();
        prune::prune(&mut parsed, variables);
        parsed
    }
}

impl Operation {
    /// Checks the variables of a request against the bounds and coerces them, then checks the resulting cost.
    pub fn admit(&self, given: Variables, limits: &Limits, registry: &Registry) -> Result<Admitted, Refusals> {
        self.inputs.admit(&self.variables, &given, registry, &limits.bounds)?;
        let variables = validation::variables::coerce(&self.variables, &self.facts, registry, given)?;
        let price = self.afford(&variables, limits)?;
        Ok(Admitted { variables, price })
    }

    fn afford(&self, variables: &Variables, limits: &Limits) -> Result<Price, Refusal> {
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
            charges_remainder: self.submissions.is_none(),
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

/// Checks documents, and caches those that pass.
#[derive(Debug, Clone)]
pub struct Documents {
    /// The bounds.
    pub limits: Limits,
    registry: Arc<Registry>,
    passed: Cache<Arc<str>, Arc<Document>>,
}

/// Memory of a parsed document, in multiples of the length of its text.
const GROWTH: usize = 32;

impl Documents {
    /// An empty cache under `limits`, for that schema.
    pub fn new(limits: Limits, registry: Arc<Registry>) -> Self {
        let weight = |text: &Arc<str>, _: &Arc<Document>| u32::try_from(text.len() * GROWTH).unwrap_or(u32::MAX);
        let passed = Cache::builder()
            .weigher(weight)
            .max_capacity(limits.cache_bytes)
            .build();
        Self {
            limits,
            registry,
            passed,
        }
    }

    /// The checked form of `text`. Documents that fail are not cached: failing is cheap, and memory is not.
    pub async fn check(&self, text: &str) -> Result<Arc<Document>, Refusals> {
        if let Some(document) = self.passed.get(text).await {
            return Ok(document);
        }
        let document = Arc::new(Document::check(text, &self.limits, &self.registry)?);
        self.passed.insert(text.into(), document.clone()).await;
        Ok(document)
    }

    /// See [`Operation::admit`].
    pub fn admit(&self, operation: &Operation, given: Variables) -> Result<Admitted, Refusals> {
        operation.admit(given, &self.limits, &self.registry)
    }
}

#[cfg(test)]
mod tests;
