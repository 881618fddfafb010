//! What strangers answer may repeat what was sent to them. Values of encrypted fields and of custom headers are taken out of it
//! before anything is stored or logged, however they are spelled.
//!
//! A text is looked at in several views: as it is, with its escapes undone (percent, quoted-printable, JSON, HTML), and with what
//! looks like base64 or hexadecimal digits decoded, also within one another. In each view only letters and digits count, without
//! case and accents, so that dashes, spaces and brackets hide nothing. Whatever stands for a value is replaced, wherever it was found.
//!
//! This finds spellings, not secrets: a receiver that answers a part of a short value, or a hash of it, is not understood. So those who
//! may not reveal encrypted values see no words of strangers about a lead that has some; what stays here is for the others, and for
//! the log.

mod encodings;
mod needles;
mod view;

use std::ops::Range;

use entity::field::FieldDef;
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use leadmesh_forms::templates::value_text;
use needles::Needles;
use view::Piece;

/// Bytes of the shortest value that is searched for: shorter ones are in every text by chance.
const SHORTEST: usize = 3;
/// Encodings within one another that are undone.
const DEPTH: u8 = 2;
/// Escapes within one another that are undone.
const ROUNDS: usize = 3;
const REDACTED: &str = "[redacted]";

/// Values that must not be stored in any text.
#[derive(Default)]
pub struct Secrets {
    /// Spelled as they are, as in JSON, as in a form; the longest first.
    exact: Vec<String>,
    needles: Needles,
}

impl Secrets {
    /// The values of the encrypted fields among these.
    pub fn of_fields(definitions: &[FieldDef], fields: &Map<String, Value>) -> Self {
        let encrypted = definitions.iter().filter(|field| field.encrypted);
        let values = encrypted.filter_map(|field| fields.get(&field.name));
        Self::new(values.flat_map(texts))
    }

    pub fn new(values: impl Iterator<Item = String>) -> Self {
        let values: Vec<String> = values.filter(|value| value.trim().len() >= SHORTEST).collect();
        let needles = Needles::new(&values);
        let mut exact: Vec<String> = values.into_iter().flat_map(spellings).collect();
        exact.sort_by_key(|value| std::cmp::Reverse(value.len()));
        exact.dedup();
        Self { exact, needles }
    }

    pub fn redact(&self, text: String) -> String {
        let found = self.found(&text);
        if found.is_empty() {
            return text;
        }
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        for range in found {
            clean.push_str(text.get(at..range.start).unwrap_or_default());
            clean.push_str(REDACTED);
            at = range.end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        clean
    }

    /// Whether a text repeats one of them.
    pub fn are_in(&self, text: &str) -> bool {
        !self.found(text).is_empty()
    }

    /// Where they stand, in order, apart from one another.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        if self.exact.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Range<usize>> = Vec::new();
        for secret in &self.exact {
            found.extend(text.match_indices(secret.as_str()).map(|(at, _)| at..at + secret.len()));
        }
        self.look(view::of(text), DEPTH, text.len(), &mut found);
        apart(found)
    }

    fn look(&self, mut view: Vec<Piece>, depth: u8, length: usize, found: &mut Vec<Range<usize>>) {
        for _ in 0..=ROUNDS {
            let folded = view::folded(&view);
            self.needles.search(&folded, length, found);
            if depth > 0 {
                let decoded = encodings::base64(&view)
                    .into_iter()
                    .chain(encodings::hexadecimal(&folded));
                for inner in decoded {
                    self.look(inner, depth - 1, length, found);
                }
            }
            match view::unescaped(&view) {
                Some(unescaped) => view = unescaped,
                None => return,
            }
        }
    }
}

/// A value as text, and each text and number in it. Truth values are in every answer.
pub fn texts(value: &Value) -> Vec<String> {
    let mut texts = vec![value];
    let mut all = Vec::new();
    while let Some(value) = texts.pop() {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Array(items) => texts.extend(items),
            Value::Object(members) => texts.extend(members.values()),
            single => all.push(value_text(single).into_owned()),
        }
    }
    if value.is_array() || value.is_object() {
        all.push(value_text(value).into_owned());
    }
    all
}

/// As it is, as in JSON, as in a form.
fn spellings(value: String) -> [String; 3] {
    let json = Value::String(value.clone()).to_string();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let json = inner.unwrap_or_default().to_owned();
    let form = byte_serialize(value.as_bytes()).collect();
    [json, form, value]
}

/// The same places, in order, those that touch made one.
fn apart(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

#[cfg(test)]
mod tests;
