use async_graphql::PathSegment;

use super::*;

fn masked(mut error: ServerError, data: Value) -> ServerError {
    error.locations.clear();
    let mut response = Response::new(data);
    response.errors.push(error);
    mask(&mut response, "r-1");
    response.errors.remove(0)
}

fn at_field(message: &str, source: Option<Arc<dyn std::any::Any + Send + Sync>>) -> ServerError {
    let mut error = ServerError::new(message, None).with_path(vec![PathSegment::Field("a".into())]);
    error.source = source;
    error
}

fn assert_hidden(error: &ServerError) {
    assert_eq!(error.message, "internal error");
    let expected = r#"{"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"}"#;
    assert_eq!(serde_json::to_string(&error.extensions).unwrap(), expected);
}

#[test]
fn our_own_errors_keep_text_and_code() {
    let of = |error: Error| at_field(&error.to_string(), Some(Arc::new(error)));
    let error = masked(of(Error::NotFound("lead")), Value::Null);
    assert_eq!(
        (error.message.as_str(), code_of(&error)),
        ("no such lead", Some("NOT_FOUND"))
    );
    let error = masked(of(Error::RateLimited { retry_after: 7 }), Value::Null);
    assert_eq!(
        error.extensions.unwrap().get("retryAfterSeconds"),
        Some(&Value::from(7))
    );
    let shared = at_field("forbidden", Some(Arc::new(Arc::new(Error::Forbidden("forbidden")))));
    assert_eq!(code_of(&masked(shared, Value::Null)), Some("FORBIDDEN"));
}

#[test]
fn everything_of_unknown_origin_is_hidden() {
    let internal = Error::Internal(anyhow::anyhow!("secret"));
    assert_hidden(&masked(at_field("secret", Some(Arc::new(internal))), Value::Null));
    assert_hidden(&masked(
        at_field("secret", Some(Arc::new(std::io::Error::other("secret")))),
        Value::Null,
    ));
    assert_hidden(&masked(at_field("secret", None), Value::Null));
    // No path, but beside data: not from validation.
    assert_hidden(&masked(ServerError::new("secret", None), Value::Boolean(true)));
    let mut dressed = at_field("secret", None);
    dressed.extensions.get_or_insert_default().set("code", "NOT_FOUND");
    dressed.extensions.get_or_insert_default().set("sql", "secret");
    assert_hidden(&masked(dressed, Value::Null));
}

#[test]
fn request_errors_and_coercion_are_told_apart() {
    for (message, path, code) in [
        ("Unknown field \"a\" on type \"Query\".", false, code::VALIDATION),
        (
            "Invalid value for argument \"a\", expected type \"Int\"",
            false,
            code::BAD_INPUT,
        ),
        ("Unknown operation named \"a\"", false, code::BAD_INPUT),
        ("Query is too complex.", false, code::TOO_COMPLEX),
        (
            "Failed to parse \"Int\": Only integers from 1 to 2 are accepted.",
            true,
            code::BAD_INPUT,
        ),
        ("Expected input type \"Int\", found \"a\".", true, code::BAD_INPUT),
        (
            "The \"first\" parameter must be a non-negative number",
            true,
            code::BAD_INPUT,
        ),
    ] {
        let error = if path {
            at_field(message, None)
        } else {
            ServerError::new(message, None)
        };
        let error = masked(error, Value::Null);
        assert_eq!((error.message.as_str(), code_of(&error)), (message, Some(code)));
    }
}

#[test]
fn errors_are_few_and_short() {
    let mut response = Response::default();
    response.errors = (0..500).map(|_| ServerError::new("ü".repeat(5_000), None)).collect();
    mask(&mut response, "r-1");
    assert_eq!(response.errors.len(), 10);
    assert!(response.errors.iter().all(|error| error.message.chars().count() == 301));
}

#[test]
fn a_request_error_has_neither_path_nor_data() {
    let with = |error: ServerError, data: Value| {
        let mut response = Response::new(data);
        response.errors.push(error);
        is_request_error(&response)
    };
    assert!(with(ServerError::new("a", None), Value::Null));
    assert!(!with(at_field("a", None), Value::Null));
    assert!(!with(ServerError::new("a", None), Value::Boolean(true)));
    assert!(!is_request_error(&Response::default()));
}
