//! What may be base64 or hexadecimal digits, decoded. Where an encoding begins is not known, so it is tried at every alignment.

use super::view::{Piece, Placed, Unit, assembled};

/// Characters of the shortest run that is decoded: it holds three bytes at least.
const SHORTEST: usize = 5;

/// Runs of base64, plain or for URLs, padded or not, also over several lines.
pub(super) fn base64(view: &[Piece]) -> Vec<Vec<Piece>> {
    let mut decoded = Vec::new();
    let mut run: Vec<(u8, &Piece)> = Vec::new();
    for piece in view {
        match six_bits(piece.character) {
            Some(bits) => run.push((bits, piece)),
            None if matches!(piece.character, '\n' | '\r' | '\\') => {}
            None => {
                decode_run(&run, &mut decoded);
                run.clear();
            }
        }
    }
    decode_run(&run, &mut decoded);
    decoded
}

fn decode_run(run: &[(u8, &Piece)], decoded: &mut Vec<Vec<Piece>>) {
    if run.len() < SHORTEST {
        return;
    }
    for skipped in 0..4 {
        let mut units: Vec<Placed> = Vec::with_capacity(run.len());
        let (mut bits, mut count, mut from) = (0_u32, 0_u32, 0);
        for (six, piece) in run.iter().skip(skipped) {
            if count == 0 {
                from = piece.from;
            }
            bits = (bits << 6) | u32::from(*six);
            count += 6;
            if count >= 8 {
                count -= 8;
                let byte = u8::try_from((bits >> count) & 0xff).unwrap_or_default();
                units.push((Unit::Byte(byte), from, piece.to));
                from = piece.from;
            }
        }
        decoded.push(assembled(&units));
    }
}

fn six_bits(character: char) -> Option<u8> {
    let ascii = u8::try_from(character).ok()?;
    match ascii {
        b'A'..=b'Z' => Some(ascii - b'A'),
        b'a'..=b'z' => Some(ascii - b'a' + 26),
        b'0'..=b'9' => Some(ascii - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Runs of hexadecimal digits among letters and digits, so that what separates them does not count; `0x` does not either.
pub(super) fn hexadecimal(folded: &[Piece]) -> Vec<Vec<Piece>> {
    let mut decoded = Vec::new();
    let mut run: Vec<(u8, &Piece)> = Vec::new();
    for piece in folded {
        let digit = piece.character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match digit {
            Some(digit) => run.push((digit, piece)),
            None if piece.character == 'x' && run.last().is_some_and(|(digit, _)| *digit == 0) => {
                run.pop();
            }
            None => {
                decode_digits(&run, &mut decoded);
                run.clear();
            }
        }
    }
    decode_digits(&run, &mut decoded);
    decoded
}

fn decode_digits(run: &[(u8, &Piece)], decoded: &mut Vec<Vec<Piece>>) {
    if run.len() < SHORTEST {
        return;
    }
    for skipped in 0..2 {
        let digits = run.get(skipped..).unwrap_or_default();
        let pairs = digits.chunks_exact(2).filter_map(|pair| match pair {
            [(high, first), (low, second)] => Some((Unit::Byte(high * 16 + low), first.from, second.to)),
            _ => None,
        });
        decoded.push(assembled(&pairs.collect::<Vec<Placed>>()));
    }
}
