//! Counts the values of an operation while it executes.
//!
//! Every field and every list entry passes an extension, so no resolver can forget to count. The price is one call for
//! each.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextResolve, ResolveInfo};
use async_graphql::{QueryPathSegment, Response, ServerError, ServerResult, Value, async_trait};

use super::budget::Budget;
use leadmesh_core::error::Error;

/// Makes the counter of each operation.
pub struct Counting;

impl ExtensionFactory for Counting {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Counter::default())
    }
}

/// The budget of the request, or a new one.
#[derive(Default)]
struct Counter {
    budget: OnceLock<Arc<Budget>>,
}

impl Counter {
    fn budget(&self) -> &Budget {
        self.budget.get_or_init(Arc::default)
    }
}

#[async_trait::async_trait]
impl Extension for Counter {
    /// A query or mutation, or one event of a subscription.
    async fn execute(&self, ctx: &ExtensionContext<'_>, name: Option<&str>, next: NextExecute<'_>) -> Response {
        let budget = self
            .budget
            .get_or_init(|| ctx.data_opt::<Arc<Budget>>().cloned().unwrap_or_default());
        budget.renew();
        let mut execution = pin!(next.run(ctx, name));
        poll_fn(|context| {
            budget.begin_poll();
            execution.as_mut().poll(context)
        })
        .await
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let budget = self.budget();
        budget.yield_if_due().await;
        let is_leaf = info.field.selection_set.node.items.is_empty();
        // Entries come by here one by one.
        let is_list = info.return_type.starts_with('[');
        let entered = match (is_leaf || is_list, info.is_for_introspection) {
            // Introspection asks for the whole schema; its bytes are bound enough.
            (_, true) => Ok(()),
            (false, false) => budget.object(),
            (true, false) => budget.leaf(),
        };
        let is_entry = matches!(info.path_node.segment, QueryPathSegment::Index(_));
        let name = if is_entry { "" } else { info.alias.unwrap_or(info.name) };
        entered.and_then(|()| budget.key(name)).map_err(refuse)?;
        let made = next.run(ctx, info).await?;
        if let Some(value) = made.as_ref().filter(|_| is_leaf && !is_list) {
            budget.written(value).map_err(refuse)?;
        }
        Ok(made)
    }
}

fn refuse(error: Error) -> ServerError {
    let mut refused = ServerError::new(error.to_string(), None);
    refused.source = Some(Arc::new(error));
    refused
}
