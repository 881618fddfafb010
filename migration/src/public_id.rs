//! Public identifiers, as texts of the database have them.

use std::fmt::Write;

use sea_orm_migration::sea_orm::DatabaseBackend;

const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// The 128 bits of a public identifier.
pub(crate) fn bits(text: &str) -> Option<u128> {
    text.chars().try_fold(0_u128, |bits, digit| {
        let value = u128::try_from(ALPHABET.find(digit)?).ok()?;
        bits.checked_mul(32)?.checked_add(value)
    })
}

/// An identifier as the database writes it.
pub(crate) fn literal(backend: DatabaseBackend, bits: u128) -> String {
    let mut hex = String::new();
    let _never_fails = write!(hex, "{bits:032x}");
    match backend {
        DatabaseBackend::Postgres => format!("'{hex}'::uuid"),
        _ => format!("X'{hex}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_identifier_is_read_as_its_bits() {
        assert_eq!(
            bits("01h455vb4pex5vsknk084sn02q"),
            Some(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057)
        );
        assert_eq!(bits("7zzzzzzzzzzzzzzzzzzzzzzzzz"), Some(u128::MAX));
        assert_eq!(bits("zzzzzzzzzzzzzzzzzzzzzzzzzz"), None);
        assert_eq!(bits("ö"), None);
        assert_eq!(
            literal(DatabaseBackend::Sqlite, 1),
            "X'00000000000000000000000000000001'"
        );
    }
}
