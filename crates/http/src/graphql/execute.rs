//! From parameters to a response: what HTTP and WebSocket share.

use std::{any::TypeId, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Executor, Request, Response, ServerError, parser::types::OperationType};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tracing::Instrument;
use uuid::Uuid;

use super::{Endpoint, read::Parameters};
use crate::request_id::RequestId;
use crate::session::{Authenticate, Session};
use leadmesh_core::error::Error;
use leadmesh_core::spans;
use leadmesh_graphql::limits::budget::Budget;
use leadmesh_graphql::limits::rate::Allowance;
use leadmesh_graphql::limits::{Admitted, Document, Price, Refusal, Refusals};
use leadmesh_graphql::mask::{self, code};
use leadmesh_graphql::streams::ResumeAfter;

/// A request that passed every check and may be executed.
pub(crate) struct Prepared {
    request: Request,
    pub(crate) kind: OperationType,
    name: Option<String>,
    budget: Arc<Budget>,
    price: Price,
    allowance: Option<Allowance>,
    /// The account or address that its writes count against.
    owner: Option<Uuid>,
}

impl Prepared {
    /// Starts a subscription after that event, whatever its arguments say.
    pub(super) fn resume_after(mut self, cursor: &str) -> Self {
        self.request.data.insert(ResumeAfter(cursor.to_owned()));
        self
    }
}

impl<E: Executor, A: Authenticate> Endpoint<E, A> {
    /// Checks a request and adds the caller's data.
    pub(crate) async fn prepare(
        &self,
        parameters: Parameters,
        session: &Session,
    ) -> Result<Prepared, Vec<ServerError>> {
        let document = self.documents.check(&parameters.query).await?;
        let prepared = self.admit(&document, parameters, session)?;
        if let Some(allowance) = &session.allowance {
            let drawn = allowance.draw(prepared.price.charged);
            drawn.map_err(|error| vec![limited(error)])?;
        }
        Ok(prepared)
    }

    fn admit(&self, document: &Document, parameters: Parameters, session: &Session) -> Result<Prepared, Refusals> {
        let operation = document.operation(parameters.operation())?;
        let Admitted { variables, price } = self.documents.admit(operation, parameters.variables)?;
        if operation.introspects && !session.introspection {
            // The library would answer `null` without a word.
            return Err(Refusal::forbidden(
                "Introspection is turned off here; the schema is served at /schema.graphql.",
            )
            .into());
        }
        let parsed = document.parsed(&variables);
        let mut request = Request::new("").variables(variables);
        request.operation_name = operation.name().map(str::to_owned);
        request.extensions = parameters.extensions;
        request.data = (session.data)();
        let budget = budget(&mut request);
        budget.count_typenames(operation.typenames);
        request.set_parsed_query(parsed);
        Ok(Prepared {
            request,
            kind: operation.kind,
            name: operation.name().map(str::to_owned),
            owner: session.owner,
            budget,
            price,
            allowance: session.allowance.clone(),
        })
    }

    /// Runs a query or mutation within the time limit. A query ends when its budget is used up; a mutation continues
    /// to its end even if nobody waits for it. Errors are masked.
    pub(crate) async fn run(&self, prepared: Prepared, id: &RequestId) -> Response {
        let (budget, price, allowance) = (prepared.budget.clone(), prepared.price, prepared.allowance.clone());
        let is_mutation = prepared.kind == OperationType::Mutation;
        let response = tokio::select! {
            response = self.run_whole(prepared, id) => response,
            _ = budget.run_out(), if !is_mutation => Response::default(),
        };
        if let Some(allowance) = allowance.filter(|_| price.charges_remainder) {
            allowance.draw_remainder(beyond(budget.points(), price));
        }
        match budget.over() {
            Some(error) => Response::from_errors(vec![overspent(error, is_mutation, id)]),
            None => response,
        }
    }

    async fn run_whole(&self, prepared: Prepared, id: &RequestId) -> Response {
        let span = tracing::info_span!(
            "graphql",
            operation.r#type = %prepared.kind,
            operation.name = prepared.name.as_deref(),
            request_id = id.as_str()
        );
        let (executor, is_write) = (self.executor.clone(), prepared.kind == OperationType::Mutation);
        let execution = async move {
            AssertUnwindSafe(executor.execute(prepared.request))
                .catch_unwind()
                .await
        };
        let execution = spans::in_request(id.context(), execution.instrument(span));
        let ended = async {
            if is_write {
                self.writes.run(prepared.owner, execution).await
            } else {
                Ok(execution.await)
            }
        };
        match tokio::time::timeout(self.timeouts.execution, ended).await {
            Ok(Ok(Ok(mut response))) => {
                mask::mask(&mut response, id.as_str());
                response
            }
            Ok(Ok(Err(_panic))) => Response::from_errors(vec![panicked(id)]),
            Ok(Err(refusal)) => Response::from_errors(vec![mask::refused(refusal, id.as_str())]),
            Err(_elapsed) if is_write => Response::from_errors(vec![goes_on(self.timeouts.execution)]),
            Err(_elapsed) => Response::from_errors(vec![timed_out(self.timeouts.execution)]),
        }
    }

    /// Starts a subscription. Errors are masked, and a panic ends it with an error.
    pub(crate) fn stream(&self, prepared: Prepared, id: RequestId) -> BoxStream<'static, Response> {
        let budget = prepared.budget;
        let responses = self.executor.execute_stream(prepared.request, Some(Arc::default()));
        let masked = AssertUnwindSafe(responses)
            .catch_unwind()
            .map(move |response| match response {
                Ok(mut response) => {
                    if let Some(error) = budget.over() {
                        return Response::from_errors(vec![overspent(error, false, &id)]);
                    }
                    mask::mask(&mut response, id.as_str());
                    response
                }
                Err(_panic) => Response::from_errors(vec![panicked(&id)]),
            });
        masked.boxed()
    }
}

/// The budget from the session's data, or a new one.
fn budget(request: &mut Request) -> Arc<Budget> {
    let made = request.data.get(&TypeId::of::<Arc<Budget>>());
    let made = made.and_then(|made| made.downcast_ref::<Arc<Budget>>()).cloned();
    made.unwrap_or_else(|| {
        let budget = Arc::<Budget>::default();
        request.data.insert(budget.clone());
        budget
    })
}

/// The cost of an answer beyond what was charged for it.
#[expect(clippy::cast_precision_loss, reason = "points are bounded by the budget")]
fn beyond(points: u64, price: Price) -> f64 {
    (points as f64 - price.charged).max(0.0)
}

const USED_UP: &str = "What this caller may ask in a minute is used up: wait as many seconds as retryAfterSeconds says, and ask for \
                       less at once.";

/// The error that the caller's rate limit is used up.
fn limited(error: Error) -> ServerError {
    let mut limited = mask::refused(error, "");
    USED_UP.clone_into(&mut limited.message);
    limited
}

/// The error that the budget of an answer is used up.
fn overspent(error: Error, is_mutation: bool, id: &RequestId) -> ServerError {
    let mut refused = mask::refused(error, id.as_str());
    if is_mutation {
        // The selection of a mutation is resolved after the mutation took effect.
        refused.message.push_str(" What the mutation did stands.");
    }
    refused
}

/// The process's hook has reported the panic itself.
fn panicked(id: &RequestId) -> ServerError {
    tracing::error!(request_id = id.as_str(), "a resolver panicked");
    mask::internal(id.as_str())
}

pub(super) fn timed_out(limit: Duration) -> ServerError {
    let message = format!(
        "The request took longer than {} s and was stopped. Ask for less at once.",
        limit.as_secs_f32()
    );
    mask::coded(code::TIMEOUT, message, None)
}

fn goes_on(limit: Duration) -> ServerError {
    let message = format!(
        "The mutation takes longer than {} s and goes on without this request: look whether it was done before you repeat it.",
        limit.as_secs_f32()
    );
    mask::coded(code::TIMEOUT, message, None)
}
