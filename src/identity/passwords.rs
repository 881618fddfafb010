//! Passwords: argon2id (RFC 9106) with the parameters that OWASP's password storage cheat sheet gives as its minimum.

use std::time::Duration;

use anyhow::anyhow;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Broken, Error, Result, UserErrorCode};

/// Fewest and most characters of a password.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
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
    let length = password.chars().count();
    if length > *LENGTH.end() {
        let message = format!("take at most {} characters", LENGTH.end());
        return Err(Broken::new(UserErrorCode::TooLong, path, message));
    }
    let refusal = if length < *LENGTH.start() {
        format!("take at least {} characters", LENGTH.start())
    } else if is_easy(&password.to_lowercase(), email) {
        "this password is guessed at once: take another".to_owned()
    } else {
        return Ok(());
    };
    Err(Broken::new(UserErrorCode::Invalid, path, refusal))
}

fn is_easy(password: &str, email: &str) -> bool {
    let mut characters = password.chars();
    let first = characters.next();
    COMMON.contains(&password) || password == email || characters.all(|character| Some(character) == first)
}

/// A hash to keep, with a salt of its own.
pub async fn hash(password: String) -> Result<String> {
    at_leisure(move || {
        let hash: PasswordHash = argon2()?
            .hash_password(password.as_bytes())
            .map_err(|error| anyhow!("cannot hash a password: {error}"))?;
        Ok(hash.to_string())
    })
    .await
}

/// Hashes that one log-in is compared with: always as many, so that its time does not tell how many people claim an address.
pub const CANDIDATES: usize = 3;

/// Whether it is the password of that hash; of none, after the same time, it never is.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    at_leisure(move || is_of(&password, hash.as_deref())).await
}

/// The place of the first of some hashes whose password it is. Looks at [`CANDIDATES`] hashes, whether or not there are as many.
pub async fn first_of(password: String, hashes: Vec<String>) -> Result<Option<usize>> {
    at_leisure(move || {
        let mut found = None;
        for place in 0..CANDIDATES {
            if is_of(&password, hashes.get(place).map(String::as_str))? && found.is_none() {
                found = Some(place);
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
        let place =
            |password: &str, hashes: Vec<&String>| first_of(password.to_owned(), hashes.into_iter().cloned().collect());
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
