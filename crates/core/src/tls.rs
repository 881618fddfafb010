//! The one TLS stack of the process: rustls with ring.

use std::sync::Once;

/// Makes ring the cryptography of every TLS connection of this process. Call it at the start of `main` and of every test that
/// connects; later calls do nothing. Without it reqwest panics when its client is built.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another TLS provider was installed first and stays");
        }
    });
}
