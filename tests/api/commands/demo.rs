use std::path::Path;

use serde_json::{Value, json};

use super::process::{Run, leadmesh, run};
use crate::support::app::client;

/// The bodies of the printed requests, by the key or token that they are sent with.
fn requests(guide: &[String]) -> Vec<(String, Value)> {
    let curls = guide.iter().filter(|line| line.trim_start().starts_with("curl "));
    let part = |line: &str, before: &str| {
        line.split_once(before)
            .unwrap()
            .1
            .split('\'')
            .next()
            .unwrap()
            .to_owned()
    };
    curls
        .map(|line| {
            let body = serde_json::from_str(&part(line, "-d '")).unwrap();
            (part(line, "Authorization: Bearer "), body)
        })
        .collect()
}

fn url(guide: &[String]) -> String {
    let line = guide.iter().find(|line| line.contains("Leadmesh is running")).unwrap();
    line.split(' ').next_back().unwrap().to_owned()
}

async fn post(url: &str, (token, body): &(String, Value)) -> Value {
    let request = client().post(url);
    let answer = request.bearer_auth(token).json(body).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn leads_move_and_the_printed_requests_work_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "demo",
        "--leads",
        "20",
        "--rate",
        "50",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "here",
    ];
    let demo = Run::start(leadmesh(dir.path(), &arguments));
    let guide = demo.says("subscription {");
    let said = demo.says("Still serving");
    let total =
        "All leads are submitted: 18 accepted, 1 rejected, 1 repeated; arrived by webhook 18, email 18, portal 18";
    assert!(said.iter().any(|line| line == total), "{said:#?}");

    leadmesh_core::tls::install_tls();
    let (url, requests) = (url(&guide), requests(&guide));
    assert!(!url.ends_with(":0/graphql"), "{url}");
    let [submit, own, neighbours, portal] = requests.as_slice() else {
        panic!("{requests:#?}")
    };
    let receipt = post(&url, submit).await;
    assert_eq!(
        receipt["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED",
        "{receipt:#}"
    );
    assert_eq!(post(&url, own).await["data"]["submission"]["outcome"], "ACCEPTED");
    assert_eq!(post(&url, neighbours).await, json!({"data": {"submission": null}}));
    let portal = post(&url, portal).await;
    assert_eq!(
        portal["data"]["portal"]["partnerName"], "Sash & Daughters",
        "{portal:#}"
    );
    assert_eq!(portal["data"]["portal"]["leads"]["nodes"].as_array().unwrap().len(), 3);
    demo.says("submitted by somebody else, arrived: webhook, email, portal");

    demo.signal("TERM");
    assert!(demo.end().succeeded().contains("Stopped."));
    it_goes_on_only_when_asked_to(dir.path(), &arguments);
}

fn it_goes_on_only_when_asked_to(dir: &Path, arguments: &[&str]) {
    let refused = run(leadmesh(dir, arguments)).failed(2);
    assert!(refused.contains("is not empty: add --keep"), "{refused}");
    let at_leisure = ["--keep", "--leads", "1", "--rate", "1"];
    let again = ["demo", "--listen", "127.0.0.1:0", "--data-dir", "here"];
    let again: Vec<&str> = again.into_iter().chain(at_leisure).collect();
    let demo = Run::start(leadmesh(dir, &again));
    let said = demo.says("Still serving");
    let says = |parts: &[&str]| said.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(says(&["arrived by webhook 1, email 1, portal 1"]), "{said:#?}");
    // A line for each lead, as the rate can be followed.
    assert!(says(&["accepted", " ms, email "]), "{said:#?}");
    demo.signal("INT");
    demo.end().succeeded();
}

#[test]
fn a_directory_without_a_demo_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("here")).unwrap();
    std::fs::write(dir.path().join("here/file"), "").unwrap();
    let refused = run(leadmesh(dir.path(), &["demo", "--data-dir", "here", "--keep"])).failed(2);
    assert!(refused.contains("there is no demo in here"), "{refused}");
}
