//! The descriptions in the schema.

use leadmesh_graphql::schema::sdl;

/// Names of all that a reader of the schema would have to guess. Another noun's stand-in is not looked at.
pub(super) fn undescribed() -> Vec<String> {
    let sdl = sdl();
    let mut missing = Vec::new();
    let (mut described, mut in_text) = (false, false);
    for line in sdl.lines().map(str::trim) {
        if line.starts_with("\"\"\"") {
            in_text = !(in_text || line.len() > 3 && line.ends_with("\"\"\""));
            described = true;
        } else if !in_text && !line.is_empty() && !line.starts_with(['}', ')']) {
            let is_named =
                line.ends_with('{') || line.contains(':') || line.chars().all(|c| c.is_uppercase() || c == '_');
            let is_root = [
                "schema {",
                "type Query {",
                "type Mutation {",
                "query:",
                "mutation:",
                "type Subscription {",
                "subscription:",
            ];
            if is_named && !described && !is_root.iter().any(|root| line.starts_with(root)) {
                missing.push(line.to_owned());
            }
            described = false;
        }
    }
    missing
}
