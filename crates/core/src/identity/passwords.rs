//! Passwords: argon2id (RFC 9106) with the parameters that OWASP's password storage cheat sheet gives as its minimum.
//!
//! Devices write the same characters in different ways: an `é` is one code point here and two there. What is hashed is therefore
//! the form that RFC 8265 (`OpaqueString`) gives a password, see `prepared`. Hashes from before that were made of the text as it
//! came; they open for it too, and are replaced when they do.

use std::time::Duration;

use anyhow::anyhow;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{Semaphore, SemaphorePermit};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Broken, Error, Result, UserErrorCode};

/// Fewest and most characters of a password.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
/// Most bytes of a password as it comes, before anything is done to it: more than any that is short enough can have.
const BYTES: usize = 4_096;
/// KiB of memory, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Passwords worked on at once: each takes a core and 19 MiB, and leads are to be taken meanwhile.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// Opens for no password; of the same cost, so that an unknown person takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGVhZG1lc2ggbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Long enough and guessed first all the same.
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
pub fn check(password: &str, email: &str, path: &str) -> std::result::Result<(), Broken> {
    let prepared = if password.len() > BYTES {
        None
    } else {
        Some(prepared(password)).filter(|prepared| prepared.chars().count() <= *LENGTH.end())
    };
    let Some(prepared) = prepared else {
        let message = format!("take at most {} characters", LENGTH.end());
        return Err(Broken::new(UserErrorCode::TooLong, path, message));
    };
    let refusal = if prepared.chars().count() < *LENGTH.start() {
        format!("take at least {} characters", LENGTH.start())
    } else if prepared.chars().any(is_unprintable) {
        "take no tabs, line breaks or other control characters".to_owned()
    } else if is_easy(&prepared.to_lowercase(), email) {
        "this password is guessed at once: take another".to_owned()
    } else {
        return Ok(());
    };
    Err(Broken::new(UserErrorCode::Invalid, path, refusal))
}

/// A password as RFC 8265, section 4.2, prepares it: every space an ASCII space, and composed (NFC).
fn prepared(password: &str) -> String {
    let spaced = password.chars().map(|character| match character {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    });
    spaced.nfc().collect()
}

/// Control characters, and the separators of lines and paragraphs: a password field cannot take them everywhere.
fn is_unprintable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// What a password that was typed in may have been hashed as: prepared; as it came; and, before passwords were prepared, as a
/// device wrote it that decomposes.
fn forms(typed: String) -> Vec<String> {
    if typed.len() > BYTES {
        // Longer than any that could be chosen: it fits nothing, after the usual time.
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

/// A hash of the prepared password, to keep, with a salt of its own.
pub async fn hash(password: String) -> Result<String> {
    at_leisure(move || {
        let hash: PasswordHash = argon2()?
            .hash_password(prepared(&password).as_bytes())
            .map_err(|error| anyhow!("cannot hash a password: {error}"))?;
        Ok(hash.to_string())
    })
    .await
}

/// Hashes that one log-in is compared with: always as many, so that its time does not tell how many people claim an address.
pub const CANDIDATES: usize = 3;

/// Whether it is the password of that hash; of none, after the same time, it never is.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    at_leisure(move || {
        let mut fits = false;
        for form in forms(password) {
            fits |= is_of(&form, hash.as_deref())?;
        }
        Ok(fits)
    })
    .await
}

/// Of some hashes the one whose password was typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitting {
    /// Its place among them.
    pub place: usize,
    /// Whether it was made of the text as it came, before passwords were prepared: a new one is to replace it.
    pub is_outdated: bool,
}

/// The first of some hashes whose password it is. Looks at [`CANDIDATES`] hashes, whether or not there are as many; how long it
/// takes tells of the typed text only, of which some have more forms than others.
pub async fn first_of(password: String, hashes: Vec<String>) -> Result<Option<Fitting>> {
    at_leisure(move || {
        let forms = forms(password);
        let mut found = None;
        for place in 0..CANDIDATES {
            for (number, form) in forms.iter().enumerate() {
                if is_of(form, hashes.get(place).map(String::as_str))? && found.is_none() {
                    let is_outdated = number > 0;
                    found = Some(Fitting { place, is_outdated });
                }
            }
        }
        Ok(found)
    })
    .await
}

fn is_of(password: &str, hash: Option<&str>) -> anyhow::Result<bool> {
    let known = hash.is_some();
    let hash =
        PasswordHash::new(hash.unwrap_or(NOBODY)).map_err(|error| anyhow!("a password hash is damaged: {error}"))?;
    let fits = argon2()?.verify_password(password.as_bytes(), &hash).is_ok();
    Ok(fits && known)
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| anyhow!("argon2 parameters: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// On a thread that may block, when it is this one's turn. The permit goes along: a caller that gives up frees no core.
async fn at_leisure<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
    let permit: SemaphorePermit<'static> = match tokio::time::timeout(PATIENCE, AT_ONCE.acquire()).await {
        Ok(Ok(permit)) => permit,
        Ok(Err(_)) | Err(_) => {
            return Err(Error::Unavailable(
                "too many people are signing in at this moment: try again",
            ));
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
        // Counted as people see them, and bounded before they are composed.
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
            let kept = hash(set.to_owned()).await.unwrap();
            for typed in ways {
                assert!(
                    verify(typed.to_owned(), Some(kept.clone())).await.unwrap(),
                    "{set:?} {typed:?}"
                );
                let found = first_of(typed.to_owned(), vec![kept.clone()]).await.unwrap();
                let fitting = Fitting {
                    place: 0,
                    is_outdated: false,
                };
                assert_eq!(found, Some(fitting));
            }
            assert!(!verify("cafe au lait".to_owned(), Some(kept)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_hash_of_the_text_as_it_came_opens_and_is_outdated() {
        for (raw, typed) in [
            ("cafe\u{301} au lait", "cafe\u{301} au lait"),
            ("cafe\u{301} au lait", "caf\u{e9} au lait"),
            ("caf\u{e9}\u{a0}au\tlait", "caf\u{e9}\u{a0}au\tlait"),
        ] {
            let kept: PasswordHash = argon2().unwrap().hash_password(raw.as_bytes()).unwrap();
            let found = first_of(typed.to_owned(), vec![kept.to_string()]).await.unwrap();
            assert!(found.is_some_and(|fitting| fitting.is_outdated), "{raw:?} {typed:?}");
            assert!(verify(typed.to_owned(), Some(kept.to_string())).await.unwrap());
        }
        let endless = "x".repeat(BYTES + 1);
        assert!(!verify(endless, None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_opens_for_its_password_only_and_is_salted() {
        let kept = hash("correct horse".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash("correct horse".into()).await.unwrap());
        assert!(verify("correct horse".into(), Some(kept.clone())).await.unwrap());
        assert!(!verify("correct horsf".into(), Some(kept)).await.unwrap());
    }

    #[tokio::test]
    async fn of_several_hashes_the_first_that_fits_is_found() {
        let (one, other) = (
            hash("correct horse".into()).await.unwrap(),
            hash("battery staple".into()).await.unwrap(),
        );
        let place = async |password: &str, hashes: Vec<&String>| {
            let found = first_of(password.to_owned(), hashes.into_iter().cloned().collect()).await;
            found.map(|found| found.map(|fitting| fitting.place))
        };
        assert_eq!(
            place("battery staple", vec![&one, &other, &other]).await.unwrap(),
            Some(1)
        );
        assert_eq!(place("neither of them", vec![&one, &other]).await.unwrap(), None);
        assert_eq!(place("correct horse", Vec::new()).await.unwrap(), None);
        assert_eq!(
            place("correct horse", vec![&other, &other, &other, &one])
                .await
                .unwrap(),
            None
        );
    }

    #[tokio::test]
    async fn nobody_has_a_password_but_costs_the_same() {
        assert!(!verify("correct horse".into(), None).await.unwrap());
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), COST);
        assert_eq!(nobody.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
    }
}
