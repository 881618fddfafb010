//! A text as characters that know which bytes of the original they stand for.

use unicode_normalization::UnicodeNormalization;

/// Characters of the longest HTML entity that is read.
const ENTITY: usize = 10;
/// Characters that HTML can name, of those that values have beside letters and digits.
const NAMED: [(&str, char); 8] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("commat", '@'),
    ("plus", '+'),
];

/// A character, and the bytes of the original that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) character: char,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What an escape stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Character(char),
    /// A byte of UTF-8, or else of Latin-1.
    Byte(u8),
    Nothing,
}

/// A unit, and the bytes of the original that it stands for.
pub(super) type Placed = (Unit, usize, usize);

/// The text as it is.
pub(super) fn of(text: &str) -> Vec<Piece> {
    let piece = |(from, character): (usize, char)| Piece {
        character,
        from,
        to: from + character.len_utf8(),
    };
    text.char_indices().map(piece).collect()
}

/// Letters and digits alone, in lower case and without accents.
pub(super) fn folded(view: &[Piece]) -> Vec<Piece> {
    let each = |piece: &Piece| {
        let piece = *piece;
        fold_one(piece.character).map(move |character| Piece { character, ..piece })
    };
    view.iter().flat_map(each).collect()
}

/// The same of a whole text.
pub(super) fn fold(text: &str) -> Vec<char> {
    text.chars().flat_map(fold_one).collect()
}

fn fold_one(character: char) -> impl Iterator<Item = char> {
    let plain = std::iter::once(character).nfkd().filter(|c| c.is_alphanumeric());
    plain.flat_map(char::to_lowercase)
}

/// With its escapes undone, once; none where there are none.
pub(super) fn unescaped(view: &[Piece]) -> Option<Vec<Piece>> {
    let mut units: Vec<Placed> = Vec::with_capacity(view.len());
    let mut any = false;
    let mut rest = view;
    while let Some(first) = rest.first() {
        let (unit, taken) = match escape(rest) {
            Some(found) => {
                any = true;
                found
            }
            None => (Unit::Character(first.character), 1),
        };
        let last = rest.get(taken.saturating_sub(1)).unwrap_or(first);
        units.push((unit, first.from, last.to));
        rest = rest.get(taken..).unwrap_or_default();
    }
    any.then(|| assembled(&units))
}

/// Characters made of units: bytes beyond ASCII are put together where they are UTF-8.
pub(super) fn assembled(units: &[Placed]) -> Vec<Piece> {
    let mut view = Vec::with_capacity(units.len());
    let mut rest = units;
    while let Some((unit, from, to)) = rest.first().copied() {
        let (character, taken) = match unit {
            Unit::Nothing => (None, 1),
            Unit::Character(character) => (Some(character), 1),
            Unit::Byte(byte) => {
                let (character, taken) = of_bytes(byte, rest);
                (Some(character), taken)
            }
        };
        let to = rest.get(taken - 1).map_or(to, |(_, _, to)| *to);
        view.extend(character.map(|character| Piece { character, from, to }));
        rest = rest.get(taken..).unwrap_or_default();
    }
    view
}

fn of_bytes(first: u8, rest: &[Placed]) -> (char, usize) {
    if first.is_ascii() {
        return (char::from(first), 1);
    }
    let mut bytes = Vec::with_capacity(4);
    for (unit, _, _) in rest.iter().take(4) {
        let Unit::Byte(byte) = unit else { break };
        bytes.push(*byte);
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Some(character) = text.chars().next()
        {
            return (character, bytes.len());
        }
    }
    (char::from(first), 1)
}

/// What an escape at the beginning stands for, and how many characters it takes.
fn escape(rest: &[Piece]) -> Option<(Unit, usize)> {
    let at = |place: usize| rest.get(place).map(|piece| piece.character);
    match at(0)? {
        '%' if at(1) == Some('u') => Some((Unit::Character(char::from_u32(number(rest, 2, 4)?)?), 6)),
        '=' if at(1) == Some('\n') => Some((Unit::Nothing, 2)),
        '=' if at(1) == Some('\r') && at(2) == Some('\n') => Some((Unit::Nothing, 3)),
        '%' | '=' => Some((Unit::Byte(byte(rest, 1)?), 3)),
        '\\' => backslash(rest),
        '&' => entity(rest),
        _ => None,
    }
}

fn backslash(rest: &[Piece]) -> Option<(Unit, usize)> {
    let at = |place: usize| rest.get(place).map(|piece| piece.character);
    match at(1)? {
        'x' | 'X' => Some((Unit::Byte(byte(rest, 2)?), 4)),
        'u' if at(2) == Some('{') => {
            let digits: String = rest.iter().skip(3).take(7).map(|piece| piece.character).collect();
            let (digits, _) = digits.split_once('}')?;
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((Unit::Character(character), digits.len() + 4))
        }
        // Half of a surrogate pair is no letter that a value is known by.
        'u' => Some((
            char::from_u32(number(rest, 2, 4)?).map_or(Unit::Nothing, Unit::Character),
            6,
        )),
        '0'..='7' => {
            let digits: String = rest.iter().skip(1).take(3).map(|piece| piece.character).collect();
            let octal = u8::from_str_radix(&digits, 8).ok().filter(|_| digits.len() == 3)?;
            Some((Unit::Byte(octal), 4))
        }
        'n' | 'r' => Some((Unit::Character('\n'), 2)),
        't' => Some((Unit::Character(' '), 2)),
        other => Some((Unit::Character(other), 2)),
    }
}

fn entity(rest: &[Piece]) -> Option<(Unit, usize)> {
    let inside: String = rest.iter().skip(1).take(ENTITY).map(|piece| piece.character).collect();
    let Some(number) = inside.strip_prefix('#') else {
        let (name, _) = inside.split_once(';')?;
        let (_, character) = NAMED.iter().find(|(known, _)| *known == name)?;
        return Some((Unit::Character(*character), name.len() + 2));
    };
    let (radix, prefix) = match number.strip_prefix(['x', 'X']) {
        Some(_) => (16, 1),
        None => (10, 0),
    };
    let digits: String = number.chars().skip(prefix).take_while(|c| c.is_digit(radix)).collect();
    let character = char::from_u32(u32::from_str_radix(&digits, radix).ok()?)?;
    let ends = usize::from(number.chars().nth(prefix + digits.len()) == Some(';'));
    Some((Unit::Character(character), 2 + prefix + digits.len() + ends))
}

fn byte(rest: &[Piece], at: usize) -> Option<u8> {
    u8::try_from(number(rest, at, 2)?).ok()
}

fn number(rest: &[Piece], at: usize, length: usize) -> Option<u32> {
    let digits: String = rest.iter().skip(at).take(length).map(|piece| piece.character).collect();
    let hexadecimal = digits.len() == length && digits.chars().all(|c| c.is_ascii_hexdigit());
    u32::from_str_radix(&digits, 16).ok().filter(|_| hexadecimal)
}
