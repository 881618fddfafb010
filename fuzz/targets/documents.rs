//! A GraphQL document and its variables: the bounds hold before anything runs, and what passes parses for the library.
#![no_main]

use std::sync::LazyLock;

use async_graphql::Variables;
use futures::executor::block_on;
use leadmesh::graphql::limits::{Documents, Limits};
use libfuzzer_sys::fuzz_target;

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    Documents::new(Limits {
        cache_bytes: 0,
        ..Limits::default()
    })
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (text, variables) = text.split_once('\0').unwrap_or((text, "{}"));
    let Ok(document) = block_on(DOCUMENTS.check(text)) else {
        return;
    };
    assert!(text.len() <= DOCUMENTS.limits.document_bytes);
    let Ok(operation) = document.operation(None) else {
        return;
    };
    let mut variables = serde_json::from_str::<Variables>(variables).unwrap_or_default();
    let _ = operation.admit(&mut variables, &DOCUMENTS.limits);
    let _ = document.parsed();
});
