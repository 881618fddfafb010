//! What a file uses of its own crate, read from its text.

/// The code of a file, without comments and unit tests.
pub(super) fn without_tests(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths below the crate that a module's code names, from the crate down. What it re-exports is not what it uses.
pub(super) fn imported(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let code = without_tests(text);
    let reexports = |line: &str| line.starts_with("pub use ") || line.starts_with("pub ") && line.contains(" use ");
    let lines = code.lines().filter(|line| !reexports(line));
    let code = lines.collect::<Vec<_>>().join("\n");
    let children = text.lines().filter_map(child);
    let heads = ["crate", "super", "self"].into_iter().chain(children);
    let mut found = Vec::new();
    for head in heads {
        for (at, _) in code.match_indices(&format!("{head}::")) {
            if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || "_:".contains(letter)) {
                continue;
            }
            let mut paths = Vec::new();
            expand("", tree(&code[at..]), &mut paths);
            found.extend(paths.iter().map(|path| absolute(path, module)));
        }
    }
    found
}

/// The module that a line declares.
fn child(line: &str) -> Option<&str> {
    let name = line.rsplit_once("mod ").map(|(before, name)| (before.trim(), name))?;
    let is_declared = name.0.is_empty() || name.0.starts_with("pub");
    name.1.strip_suffix(';').filter(|_| is_declared)
}

fn absolute(path: &str, module: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut names = path.split("::").filter(|name| !name.is_empty()).peekable();
    match names.peek() {
        Some(&"crate") => base.truncate(1),
        Some(&"super") => {
            base.pop();
        }
        Some(&"self") => {}
        _ => return base.into_iter().chain(names.map(str::to_owned)).collect(),
    }
    names.next();
    while names.next_if_eq(&"super").is_some() {
        base.pop();
    }
    base.into_iter().chain(names.map(str::to_owned)).collect()
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

/// Writes the paths of a tree such as `a::{b, c::d}` out.
fn expand(before: &str, tree: &str, found: &mut Vec<String>) {
    let Some((path, inside)) = tree.split_once('{') else {
        found.push(format!("{before}{}", tree.trim()));
        return;
    };
    for part in parts(inside.strip_suffix('}').unwrap_or(inside)) {
        if !part.trim().is_empty() {
            expand(&format!("{before}{}", path.trim()), part.trim(), found);
        }
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

#[test]
fn all_forms_of_a_path_are_read() {
    let module = ["m".to_owned(), "a".to_owned(), "b".to_owned()];
    let text = "mod child;\nuse crate::{x::Y, z::{self, W}};\nuse super::{c, e::F};\nuse super::super::d::E;\npub use crate::left::Out;\n// crate::comment::x\nfn f() { crate::q::g(); child::h(); }\n#[cfg(test)]\nmod tests { use crate::t::x; }";
    let mut found: Vec<_> = imported(text, &module).iter().map(|path| path.join("::")).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "m::a::b::child::h",
            "m::a::c",
            "m::a::e::F",
            "m::d::E",
            "m::q::g",
            "m::x::Y",
            "m::z::W",
            "m::z::self"
        ]
    );
}
