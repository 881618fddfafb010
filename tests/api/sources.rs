//! The shape of the sources: short files, no circles between them, and patterns compiled only where no transaction is open.
//!
//! Cargo keeps the arrows between the crates. Transactions that begin elsewhere than in the database module, queries without
//! a scope and long functions are clippy's: see `clippy.toml`.

mod imports;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{imported, without_tests};

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

/// The GraphQL types may refer to each other in circles, as the schema does. A module is not apart from its submodules: what they
/// use of it does not count.
#[test]
fn files_do_not_use_each_other_in_circles() {
    let sources = sources();
    let files: BTreeMap<_, _> = sources
        .iter()
        .map(|source| (source.module.clone(), source.file.as_str()))
        .collect();
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources
        .iter()
        .filter(|source| !source.file.starts_with("crates/graphql/src/"))
    {
        let used = imported(&source.text, &source.module).into_iter().filter_map(|path| {
            let lengths = (1..=path.len()).rev();
            let module = lengths
                .map(|length| &path[..length])
                .find(|module| files.contains_key(*module))?;
            (!source.module.starts_with(module)).then(|| files[module])
        });
        uses.entry(&source.file).or_default().extend(used);
    }
    assert!(
        uses.values().map(Vec::len).sum::<usize>() > 1000,
        "the uses are read wrongly"
    );
    for file in uses.keys() {
        if let Some(way) = way_back(file, &uses) {
            panic!("a circle: {}", way.join(" → "));
        }
    }
}

/// The shortest way from a file over what it uses back to itself.
fn way_back<'a>(file: &'a str, uses: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![file]];
    let mut seen = Vec::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in uses.get(way.last().unwrap()).into_iter().flatten() {
                let way = [way.as_slice(), &[*next]].concat();
                if *next == file {
                    return Some(way);
                }
                if !seen.contains(next) {
                    seen.push(next);
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

struct Source {
    /// From the top of the repository.
    file: String,
    /// The crate's folder, then the modules.
    module: Vec<String>,
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
        let (folder, inside) = file.split_once("src/").unwrap();
        let modules = inside.trim_end_matches(".rs").split('/').filter(|name| *name != "lib");
        Self {
            module: [folder].into_iter().chain(modules).map(str::to_owned).collect(),
            text: fs::read_to_string(path).unwrap(),
            file,
        }
    }
}
