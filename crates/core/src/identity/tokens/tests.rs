use super::*;

fn keys(byte: u8) -> TokenKeys {
    TokenKeys::new(&Secret([byte; 32]))
}

fn subject() -> Subject {
    Subject {
        person: "usr_1".into(),
        account: AccountId(Uuid::from_u128(1)),
        scope: Scope::Portal,
        session: SessionId(Uuid::from_u128(2)),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(700)
}

#[test]
fn a_token_says_for_whom_it_is_until_it_ends() {
    let keys = keys(1);
    let (token, end) = keys.issue(subject(), now(), now() + TimeDelta::days(1)).unwrap();
    let claims = keys.read(&token, end - TimeDelta::microseconds(1)).unwrap();
    assert_eq!((claims.sub.as_str(), claims.scope), ("usr_1", Scope::Portal));
    assert_eq!((claims.acct, claims.sid), (subject().account, subject().session));
    assert_eq!(end, now() + ACCESS_LIFETIME - TimeDelta::milliseconds(700));
    assert_eq!(keys.read(&token, end), None);
}

#[test]
fn a_token_of_another_key_or_algorithm_or_with_changed_claims_is_refused() {
    let keys = keys(1);
    let (token, _) = keys.issue(subject(), now(), now() + TimeDelta::days(1)).unwrap();
    let (other, _) = super::tests::keys(2)
        .issue(subject(), now(), now() + TimeDelta::days(1))
        .unwrap();
    assert_eq!(keys.read(&other, now()), None);

    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!()
    };
    let promoted = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let promoted = String::from_utf8(promoted).unwrap().replace("portal", "account");
    let promoted = URL_SAFE_NO_PAD.encode(promoted);
    assert_eq!(keys.read(&format!("{header}.{promoted}.{signature}"), now()), None);

    let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    assert_eq!(keys.read(&format!("{none}.{claims}."), now()), None);
    assert_eq!(keys.read("", now()), None);
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    let keys = keys(1);
    let (token, _) = keys.issue(subject(), now(), now() + TimeDelta::days(1)).unwrap();
    let mut claims = keys.read(&token, now()).unwrap();
    claims.iss = "somebody".into();
    let foreign = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &keys.sign).unwrap();
    assert_eq!(keys.read(&foreign, now()), None);
}

#[test]
fn a_refresh_token_names_its_session_and_never_repeats() {
    let session = SessionId(Uuid::from_u128(7));
    let (one, two) = (refresh_token(session), refresh_token(session));
    assert_ne!(one, two);
    assert_eq!((session_of(&one), session_of(&two)), (Some(session), Some(session)));
    assert_eq!(session_of(&random(API_KEY)), None);
    assert_eq!(session_of(&one[..one.len() - 4]), None);
    assert_eq!(session_of("lmr_ü"), None);
}

#[test]
fn random_texts_hold_256_bits_in_safe_characters() {
    let key = random(API_KEY);
    assert_eq!(key.len(), API_KEY.len() + 43);
    assert!(
        key.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    );
}

/// FIPS 180-2, appendix B.1.
#[test]
fn hashes_are_sha_256_in_hexadecimal_digits() {
    assert_eq!(
        hash("abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn an_access_token_ends_with_its_session() {
    let soon = now() + TimeDelta::seconds(90);
    let (token, end) = keys(1).issue(subject(), now(), soon).unwrap();
    assert_eq!(end.timestamp(), soon.timestamp());
    assert_eq!(keys(1).read(&token, end), None);
}

#[test]
fn the_successor_of_a_refresh_token_depends_on_it_and_the_secret_only() {
    let session = SessionId(Uuid::from_u128(7));
    let (one, other) = (refresh_token(session), refresh_token(session));
    let next = keys(1).successor(session, &one);
    assert_eq!(next, keys(1).successor(session, &one));
    assert_eq!((session_of(&next), next.len()), (Some(session), one.len()));
    let others = [
        keys(2).successor(session, &one),
        keys(1).successor(session, &other),
        keys(1).successor(session, &next),
        one,
    ];
    assert!(!others.contains(&next));
}
