//! Standard Webhooks signatures, version 1.0 (symmetric, `v1`).
//!
//! The signed text is `{id}.{timestamp}.{body}` with the exact bytes of the body. While a secret is being replaced the
//! signature header carries one signature per secret, so that the receiver may switch at any moment.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

const PREFIX: &str = "whsec_";

/// A signing secret: 24 to 64 random bytes, written as `whsec_` and base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A text that is not a signing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` followed by the base64 of 24 to 64 bytes")]
pub struct NotASecret;

impl Secret {
    /// A new secret of 32 bytes; they have to come from a cryptographic random source.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// Reads the `whsec_` form.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        let bytes = STANDARD.decode(encoded).ok().ok_or(NotASecret)?;
        (24..=64)
            .contains(&bytes.len())
            .then_some(Self(bytes))
            .ok_or(NotASecret)
    }

    /// The `whsec_` form: to be shown once, when the secret is made, and stored sealed.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The `v1,…` signature of one message.
    fn sign(&self, signed: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature` for one message: one signature per secret, separated by spaces.
/// `timestamp` is in Unix seconds. `id` must contain no full stop, or two messages could share a signature.
pub fn signature(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(&signed)).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_public_test_vector_comes_out() {
        let secret = Secret::parse(PUBLIC).unwrap();
        let signed = signature(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs_during_a_rotation() {
        let (new, old) = (Secret::from_random([7; 32]), Secret::parse(PUBLIC).unwrap());
        let both = signature(&[new.clone(), old.clone()], "m", 1, b"x");
        let alone = [signature(&[new], "m", 1, b"x"), signature(&[old], "m", 1, b"x")];
        assert_eq!(both, alone.join(" "));
        assert_ne!(alone[0], alone[1]);
    }

    #[test]
    fn id_time_and_body_each_change_the_signature() {
        let secret = [Secret::from_random([1; 32])];
        let base = signature(&secret, "m", 1, b"x");
        assert_ne!(base, signature(&secret, "n", 1, b"x"));
        assert_ne!(base, signature(&secret, "m", 2, b"x"));
        assert_ne!(base, signature(&secret, "m", 1, b"y"));
    }

    #[test]
    fn a_secret_survives_being_written_and_read() {
        let secret = Secret::from_random([0xab; 32]);
        assert!(secret.reveal().starts_with("whsec_q6ur"));
        assert_eq!(Secret::parse(&secret.reveal()), Ok(secret));
    }

    #[test]
    fn texts_that_are_no_secrets_are_refused() {
        for text in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_%%%%",
        ] {
            assert_eq!(Secret::parse(text), Err(NotASecret), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::from_random([65; 32])), "Secret(…)");
    }
}
