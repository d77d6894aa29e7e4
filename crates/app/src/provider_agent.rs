//! What asks providers on behalf of the control plane. It trusts whom the gateway trusts: a test that
//! succeeds must mean that calls get through.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts};

use crate::client;

/// A person waits for the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client that trusts the public authorities, and those of the operator.
pub(crate) fn new(own_roots: &[CertificateDer<'static>]) -> ureq::Agent {
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    let roots: Vec<Certificate<'static>> =
        public.iter().chain(own_roots).map(|root| Certificate::from_der(root).to_owned()).collect();
    client::agent_trusting(RootCerts::from(roots), TIMEOUT)
}
