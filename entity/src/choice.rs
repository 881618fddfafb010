//! Lists of which a row fits one: what they name twice they name once, so that a statement has no more operands than
//! there are different values.

/// The different ones of `given`, in their order. Of an enum there are as many as it has values, however long the list is.
pub fn distinct<T: PartialEq>(given: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in given {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_often_is_kept_once() {
        assert_eq!(distinct(std::iter::repeat_n(1, 100_000).chain([2, 1])), [1, 2]);
    }
}
