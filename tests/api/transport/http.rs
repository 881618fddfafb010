//! GraphQL over HTTP (traps 3, 4, 17 to 19).

use reqwest::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::server::{GRAPHQL, Server, code, read, soon};

const JSON: &str = "application/json";

#[tokio::test]
async fn the_media_type_of_the_answer_is_negotiated() {
    let server = Server::start().await;
    for (accept, expected) in [
        (None, JSON),
        (Some("*/*"), JSON),
        (Some(JSON), JSON),
        (Some(GRAPHQL), GRAPHQL),
        (
            Some("application/json;q=0.5, application/graphql-response+json"),
            GRAPHQL,
        ),
    ] {
        let mut request = server.post(&json!({"query": "{ __typename }"}));
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let response = soon(request.send()).await.unwrap();
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            format!("{expected}; charset=utf-8"),
            "{accept:?}"
        );
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(read(response).await, (200, json!({"data": {"__typename": "Query"}})));
    }
    let response = soon(
        server
            .post(&json!({"query": "{ hello }"}))
            .header(ACCEPT, "text/html")
            .send(),
    )
    .await
    .unwrap();
    assert_eq!(response.status(), 406);
    assert_eq!(code(&read(response).await.1), "BAD_USER_INPUT");
}

#[tokio::test]
async fn request_errors_are_400_or_200_by_media_type_and_have_no_data() {
    let server = Server::start().await;
    for (query, expected) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ a { b { c { d { e { f { g { h { i { j { k { l { m } } } } } } } } } } } } }",
            "QUERY_TOO_COMPLEX",
        ),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("query ($name: String!) { hello(name: $name) }", "BAD_USER_INPUT"),
        ("subscription { count(to: 3) }", "BAD_USER_INPUT"),
        ("{ sum(pair: {left: \"a\"}) }", "BAD_USER_INPUT"),
    ] {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let request = server.post(&json!({"query": query})).header(ACCEPT, accept);
            let (got, body) = read(soon(request.send()).await.unwrap()).await;
            assert_eq!((got, code(&body)), (status, expected), "{query}");
            assert_eq!(body.get("data"), None, "{query}");
        }
    }
}

#[tokio::test]
async fn field_errors_are_200_even_if_they_leave_no_data() {
    let server = Server::start().await;
    let (status, body) = server.query("{ hello missing }").await;
    assert_eq!((status, code(&body)), (200, "NOT_FOUND"));
    assert_eq!(body["data"], json!({"hello": "hello world", "missing": null}));
    let (status, body) = server.query("{ hello required }").await;
    assert_eq!((status, code(&body)), (200, "FORBIDDEN"));
    assert_eq!(body.get("data"), Some(&Value::Null));
}

#[tokio::test]
async fn what_is_no_request_is_400_for_both_media_types() {
    let server = Server::start().await;
    for body in [
        "",
        "NONSENSE",
        "{\"query\":",
        "7",
        "{}",
        r#"{"query": null}"#,
        r#"{"query": {"a": 1}}"#,
        r#"{"query": "{ hello }", "operationName": 7}"#,
        r#"{"query": "{ hello }", "variables": "a"}"#,
        r#"{"query": "{ hello }", "variables": [1]}"#,
        r#"{"query": "{ hello }", "extensions": 0}"#,
    ] {
        for accept in [JSON, GRAPHQL] {
            let request = server
                .request("POST")
                .header(CONTENT_TYPE, JSON)
                .header(ACCEPT, accept)
                .body(body);
            let (status, answer) = read(soon(request.send()).await.unwrap()).await;
            assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"), "{body}");
        }
    }
}

#[tokio::test]
async fn nulls_and_extensions_are_accepted() {
    let server = Server::start().await;
    let body = json!({"query": "{ hello }", "variables": null, "operationName": null, "extensions": null});
    assert_eq!(read(soon(server.post(&body).send()).await.unwrap()).await.0, 200);
    let body = json!({"query": "{ hello }", "operationName": "", "extensions": {"a": {"b": 1}}, "more": 1});
    assert_eq!(
        read(soon(server.post(&body).send()).await.unwrap()).await.1,
        json!({"data": {"hello": "hello world"}})
    );
}

#[tokio::test]
async fn batches_and_persisted_queries_are_refused_clearly() {
    let server = Server::start().await;
    let (status, body) = read(
        soon(server.post(&json!([{"query": "{ hello }"}])).send())
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, code(&body)), (400, "BAD_USER_INPUT"));
    assert!(
        body["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("Batches are not supported")
    );
    let hashed = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}});
    let (status, body) = read(soon(server.post(&hashed).send()).await.unwrap()).await;
    assert_eq!(
        (status, &body["errors"][0]["message"]),
        (400, &json!("PersistedQueryNotSupported"))
    );
}

#[tokio::test]
async fn only_json_is_posted() {
    let server = Server::start().await;
    let body = r#"{"query": "mutation { bump }"}"#;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
    ] {
        let mut request = server.request("POST").body(body);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let (status, answer) = read(soon(request.send()).await.unwrap()).await;
        assert_eq!((status, code(&answer)), (415, "BAD_USER_INPUT"), "{content_type:?}");
    }
    let request = server
        .request("POST")
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body);
    assert_eq!(
        read(soon(request.send()).await.unwrap()).await,
        (200, json!({"data": {"bump": 1}}))
    );
    assert_eq!(server.probe.mutations(), 1);
}

#[tokio::test]
async fn get_runs_queries_with_all_parameters_and_nothing_else() {
    let server = Server::start().await;
    let get = |pairs: &[(&str, &str)]| {
        let request = server.request("GET").query(pairs);
        async { soon(request.send()).await.unwrap() }
    };
    let query = "query A($n: String) { hello(name: $n) } query B { lead { id } }";
    let response = get(&[
        ("query", query),
        ("operationName", "A"),
        ("variables", r#"{"n":"you"}"#),
    ])
    .await;
    assert_eq!(read(response).await, (200, json!({"data": {"hello": "hello you"}})));
    let response = get(&[
        ("query", "{ hello }"),
        ("operationName", ""),
        ("variables", ""),
        ("extensions", "{}"),
    ])
    .await;
    assert_eq!(response.status(), 200);
    for broken in [("variables", "{"), ("variables", "[]"), ("extensions", "7")] {
        let (status, body) = read(get(&[("query", "{ hello }"), broken]).await).await;
        assert_eq!((status, code(&body)), (400, "BAD_USER_INPUT"), "{broken:?}");
    }
    assert_eq!(get(&[]).await.status(), 400);
    let response = get(&[("query", "mutation { bump }")]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()[ALLOW]),
        (405, &"POST".parse().unwrap())
    );
    assert_eq!(code(&read(response).await.1), "BAD_USER_INPUT");
    assert_eq!(server.probe.mutations(), 0);
}

#[tokio::test]
async fn other_methods_are_405() {
    let server = Server::start().await;
    for method in ["PUT", "DELETE", "PATCH"] {
        let response = soon(server.request(method).send()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &"GET, POST".parse().unwrap())
        );
        assert_eq!(code(&read(response).await.1), "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_the_page() {
    let server = Server::start().await;
    let visit = server
        .request("GET")
        .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    let response = soon(visit.send()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[LOCATION]),
        (303, &"/".parse().unwrap())
    );
}

#[tokio::test]
async fn credentials_that_are_refused_have_their_status_and_headers() {
    let server = Server::start().await;
    let ask = |authorization: &str| {
        let request = server
            .post(&json!({"query": "{ actor }"}))
            .header("authorization", authorization);
        async { soon(request.send()).await.unwrap() }
    };
    assert_eq!(read(ask("Bearer ann").await).await.1, json!({"data": {"actor": "ann"}}));
    for wrong in ["Bearer bad", "Basic YTpi", "Bearer"] {
        let response = ask(wrong).await;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"leadmesh\"");
        let (status, body) = read(response).await;
        assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"));
    }
    let response = ask("Bearer limited").await;
    assert_eq!(response.headers()[RETRY_AFTER], "7");
    let (status, body) = read(response).await;
    assert_eq!((status, code(&body)), (429, "RATE_LIMITED"));
    let (status, body) = read(ask("Bearer broken").await).await;
    assert_eq!((status, code(&body)), (500, "INTERNAL_SERVER_ERROR"));
    assert!(!body.to_string().contains("secret"));
}

#[tokio::test]
async fn introspection_is_refused_with_a_code_where_it_is_off() {
    let server = Server::start().await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ ...F } fragment F on Query { __type(name: \"Lead\") { name } }",
    ] {
        let anonymous = server.post(&json!({"query": query})).header(ACCEPT, GRAPHQL);
        let (status, body) = read(soon(anonymous.send()).await.unwrap()).await;
        assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
        assert_eq!(server.query(query).await.0, 200);
    }
}

#[tokio::test]
async fn directives_see_variables_defaults_and_typename() {
    let server = Server::start().await;
    let included = (200, json!({"data": {"__typename": "Query"}}));
    let query = "query ($v: Boolean!) { __typename @include(if: $v) hello @skip(if: $v) }";
    assert_eq!(server.query_with(query, json!({"v": true})).await, included);
    let (status, body) = server.query(query).await;
    assert_eq!((status, code(&body)), (400, "BAD_USER_INPUT"));
    let query = "query ($v: Boolean = true) { __typename @include(if: $v) hello @skip(if: $v) }";
    assert_eq!(server.query(query).await, included);
    let (status, body) = server.query("{ __typename @unknown }").await;
    assert_eq!((status, code(&body)), (400, "GRAPHQL_VALIDATION_FAILED"));
}

#[tokio::test]
async fn input_fields_given_twice_are_refused() {
    let server = Server::start().await;
    let (status, body) = server.query("{ sum(pair: {left: 1, right: 2, left: 3}) }").await;
    assert_eq!((status, code(&body)), (400, "GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(
        server.query("{ sum(pair: {left: 1, right: 2}) }").await.1,
        json!({"data": {"sum": 3}})
    );
}

#[tokio::test]
async fn coercion_and_page_arguments_are_the_callers_input() {
    let server = Server::start().await;
    for query in [
        "{ bounded(n: 6) }",
        "{ ids(first: -1) { nodes { id } } }",
        "{ ids(last: -1) { nodes { id } } }",
    ] {
        let (status, body) = server.query(query).await;
        assert_eq!((status, code(&body)), (200, "BAD_USER_INPUT"), "{query}");
    }
    let (status, body) = server
        .query_with("query ($n: Int!) { bounded(n: $n) }", json!({"n": "a"}))
        .await;
    assert_eq!((status, code(&body)), (400, "BAD_USER_INPUT"));
}

#[tokio::test]
async fn requests_have_a_name_that_the_caller_may_give() {
    let server = Server::start().await;
    let ask = |id: Option<&str>| {
        let mut request = server.post(&json!({"query": "{ database }"}));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        async { soon(request.send()).await.unwrap() }
    };
    for (given, kept) in [(Some("my-1"), true), (Some("not harmless\""), false), (None, false)] {
        let response = ask(given).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(Some(id.as_str()) == given, kept);
        let body = read(response).await.1;
        assert_eq!(body["errors"][0]["extensions"]["requestId"], json!(id));
    }
}
