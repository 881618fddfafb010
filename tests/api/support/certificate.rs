//! Certificates made on the spot, so that no key has to be kept among the tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// No trust store has an authority of this name.
const ISSUER: &[u8] = b"Leadmesh tests, trusted by nobody";
const OID_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OID_SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const OID_EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// A certificate (DER) that signs itself for a host name and for 127.0.0.1, valid in this century, and its key (PKCS #8).
fn self_signed(host: &str) -> (Vec<u8>, Vec<u8>) {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
    let signed = to_be_signed(host, pair.public_key().as_ref());
    let signature = pair.sign(&random, &signed).unwrap();
    let certificate = sequence(&[&signed, &algorithm(), &bits(signature.as_ref())]);
    (certificate, key.as_ref().to_vec())
}

/// A TLS server with such a certificate for `localhost`, that speaks these protocols; and the certificate as PEM.
pub(crate) fn server(protocols: &[&str]) -> (ServerConfig, String) {
    leadmesh_core::tls::install_tls();
    let (certificate, key) = self_signed("localhost");
    let pem = pem(&certificate);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    (config, pem)
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

fn to_be_signed(host: &str, public_key: &[u8]) -> Vec<u8> {
    let version = tlv(0xa0, &[&tlv(0x02, &[&[2]])]);
    let serial = tlv(0x02, &[&[1]]);
    let name = sequence(&[&tlv(
        0x31,
        &[&sequence(&[&oid(OID_COMMON_NAME), &tlv(0x0c, &[ISSUER])])],
    )]);
    let validity = sequence(&[&tlv(0x18, &[b"20000101000000Z"]), &tlv(0x18, &[b"20991231235959Z"])]);
    let curve = sequence(&[&oid(OID_EC_PUBLIC_KEY), &oid(OID_P256)]);
    let public_key = sequence(&[&curve, &bits(public_key)]);
    let names = [tlv(0x82, &[host.as_bytes()]), tlv(0x87, &[&[127, 0, 0, 1]])].concat();
    let names = tlv(0x04, &[&sequence(&[&names])]);
    let extensions = tlv(0xa3, &[&sequence(&[&sequence(&[&oid(OID_SUBJECT_ALT_NAME), &names])])]);
    sequence(&[
        &version,
        &serial,
        &algorithm(),
        &name,
        &validity,
        &name,
        &public_key,
        &extensions,
    ])
}

fn algorithm() -> Vec<u8> {
    sequence(&[&oid(OID_ECDSA_SHA256)])
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    tlv(0x06, &[bytes])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Tag, length and value of DER, for values below 64 KiB.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    let mut out = vec![tag];
    match value.len() {
        0..128 => out.push(low),
        128..256 => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend(value);
    out
}
