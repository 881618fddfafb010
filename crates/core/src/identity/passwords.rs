//! Passwords, hashed by argon2id (RFC 9106) with the minimum parameters of OWASP's password storage cheat sheet.
//!
//! Devices encode the same characters in different ways: an `é` is one code point here and two there. So the form that RFC 8265
//! (`OpaqueString`) defines is hashed, see `prepared`. Earlier hashes are of the text as it came; they are still accepted, and
//! replaced at the next log-in.

use std::time::Duration;

use anyhow::anyhow;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{Semaphore, SemaphorePermit};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result, UserError, UserErrorCode};

/// In characters.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
/// Bytes of a password as typed: more than any of allowed length can have.
const BYTES: usize = 4_096;
/// KiB of memory, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Passwords hashed concurrently: each takes a core and 19 MiB, and leads are to be taken meanwhile.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// Matches no password; of the same cost, so that an unknown person takes as long as a known one.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bGVhZG1lc2ggbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Long enough, and guessed first all the same.
const COMMON: [&str; 14] = [
    "0123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "abcdefghij",
    "changeme123",
    "letmein123",
    "password12",
    "password123",
    "password1234",
    "qwertyuiop",
    "qwerty12345",
];

/// Whether a password may be chosen.
pub fn check(password: &str, email: &str, path: &str) -> std::result::Result<(), UserError> {
    let prepared = if password.len() > BYTES {
        None
    } else {
        Some(prepared(password)).filter(|prepared| prepared.chars().count() <= *LENGTH.end())
    };
    let Some(prepared) = prepared else {
        let message = format!("use at most {} characters", LENGTH.end());
        return Err(UserError::new(UserErrorCode::TooLong, path, message));
    };
    let refusal = if prepared.chars().count() < *LENGTH.start() {
        format!("use at least {} characters", LENGTH.start())
    } else if prepared.chars().any(is_unprintable) {
        "use no tabs, line breaks or other control characters".to_owned()
    } else if is_easy(&prepared.to_lowercase(), email) {
        "this password is easy to guess: choose another".to_owned()
    } else {
        return Ok(());
    };
    Err(UserError::new(UserErrorCode::Invalid, path, refusal))
}

/// The `OpaqueString` form (RFC 8265, section 4.2): every space an ASCII space, and composed (NFC).
fn prepared(password: &str) -> String {
    let spaced = password.chars().map(|character| match character {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    });
    spaced.nfc().collect()
}

/// Control characters, and the separators of lines and paragraphs: some password fields cannot take them.
fn is_unprintable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// What a typed password may have been hashed as: normalized; as typed; and, before passwords were normalized, as a device
/// wrote it that decomposes.
fn forms(typed: String) -> Vec<String> {
    if typed.len() > BYTES {
        // Longer than any valid password: refused, but after the usual time.
        return vec![typed];
    }
    let mut forms = vec![prepared(&typed)];
    let decomposed = typed.nfd().collect();
    for form in [typed, decomposed] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

fn is_easy(password: &str, email: &str) -> bool {
    let mut characters = password.chars();
    let first = characters.next();
    COMMON.contains(&password) || password == email || characters.all(|character| Some(character) == first)
}

pub async fn hash(password: String) -> Result<String> {
    run_blocking(move || {
        let hash: PasswordHash = argon2()?
            .hash_password(prepared(&password).as_bytes())
            .map_err(|error| anyhow!("cannot hash a password: {error}"))?;
        Ok(hash.to_string())
    })
    .await
}

/// Hashes that one log-in is compared with: always as many, so that its time does not reveal how many people claim an address.
pub const CANDIDATES: usize = 3;

/// Whether the password matches the hash. Without a hash it never does, after the same time.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    run_blocking(move || {
        let mut fits = false;
        for form in forms(password) {
            fits |= is_of(&form, hash.as_deref())?;
        }
        Ok(fits)
    })
    .await
}

/// The hash that a typed password matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashMatch {
    pub index: usize,
    /// Whether the hash was made of the text as typed, before passwords were normalized: a new hash replaces it.
    pub is_outdated: bool,
}

/// The first hash that matches. Compares [`CANDIDATES`] hashes, whether or not there are as many; the time depends on the typed
/// text only, which may have several forms.
pub async fn first_of(password: String, hashes: Vec<String>) -> Result<Option<HashMatch>> {
    run_blocking(move || {
        let forms = forms(password);
        let mut found = None;
        for index in 0..CANDIDATES {
            for (number, form) in forms.iter().enumerate() {
                if is_of(form, hashes.get(index).map(String::as_str))? && found.is_none() {
                    let is_outdated = number > 0;
                    found = Some(HashMatch { index, is_outdated });
                }
            }
        }
        Ok(found)
    })
    .await
}

fn is_of(password: &str, hash: Option<&str>) -> anyhow::Result<bool> {
    let known = hash.is_some();
    let hash = PasswordHash::new(hash.unwrap_or(DUMMY_HASH))
        .map_err(|error| anyhow!("a password hash is damaged: {error}"))?;
    let fits = argon2()?.verify_password(password.as_bytes(), &hash).is_ok();
    Ok(fits && known)
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| anyhow!("argon2 parameters: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// On a blocking thread, when a permit is free. The permit goes along: a caller that gives up frees no core.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
    let permit: SemaphorePermit<'static> = match tokio::time::timeout(PATIENCE, AT_ONCE.acquire()).await {
        Ok(Ok(permit)) => permit,
        Ok(Err(_)) | Err(_) => {
            return Err(Error::Unavailable("too many people are signing in now: try again"));
        }
    };
    let done = tokio::task::spawn_blocking(move || {
        let _until_the_end = permit;
        work()
    });
    Ok(done.await.map_err(anyhow::Error::from)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(password: &str) -> Option<UserErrorCode> {
        check(password, "ann.long@example.com", "input.password")
            .err()
            .map(|broken| broken.code)
    }

    #[test]
    fn length_counts_characters_and_easy_ones_are_refused() {
        assert_eq!(refusal("correct horse"), None);
        assert_eq!(refusal("ein schöner Tag"), None);
        assert_eq!(refusal("äöüäöüäöü"), Some(UserErrorCode::Invalid));
        assert_eq!(refusal(&"ab".repeat(100)), None);
        assert_eq!(refusal(&"ab".repeat(101)), Some(UserErrorCode::TooLong));
        for easy in ["Password123", "aaaaaaaaaaaaaa", "Ann.Long@Example.com", ""] {
            assert_eq!(refusal(easy), Some(UserErrorCode::Invalid), "{easy}");
        }
        assert!(COMMON.iter().all(|common| LENGTH.contains(&common.len())));
    }

    #[test]
    fn a_password_is_composed_with_plain_spaces_and_without_control_characters() {
        assert_eq!(
            prepared("cafe\u{301}\u{a0}au\u{2003}lait\u{3000}"),
            "caf\u{e9} au lait "
        );
        // U+212B is the same as U+00C5; compatibility forms are others.
        assert_eq!(prepared("\u{212b}\u{fb01}"), "\u{c5}\u{fb01}");
        for odd in [
            "correct\thorse",
            "correct horse\n",
            "correct\0horse",
            "correct\u{2028}horse",
        ] {
            assert_eq!(refusal(odd), Some(UserErrorCode::Invalid), "{odd:?}");
        }
        // Counted as people see them. The length is bounded before normalization, which costs time.
        assert_eq!(refusal(&"ae\u{301}".repeat(100)), None);
        assert_eq!(refusal(&"ae\u{301}".repeat(101)), Some(UserErrorCode::TooLong));
        assert_eq!(refusal(&"ae\u{301}".repeat(4)), Some(UserErrorCode::Invalid));
        let piled = format!("e{}", "\u{301}".repeat(BYTES));
        assert_eq!(refusal(&piled), Some(UserErrorCode::TooLong));
    }

    #[tokio::test]
    async fn a_password_opens_in_every_way_of_writing_it() {
        let ways = [
            "caf\u{e9} au lait",
            "cafe\u{301} au lait",
            "cafe\u{301}\u{a0}au\u{2003}lait",
        ];
        for set in ways {
            let stored = hash(set.to_owned()).await.unwrap();
            for typed in ways {
                assert!(
                    verify(typed.to_owned(), Some(stored.clone())).await.unwrap(),
                    "{set:?} {typed:?}"
                );
                let found = first_of(typed.to_owned(), vec![stored.clone()]).await.unwrap();
                let matching = HashMatch {
                    index: 0,
                    is_outdated: false,
                };
                assert_eq!(found, Some(matching));
            }
            assert!(!verify("cafe au lait".to_owned(), Some(stored)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_hash_of_the_text_as_it_came_opens_and_is_outdated() {
        for (raw, typed) in [
            ("cafe\u{301} au lait", "cafe\u{301} au lait"),
            ("cafe\u{301} au lait", "caf\u{e9} au lait"),
            ("caf\u{e9}\u{a0}au\tlait", "caf\u{e9}\u{a0}au\tlait"),
        ] {
            let stored: PasswordHash = argon2().unwrap().hash_password(raw.as_bytes()).unwrap();
            let found = first_of(typed.to_owned(), vec![stored.to_string()]).await.unwrap();
            assert!(found.is_some_and(|matching| matching.is_outdated), "{raw:?} {typed:?}");
            assert!(verify(typed.to_owned(), Some(stored.to_string())).await.unwrap());
        }
        let endless = "x".repeat(BYTES + 1);
        assert!(!verify(endless, None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_opens_for_its_password_only_and_is_salted() {
        let stored = hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash("correct horse".into()).await.unwrap());
        assert!(verify("correct horse".into(), Some(stored.clone())).await.unwrap());
        assert!(!verify("correct horsf".into(), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn of_several_hashes_the_first_that_fits_is_found() {
        let (one, other) = (
            hash("correct horse".into()).await.unwrap(),
            hash("battery staple".into()).await.unwrap(),
        );
        let index = async |password: &str, hashes: Vec<&String>| {
            let found = first_of(password.to_owned(), hashes.into_iter().cloned().collect()).await;
            found.map(|found| found.map(|matching| matching.index))
        };
        assert_eq!(
            index("battery staple", vec![&one, &other, &other]).await.unwrap(),
            Some(1)
        );
        assert_eq!(index("neither of them", vec![&one, &other]).await.unwrap(), None);
        assert_eq!(index("correct horse", Vec::new()).await.unwrap(), None);
        assert_eq!(
            index("correct horse", vec![&other, &other, &other, &one])
                .await
                .unwrap(),
            None
        );
    }

    #[tokio::test]
    async fn nobody_has_a_password_but_costs_the_same() {
        assert!(!verify("correct horse".into(), None).await.unwrap());
        let nobody = PasswordHash::new(DUMMY_HASH).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), COST);
        assert_eq!(nobody.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
    }
}
