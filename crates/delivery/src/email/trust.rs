//! Whose signature makes a mail server's certificate good: the authorities of the system, as for webhooks, or Mozilla's where
//! the system has none.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure::{self, Failure};

/// As the authorities were when the first connection was made.
static TRUSTING: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let config = ClientConfig::builder().with_root_certificates(roots());
    Arc::new(config.with_no_client_auth())
});

fn roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read certificate authorities of the system");
    }
    let mut roots = RootCertStore::empty();
    // One that cannot be read would make every connection fail.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    roots
}

/// Secures a connection to a server of that name, whatever address was dialled.
pub(super) async fn secure(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_no_name| {
        Failure::Tls("the host of the mail server is no name that a certificate could be for".into())
    })?;
    let connector = TlsConnector::from(TRUSTING.clone());
    connector
        .connect(name, stream)
        .await
        .map_err(|error| failure::explain(&error))
}
