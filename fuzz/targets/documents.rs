//! A GraphQL document and its variables: the bounds hold before anything runs, the tree that is read is one that can be
//! printed, and variables that pass once pass again.
#![no_main]

use std::sync::LazyLock;

use async_graphql::Variables;
use futures::executor::block_on;
use leadmesh_graphql::limits::{Documents, Limits};
use leadmesh_graphql::schema::registry;
use libfuzzer_sys::fuzz_target;

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| {
    let limits = Limits {
        cache_bytes: 0,
        ..Limits::default()
    };
    Documents::new(limits, registry())
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
    let given = serde_json::from_str::<Variables>(variables).unwrap_or_default();
    let Ok(admitted) = DOCUMENTS.admit(operation, given) else {
        return;
    };
    let _ = document.parsed(&admitted.variables);
    // What resolvers take as the name of an enum comes as a string.
    let as_json = Variables::from_json(serde_json::to_value(&admitted.variables).unwrap());
    assert_eq!(
        DOCUMENTS.admit(operation, as_json).unwrap().variables,
        admitted.variables
    );
});
