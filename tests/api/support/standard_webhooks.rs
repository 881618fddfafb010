//! The published Standard Webhooks library of another language, as the judge of our signatures.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::http_receiver::Received;

/// A Python that has the library; `scripts/test` makes one.
const PYTHON: &str = "LEADMESH_TEST_STANDARD_WEBHOOKS_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/standard_webhooks.py");

/// One request to be judged.
pub(crate) struct Case {
    pub(crate) secret: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Case {
    /// A request as it came.
    pub(crate) fn of(request: &Received, secret: &str) -> Self {
        let header = |name: &str| Some((name.to_owned(), request.header(name)?.to_owned()));
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        Self {
            secret: secret.to_owned(),
            headers: names.into_iter().filter_map(header).collect(),
            body: request.body.to_vec(),
        }
    }

    /// The same with another header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What the library says to each: nothing where it takes the request. None if there is no library, which is said aloud, and
/// which fails a run of CI.
pub(crate) fn refusals(cases: &[Case]) -> Option<Vec<Option<String>>> {
    let Ok(python) = std::env::var(PYTHON) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{PYTHON} is not set: run scripts/test"
        );
        eprintln!(
            "SKIPPED: signatures are not verified by the published library, for {PYTHON} is not set (see scripts/test)"
        );
        return None;
    };
    let asked = cases.iter().map(|case| {
        let headers: serde_json::Map<String, Value> = case
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({ "secret": case.secret, "headers": headers, "body": STANDARD.encode(&case.body) })
    });
    let asked = Value::Array(asked.collect()).to_string();
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the library's script has failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Whether a request is signed with that secret, worked out here from the text of the specification, whatever the clock says.
pub(crate) fn is_signed_with(request: &Received, secret: &str) -> bool {
    let header = |name| request.header(name).unwrap_or_default();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&request.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    let expected = format!("v1,{}", STANDARD.encode(tag));
    header("webhook-signature").split(' ').any(|given| given == expected)
}
