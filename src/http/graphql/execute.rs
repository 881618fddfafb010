//! From parameters to a response: the part that HTTP and WebSocket share.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Executor, Request, Response, ServerError, parser::types::OperationType};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tracing::Instrument;
use uuid::Uuid;

use super::{Endpoint, read::Parameters};
use crate::{
    graphql::{
        limits::{Document, Refusal, Refusals},
        mask::{self, code},
        streams::ResumeAfter,
    },
    http::{
        request_id::RequestId,
        session::{Authenticate, Session},
    },
};

/// A request that passed every check and may be given to the library.
pub(in crate::http) struct Prepared {
    request: Request,
    pub(in crate::http) kind: OperationType,
    name: Option<String>,
    /// Whose share of writes it counts on.
    owner: Option<Uuid>,
}

impl Prepared {
    /// Lets a subscription begin after that event, whatever its arguments say.
    pub(super) fn resume_after(mut self, cursor: &str) -> Self {
        self.request.data.insert(ResumeAfter(cursor.to_owned()));
        self
    }
}

impl<E: Executor, A: Authenticate> Endpoint<E, A> {
    /// Checks a request and dresses it with the caller's data.
    pub(in crate::http) async fn prepare(
        &self,
        parameters: Parameters,
        session: &Session,
    ) -> Result<Prepared, Vec<ServerError>> {
        let document = self.documents.check(&parameters.query).await?;
        Ok(self.admit(&document, parameters, session)?)
    }

    fn admit(&self, document: &Document, parameters: Parameters, session: &Session) -> Result<Prepared, Refusals> {
        let operation = document.operation(parameters.operation())?;
        let variables = self.documents.admit(operation, parameters.variables)?;
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
        request.set_parsed_query(parsed);
        Ok(Prepared {
            request,
            kind: operation.kind,
            name: operation.name().map(str::to_owned),
            owner: session.owner,
        })
    }

    /// Runs a query or mutation, and waits for it at most as long as is allowed; errors come out masked. A mutation goes on to its
    /// end also when nobody waits for it any more.
    pub(in crate::http) async fn run(&self, prepared: Prepared, id: &RequestId) -> Response {
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
        let execution = execution.instrument(span);
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

    /// Starts a subscription; errors come out masked, and a panic ends it with an error.
    pub(in crate::http) fn stream(&self, prepared: Prepared, id: RequestId) -> BoxStream<'static, Response> {
        let responses = self.executor.execute_stream(prepared.request, Some(Arc::default()));
        let masked = AssertUnwindSafe(responses)
            .catch_unwind()
            .map(move |response| match response {
                Ok(mut response) => {
                    mask::mask(&mut response, id.as_str());
                    response
                }
                Err(_panic) => Response::from_errors(vec![panicked(&id)]),
            });
        masked.boxed()
    }
}

/// The panic itself has been reported by the process's hook.
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
