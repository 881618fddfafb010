//! Names that were probably meant.

/// The most names suggested.
const TOLD: usize = 3;
/// Longer names are not compared: it takes the product of both lengths.
const COMPARED: usize = 64;

/// ` Did you mean "a" or "b"?`, or nothing.
pub(super) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    if given.len() > COMPARED {
        return String::new();
    }
    let nearest = given.len() * 2 / 5 + 1;
    let mut near: Vec<(usize, &str)> = known
        .filter(|name| name.len() <= COMPARED && !name.starts_with("__"))
        .map(|name| (distance(given, name), name))
        .filter(|(distance, _)| *distance <= nearest)
        .collect();
    near.sort_unstable();
    near.truncate(TOLD);
    sentence(near.iter().map(|(_, name)| format!("\"{name}\"")).collect())
}

/// The names as a question.
pub(super) fn sentence(mut names: Vec<String>) -> String {
    match names.pop() {
        None => String::new(),
        Some(last) if names.is_empty() => format!(" Did you mean {last}?"),
        Some(last) => format!(" Did you mean {} or {last}?", names.join(", ")),
    }
}

/// How many characters have to be changed, added, removed or exchanged with their neighbours; capitals do not count.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<u8> = one.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let other: Vec<u8> = other.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut fewest = at(&last, column) + usize::from(a != b);
            fewest = fewest.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let exchanged = row > 0 && column > 0 && one.get(row - 1) == Some(b) && other.get(column - 1) == Some(a);
            if exchanged {
                fewest = fewest.min(at(&before, column - 1) + 1);
            }
            next.push(fewest);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told_the_nearest_first() {
        let known = || ["id", "name", "notes", "email", "__typename"].into_iter();
        assert_eq!(did_you_mean("nmae", known()), " Did you mean \"name\"?");
        assert_eq!(did_you_mean("NAME", known()), " Did you mean \"name\"?");
        assert_eq!(did_you_mean("note", known()), " Did you mean \"notes\" or \"name\"?");
        assert_eq!(did_you_mean("qwertz", known()), "");
        assert_eq!(did_you_mean("__typenam", known()), "");
        assert_eq!(did_you_mean(&"n".repeat(100), known()), "");
    }
}
