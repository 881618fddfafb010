use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::process::{Ended, leadmesh, run};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow};

/// Two rows that are rejected, one that cannot be submitted, and the rest.
fn rows(count: usize) -> String {
    let mut text = String::from("first_name,email,score,note\n");
    for row in 1..=count {
        let written = match row {
            7 => writeln!(text, "Bo,,1,"),
            9 => writeln!(text, "Cy,cy@"),
            _ => writeln!(text, "\"Ann, {row}\",a{row}@example.com,{row},\"x\ny\""),
        };
        written.unwrap();
    }
    text
}

struct Import<'a> {
    test: &'a TestApp,
    flow: &'a Flow,
    key: &'a str,
    dir: &'a Path,
}

impl Import<'_> {
    /// Runs where others of its runtime may work meanwhile.
    fn run(&self, more: &[&str]) -> Ended {
        let url = format!("http://{}/graphql", self.test.address);
        let mut arguments = vec![
            "import",
            "leads.csv",
            "--flow",
            &self.flow.id,
            "--key",
            self.key,
            "--url",
            &url,
        ];
        arguments.extend(more);
        tokio::task::block_in_place(|| run(leadmesh(self.dir, &arguments)))
    }

    fn receipts(&self) -> String {
        std::fs::read_to_string(self.dir.join("leads.receipts.csv")).unwrap()
    }
}

async fn flow(test: &TestApp, owner: &Account) -> Flow {
    let fields = json!([
        { "name": "first_name", "type": "TEXT" },
        { "name": "email", "type": "EMAIL", "required": true },
        { "name": "score", "type": "NUMBER" },
    ]);
    test.flow(owner, json!({ "fields": fields })).await
}

both!(an_import_twice_gives_the_same_receipts, |test| {
    let owner = test.account("Acme").await;
    let flow = flow(&test, &owner).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("leads.csv"), rows(250)).unwrap();
    let import = Import {
        test: &test,
        flow: &flow,
        key: &owner.key,
        dir: dir.path(),
    };

    let first = import.run(&["--concurrency", "3"]);
    assert_eq!(first.code(), 1, "a row could not be submitted: {first:?}");
    assert!(
        first.out.contains("250 rows: 248 accepted, 1 error, 1 rejected"),
        "{first:?}"
    );
    let receipts = import.receipts();
    let lines: Vec<&str> = receipts.lines().collect();
    assert_eq!(lines[0], "row,outcome,lead_id,reasons,idempotency_key");
    assert_eq!(lines.len(), 251);
    assert!(lines[1].starts_with("1,ACCEPTED,lead_"), "{}", lines[1]);
    assert!(
        lines[7].starts_with("7,REJECTED,lead_") && lines[7].contains("REQUIRED email"),
        "{}",
        lines[7]
    );
    assert!(
        lines[9].starts_with("9,ERROR,,\"the row has 2 cells, the header has 4\""),
        "{}",
        lines[9]
    );

    let second = import.run(&[]);
    assert_eq!(second.code(), 1, "row 9 is as it was: {second:?}");
    assert!(second.out.contains("all 250 rows had their receipts"), "{second:?}");
    assert!(second.out.contains("1 row still has an error"), "{second:?}");
    assert_eq!(import.receipts(), receipts);

    // As a crash leaves it: some receipts, the last of them half-written.
    let end = receipts.match_indices('\n').nth(120).unwrap().0;
    std::fs::write(dir.path().join("leads.receipts.csv"), &receipts[..end + 10]).unwrap();
    let third = import.run(&[]).out;
    assert!(
        third.contains("120 rows had their receipts, 130 more: 130 accepted"),
        "{third}"
    );
    assert!(third.contains("130 of them had been submitted before"), "{third}");
    assert_eq!(import.receipts(), receipts);

    std::fs::remove_file(dir.path().join("leads.receipts.csv")).unwrap();
    import.run(&[]);
    assert_eq!(import.receipts(), receipts);
});

both!(a_corrected_file_submits_only_what_is_new, |test| {
    let owner = test.account("Acme").await;
    let flow = flow(&test, &owner).await;
    let dir = tempfile::tempdir().unwrap();
    let import = Import {
        test: &test,
        flow: &flow,
        key: &owner.key,
        dir: dir.path(),
    };
    let file = |rows: &str| std::fs::write(dir.path().join("leads.csv"), rows).unwrap();
    file("first_name,email\nAnn,ann@example.com\nBo\nAnn,ann@example.com\nCy\n");
    let first = import.run(&[]);
    assert!(
        first.code() == 1 && first.out.contains("4 rows: 2 accepted, 2 error"),
        "{first:?}"
    );
    let again = import.run(&[]);
    assert!(
        again.code() == 1 && again.out.contains("2 rows still have errors"),
        "{again:?}"
    );

    // Corrected, sorted otherwise, and one more.
    file(
        "email,first_name\nnew@example.com,New\nann@example.com,Ann\nbo@example.com,Bo\nann@example.com,Ann\ncy@example.com,Cy\n",
    );
    let corrected = import.run(&[]).succeeded();
    assert!(
        corrected.contains("2 rows had their receipts, 3 more: 3 accepted"),
        "{corrected}"
    );
    assert!(!corrected.contains("submitted before"), "{corrected}");

    // Without the receipts the server knows them all.
    std::fs::remove_file(dir.path().join("leads.receipts.csv")).unwrap();
    let replayed = import.run(&[]).succeeded();
    assert!(replayed.contains("5 of them had been submitted before"), "{replayed}");
});

both!(an_import_that_cannot_work_says_what_to_change, |test| {
    let owner = test.account("Acme").await;
    let flow = flow(&test, &owner).await;
    let dir = tempfile::tempdir().unwrap();
    let import = |key: &'static str, flow: &Flow, more: &[&str]| {
        let import = Import {
            test: &test,
            flow,
            key,
            dir: dir.path(),
        };
        import.run(more)
    };
    let missing = import("lmk_x", &flow, &[]).failed(2);
    assert!(missing.contains("cannot read leads.csv"), "{missing}");
    std::fs::write(
        dir.path().join("leads.csv"),
        "email,email\na@example.com,b@example.com\n",
    )
    .unwrap();
    let twice = import("lmk_x", &flow, &[]).failed(2);
    assert!(twice.contains("two columns named email"), "{twice}");
    std::fs::write(dir.path().join("leads.csv"), "email\na@example.com\n").unwrap();
    for key in [None, Some(""), Some(" ")] {
        let mut command = leadmesh(dir.path(), &["import", "leads.csv", "--flow", &flow.id]);
        command.envs(key.map(|key| ("LEADMESH_API_KEY", key)));
        let keyless = tokio::task::block_in_place(|| run(command)).failed(2);
        assert!(
            keyless.contains("set LEADMESH_API_KEY") && keyless.contains("--key"),
            "{keyless}"
        );
    }
    let stranger = import("lmk_x", &flow, &[]).failed(1);
    assert!(
        stranger.contains("stopped after 0 rows") && stranger.contains("check --key"),
        "{stranger}"
    );
    // Another import: nothing of the first is overwritten.
    let foreign = import("lmk_x", &flow, &["--test"]).failed(1);
    assert!(
        foreign.contains("check --key"),
        "nothing was written by the first: {foreign}"
    );
    let nowhere = Flow {
        id: "flow_00000000000000000000000000".into(),
        source: String::new(),
    };
    let unknown = Import {
        test: &test,
        flow: &nowhere,
        key: &owner.key,
        dir: dir.path(),
    }
    .run(&[]);
    assert!(unknown.failed(1).contains("no such flow"));
    let done = Import {
        test: &test,
        flow: &flow,
        key: &owner.key,
        dir: dir.path(),
    }
    .run(&[]);
    done.succeeded();
    let other = Import {
        test: &test,
        flow: &flow,
        key: &owner.key,
        dir: dir.path(),
    }
    .run(&["--test"]);
    assert!(other.failed(2).contains("has the receipts of another import"));
});
