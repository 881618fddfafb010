//! The shape of the sources: short files, and patterns compiled only where no transaction is open.
//!
//! Cargo keeps the arrows between the crates. Transactions that begin elsewhere than in the database module, queries without
//! a scope and long functions are clippy's: see `clippy.toml`.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;

/// Files that compile patterns, each for a reason. None of them does so while a transaction is open.
const COMPILE_PATTERNS: [(&str, &str); 3] = [
    (
        "crates/leads/src/compile/compiler.rs",
        "compiles flows from rows that were read before; has no connection",
    ),
    ("crates/forms/src/rules/check.rs", "is what compiles them"),
    (
        "crates/flows/src/docs/example.rs",
        "finds values that a rule accepts, when docs are read",
    ),
];

#[test]
fn no_file_is_longer_than_500_lines() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: divide it", source.file);
    }
}

#[test]
fn patterns_are_compiled_only_where_no_transaction_is_open() {
    let compiles = |source: &Source| {
        let code = without_tests(&source.text);
        ["rules::check(", "rules::compile(", "compile_within(", "regex::"]
            .iter()
            .any(|call| code.contains(call))
    };
    let found: Vec<_> = sources()
        .into_iter()
        .filter(compiles)
        .map(|source| source.file)
        .collect();
    let elsewhere = |file: &&String| {
        let is_known = COMPILE_PATTERNS.iter().any(|(known, _)| known == file);
        !is_known && !file.starts_with("crates/forms/src/fields/")
    };
    assert_eq!(
        found.iter().find(elsewhere),
        None,
        "weigh rules before the transaction: see rules::PatternSizes"
    );
    for (file, reason) in COMPILE_PATTERNS {
        assert!(
            found.iter().any(|found| found == file),
            "{file} compiles nothing any more ({reason}): delete the entry"
        );
    }
}

struct Source {
    /// From the top of the repository.
    file: String,
    text: String,
}

/// The files of all crates, without their tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = crates
        .chain([root.to_owned(), root.join("entity")])
        .map(|path| path.join("src"))
        .collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = matches!(path.file_stem().and_then(|name| name.to_str()), Some("tests"));
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_test && !path.ends_with("main.rs") {
                found.push(Source::read(root, &path));
            }
        }
    }
    found
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        Self {
            text: fs::read_to_string(path).unwrap(),
            file,
        }
    }
}

/// The code of a file, without comments and unit tests.
fn without_tests(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}
