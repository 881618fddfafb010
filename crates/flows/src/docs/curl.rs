//! A command line that works when pasted into a POSIX shell.

use serde_json::{Value, json};

/// Posts the operation with its variables. The shell inserts the key, so that it is in no document.
pub(super) fn command(endpoint: &str, operation: &str, variables: &Value) -> String {
    let words: Vec<&str> = operation.split_whitespace().collect();
    let body = json!({"query": words.join(" "), "variables": variables});
    // --data-raw: --data would read a file where the text begins with @. --globoff: brackets of an IPv6 address.
    format!(
        "curl --globoff {} \\\n  --header \"Authorization: Bearer $LEADMESH_API_KEY\" \\\n  --header 'Content-Type: application/json' \\\n  --data-raw {}",
        quoted(endpoint),
        quoted(&body.to_string())
    )
}

/// One quoted word of the shell. The text has no NUL: JSON escapes it, and addresses cannot have it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// The arguments that curl would get.
    fn pasted(line: &str) -> Vec<String> {
        let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{line}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("LEADMESH_API_KEY", "lmk_x y")
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_is_in_the_variables_reaches_curl_unchanged(text in "([^\u{0}]|['\"$`\\\\!\n]){0,40}") {
            let line = command("http://[::1]:8080/graphql", "query { a }", &json!({ "x": text }));
            let words = pasted(&line);
            prop_assert_eq!(&words[1], "http://[::1]:8080/graphql");
            prop_assert_eq!(&words[3], "Authorization: Bearer lmk_x y");
            let body: Value = serde_json::from_str(&words[7]).unwrap();
            prop_assert_eq!(body, json!({"query": "query { a }", "variables": {"x": text}}));
        }
    }
}
