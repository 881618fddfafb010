//! Values in the form in which they are compared, found in one pass over a text however many they are.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use chrono::Datelike;

use super::view::{Piece, fold};
use leadmesh_forms::fields::MONTHS;

/// Letters and digits of a value that is found anywhere. One of [`TOKEN`] is found as a word of its own, a shorter one only exactly as
/// it is.
const ANYWHERE: usize = 4;
const TOKEN: usize = 3;
/// Letters and digits from which on also the parts of a value are looked for, how long these are, and how far they stand apart.
const LONG: usize = 24;
const PART: usize = 12;
const STRIDE: usize = 6;
/// Letters and digits of a value of which the parts are looked for.
const PARTED: usize = 8_192;
/// Bytes from which on a text may have been cut within a value: its end then counts if a value begins so.
const CUT: usize = 200;

#[derive(Default)]
pub(super) struct Needles {
    all: Vec<Vec<char>>,
    starting: HashMap<[char; TOKEN], Vec<usize>>,
    words: HashSet<Vec<char>>,
}

impl Needles {
    pub(super) fn new(values: &[String]) -> Self {
        let mut needles = Self::default();
        let forms: HashSet<Vec<char>> = values.iter().flat_map(|value| forms(value)).collect();
        for form in forms {
            match form.len() {
                ANYWHERE.. => needles.add(form),
                TOKEN => {
                    needles.words.insert(form);
                }
                _ => {}
            }
        }
        needles
    }

    fn add(&mut self, form: Vec<char>) {
        if let Some(start) = start(&form) {
            self.starting.entry(start).or_default().push(self.all.len());
            self.all.push(form);
        }
    }

    /// Adds the places of a folded text that stand for a value; `length` are the bytes of the text.
    pub(super) fn search(&self, folded: &[Piece], length: usize, found: &mut Vec<Range<usize>>) {
        let text: Vec<char> = folded.iter().map(|piece| piece.character).collect();
        for at in 0..text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let Some(known) = start(rest).and_then(|start| self.starting.get(&start)) else {
                continue;
            };
            let lengths = known.iter().filter_map(|known| {
                let needle = self.all.get(*known)?;
                let cut = length >= CUT && needle.starts_with(rest);
                (rest.starts_with(needle) || cut).then(|| needle.len().min(rest.len()))
            });
            if let Some(longest) = lengths.max() {
                found.extend(place(folded, at, longest));
            }
        }
        self.search_words(folded, found);
    }

    fn search_words(&self, folded: &[Piece], found: &mut Vec<Range<usize>>) {
        if self.words.is_empty() {
            return;
        }
        let mut begin = 0;
        for end in 1..=folded.len() {
            let joined = match (folded.get(end - 1), folded.get(end)) {
                (Some(last), Some(next)) => next.from <= last.to,
                _ => false,
            };
            if joined {
                continue;
            }
            let word: Vec<char> = folded
                .get(begin..end)
                .into_iter()
                .flatten()
                .map(|piece| piece.character)
                .collect();
            if self.words.contains(&word) {
                found.extend(place(folded, begin, end - begin));
            }
            begin = end;
        }
    }
}

fn start(text: &[char]) -> Option<[char; TOKEN]> {
    text.get(..TOKEN)?.try_into().ok()
}

fn place(folded: &[Piece], at: usize, length: usize) -> Option<Range<usize>> {
    let (first, last) = (folded.get(at)?, folded.get(at + length - 1)?);
    Some(first.from..last.to)
}

/// A value in the forms in which it may be repeated: also backwards, a date in other orders, a phone number without its country.
fn forms(value: &str) -> Vec<Vec<char>> {
    let folded = fold(value);
    let mut forms = dates(value);
    if value.starts_with('+') && folded.iter().all(char::is_ascii_digit) {
        let national = (1..=3).filter_map(|code| folded.get(code..).filter(|rest| rest.len() >= 7));
        forms.extend(national.map(<[char]>::to_vec));
    }
    if folded.len() > LONG {
        let parted = folded.get(..PARTED).unwrap_or(&folded);
        forms.extend(parted.windows(PART).step_by(STRIDE).map(<[char]>::to_vec));
    }
    let mut backwards = folded.clone();
    backwards.reverse();
    forms.extend([folded, backwards]);
    forms
}

/// A date of ISO 8601 as others write it.
fn dates(value: &str) -> Vec<Vec<char>> {
    let Some(date) = value.get(..10).and_then(|date| date.parse::<chrono::NaiveDate>().ok()) else {
        return Vec::new();
    };
    let (year, month, day) = (date.year(), date.month(), date.day());
    let short = year.rem_euclid(100);
    let name = usize::try_from(date.month0())
        .ok()
        .and_then(|month| MONTHS.get(month))
        .copied()
        .unwrap_or_default();
    let brief = name.get(..3).unwrap_or_default();
    let mut texts = vec![
        format!("{year:04}{month:02}{day:02}"),
        format!("{short:02}{month:02}{day:02}"),
        format!("{year:04}{month}{day}"),
    ];
    for year in [format!("{year:04}"), format!("{short:02}")] {
        texts.extend([
            format!("{day:02}{month:02}{year}"),
            format!("{month:02}{day:02}{year}"),
            format!("{day}{month}{year}"),
            format!("{month}{day}{year}"),
        ]);
        for name in [name, brief] {
            texts.extend([
                format!("{day}{name}{year}"),
                format!("{day:02}{name}{year}"),
                format!("{name}{day}{year}"),
                format!("{name}{day:02}{year}"),
            ]);
        }
    }
    texts.iter().map(|text| fold(text)).collect()
}
