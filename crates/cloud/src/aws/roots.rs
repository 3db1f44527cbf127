//! The authorities whose certificates are believed, found as the HTTP client itself finds them: in `SSL_CERT_FILE` and
//! `SSL_CERT_DIR`, else where the system keeps them. Without one no service is believed, and each call fails by itself.

use rustls_native_certs::load_native_certs;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Certificates of authorities.
    pub count: usize,
    /// What could not be read of them.
    pub faults: Vec<String>,
}

/// Looks for them now. The client looked once, at its first call.
pub fn roots() -> Roots {
    let found = load_native_certs();
    Roots { count: found.certs.len(), faults: found.errors.iter().map(ToString::to_string).collect() }
}
