//! Pages of other origins (the Fetch standard's CORS protocol).

use reqwest::{Method, header};

use crate::support::app::{Mode, TestApp, client};

const APP: &str = "https://app.example.com";

async fn ask_first(test: &TestApp, origin: &str) -> reqwest::Response {
    let request = client().request(Method::OPTIONS, format!("http://{}/graphql", test.address));
    let request = request
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    request.send().await.unwrap()
}

#[tokio::test]
async fn only_allowed_origins_may_read_answers() {
    let test = TestApp::start_with(Mode::Embedded, &["--allow-origins", APP]).await;
    let allowed = ask_first(&test, APP).await;
    assert_eq!(allowed.headers()["access-control-allow-origin"], APP);
    let headers = allowed.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(
        headers.contains("authorization") && headers.contains("content-type"),
        "{headers}"
    );
    let foreign = ask_first(&test, "https://evil.example").await;
    assert!(foreign.headers().get("access-control-allow-origin").is_none());

    let url = format!("http://{}/schema.graphql", test.address);
    let page = client().get(url).header(header::ORIGIN, APP);
    let page = page.send().await.unwrap();
    assert_eq!(page.headers()["access-control-allow-origin"], APP);
    assert!(
        page.headers()["access-control-expose-headers"]
            .to_str()
            .unwrap()
            .contains("x-request-id")
    );
}

#[tokio::test]
async fn without_the_setting_no_other_origin_may() {
    let test = TestApp::start_with(Mode::Embedded, &[]).await;
    assert!(
        ask_first(&test, APP)
            .await
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
}
