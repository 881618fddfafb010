//! The direction of the arrows between the rooms of `src/`, as `ARCHITECTURE.md` draws it, and the length of its files.
//!
//! Transactions that begin elsewhere than in `crates/core/src/database.rs`, queries without a scope and long functions are clippy's:
//! see `clippy.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top down, each with the rooms that it may use. A room is a module of `src/`.
const ROOMS: [(&str, &[&str]); 12] = [
    (
        "commands",
        &["server", "graphql", "distribution", "delivery", "flows", "identity"],
    ),
    (
        "server",
        &[
            "http",
            "housekeeping",
            "graphql",
            "network",
            "delivery",
            "leads",
            "identity",
        ],
    ),
    (
        "http",
        &["graphql", "reports", "network", "delivery", "flows", "identity"],
    ),
    ("housekeeping", &["network"]),
    (
        "graphql",
        &[
            "reports",
            "network",
            "distribution",
            "delivery",
            "leads",
            "flows",
            "identity",
        ],
    ),
    ("reports", &["delivery", "flows", "identity"]),
    ("network", &["delivery", "leads", "flows", "identity"]),
    ("distribution", &["delivery", "leads", "flows", "identity"]),
    ("delivery", &["leads", "identity"]),
    ("leads", &["flows", "identity"]),
    ("flows", &["identity"]),
    ("identity", &[]),
];

/// What all rooms above stand on, from the top down, each with what it stands on itself.
const GROUND: [(&str, &[&str]); 20] = [
    ("live", &["app", "batch_loader", "database", "config", "error"]),
    (
        "app",
        &[
            "queue", "crypto", "metrics", "tally", "writes", "database", "config", "clock", "error",
        ],
    ),
    ("batch_loader", &["error"]),
    ("audit", &["error", "clock"]),
    ("queue", &["config"]),
    ("crypto", &["database", "config", "clock"]),
    ("descriptors", &[]),
    ("diagnosis", &[]),
    ("metrics", &["database"]),
    ("tally", &[]),
    ("writes", &["fair", "error"]),
    ("database", &["fair", "config", "clock", "error"]),
    ("fair", &[]),
    ("config", &[]),
    ("tls", &[]),
    ("error", &[]),
    ("clock", &[]),
    ("lenient_json", &["numerals"]),
    ("limits", &[]),
    ("numerals", &[]),
];

/// Against the direction, each for a reason: the room, the module that it uses, and why.
const EXCEPTIONS: [(&str, &str, &str); 9] = [
    (
        "flows",
        "leads::fields",
        "pure: checks the definitions of a flow's fields",
    ),
    ("flows", "leads::rules", "pure: checks and words the rules of a flow"),
    (
        "flows",
        "delivery::templates",
        "pure: checks what TRANSFORM steps compute",
    ),
    (
        "leads",
        "delivery::templates",
        "pure: computes what TRANSFORM steps set",
    ),
    (
        "app",
        "delivery::rendering",
        "a limit of the process, which App carries",
    ),
    ("app", "identity::throttle", "a store of the process, which App carries"),
    ("app", "identity::rights", "a store of the process, which App carries"),
    ("app", "identity::tokens", "keys of the process, which App carries"),
    ("app", "live::hub", "a store of the process, which App carries"),
];

const LONGEST_FILE: usize = 500;

#[test]
fn rooms_use_only_what_is_below_them() {
    for (room, file, used) in uses() {
        assert!(
            is_allowed(&room, &used) || exception(&room, &used).is_some(),
            "{} uses crate::{used}, which is not below {room}: move one of the two, or change the table above",
            file.display()
        );
    }
}

#[test]
fn the_tables_name_rooms_from_the_top_down() {
    let order: Vec<_> = ROOMS.iter().chain(&GROUND).collect();
    for (place, (room, below)) in order.iter().enumerate() {
        for other in *below {
            let other_place = order.iter().position(|(name, _)| name == other);
            assert!(other_place.is_some_and(|found| found > place), "{room} → {other}");
        }
    }
}

#[test]
fn every_exception_is_still_one() {
    let uses = uses();
    for (room, module, reason) in EXCEPTIONS {
        let is_used = uses.iter().any(|(user, _, used)| user == room && used == module);
        assert!(
            is_used,
            "{room} does not use {module} any more ({reason}): delete the entry"
        );
    }
}

#[test]
fn every_room_is_in_the_tables() {
    let rooms: BTreeSet<_> = sources().iter().map(|file| room_of(file)).collect();
    let known: BTreeSet<_> = ROOMS
        .iter()
        .chain(&GROUND)
        .map(|(room, _)| (*room).to_owned())
        .collect();
    assert_eq!(rooms, known);
}

/// Files that compile patterns, each for a reason. None of them does so while a transaction is open.
const COMPILE_PATTERNS: [(&str, &str); 3] = [
    (
        "leads/compile.rs",
        "compiles flows; takes a connection, never a transaction",
    ),
    ("leads/rules/check.rs", "is what compiles them"),
    (
        "flows/docs/example.rs",
        "finds values that a rule accepts, when docs are read",
    ),
];

#[test]
fn patterns_are_compiled_only_where_no_transaction_is_open() {
    let compiles = |text: &str| {
        let code = text.split("#[cfg(test)]").next().unwrap();
        ["rules::check(", "rules::compile(", "compile_within(", "regex::"]
            .iter()
            .any(|call| code.contains(call))
    };
    let mut found = Vec::new();
    for file in sources() {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if compiles(&fs::read_to_string(&file).unwrap()) && !name.starts_with("leads/fields/") {
            found.push(name);
        }
    }
    for file in &found {
        let known = COMPILE_PATTERNS.iter().any(|(known, _)| known == file);
        assert!(
            known,
            "{file} compiles patterns: weigh rules before the transaction, see leads::rules::Weighed"
        );
    }
    for (file, _) in COMPILE_PATTERNS {
        assert!(
            found.iter().any(|found| found == file),
            "{file} compiles nothing any more: delete the entry"
        );
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for file in sources() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: divide it", file.display());
    }
}

#[test]
fn all_forms_of_a_path_are_read() {
    let text = "use crate::{app::App, leads::{fields, rules::Rule}};\n// crate::comment::x\nfn f() { crate::queue::g(); }\n#[cfg(test)]\nmod tests { use crate::flows::x; }";
    assert_eq!(paths(text), ["app::App", "leads::fields", "leads::rules", "queue::g"]);
}

fn is_allowed(room: &str, used: &str) -> bool {
    let used = used.split("::").next().unwrap();
    let row = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == room).map(|(_, below)| *below)
    };
    if let Some(below) = row(&ROOMS) {
        return used == room || below.contains(&used) || GROUND.iter().any(|(name, _)| *name == used);
    }
    used == room || row(&GROUND).is_some_and(|below| below.contains(&used))
}

fn exception(room: &str, used: &str) -> Option<&'static str> {
    let found = EXCEPTIONS
        .iter()
        .find(|(user, module, _)| *user == room && *module == used);
    found.map(|(_, _, reason)| *reason)
}

/// Every use of one room by another: who, in which file, and what, as `room::module`.
fn uses() -> Vec<(String, PathBuf, String)> {
    let mut all = Vec::new();
    for file in sources() {
        for used in paths(&fs::read_to_string(&file).unwrap()) {
            all.push((room_of(&file), file.clone(), used));
        }
    }
    assert!(
        all.len() > 500,
        "only {} uses were found: they are read wrongly",
        all.len()
    );
    all
}

/// The files of `src/`, tests left out, and the two that only name the rooms.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if matches!(name, "tests" | "tests.rs" | "lib.rs" | "main.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn room_of(file: &Path) -> String {
    let path = file.strip_prefix(root()).unwrap().with_extension("");
    path.iter().next().unwrap().to_str().unwrap().to_owned()
}

/// What follows `crate::`, as `room::module`, comments and tests left out.
fn paths(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        expand("", tree(rest), &mut found);
    }
    found
}

/// The path that a text begins with, braces included.
fn tree(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return &text[..=at],
            '}' if depth > 1 => depth -= 1,
            _ if depth > 0 || letter.is_alphanumeric() || "_:".contains(letter) => {}
            _ => return &text[..at],
        }
    }
    text
}

fn expand(before: &str, tree: &str, found: &mut Vec<String>) {
    if let Some(inner) = tree.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        for part in parts(inner) {
            expand(before, part.trim(), found);
        }
        return;
    }
    let (name, rest) = tree.split_once("::").unwrap_or((tree, ""));
    let name = name.split_whitespace().next().unwrap_or_default();
    match (before.is_empty(), rest.is_empty()) {
        _ if name.is_empty() => {}
        (true, false) => expand(name, rest, found),
        (true, true) => found.push(name.to_owned()),
        (false, _) => found.push(format!("{before}::{name}")),
    }
}

/// Split at the commas that are in no braces.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let at_comma = |letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    };
    text.split(at_comma).collect()
}
