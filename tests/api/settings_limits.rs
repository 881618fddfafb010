//! What an account's settings may hold, and that nothing of it is computed while others wait.

mod patterns;
mod stored;

use serde_json::{Value, json};

/// A rule of so many patterns, each of which takes more than a megabyte, compiled.
fn large_patterns(count: usize) -> Value {
    let pattern = |number| json!({ "condition": { "field": "name", "operator": "MATCHES", "value": format!(r"\w{{2,20}}{number}") } });
    json!({ "any": (0..count).map(pattern).collect::<Vec<_>>() })
}

/// A flow's fields that such a rule may name.
fn fields() -> Value {
    json!([{ "name": "email", "type": "EMAIL" }, { "name": "name", "type": "TEXT" }])
}
