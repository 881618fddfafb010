//! Whose signature makes a mail server's certificate good: the authorities of the system, as for webhooks, or Mozilla's where
//! the system has none.

use std::sync::LazyLock;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use rustls::RootCertStore;

/// As they were when the first connection was made.
static SYSTEM: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read certificate authorities of the system");
    }
    let usable = found.certs.into_iter().filter(|certificate| {
        // One that cannot be read would make every connection fail.
        RootCertStore::empty().add(certificate.clone()).is_ok()
    });
    usable
        .filter_map(|certificate| Certificate::from_der(certificate.to_vec()).ok())
        .collect()
});

/// TLS with a server of that name, whatever address is dialled.
pub(super) fn tls(name: &str) -> Result<TlsParameters, Error> {
    let builder = TlsParameters::builder(name.to_owned());
    if SYSTEM.is_empty() {
        return builder.certificate_store(CertificateStore::WebpkiRoots).build_rustls();
    }
    let trusting = SYSTEM.iter().cloned();
    trusting
        .fold(
            builder.certificate_store(CertificateStore::None),
            TlsParametersBuilder::add_root_certificate,
        )
        .build_rustls()
}
